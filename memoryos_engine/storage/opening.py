"""Opening a collection: from a path, which this process then owns unless it is served, or from any Chroma client.

All systems of one process on one path share what is opened here, so they see each other's
writes and the path is locked once.
"""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import ClosedError, EmbedderMismatch, InvalidInput, MemoryOSError, StoreError
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.connection import Connection
from memoryos_engine.storage.exclusion import Exclusion
from memoryos_engine.storage.lock import OwnerNote, PathLock, acquire_or_find
from memoryos_engine.storage.residency import ResidentSets
from memoryos_engine.storage.server import embedded_directory, require_version
from memoryos_engine.storage.serving import close_client, found_again, served_client

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

SCHEMA = 1
"""Version of the layout of rows; raised when an older reader could not read them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageOptions:
    """How a collection is opened, whatever it is reached through."""

    collection_name: str
    embedder: Embedder
    budget: int
    """Bytes of resident sets."""
    patience: float
    """Seconds for which a server that does not answer is asked again."""


class Storage:
    """An open collection with its resident sets, closed by the last of its users.

    Args:
        client: gives the collection.
        key: what systems of this process that share it know it by.
        options: name, embedder, budget and patience.
        shared: whether other processes may write too.
        directory: of a store that other processes reach too; where they find its locks.
        found_again: returns another client once a server that was away is back; None if it cannot be away.
    """

    def __init__(
        self,
        client: ClientAPI,
        *,
        key: Any,
        options: StorageOptions,
        shared: bool,
        directory: Path | None = None,
        found_again: Callable[[], ClientAPI] | None = None,
    ) -> None:
        self.key = key
        self.client = client
        """Kept alive: the registry knows it by its id, which Python gives to another object once it is gone."""
        self.options = options
        self.embedder = (options.embedder.name, options.embedder.dimension)
        self.served = directory is not None
        """Whether a server of this machine has the directory open, and not this process."""
        self.users = 0
        self._found_again = found_again
        connection = Connection(
            _collection(client, options.collection_name, options.embedder),
            found_again=self._again if shared else None,
            patience=options.patience,
        )
        self.store = ChromaStore(
            connection,
            max_batch=client.get_max_batch_size(),
            dimension=options.embedder.dimension,
            shared=shared,
            exclusion=Exclusion(directory, collection_name=options.collection_name),
        )
        self.residents = ResidentSets(self.store, dimension=options.embedder.dimension, budget=options.budget)
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

    def _again(self) -> Collection:
        """Return the collection once its server is back; through another client, if that one may be elsewhere now."""
        if self._found_again is not None:
            before, self.client = self.client, self._found_again()
            close_client(before)
        return _collection(self.client, self.options.collection_name, self.options.embedder)


_open: dict[Any, Storage] = {}
_opening = threading.RLock()


def open_path(path: str | Path, options: StorageOptions) -> Storage:
    """Open the store in a directory of this machine: own it until closed, or share it with who serves it.

    Raises:
        StoreLocked: another process owns it.
        EmbedderMismatch: it was made with another embedder.
        StoreError: it cannot be opened.
    """
    directory = Path(path).resolve()
    with _opening:
        return _shared((directory, options.collection_name), options.embedder) or _opened(directory, options)


def open_client(client: ClientAPI, options: StorageOptions) -> Storage:
    """Open the store behind a Chroma client, which stays the caller's to close.

    Raises:
        StoreLocked: it is embedded, and another process has its directory.
        EmbedderMismatch: the collection was made with another embedder.
        StoreError: it cannot be opened.
    """
    key = (id(client), options.collection_name)
    with _opening:
        found = _shared(key, options.embedder)
        if found is not None:
            return found
        directory = embedded_directory(client)
        with _locked(directory):
            require_version(client)
            storage = _kept(Storage(client, key=key, options=options, shared=True))
        storage._close = lambda: _leave(directory)  # noqa: SLF001 - the two halves of one constructor
        return storage


def _opened(directory: Path, options: StorageOptions) -> Storage:
    held = _path_locks.get(directory) or acquire_or_find(directory)
    if isinstance(held, OwnerNote):
        return _served(directory, held, options)
    if directory not in _path_locks:
        _path_locks[directory] = held
    with _locked(directory):
        client = _client(directory)
        try:
            storage = _kept(Storage(client, key=(directory, options.collection_name), options=options, shared=False))
        except BaseException:
            client.close()  # type: ignore[attr-defined]
            raise

    def close() -> None:
        client.close()  # type: ignore[attr-defined]
        _leave(directory)

    storage._close = close  # noqa: SLF001 - the two halves of one constructor
    return storage


def _served(directory: Path, note: OwnerNote, options: StorageOptions) -> Storage:
    client = served_client(directory, note, patience=options.patience)
    try:
        require_version(client)
        storage = Storage(
            client,
            key=(directory, options.collection_name),
            options=options,
            shared=True,
            directory=directory,
            found_again=lambda: found_again(directory),
        )
    except BaseException:
        close_client(client)
        raise
    storage._close = lambda: close_client(storage.client)  # noqa: SLF001 - the two halves of one constructor
    return _kept(storage)


_path_locks: dict[Path, PathLock] = {}
"""Directories that this process has, whatever is open in them."""
_users: Counter[Path] = Counter()
"""How many open collections each of them has."""


@contextmanager
def _locked(directory: Path | None) -> Iterator[None]:
    """Count one more user of a directory of this process, unless opening fails."""
    if directory is None:
        yield
        return
    _path_locks.setdefault(directory, _path_locks.get(directory) or PathLock(directory))
    _users[directory] += 1
    try:
        yield
    except BaseException:
        _leave(directory)
        raise


def _leave(directory: Path | None) -> None:
    if directory is None:
        return
    _users[directory] -= 1
    if not _users[directory]:
        del _users[directory]
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
