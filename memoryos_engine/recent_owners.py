"""The owners that were seen lately, so many at most: what is noted of every user must not grow with their number."""

from __future__ import annotations

import threading
from collections import OrderedDict

from memoryos_engine.records import Owner

MOST = 10_000
"""Owners that are known; to take one for new again costs a look at what waits for them."""


class RecentOwners:
    """A bounded set of owners. The one not asked about for longest leaves first, and is new again. Thread-safe."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[Owner, None] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._known)

    def is_new(self, owner: Owner) -> bool:
        """Say whether an owner was not known, and know them from now on."""
        with self._lock:
            new = owner not in self._known
            self._known[owner] = None
            self._known.move_to_end(owner)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
            return new

    def discard(self, owner: Owner) -> None:
        """Have an owner be new again."""
        with self._lock:
            self._known.pop(owner, None)

    def clear(self) -> None:
        """Have everybody be new again."""
        with self._lock:
            self._known.clear()
