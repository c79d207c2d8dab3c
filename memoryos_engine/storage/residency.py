"""Which users are in memory: least recently used leaves first, under a byte budget.

A set in use is pinned, so there is never more than one set of an owner. One user over the
budget alone keeps coarser vectors, then none: slower, not wrong.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from memoryos_engine.records import Owner
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.resident import ResidentSet

SET_BYTES = 5000
"""What a set takes before it holds any record: users without a page must not go uncounted."""


@dataclass(slots=True)
class _Slot:
    owner: Owner
    loading: threading.Lock = field(default_factory=threading.Lock)
    resident: ResidentSet | None = None
    pins: int = 0
    nbytes: int = 0


class ResidentSets:
    """The resident sets of one store. Thread-safe.

    Args:
        store: where the records are.
        dimension: length of the vectors.
        budget: bytes all sets may take together.
    """

    def __init__(self, store: ChromaStore, *, dimension: int, budget: int) -> None:
        self._store = store
        self._dimension = dimension
        self._budget = budget
        self._slots: OrderedDict[Owner, _Slot] = OrderedDict()
        self._bytes = 0
        self._lock = threading.RLock()  # a signal handler may close the system in the midst of a call

    @contextmanager
    def use(self, owner: Owner) -> Iterator[ResidentSet]:
        """Give the owner's set, loaded if need be and fresh, and keep it in memory meanwhile.

        Raises:
            StoreError: it cannot be read.
        """
        slot = self._pin(owner)
        try:
            with slot.loading:
                resident = self._loaded(owner, slot)
            with self._lock:
                self._weigh(slot)
            yield resident
        finally:
            self._unpin(slot)

    @contextmanager
    def alone(self, owner: Owner) -> Iterator[ResidentSet | None]:
        """Keep everyone else of this process from changing the owner's rows, readable or not.

        Gives the set that is in memory, for who changes rows in the store itself and has it loaded again;
        None if there is none, and then none is loaded meanwhile.
        """
        slot = self._pin(owner)
        try:
            with slot.loading:
                resident = slot.resident
                if resident is None:
                    with self._store.exclusion.writing(owner):
                        yield None
                    return
            with resident.consolidating, resident.still:
                yield resident
        finally:
            self._unpin(slot)

    @property
    def budget(self) -> int:
        """Bytes all sets may take together."""
        return self._budget

    @property
    def nbytes(self) -> int:
        """About how much memory all sets take, in bytes."""
        with self._lock:
            return self._bytes

    @property
    def owners(self) -> list[Owner]:
        """Owners in memory, least recently used first."""
        with self._lock:
            return [owner for owner, slot in self._slots.items() if slot.resident]

    def _pin(self, owner: Owner) -> _Slot:
        with self._lock:
            slot = self._slots.setdefault(owner, _Slot(owner))
            self._slots.move_to_end(owner)
            slot.pins += 1
            return slot

    def _loaded(self, owner: Owner, slot: _Slot) -> ResidentSet:
        if slot.resident is None:
            slot.resident = ResidentSet(owner, self._store, dimension=self._dimension)
        else:
            slot.resident.refresh()
        return slot.resident

    def _unpin(self, slot: _Slot) -> None:
        with self._lock:
            slot.pins -= 1
            self._weigh(slot)
            if slot.resident is None and not slot.pins:
                self._slots.pop(slot.owner, None)
            while len(self._slots) > 1 and self._bytes > self._budget:
                idle = next((owner for owner, other in self._slots.items() if not other.pins), None)
                if idle is None:
                    break
                self._bytes -= self._slots.pop(idle).nbytes

    def _weigh(self, slot: _Slot) -> None:
        """Note what a set that was just used takes; the others are as they were."""
        while slot.resident and slot.resident.nbytes > self._budget and slot.resident.coarsen():
            pass
        weight = SET_BYTES + slot.resident.nbytes if slot.resident else 0
        self._bytes += weight - slot.nbytes
        slot.nbytes = weight
