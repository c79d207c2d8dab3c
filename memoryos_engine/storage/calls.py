"""The calls of a store that are under way: counted, so that they can be waited for, held back and refused."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from memoryos_engine.errors import ClosedError, EmbedderMismatch


class Calls:
    """Lets calls through until closed. Thread-safe; a call makes no other call inside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: Counter[int] = Counter()
        """By thread: closing from a signal handler must not wait for the call that it interrupted."""
        self._paused = False
        self._closed = False
        self.replaced = ""
        """Why the store is closed for good though its system is not: another took its place."""

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one call; it may have to wait before it begins.

        Raises:
            ClosedError: the store was closed.
            EmbedderMismatch: another took its place.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._paused)
            if self._closed:
                raise EmbedderMismatch(self.replaced) if self.replaced else ClosedError
            self._under_way[threading.get_ident()] += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= Counter([threading.get_ident()])  # threads that have none any more are left out
                self._changed.notify_all()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Have new calls wait meanwhile, once those under way have ended."""
        with self._changed:
            self._paused = True
            self._changed.wait_for(self._is_quiet)
        try:
            yield
        finally:
            with self._changed:
                self._paused = False
                self._changed.notify_all()

    def _is_quiet(self) -> bool:
        return self._under_way.keys() <= {threading.get_ident()}

    def close(self, *, replaced: str = "") -> None:
        """Let the calls under way end and take no more.

        Args:
            replaced: the reason, with the way out, where another store took this one's place.
        """
        with self._changed:
            self._closed, self.replaced = True, replaced or self.replaced
            self._changed.notify_all()
            self._changed.wait_for(self._is_quiet)
