"""Calls of a store: counted so that closing waits for them, refused once it is closed, their errors made ours."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from memoryos_engine.errors import ClosedError, MemoryOSError, StoreError


class Guard:
    """What every call of one store passes. Thread-safe."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._idle = threading.Condition()
        self._calls: Counter[int] = Counter()
        """Calls under way, by thread: closing from a signal handler must not wait for the call that it interrupted."""
        self._closed = False

    def close(self) -> None:
        """Let the calls under way end and take no more: a job that waited for a model may come back late."""
        with self._idle:
            self._closed = True
            self._idle.wait_for(lambda: self._calls.keys() <= {threading.get_ident()})

    @contextmanager
    def translated(self, done: str) -> Iterator[None]:
        """Make what Chroma raises a StoreError that says what could not be `done`.

        Raises:
            ClosedError: the store was closed.
            StoreError: the process is not the one that opened it, or Chroma failed.
        """
        if os.getpid() != self._pid:
            raise StoreError("this store was opened before a fork; open a MemoryOS in the child process instead")
        with self._counted():
            try:
                yield
            except MemoryOSError:
                raise
            except Exception as error:  # Chroma raises many unrelated types; this is where they become ours
                raise StoreError(f"the store could not be {done} ({type(error).__name__}: {error})") from error

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            if self._closed:
                raise ClosedError
            self._calls[threading.get_ident()] += 1
        try:
            yield
        finally:
            with self._idle:
                self._calls -= Counter([threading.get_ident()])  # which leaves out those that have none any more
                self._idle.notify_all()
