"""One process at a time: locks on an owner's records between processes that share a directory.

Processes behind a server have no transactions, but those that found it by its directory
have that directory's files, and the operating system's locks on them, which go with their
process. Owners share a fixed number of files; two owners on one file wait for each other
now and then, and nothing else comes of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from memoryos_engine.errors import StoreError
from memoryos_engine.records import Owner, stable_id

FOLDER = "memoryos.locks"
FILES = 256
"""Locks of each kind."""
PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""
POLL = 0.002


class Exclusion:
    """Locks of one collection; without a directory there are none, and every process does as it likes.

    Args:
        directory: of the store; None where processes share no directory.
        collection_name: owners of another collection are others.
    """

    def __init__(self, directory: Path | None, *, collection_name: str) -> None:
        self._folder = None if directory is None else directory / FOLDER
        self._collection_name = collection_name

    @contextmanager
    def writing(self, owner: Owner) -> Iterator[None]:
        """Be the only process that changes the owner's records.

        Raises:
            StoreError: another process did not end its change, or the locks cannot be used.
        """
        with self._held(self._name("writing", owner), patience=PATIENCE) as held:
            if not held:
                raise _unending()
            yield

    @contextmanager
    def all_writing(self) -> Iterator[None]:
        """Be the only process that changes anybody's records.

        Raises:
            StoreError: another process did not end its change.
        """
        with ExitStack() as held:
            for number in range(FILES) if self._folder else ():
                if not held.enter_context(self._held(f"writing.{number:02x}", patience=PATIENCE)):
                    raise _unending()
            yield

    @contextmanager
    def lease(self, owner: Owner, *, wait: bool) -> Iterator[bool]:
        """Be the only process that consolidates for the owner; give whether this one is.

        Args:
            owner: whose pages.
            wait: until another process is done with it; else it is given at once that one is not.
        """
        with self._held(self._name("thinking", owner), patience=-1.0 if wait else 0.0) as held:
            yield held

    @contextmanager
    def _held(self, name: str, *, patience: float) -> Iterator[bool]:
        if self._folder is None:
            yield True
            return
        lock = _acquired(self._folder, name, patience)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.release()

    def _name(self, kind: str, owner: Owner) -> str:
        digest = stable_id(kind, self._collection_name, owner.user_id, owner.assistant_id).rpartition("_")[2]
        return f"{kind}.{int(digest, 16) % FILES:02x}"


def _unending() -> StoreError:
    fix = "stop the process that does not end, and try again"
    return StoreError(f"another process has been changing this memory for {PATIENCE:g} seconds; {fix}")


def _acquired(folder: Path, name: str, patience: float) -> FileLock | None:
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / name, thread_local=False)
        lock.acquire(timeout=patience, poll_interval=POLL)
    except Timeout:
        return None
    except OSError as error:
        raise StoreError(
            f"the locks in {str(folder)!r} cannot be used ({error.strerror}); let this process write there"
        ) from error
    return lock


class OneWriter:
    """Has one thread of one process change an owner's records at a time; a thread may take it again inside.

    Args:
        between_processes: gives the lock that other processes wait for.
        begin: what is done first once it is held.
    """

    def __init__(
        self, between_processes: Callable[[], AbstractContextManager[None]], *, begin: Callable[[], None]
    ) -> None:
        self.here = threading.RLock()
        """Held by the thread of this process that changes or reloads the records."""
        self._between_processes = between_processes
        self._begin = begin
        self._depth = 0

    @contextmanager
    def alone(self, *, begun: bool = False) -> Iterator[None]:
        """Hold it; with `begun`, nothing is to be done first."""
        with self.here:
            if self._depth:
                yield
                return
            with self._between_processes():
                self._depth += 1
                try:
                    if not begun:
                        self._begin()
                    yield
                finally:
                    self._depth -= 1


EVERYBODY = Exclusion(None, collection_name="")
"""Where a lock cannot say who is alone."""
