"""What the background does for one user when its turn comes: visits, consolidation, promotion.

A chat model is asked when a full batch waits or the user has been quiet for a while; what
waits longer is found by every search all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from memoryos_engine.clock import Clock
from memoryos_engine.errors import UNUSABLE, MemoryOSError
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.trouble import FIRST_PAUSE
from memoryos_engine.updater import Updater
from memoryos_engine.visits import WaitingVisits
from memoryos_engine.worker import Outcome

Step = Callable[[int], object]

ELSEWHERE_PAUSE = 2.0
"""Seconds before looking again at what another process is consolidating."""


class Background:
    """Does the work of one resident set at a time. Thread-safe.

    Args:
        updater: the steps.
        visits: retrievals that are not counted yet.
        model_delay: seconds of quiet after which less than a full batch is worth a call.
        clock: the present, which page timestamps are compared with.
        stopped: says whether to leave the rest for the next opening.
    """

    def __init__(
        self, updater: Updater, visits: WaitingVisits, *, model_delay: float, clock: Clock, stopped: Callable[[], bool]
    ) -> None:
        self._updater = updater
        self._visits = visits
        self._model_delay = model_delay
        self._clock = clock
        self._stopped = stopped

    def work(self, resident: ResidentSet) -> Outcome:
        """Do what is worth doing now, and say when the rest will be.

        Raises:
            ModelError, StoreError: what went wrong; what was not finished stays due.
        """
        with resident.lease(wait=False) as alone:
            if not alone:
                return Outcome(worked=False, again_in=ELSEWHERE_PAUSE)
            resident.refresh()
            return self._work(resident)

    def _work(self, resident: ResidentSet) -> Outcome:
        self.record_visits(resident)
        wait = 0.0 if self._updater.eager else self._model_delay - self._quiet_for(resident)
        worked = self._run(resident, partial=wait <= 0, skip_resting=True, step=_unwatched)
        waiting = self._updater.waiting(resident) or self._updater.unpromoted(resident)
        rest = [resident.trouble.next_ends(), wait if wait > 0 else None]
        again = min((seconds for seconds in rest if seconds is not None), default=FIRST_PAUSE)
        return Outcome(worked=worked and not resident.trouble, again_in=again if waiting else None)

    def _quiet_for(self, resident: ResidentSet) -> float:
        """Return for how many seconds nothing was added: by the pages' timestamps if nothing was since loading."""
        if resident.spoke_at is not None:
            return time.monotonic() - resident.spoke_at
        newest = float(resident.records.index.living_times.max(initial=0.0))
        return max(0.0, self._clock().timestamp() - newest)

    def finish(self, resident: ResidentSet, *, step: Step) -> None:
        """Do everything that is due, whether or not it is worth a call; `step` is told of pages done.

        Raises:
            ModelError, StoreError: what went wrong; the rest stays due.
        """
        with resident.lease(wait=True):
            resident.refresh()
            self.record_visits(resident)
            self._run(resident, partial=True, skip_resting=False, step=step)

    def record_visits(self, resident: ResidentSet) -> None:
        """Count the retrievals that wait; they go on waiting if that fails."""
        visits = self._visits.take(resident.owner)
        if visits is None:
            return
        try:
            while not self._updater.record(resident, visits):
                pass
        except MemoryOSError:
            self._visits.add(resident.owner, visits)
            raise

    def _run(self, resident: ResidentSet, *, partial: bool, skip_resting: bool, step: Step) -> bool:
        """Consolidate what is pending and promote what is hot; return whether there was anything to do.

        Pages about which no usable answer comes keep no segment from promotion.
        """
        worked, failure = False, None
        try:
            while not self._stopped():
                done = self._updater.consolidate(resident, partial=partial, skip_resting=skip_resting)
                if done is None:
                    break
                worked = True
                step(done)
        except UNUSABLE as error:
            failure = error
        promoted = not self._stopped() and self._updater.promote(resident, partial=partial, skip_resting=skip_resting)
        if failure is not None:
            raise failure
        return worked or promoted


def _unwatched(pages: int) -> None:
    """Take no notice of how many pages were done."""
