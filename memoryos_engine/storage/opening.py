"""Opening a collection: from a path, which this process then owns unless it is served, or from any Chroma client.

All systems of one process on one path share what is opened here, so they see each other's
writes and the path is locked once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from memoryos_engine.errors import StoreError
from memoryos_engine.storage.lock import OwnerNote, PathLock, acquire_or_find
from memoryos_engine.storage.opened import Reach, Storage, StorageOptions, open_already, opening, registered
from memoryos_engine.storage.server import embedded_directory, require_version
from memoryos_engine.storage.serving import close_client, found_again, served_client

if TYPE_CHECKING:
    from chromadb.api import ClientAPI


def open_path(path: str | Path, options: StorageOptions) -> Storage:
    """Open the store in a directory of this machine: own it until closed, or share it with who serves it.

    Raises:
        StoreLocked: another process owns it.
        EmbedderMismatch: it was made with another embedder.
        StoreError: it cannot be opened.
    """
    directory = Path(path).resolve()
    with opening:
        return open_already((directory, options.collection_name), options.embedder) or _opened(directory, options)


def open_client(client: ClientAPI, options: StorageOptions) -> Storage:
    """Open the store behind a Chroma client, which stays the caller's to close.

    Raises:
        StoreLocked: it is embedded, and another process has its directory.
        EmbedderMismatch: the collection was made with another embedder.
        StoreError: it cannot be opened.
    """
    key = (id(client), options.collection_name)
    with opening:
        found = open_already(key, options.embedder)
        if found is not None:
            return found
        directory = embedded_directory(client)
        with _locked(directory):
            require_version(client)
            storage = registered(Storage(client, key=key, options=options, reach=Reach(shared=True)))
        storage.when_closed(lambda _: _leave(directory))
        return storage


def _opened(directory: Path, options: StorageOptions) -> Storage:
    held = _path_locks.get(directory) or acquire_or_find(directory, patience=options.patience)
    if isinstance(held, OwnerNote):
        return _served(directory, held, options)
    _path_locks[directory] = held
    with _locked(directory):
        client = _client(directory)
        key = (directory, options.collection_name)
        try:
            storage = registered(Storage(client, key=key, options=options, reach=Reach(shared=False)))
        except BaseException:
            client.close()  # type: ignore[attr-defined]
            raise
    storage.when_closed(lambda closed: _close_and_leave(closed, directory))
    return storage


def _served(directory: Path, note: OwnerNote, options: StorageOptions) -> Storage:
    client = served_client(directory, note, patience=options.patience)
    reach = Reach(shared=True, directory=directory, found_again=lambda: found_again(directory))
    try:
        require_version(client)
        storage = Storage(client, key=(directory, options.collection_name), options=options, reach=reach)
    except BaseException:
        close_client(client)
        raise
    storage.when_closed(lambda closed: close_client(closed.client))
    return registered(storage)


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
    if directory not in _path_locks:
        _path_locks[directory] = PathLock(directory)
    _users[directory] += 1
    try:
        yield
    except BaseException:
        _leave(directory)
        raise


def _close_and_leave(storage: Storage, directory: Path) -> None:
    try:
        storage.client.close()  # type: ignore[attr-defined]
    finally:
        _leave(directory)


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
