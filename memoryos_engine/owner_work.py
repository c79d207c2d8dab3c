"""What a system does for one owner on behalf of their handles: visits, background work on demand, purging."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from memoryos_engine.events import EventName, note
from memoryos_engine.records import Owner
from memoryos_engine.status import MemoryStatus
from memoryos_engine.telemetry import Traced
from memoryos_engine.visits import Visits

if TYPE_CHECKING:
    from memoryos_engine.system_protocol import System

T = TypeVar("T")


class OwnerWork:
    """The part of `MemoryOS` that handles call for their owner."""

    def visited(self: System, owner: Owner, segment_ids: list[str], entry_ids: list[str]) -> None:
        """Have a retrieval counted in the background."""
        if segment_ids or entry_ids:
            self._visits.add(owner, Visits.one(segment_ids=segment_ids, entry_ids=entry_ids, at=self.clock()))
            self.schedule(owner, at_once=False)

    def flush(self: System, owner: Owner, *, step: Callable[[int], object]) -> None:
        """Do the owner's background work now and raise what goes wrong; `step` is told of pages done."""
        self.require_open()

        def finish(owner: Owner) -> None:
            with self._events.delivered():
                self.in_background(owner, lambda resident: self._background.finish(resident, step=step))

        with Traced("memoryos.flush", owner):
            self._worker.run_now(owner, finish)

    def status(self: System, owner: Owner) -> MemoryStatus:
        """Return how far the owner's background work is."""
        failure = self._worker.failure(owner)
        with self.resident(owner) as resident:
            return MemoryStatus(
                pending=len(self.updater.waiting(resident)),
                unpromoted=self.updater.unpromoted(resident),
                running=self._worker.running(owner),
                failure=failure,
                next_try=self.clock() + timedelta(seconds=failure.retry_in) if failure else None,
            )

    def purge(self: System, owner: Owner) -> None:
        """Delete everything of the owner and drop what was to be done for them."""
        with (
            Traced("memoryos.purge", owner) as span,
            self.resident(owner, half=True) as resident,
            resident.consolidating,
        ):
            pages = len(resident.records.pages)
            self._worker.forget(owner)
            self._visits.take(owner)
            resident.clear()
            self._purges[owner] += 1
            note(owner, EventName.PURGED, pages=pages)
            span.record(pages=pages)

    def purges(self: System, owner: Owner) -> int:
        """Return how often the owner was purged by this system, for those that hold what is not stored yet."""
        return self._purges[owner]
