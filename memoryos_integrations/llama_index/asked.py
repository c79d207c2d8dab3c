"""Which page was asked in the call or run this is part of, and so is the one to be answered.

LlamaIndex hands a memory one message at a time and says of none to which turn it belongs. What was asked in a
call or in a run of a workflow is answered there. A turn that goes on in another process is unknown here.
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

MOST_ASKED_HERE = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that was asked."""

    page_id: str
    answered: bool = False
    """Whether its answer was handed over here."""


_asked_here: ContextVar[Mapping[SessionKey, Asked]] = ContextVar("memoryos_asked", default=MappingProxyType({}))
"""The page each session asked last, as this thread or task knows it and those begun by it."""
_asked_in_run: LatestValues[tuple[str, SessionKey], Asked] = LatestValues(10_000)
"""The same by run of a workflow, whose steps are tasks that know nothing of each other."""


def note_asked(memory: UserMemory, asked: Asked | None) -> None:
    """Note which page was asked last in this call or run; None if what was asked last is no page.

    To be called where what comes after can see it: in the task that awaits, not in the thread it awaits.
    """
    key, run = session_key(memory), run_id()
    if run is not None and asked is not None:
        _asked_in_run.put((run, key), asked)
    elif run is not None:
        _asked_in_run.take((run, key))
    others = [(other, value) for other, value in _asked_here.get().items() if other != key]
    last = [] if asked is None else [(key, asked)]
    _asked_here.set(MappingProxyType(dict([*others[1 - MOST_ASKED_HERE :], *last])))


def noted(memory: UserMemory) -> Asked | None:
    """Return the page that was asked last in this call or run, there or not; None if none is known."""
    key, run = session_key(memory), run_id()
    return (None if run is None else _asked_in_run.get((run, key))) or _asked_here.get().get(key)


def page_asked(memory: UserMemory, asked: Asked | None) -> DialoguePage | None:
    """Return a page that was asked, whatever session it is in by now; None if it was deleted.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return None if asked is None else memory.page(asked.page_id)
    except NotFound:
        return None
