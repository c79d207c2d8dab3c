"""Pages about which no usable answer came: how often in a row, and until when they are left alone.

One page that a model refuses or always answers badly must keep nothing else waiting, and
must not be paid for at every turn. Forgotten with the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from memoryos_engine.errors import UNUSABLE

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 3600.0
"""Seconds before a failure is followed by another try, doubled with each, and at most."""


def pause_after(failures: int, *, longest: float = LONGEST_PAUSE) -> float:
    """Return the seconds to wait after so many failures in a row, at least 1."""
    return min(longest, FIRST_PAUSE * 2.0 ** min(failures - 1, 60))


class Trouble:
    """The troubled pages of one owner. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._rests_until: dict[str, float] = {}

    @contextmanager
    def counted(self, page_ids: Sequence[str]) -> Iterator[None]:
        """Count a failure of each page if no usable answer came; a model that is down is not their fault."""
        try:
            yield
        except UNUSABLE:
            self._count(page_ids)
            raise
        with self._lock:
            for page_id in page_ids:
                self._failures.pop(page_id, None)
                self._rests_until.pop(page_id, None)

    def __bool__(self) -> bool:
        with self._lock:
            return bool(self._failures)

    def failures(self, page_id: str) -> int:
        """Return how often in a row no usable answer came about a page."""
        with self._lock:
            return self._failures.get(page_id, 0)

    def is_resting(self, page_id: str) -> bool:
        """Say whether a page is left alone for now."""
        with self._lock:
            return self._rests_until.get(page_id, 0.0) > time.monotonic()

    def next_ends(self) -> float | None:
        """Return in how many seconds the first page that rests is asked about again; None if none rests."""
        now = time.monotonic()
        with self._lock:
            return min((until - now for until in self._rests_until.values() if until > now), default=None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._failures.clear()
            self._rests_until.clear()

    def _count(self, page_ids: Sequence[str]) -> None:
        with self._lock:
            for page_id in page_ids:
                failures = self._failures.get(page_id, 0) + 1
                self._failures[page_id] = failures
                self._rests_until[page_id] = time.monotonic() + pause_after(failures)
