"""Which page waits for its answer in the call or run this is part of.

LlamaIndex hands a memory one message at a time and says of none to which turn it belongs. What was asked in a
call or in a run of a workflow is answered there. A note is only a hint: a turn that goes on in another process is
unknown here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from types import MappingProxyType

from memoryos_engine import NotFound, UserMemory
from memoryos_integrations.latest_values import LatestValues
from memoryos_integrations.llama_index.kept import SessionKey, session_key
from memoryos_integrations.llama_index.run_scope import run_id

MOST_ASKED_HERE = 32

_asked_here: ContextVar[Mapping[SessionKey, str]] = ContextVar("memoryos_asked", default=MappingProxyType({}))
"""The page each session asked last, as this thread or task knows it and those begun by it."""
_asked_in_run: LatestValues[tuple[str, SessionKey], str] = LatestValues(10_000)
"""The same by run of a workflow, whose steps are tasks that know nothing of each other."""


def note_asked(memory: UserMemory, page_id: str | None) -> None:
    """Note which page waits for an answer, if one does.

    To be called where what comes after can see it: in the task that awaits, not in the thread it awaits.
    """
    if page_id is None:
        return
    key, run = session_key(memory), run_id()
    if run is not None:
        _asked_in_run.put((run, key), page_id)
    others = [(other, value) for other, value in _asked_here.get().items() if other != key]
    _asked_here.set(MappingProxyType(dict([*others[1 - MOST_ASKED_HERE :], (key, page_id)])))


def asked(memory: UserMemory) -> str | None:
    """Return the page that was asked last in this call or run; None if none is known, is there, or lacks an answer.

    Raises:
        StoreError: it cannot be read whether it has.
    """
    key, run = session_key(memory), run_id()
    noted = (None if run is None else _asked_in_run.get((run, key))) or _asked_here.get().get(key)
    if noted is None:
        return None
    with suppress(NotFound):
        return None if memory.page(noted).agent_response else noted
    return None
