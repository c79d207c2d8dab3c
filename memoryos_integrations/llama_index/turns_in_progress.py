"""What this process knows of turns that are under way: which page asks, as what, and with which tools so far.

LlamaIndex hands a memory one message at a time and says of none to which turn it belongs. What it was asked
in a call or in a run of a workflow, it is answered there. A turn that goes on in another process is unknown
here; nothing may depend on its being known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType

from llama_index.core.base.llms.types import ChatMessage

from memoryos_engine import DialoguePage, Owner, UserMemory
from memoryos_integrations.latest_values import LatestValues
from memoryos_integrations.llama_index.blocks import is_plain
from memoryos_integrations.llama_index.run_scope import run_id
from memoryos_integrations.llama_index.tool_traffic import Call

Thread = tuple[str, Owner, str]
"""One session of one owner in one system."""

MOST_ASKED_HERE = 32

_asked_here: ContextVar[Mapping[Thread, str]] = ContextVar("memoryos_asked", default=MappingProxyType({}))
"""The page each session asked last, as this thread or task knows it and those begun by it."""
_asked_in_run: LatestValues[tuple[str, Thread], str] = LatestValues(10_000)
"""The same by run of a workflow, whose steps are tasks that know nothing of each other."""
_as_said: LatestValues[tuple[Thread, str], ChatMessage] = LatestValues(32)
"""Messages that are more than a text, by page: models are shown them as they came, while this process knows them."""
_traffic: LatestValues[Thread, Sequence[Call]] = LatestValues(1_000)
"""What tools were asked in a session since its last answer."""
_instructions: LatestValues[Thread, Sequence[ChatMessage]] = LatestValues(1_000)
"""What the application told the model in a session, which is no memory of its user."""


def thread_of(memory: UserMemory) -> Thread:
    """Return the session a memory is about."""
    return memory.system.reference().token, memory.owner, memory.session_id


def note_asked(memory: UserMemory, page_id: str) -> None:
    """Note which page waits for an answer in the call or run this is part of."""
    thread, run = thread_of(memory), run_id()
    if run is not None:
        _asked_in_run.put((run, thread), page_id)
    others = [(key, value) for key, value in _asked_here.get().items() if key != thread]
    _asked_here.set(MappingProxyType(dict([*others[1 - MOST_ASKED_HERE :], (thread, page_id)])))


def asked(memory: UserMemory) -> str | None:
    """Return the page that was asked last in the call or run this is part of; None if none is known."""
    thread, run = thread_of(memory), run_id()
    in_run = None if run is None else _asked_in_run.get((run, thread))
    return in_run or _asked_here.get().get(thread)


def keep_as_said(memory: UserMemory, page_id: str, message: ChatMessage) -> None:
    """Keep a message as it came, if its text is not all there is to it."""
    copied = None if is_plain(message.blocks) and not message.additional_kwargs else _copied(message)
    if copied is not None:
        _as_said.put((thread_of(memory), page_id), copied)


def as_said(memory: UserMemory, page: DialoguePage) -> ChatMessage | None:
    """Return the user's message of a page as it came, made anew; None if its text is all that is known."""
    kept = _as_said.get((thread_of(memory), page.id))
    return None if kept is None else _copied(kept)


def keep_traffic(memory: UserMemory, calls: Sequence[Call]) -> None:
    """Keep what tools were asked and said until the answer comes."""
    _traffic.put(thread_of(memory), tuple(calls))


def take_traffic(memory: UserMemory) -> Sequence[Call]:
    """Return what was kept, and keep it no longer."""
    return _traffic.take(thread_of(memory)) or ()


def instructions(memory: UserMemory) -> list[ChatMessage]:
    """Return what the application told the model in this session, made anew."""
    return [message.model_copy(deep=True) for message in _instructions.get(thread_of(memory)) or ()]


def set_instructions(memory: UserMemory, messages: Iterable[ChatMessage]) -> None:
    """Keep what the application tells the model in this session, in place of what it told before."""
    _instructions.put(thread_of(memory), [_copied(message) or _as_text(message) for message in messages])


def _copied(message: ChatMessage) -> ChatMessage | None:
    """Return a copy of a message; None if it holds what cannot be copied."""
    try:
        return message.model_copy(deep=True)
    except Exception:  # noqa: BLE001 - open files, locks, and whatever else hosts put into messages
        return None


def _as_text(message: ChatMessage) -> ChatMessage:
    return ChatMessage(content=message.content or "", role=message.role)


def begin_anew(memory: UserMemory) -> None:
    """Know nothing more of the session's turns."""
    _traffic.take(thread_of(memory))
    _instructions.take(thread_of(memory))
