"""Handles that travel: a memory is pickled, copied or checkpointed as the place where it is kept.

In the process that has the system open a handle finds it again; what that process closed stays
closed. In another one the store is opened anew, unless it needs parts that cannot travel: an
embedder, a model, a clock, a client or a key. Those the process must open itself first, and then handles
find that.
"""

from __future__ import annotations

import atexit
import threading
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from memoryos_engine.errors import ClosedError, InvalidInput, StoreError
from memoryos_engine.records import Owner
from memoryos_engine.settings import MemorySettings

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system import MemoryOS


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemReference:
    """By what a system is found again. Holds no key, no client and no stored text."""

    token: str
    """Names the system within the process that made it, and nowhere else."""
    path: str | None
    """Absolute directory of its store; None behind a client."""
    settings: MemorySettings
    plain: bool
    """Whether path and settings are all that it takes to open it."""


_open: WeakValueDictionary[str, MemoryOS] = WeakValueDictionary()
_made_here: set[str] = set()
"""Tokens of all systems of this process, those that are gone too."""
_reopened: dict[tuple[str, str], MemoryOS] = {}
"""Kept until the process ends, by path and collection."""
_lock = threading.RLock()


def remember_open(system: MemoryOS) -> str:
    """Have handles that arrive in this process find the system; return its token."""
    token = uuid.uuid4().hex
    _open[token] = system
    _made_here.add(token)
    return token


def reopened_system(reference: SystemReference) -> MemoryOS:
    """Return the system a handle belongs to: one that this process has open on its store, or a new one.

    A new one stays open until the process ends.

    Raises:
        ClosedError: this process closed it and has not opened its store since.
        InvalidInput: it needs parts that only the caller can give.
        StoreLocked: another process has the path open.
        StoreError: the store cannot be opened, or is not here.
    """
    with _lock:
        found = _found(reference)
        if found is not None:
            return found
        if reference.token in _made_here:
            raise ClosedError
        if reference.path is None or not reference.plain:
            raise InvalidInput("handle", "belongs to a memory with parts that do not travel", _fix(reference.path))
        return _opened_anew(reference.path, reference.settings)


def reopened_memory(reference: SystemReference, owner: Owner, session_id: str) -> UserMemory:
    """Return the memory a handle stands for; see `reopened_system`."""
    return reopened_system(reference).memory(owner.user_id, owner.assistant_id, session_id)


def _found(reference: SystemReference) -> MemoryOS | None:
    same = _open.get(reference.token)
    if same is not None and not same.closed:
        return same
    # Read in one step: systems are opened and dropped in other threads meanwhile.
    known = [ref() for ref in _open.valuerefs()]
    here = [system for system in known if system is not None and not system.closed and _serves(system, reference)]
    return here[-1] if here else same


def _serves(system: MemoryOS, reference: SystemReference) -> bool:
    other = system.reference()
    same_collection = other.settings.collection_name == reference.settings.collection_name
    return reference.path is not None and other.path == reference.path and same_collection


def _opened_anew(path: str, settings: MemorySettings) -> MemoryOS:
    from memoryos_engine.system import MemoryOS

    if not (Path(path) / "chroma.sqlite3").exists():
        raise StoreError(f"the store of the handle is not in {path!r}; bring it there, or make handles on another one")
    system = MemoryOS(path, settings=settings)
    _reopened[path, settings.collection_name] = system
    return system


def _fix(path: str | None) -> str:
    behind_client = "MemoryOS(client=...) and pass it as memory= or system= again"
    how = behind_client if path is None else f"MemoryOS(path={path!r}, ...)"
    return f"Open its store in this process first, with the embedder and model it was made with: {how}."


@atexit.register
def _close_reopened() -> None:
    with ExitStack() as closing:  # one that cannot be closed keeps no other open
        for system in _reopened.values():
            closing.callback(system.close)
