"""A gate that many threads pass at a time, or one alone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Shared by those who use something, closed by the one who exchanges it. Thread-safe.

    Who is inside may enter again, even while somebody waits to be alone: nobody waits for themselves.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._alone: int | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Pass with others; wait while somebody is, or waits to be, alone."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._alone in (None, me) or me in self._inside)
            self._inside[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[me] -= 1
                if not self._inside[me]:
                    del self._inside[me]
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Pass once everybody who is inside has left, and let nobody in meanwhile."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._alone is None)
            self._alone = me
        try:
            with self._changed:
                self._changed.wait_for(lambda: not set(self._inside) - {me})
            yield
        finally:
            with self._changed:
                self._alone = None
                self._changed.notify_all()
