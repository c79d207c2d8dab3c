"""What keeps a store in good order while its system goes on: vacuum, and another embedder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import InvalidInput, MemoryOSError, StoreError
from memoryos_engine.records import Owner
from memoryos_engine.reindex import reindexed
from memoryos_engine.storage.lock import PathLock
from memoryos_engine.storage.opened import Storage
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.storage.vacuum import vacuum

if TYPE_CHECKING:
    from memoryos_engine.system_protocol import System

T = TypeVar("T")


class Upkeep:
    """What a `MemoryOS` does to the files and the embedder that it runs on."""

    def vacuum(self: System) -> None:
        """Leave no byte of deleted text in the files of the store, then open it again.

        No other thread may use this system meanwhile, and no other MemoryOS the path. A `reindex` that was
        cut off begins anew the next time.

        Raises:
            InvalidInput: the store is behind a client; vacuum it where its server runs.
            StoreError: it could not be done; nothing is lost.
        """
        self.require_open()
        if self._storage.served:
            raise InvalidInput("path", "is served by another process", "Stop `memoryos serve`, vacuum, start it again.")
        if self._client is not None:
            raise InvalidInput("client", "is not a path", "Stop its server and run: chroma vacuum --path DIR --force")
        directory = Path(self._storage.key[0])
        if self._storage.users > 1:
            raise StoreError(f"another MemoryOS of this process has {str(directory)!r} open; close it first")
        try:
            self.close()
            with PathLock(directory):
                vacuum(directory, collection_name=self.settings.collection_name, dimension=self.embedder.dimension)
        finally:
            if self.closed:
                self._reopen()

    def reindex(self: System, *, embedder: Embedder, progress: bool = False) -> int:
        """Give the store another embedder and return how many texts were embedded.

        Every page and fact is embedded again from its text, into a copy; nothing else of it changes. Until
        the copy is whole the old embedder answers, and other threads may add and retrieve; then they wait a
        moment, and from then on this system uses the new one. What was cut off, by whatever, is gone on with
        by calling this again. Another MemoryOS on the same store, here or behind the same server, has to be
        opened anew afterwards; behind a server let others rest meanwhile: what one adds while the two change
        places may be refused.

        Args:
            embedder: takes the place of the present one.
            progress: show a bar.

        Raises:
            InvalidInput: it is no embedder, or the one that the store has.
            EmbeddingError: it failed; the old one goes on.
            StoreError: another reindex of this store is under way, or the store failed; the message says if it
                has to be opened again.
        """
        self.require_open()
        return reindexed(self._storage, embedder, progress=progress, go_on=self.require_open, take=self._take)

    @contextmanager
    def steady(self: System) -> Iterator[Storage]:
        """Give the store, which stays the same, and its embedder too, until this is left. May wait for a reindex."""
        while True:
            storage = self._storage
            with storage.gate.shared():
                if self._storage is storage:
                    yield storage
                    return

    @contextmanager
    def embedding(self: System) -> Iterator[None]:
        """Have a reindex wait until what is embedded in here is stored; events are told when it need not any more."""
        with self._events.delivered(), self.steady():
            yield

    def in_background(self: System, owner: Owner, act: Callable[[ResidentSet], T]) -> T:
        """Do something long with the owner's records, which no reindex waits for: it is begun anew after one."""
        while True:
            storage = self._storage
            try:
                with storage.residents.use(owner) as resident:
                    return act(resident)
            except MemoryOSError:
                if self._storage is storage:
                    raise

    def _take(self: System, storage: Storage, embedder: Embedder) -> None:
        """Go on with another store and its embedder."""
        self._storage, self.embedder = storage, embedder
        self.updater.use_embedder(embedder)
        self._resumed.clear()
