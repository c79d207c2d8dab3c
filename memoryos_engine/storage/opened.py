"""What is open in this process: collections with their resident sets, each shared by all systems on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import ClosedError, EmbedderMismatch
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.connection import Connection
from memoryos_engine.storage.exclusion import Exclusion
from memoryos_engine.storage.gate import Gate
from memoryos_engine.storage.reindexing import copy_late
from memoryos_engine.storage.residency import ResidentSets
from memoryos_engine.storage.schema import open_collection, require_embedder, same_collection
from memoryos_engine.storage.serving import close_client

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageOptions:
    """How a collection is opened, whatever it is reached through."""

    collection_name: str
    embedder: Embedder
    budget: int
    """Bytes of resident sets."""
    patience: float
    """Seconds for which a server that does not answer is asked again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How a store is reached, and who else reaches it."""

    shared: bool
    """Whether other processes may write too."""
    directory: Path | None = None
    """Of a store that a server of this machine has open; where those who share it find its locks."""
    found_again: Callable[[], ClientAPI] | None = None
    """Returns another client once a server that was away is back; None if the client finds it by itself."""


class Storage:
    """An open collection with its resident sets, closed by the last of its users.

    Args:
        client: gives the collection.
        key: what systems of this process that share it know it by.
        options: name, embedder, budget and patience.
        reach: how it is reached.
    """

    def __init__(self, client: ClientAPI, *, key: Any, options: StorageOptions, reach: Reach) -> None:
        self.key = key
        self.client = client
        """Kept alive: the registry knows it by its id, which Python gives to another object once it is gone."""
        self.options = options
        self.reach = reach
        self.embedder = (options.embedder.name, options.embedder.dimension)
        self.users = 0
        self.gate = Gate()
        """Passed by those who read or write for a caller; closed while another store takes this one's place."""
        self.moving = threading.Lock()
        """Held by the one reindex that may be under way."""
        exclusion = Exclusion(reach.directory, collection_name=options.collection_name)

        def late(old: Collection, new: Collection) -> None:
            with exclusion.all_writing():
                copy_late(old, new, options.embedder, max_batch=client.get_max_batch_size(), in_turns=not reach.shared)

        self.collection = open_collection(client, options.collection_name, options.embedder, copy_late=late)
        again = self._again if reach.shared else None
        dimension = options.embedder.dimension
        self._store = ChromaStore(
            Connection(self.collection, found_again=again, patience=options.patience),
            max_batch=client.get_max_batch_size(),
            dimension=dimension,
            shared=reach.shared,
            exclusion=exclusion,
        )
        self._residents = ResidentSets(self._store, dimension=dimension, budget=options.budget)
        self._closing: Callable[[Storage], None] = _nothing

    @property
    def served(self) -> bool:
        """Whether a server of this machine has the directory open, and not this process."""
        return self.reach.directory is not None

    @property
    def store(self) -> ChromaStore:
        """The rows. Raises EmbedderMismatch once a store with another embedder took this one's place."""
        self._require_current()
        return self._store

    @property
    def residents(self) -> ResidentSets:
        """The users in memory. Raises EmbedderMismatch as `store` does."""
        self._require_current()
        return self._residents

    def close(self) -> None:
        """Give it back; the last user closes the client, if it was made here, and the lock."""
        with opening:
            if not self.users:
                raise ClosedError
            self.users -= 1
            if self.users == 0:
                if _open.get(self.key) is self:
                    del _open[self.key]
                self._store.close()
                self._closing(self)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep it open meanwhile, whoever closes it."""
        with opening:
            if not self.users:
                raise ClosedError
            self.users += 1
        try:
            yield
        finally:
            self.close()

    def successor(self, embedder: Embedder) -> Storage:
        """Return what took this one's place behind the same name; from then on others find that.

        Raises:
            StoreError: it cannot be opened.
        """
        with opening:
            options = replace(self.options, embedder=embedder)
            new = Storage(self.client, key=self.key, options=options, reach=self.reach)
            new._closing, self._closing = self._closing, _nothing
            self.users -= 1
            return registered(new)

    def retire(self, reason: str) -> None:
        """Let nothing be read or written here any more, for a `reason` that names the way out."""
        with opening:
            if _open.get(self.key) is self:
                del _open[self.key]
        self._store.calls.close(replaced=reason)

    def when_closed(self, work: Callable[[Storage], None]) -> None:
        """Have `work` done with what is open in the end, when its last user has closed it."""
        self._closing = work

    def _require_current(self) -> None:
        if self._store.calls.replaced:
            raise EmbedderMismatch(self._store.calls.replaced)

    def _again(self) -> Collection:
        """Return the collection once its server is back; through another client, if that one may be elsewhere now."""
        if self.reach.found_again is not None:
            before, self.client = self.client, self.reach.found_again()
            close_client(before)
        self.collection = same_collection(self.client, self.collection, self.options.embedder)
        return self.collection


def _nothing(storage: Storage) -> None:
    """Leave it as it is."""


_open: dict[Any, Storage] = {}
opening = threading.RLock()
"""Held by who opens or closes."""


def open_already(key: Any, embedder: Embedder) -> Storage | None:
    """Return what is open under a key, with one user more; None if nothing is.

    Raises:
        EmbedderMismatch: it is open with another embedder.
    """
    found = _open.get(key)
    if found is not None:
        require_embedder(found.embedder, embedder)
        found.users += 1
    return found


def registered(storage: Storage) -> Storage:
    """Return a storage that others find from now on, with its first user."""
    storage.users = 1
    _open[storage.key] = storage
    return storage
