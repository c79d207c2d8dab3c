"""Opening a collection: from a path, which this process then owns, or from any Chroma client.

All systems of one process on one path share what is opened here, so they see each other's
writes and the path is locked once.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import ClosedError, EmbedderMismatch, InvalidInput, MemoryOSError, StoreError
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.lock import PathLock
from memoryos_engine.storage.residency import ResidentSets

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

SCHEMA = 1
"""Version of the layout of rows; raised when an older reader could not read them."""


class Storage:
    """An open collection with its resident sets, closed by the last of its users."""

    def __init__(self, client: ClientAPI, *, key: Any, collection_name: str, embedder: Embedder, budget: int) -> None:
        collection = _collection(client, collection_name, embedder)
        self.key = key
        self.client = client
        """Kept alive: the registry knows it by its id, which Python gives to another object once it is gone."""
        self.embedder = (embedder.name, embedder.dimension)
        self.users = 0
        self.store = ChromaStore(
            collection,
            max_batch=client.get_max_batch_size(),
            dimension=embedder.dimension,
            shared=not isinstance(key[0], Path),
        )
        self.residents = ResidentSets(self.store, dimension=embedder.dimension, budget=budget)
        self._close: Callable[[], None] = lambda: None

    def close(self) -> None:
        """Give it back; the last user closes the client, if it was made here, and the lock."""
        with _opening:
            if _open.get(self.key) is not self:
                raise ClosedError
            self.users -= 1
            if self.users == 0:
                del _open[self.key]
                self.store.close()
                self._close()


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
        _require_embedder(found.embedder, embedder)
        found.users += 1
    return found


def _kept(storage: Storage) -> Storage:
    storage.users = 1
    _open[storage.key] = storage
    return storage


def _collection(client: ClientAPI, name: str, embedder: Embedder) -> Collection:
    made = {"memoryos_schema": SCHEMA, "memoryos_embedder": embedder.name, "memoryos_dimension": embedder.dimension}
    try:
        with without_legacy_warning():
            collection = client.get_or_create_collection(
                name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}, metadata=made
            )
    except MemoryOSError:
        raise
    except Exception as error:
        raise StoreError(f"the collection {name!r} cannot be opened ({type(error).__name__}: {error})") from error
    _check(collection, embedder)
    return collection


@contextmanager
def without_legacy_warning() -> Iterator[None]:
    """Keep Chroma quiet about a collection without an embedding function whose settings were changed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="legacy embedding function config")
        yield


def _check(collection: Collection, embedder: Embedder) -> None:
    metadata = collection.metadata or {}
    if "memoryos_schema" not in metadata:
        fix = "Choose another name with MemorySettings(collection_name=...)."
        raise InvalidInput("collection_name", f"names {collection.name!r}, a collection of another program", fix)
    if metadata["memoryos_schema"] != SCHEMA:
        raise StoreError(f"the store has schema {metadata['memoryos_schema']}, this version reads {SCHEMA}; upgrade")
    _require_embedder((str(metadata["memoryos_embedder"]), int(metadata["memoryos_dimension"])), embedder)


def _require_embedder(stored: tuple[str, int], embedder: Embedder) -> None:
    name, dimension = stored
    if (embedder.name, embedder.dimension) != stored:
        raise EmbedderMismatch(
            f"the store was made with embedder {name!r} of {dimension} dimensions and was opened with "
            f"{embedder.name!r} of {embedder.dimension}; vectors of two models do not compare. Open it with {name!r}, "
            "or move each memory over: export() with the old embedder, import_memory() into a store with the new one"
        )
