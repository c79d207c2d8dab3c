"""Opening a collection: from a path, which this process then owns, or from any Chroma client.

All systems of one process on one path share what is opened here, so they see each other's
writes and the path is locked once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import ClosedError, EmbedderMismatch, StoreError
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.gate import Gate
from memoryos_engine.storage.lock import PathLock
from memoryos_engine.storage.residency import ResidentSets
from memoryos_engine.storage.schema import open_collection, require_embedder

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


class Storage:
    """An open collection with its resident sets, closed by the last of its users."""

    def __init__(self, client: ClientAPI, *, key: Any, collection_name: str, embedder: Embedder, budget: int) -> None:
        self.collection = open_collection(client, collection_name, embedder)
        self.collection_name = collection_name
        self.key = key
        self.client = client
        """Kept alive: the registry knows it by its id, which Python gives to another object once it is gone."""
        self.embedder = (embedder.name, embedder.dimension)
        self.budget = budget
        self.users = 0
        self.gate = Gate()
        """Passed by those who read or write for a caller; closed while another store takes this one's place."""
        self.moving = threading.Lock()
        """Held by the one reindex that may be under way."""
        self._store = ChromaStore(
            self.collection,
            max_batch=client.get_max_batch_size(),
            dimension=embedder.dimension,
            shared=not isinstance(key[0], Path),
        )
        self._residents = ResidentSets(self._store, dimension=embedder.dimension, budget=budget)
        self._close: Callable[[], None] = lambda: None

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

    def _require_current(self) -> None:
        if self._store.calls.replaced:
            raise EmbedderMismatch(self._store.calls.replaced)

    def close(self) -> None:
        """Give it back; the last user closes the client, if it was made here, and the lock."""
        with _opening:
            if not self.users:
                raise ClosedError
            self.users -= 1
            if self.users == 0:
                if _open.get(self.key) is self:
                    del _open[self.key]
                self._store.close()
                self._close()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep it open meanwhile, whoever closes it."""
        with _opening:
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
        with _opening:
            new = Storage(
                self.client,
                key=self.key,
                collection_name=self.collection_name,
                embedder=embedder,
                budget=self.budget,
            )
            new._close, self._close = self._close, new._close
            self.users -= 1
            return _kept(new)

    def retire(self, reason: str) -> None:
        """Let nothing be read or written here any more, for a `reason` that names the way out."""
        with _opening:
            if _open.get(self.key) is self:
                del _open[self.key]
        self._store.calls.close(replaced=reason)


_open: dict[Any, Storage] = {}
_opening = threading.RLock()


def open_path(path: str | Path, *, collection_name: str, embedder: Embedder, budget: int) -> Storage:
    """Open the store in a directory of this machine and own it until closed.

    Raises:
        StoreLocked: another process owns it.
        EmbedderMismatch: it was made with another embedder.
        StoreError: it cannot be opened.
    """
    directory = Path(path).resolve()
    with _opening:
        return _shared((directory, collection_name), embedder) or _opened(
            directory, collection_name=collection_name, embedder=embedder, budget=budget
        )


def open_client(client: ClientAPI, *, collection_name: str, embedder: Embedder, budget: int) -> Storage:
    """Open the store behind a Chroma client, which stays the caller's to close.

    Raises:
        EmbedderMismatch: the collection was made with another embedder.
        StoreError: it cannot be opened.
    """
    key = (id(client), collection_name)
    with _opening:
        found = _shared(key, embedder)
        return found or _kept(
            Storage(client, key=key, collection_name=collection_name, embedder=embedder, budget=budget)
        )


def _opened(directory: Path, *, collection_name: str, embedder: Embedder, budget: int) -> Storage:
    lock = _path_locks.get(directory) or PathLock(directory)
    try:
        client = _client(directory)
        key = (directory, collection_name)
        storage = Storage(client, key=key, collection_name=collection_name, embedder=embedder, budget=budget)
    except BaseException:
        if directory not in _path_locks:
            lock.release()
        raise
    _path_locks[directory] = lock
    storage._close = lambda: _leave(client, directory)  # noqa: SLF001 - the two halves of one constructor
    return _kept(storage)


_path_locks: dict[Path, PathLock] = {}


def _leave(client: Any, directory: Path) -> None:
    client.close()
    if not any(key[0] == directory for key in _open):
        _path_locks.pop(directory).release()


def _client(directory: Path) -> ClientAPI:
    import chromadb
    from chromadb.config import Settings

    database = directory / "chroma.sqlite3"
    if database.exists() and not database.stat().st_size and any(entry.is_dir() for entry in directory.iterdir()):
        raise StoreError(f"the store in {str(directory)!r} is damaged: chroma.sqlite3 is empty; restore it from a copy")
    try:
        return chromadb.PersistentClient(str(directory), settings=Settings(anonymized_telemetry=False))
    except Exception as error:
        raise StoreError(f"Chroma cannot open {str(directory)!r} ({type(error).__name__}: {error})") from error


def _shared(key: Any, embedder: Embedder) -> Storage | None:
    found = _open.get(key)
    if found is not None:
        require_embedder(found.embedder, embedder)
        found.users += 1
    return found


def _kept(storage: Storage) -> Storage:
    storage.users = 1
    _open[storage.key] = storage
    return storage
