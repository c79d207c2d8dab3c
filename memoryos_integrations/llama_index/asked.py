"""Which page was asked in the call or run this is part of, and so is the one to be answered.

LlamaIndex hands a memory one message at a time and says of none to which turn it belongs. What was asked in a
call or in a run of a workflow is answered there. A turn that goes on elsewhere is unknown here, and its answer is
taken for that of the session's last page; from then on nobody waits for that page any more, though threads and tasks
that live long still know that they asked it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType

from memoryos_engine import DialoguePage, NotFound, UserMemory
from memoryos_integrations.latest_values import LatestValues
from memoryos_integrations.llama_index.kept import SessionKey, session_key
from memoryos_integrations.llama_index.run_scope import run_id

MOST_ASKED_HERE, MOST_OPEN = 32, 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """That a page was asked once, by one call or run; another may have asked the same page."""

    page_id: str


_open: LatestValues[tuple[SessionKey, str], frozenset[Asked]] = LatestValues(MOST_OPEN)
"""By page, those who asked it and got no answer yet."""
_asked_here: ContextVar[Mapping[SessionKey, Asked]] = ContextVar("memoryos_asked", default=MappingProxyType({}))
"""What each session was asked last, as this thread or task knows it and those begun by it."""
_asked_in_run: LatestValues[tuple[str, SessionKey], tuple[Asked, ...]] = LatestValues(MOST_OPEN)
"""What each was asked in a run of a workflow, whose steps are tasks that know nothing of each other: the run's own
question, then those that its tools asked."""


def ask(memory: UserMemory, page_id: str) -> Asked:
    """Have a page wait for an answer to whoever calls, who holds the session (`saving.holding`)."""
    key, asked = (session_key(memory), page_id), Asked(page_id)
    _open.put(key, (_open.get(key) or frozenset()) | {asked})
    return asked


def is_open(memory: UserMemory, asked: Asked) -> bool:
    """Return whether its answer has not come yet."""
    return asked in (_open.get((session_key(memory), asked.page_id)) or ())


def answered(memory: UserMemory, asked: Asked) -> None:
    """Have nobody wait for this any more. Who calls holds the session."""
    key = (session_key(memory), asked.page_id)
    if others := (_open.take(key) or frozenset()) - {asked}:
        _open.put(key, others)


def page_answered(memory: UserMemory, page_id: str) -> None:
    """Have nobody wait for a page any more: it is not known who of them was answered. Who calls holds the session."""
    _open.take((session_key(memory), page_id))


def note_asked(memory: UserMemory, asked: Asked | None) -> None:
    """Note what was asked last in this call or run; None if nothing, which leaves a run its question.

    To be called where what comes after can see it: in the task that awaits, not in the thread it awaits.
    """
    key, run = session_key(memory), run_id()
    if run is not None and asked is not None:
        before = tuple(each for each in _asked_in_run.get((run, key)) or () if is_open(memory, each))
        _asked_in_run.put((run, key), (*before, asked))
    others = [(other, value) for other, value in _asked_here.get().items() if other != key]
    last = [] if asked is None else [(key, asked)]
    _asked_here.set(MappingProxyType(dict([*others[1 - MOST_ASKED_HERE :], *last])))


def noted(memory: UserMemory) -> Asked | None:
    """Return what was asked last in this call or run and not answered, else what was asked last; None if unknown."""
    key, run = session_key(memory), run_id()
    in_run = (_asked_in_run.get((run, key)) or ()) if run is not None else ()
    if not in_run:
        return _asked_here.get().get(key)
    return next((each for each in reversed(in_run) if is_open(memory, each)), in_run[-1])


def page_asked(memory: UserMemory, asked: Asked | None) -> DialoguePage | None:
    """Return a page that was asked, whatever session it is in by now; None if it was deleted.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return None if asked is None else memory.page(asked.page_id)
    except NotFound:
        return None
