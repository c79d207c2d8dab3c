"""Every call of a store passes here: counted, refused in another process, its errors made ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from memoryos_engine.errors import MemoryOSError, StoreError
from memoryos_engine.storage.calls import Calls

GONE = (
    "the collection that this store was opened with is gone: another process deleted it or gave it another embedder "
    "(memoryos reindex), or its server was started on another directory. Close this MemoryOS and open it again, with "
    "the embedder that the store has now"
)
STAYS_READ_ONLY = (
    "; make its files writable, then close this MemoryOS and open it again: what Chroma opened before stays read-only"
)


class Guard:
    """What the calls of one store pass. Thread-safe."""

    def __init__(self) -> None:
        self.calls = Calls()
        self._pid = os.getpid()

    @contextmanager
    def translated(self, done: str) -> Iterator[None]:
        """Make what Chroma raises a StoreError that says what could not be `done`.

        Raises:
            ClosedError: the store was closed.
            EmbedderMismatch: another took its place.
            StoreError: the process is not the one that opened it, or Chroma failed.
        """
        if os.getpid() != self._pid:
            raise StoreError("this store was opened before a fork; open a MemoryOS in the child process instead")
        with self.calls.one(), translated(done):
            yield


@contextmanager
def translated(done: str) -> Iterator[None]:
    """Make what Chroma raises a StoreError that says what could not be `done`."""
    try:
        yield
    except MemoryOSError:
        raise
    except Exception as error:  # Chroma raises many unrelated types; this is where they become ours
        if type(error).__name__ == "NotFoundError":
            raise StoreError(GONE) from error
        way_out = STAYS_READ_ONLY if "readonly database" in str(error) else ""
        raise StoreError(f"the store could not be {done} ({type(error).__name__}: {error}){way_out}") from error
