"""What this process keeps beside a session's pages, so that models get messages as they came.

Nothing here is given after a purge, and nothing may depend on its being there: it ends with the process, and what is
used least falls out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from llama_index.core.base.llms.types import ChatMessage

from memoryos_engine import DialoguePage, Owner, UserMemory
from memoryos_integrations.latest_values import LatestValues
from memoryos_integrations.llama_index.blocks import is_plain
from memoryos_integrations.llama_index.tool_traffic import Call

SessionKey = tuple[str, Owner, str]
"""One session of one owner in one system."""
Value = TypeVar("Value")

MOST_PICTURES, MOST_SESSIONS, MOST_INSTRUCTIONS = 256, 10_000, 8
"""Messages that are kept as they came, and sessions whose instructions and tool traffic are, of all users; the latest
instructions of a session, of which an application with a clock in them gives ever new ones."""


def session_key(memory: UserMemory) -> SessionKey:
    """Return the session a memory is about."""
    return memory.system.reference().token, memory.owner, memory.session_id


class _Kept(Generic[Value]):
    """Values by session and name, until their owner is purged. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._values: LatestValues[tuple[SessionKey, str], tuple[int, Value]] = LatestValues(most)

    def put(self, memory: UserMemory, name: str, value: Value) -> None:
        self._values.put((session_key(memory), name), (memory.system.purges(memory.owner), value))

    def get(self, memory: UserMemory, name: str) -> Value | None:
        return self._unpurged(memory, self._values.get((session_key(memory), name)))

    def take(self, memory: UserMemory, name: str) -> Value | None:
        return self._unpurged(memory, self._values.take((session_key(memory), name)))

    def _unpurged(self, memory: UserMemory, kept: tuple[int, Value] | None) -> Value | None:
        return kept[1] if kept is not None and kept[0] == memory.system.purges(memory.owner) else None


_originals: _Kept[ChatMessage] = _Kept(MOST_PICTURES)
"""Messages of which the text is not all, by page."""
_traffic: _Kept[Sequence[Call]] = _Kept(MOST_SESSIONS)
"""What tools were asked on the way to an answer, by the page that waits for it."""
_instructions: _Kept[Sequence[ChatMessage]] = _Kept(MOST_SESSIONS)
"""What the application told the model in a session, which is no memory of its user."""
_OF_SESSION = ""


def keep_original(memory: UserMemory, page_id: str, message: ChatMessage) -> None:
    """Keep a message as it came, if its text is not all there is to it and it can be copied."""
    copied = None if is_plain(message.blocks) and not message.additional_kwargs else _copied(message)
    if copied is not None:
        _originals.put(memory, page_id, copied)


def original_of(memory: UserMemory, page: DialoguePage) -> ChatMessage | None:
    """Return the user's message of a page as it came, made anew; None if its text is all that is known."""
    kept = _originals.get(memory, page.id)
    return None if kept is None else _copied(kept)


def keep_traffic(memory: UserMemory, page_id: str | None, calls: Sequence[Call]) -> None:
    """Keep what tools were asked and said until the answer to a page comes."""
    if calls:
        _traffic.put(memory, page_id or _OF_SESSION, tuple(calls))


def take_traffic(memory: UserMemory, page_id: str | None) -> Sequence[Call]:
    """Return what was kept for the answer to a page, and keep it no longer."""
    return _traffic.take(memory, page_id or _OF_SESSION) or ()


def instructions(memory: UserMemory) -> list[ChatMessage]:
    """Return what the application told the model in this session, made anew."""
    return [_copied(message) or _as_text(message) for message in _instructions.get(memory, _OF_SESSION) or ()]


def set_instructions(memory: UserMemory, messages: Iterable[ChatMessage]) -> None:
    """Keep what the application tells the model in this session, each once, in place of what it told before."""
    told: list[ChatMessage] = []
    for message in messages:
        copied = _copied(message) or _as_text(message)
        if copied not in told:
            told.append(copied)
    if told:
        _instructions.put(memory, _OF_SESSION, told[-MOST_INSTRUCTIONS:])
    else:
        _instructions.take(memory, _OF_SESSION)


def begin_anew(memory: UserMemory) -> None:
    """Keep nothing more of the session as a whole."""
    _traffic.take(memory, _OF_SESSION)
    _instructions.take(memory, _OF_SESSION)


def _copied(message: ChatMessage) -> ChatMessage | None:
    """Return a copy of a message; None if it holds what cannot be copied."""
    try:
        return message.model_copy(deep=True)
    except Exception:  # noqa: BLE001 - open files, locks, and whatever else hosts put into messages
        return None


def _as_text(message: ChatMessage) -> ChatMessage:
    return ChatMessage(content=message.content or "", role=message.role)
