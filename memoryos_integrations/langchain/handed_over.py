"""Which of the messages that a host hands over are new to a session.

A host hands over one exchange; or what it was given and what came of it; or all that was ever
said, after every turn again. A message is known by its id: one that this memory gave out, or
one that was handed over before in this process. What has neither is compared by what it says.

Knows messages, sessions and ids; what is stored, and when, is `saving`'s.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from weakref import WeakKeyDictionary

from langchain_core.messages import BaseMessage, ToolMessage

from memoryos_engine import DialoguePage, MemoryOS, Owner, StoreError, UserMemory
from memoryos_integrations.langchain.messages import as_message, is_summary, page_id
from memoryos_integrations.saving import save
from memoryos_integrations.turns import Message, Turn, following, turns_of, unstored

_MOST_REMEMBERED = 20_000

Key = tuple[Owner, str, str]
"""A message: whose memory and which session it was handed to, and its id."""


def store_new(memory: UserMemory, messages: Sequence[BaseMessage], given: AbstractSet[str]) -> None:
    """Store what is new among messages as turns, after those that still wait.

    Args:
        memory: whose, and in which session.
        messages: as the host hands them over, in order.
        given: ids of messages that the host was given out of this session; they are known whether
            or not their pages are still there.

    Raises:
        InvalidInput, StoreError, ModelError, ClosedError: as `saving.save` does.
    """
    said = _as_said(messages)
    turns = _new_turns(memory, said, given)
    try:
        save(memory, turns)
    finally:
        handed.note(memory, said)


def _as_said(messages: Sequence[BaseMessage]) -> list[Message]:
    """Return what counts as said: no summaries, and a tool's result as the answer where a run ends with it."""
    real = [message for message in messages if not is_summary(message)]
    said = [as_message(message) for message in real]
    for place, message in enumerate(real):
        asked = any(each.role == "user" for each in said[:place])
        if asked and isinstance(message, ToolMessage) and _ends_a_run(said, place):
            said[place] = replace(said[place], role="agent")
    return said


def _ends_a_run(said: Sequence[Message], place: int) -> bool:
    return place + 1 == len(said) or said[place + 1].role == "user"


def _new_turns(memory: UserMemory, said: Sequence[Message], given: AbstractSet[str]) -> list[Turn]:
    known = _known_ids(memory, said, given)
    turns = turns_of(unstored(said, known.__contains__))
    return following(turns, _session_pages(memory) or ()) if len(turns) > 1 else turns


def _known_ids(memory: UserMemory, said: Sequence[Message], given: AbstractSet[str]) -> set[str]:
    """Return the ids of messages that are stored, or were and are forgotten.

    An id of ours that leads to no page of the session is that of a forgotten page if others lead to
    some; if none does, the messages are another session's and new to this one. A session without
    pages was cleared or purged: whatever it was handed before, it may be handed again.
    """
    ids = {message.id for message in said if message.id is not None}
    known, again = ids & given, handed.among(memory, said)
    ours = {each for each in ids - given if page_id(each)}
    if not (ours or again):
        return known
    stored = _session_pages(memory)
    if stored is None:
        return known | ours | again
    pages = {page.id for page in stored}
    ours_too = known or any(page_id(each) in pages for each in ours)
    return known | (ours if ours_too else set()) | (again if pages else set())


def _session_pages(memory: UserMemory) -> list[DialoguePage] | None:
    """Return the session's pages; None if they cannot be read now, which must not keep a turn from waiting."""
    try:
        return memory.session_pages()
    except StoreError:
        return None


class _Handed:
    """Ids of the messages that sessions were handed in this process, the oldest falling out. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: WeakKeyDictionary[MemoryOS, OrderedDict[Key, int]] = WeakKeyDictionary()

    def note(self, memory: UserMemory, said: Iterable[Message]) -> None:
        """Remember messages that have an id."""
        with self._lock:
            texts = self._texts(memory)
            for message in said:
                if message.id is not None:
                    texts[_key(memory, message.id)] = hash(message.text)
            while len(texts) > _MOST_REMEMBERED:
                texts.popitem(last=False)

    def among(self, memory: UserMemory, said: Sequence[Message]) -> set[str]:
        """Return the ids of messages that were handed over before.

        An id under which something else was said then is that of a message rewritten since, if what
        comes after it was handed over too; if not, its host counts anew for each turn.
        """
        found: set[str] = set()
        with self._lock:
            texts = self._texts(memory)
            for message in reversed(said):
                before = texts.get(_key(memory, message.id or ""))
                if message.id is not None and before is not None and (found or before == hash(message.text)):
                    found.add(message.id)
        return found

    def drop(self, memory: UserMemory) -> None:
        """Forget what the session was handed."""
        thread = (memory.owner, memory.session_id)
        with self._lock:
            texts = self._texts(memory)
            for key in [key for key in texts if key[:2] == thread]:
                del texts[key]

    def _texts(self, memory: UserMemory) -> OrderedDict[Key, int]:
        return self._of.setdefault(memory.system, OrderedDict())


def _key(memory: UserMemory, message_id: str) -> Key:
    return memory.owner, memory.session_id, message_id


handed = _Handed()
