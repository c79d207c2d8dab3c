"""What the mixins of `MemoryOS`, and exports and imports, know of the whole, so that each can be a file of its own."""

# ruff: noqa: D102 - each is described where `MemoryOS` defines it
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from chromadb.api import ClientAPI

    from memoryos_engine.background import Background
    from memoryos_engine.embedding.base import Embedder
    from memoryos_engine.events import Listener
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.recent_owners import RecentOwners
    from memoryos_engine.records import Owner
    from memoryos_engine.settings import MemorySettings
    from memoryos_engine.storage.opened import Storage
    from memoryos_engine.storage.resident import ResidentSet
    from memoryos_engine.updater import Updater
    from memoryos_engine.visits import WaitingVisits
    from memoryos_engine.worker import Worker

T = TypeVar("T")


class System(Protocol):
    """A `MemoryOS`; what each name means is said where it is defined."""

    settings: MemorySettings
    embedder: Embedder
    updater: Updater
    _background: Background
    _client: ClientAPI | None
    _events: Listener
    _path: Path | None
    _purges: Counter[Owner]
    """Grows by an entry for each user who was ever purged here: turns that wait must not outlive a purge."""
    _resumed: RecentOwners
    _storage: Storage
    _visits: WaitingVisits
    _worker: Worker

    @property
    def closed(self) -> bool: ...
    def clock(self) -> datetime: ...
    def close(self) -> None: ...
    def in_background(self, owner: Owner, act: Callable[[ResidentSet], T]) -> T: ...
    def memory(self, user_id: str, assistant_id: str = ..., session_id: str = ...) -> UserMemory: ...
    def purge(self, owner: Owner) -> None: ...
    def require_open(self) -> None: ...
    def resident(self, owner: Owner, *, half: bool = False) -> AbstractContextManager[ResidentSet]: ...
    def schedule(self, owner: Owner, *, at_once: bool) -> None: ...
    def steady(self) -> AbstractContextManager[Storage]: ...
    def users(self) -> list[Owner]: ...
    def _reopen(self) -> None: ...
    def _take(self, storage: Storage, embedder: Embedder) -> None: ...
