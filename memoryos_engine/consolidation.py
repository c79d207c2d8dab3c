"""Consolidation: pending pages get their chains and segments, a batch at a time (paper §3.3, Eqs. 1 to 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from memoryos_engine.analysis.base import Analyst, BatchReading, PendingPage
from memoryos_engine.analysis.checked import checked_facts, checked_reading, checked_summary
from memoryos_engine.batching import next_batch
from memoryos_engine.errors import ModelError
from memoryos_engine.plan import Plan
from memoryos_engine.planning import Planner, counting_trouble
from memoryos_engine.records import DialoguePage, Segment
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.resident import ResidentSet

NEAREST_SEGMENTS = 10
"""Known segments an analyst is shown with a batch."""


class Consolidation:
    """Places pending pages. Stateless and thread-safe.

    Args:
        analyst: says what the pages are about.
        planner: plans and commits.
    """

    def __init__(self, analyst: Analyst, planner: Planner) -> None:
        self._analyst = analyst
        self._planner = planner

    def run(self, resident: ResidentSet, pending: Sequence[DialoguePage]) -> int:
        """Consolidate one batch of the pending pages; return its size. Called with `resident.thinking` held.

        Raises:
            ModelError: the analyst or the embedder failed; what was not finished stays due.
            StoreError: nothing was changed.
        """
        batch = self._batch(resident, next_batch(pending, resident.trouble, size=self._analyst.batch_size))
        if not batch:
            return 0
        shown = self._nearest(resident, batch)
        with counting_trouble(resident, [item.page.id for item in batch]):
            reading = checked_reading(self._analyst.consolidate(batch, shown), batch)
        failure = self._consolidated(resident, batch, reading, shown)
        if failure:
            raise failure
        return len(batch)

    def _batch(self, resident: ResidentSet, pages: Sequence[DialoguePage]) -> list[PendingPage]:
        with resident.reading:
            before = {page.id: resident.records.previous(page) for page in pages}
        wanted = {page.id for page in (*pages, *before.values()) if page}
        vectors = resident.vectors(wanted)
        return [_pending(page, before[page.id], vectors) for page in pages if page.id in vectors]

    def _nearest(self, resident: ResidentSet, batch: Sequence[PendingPage]) -> list[Segment]:
        with resident.reading:
            states = resident.records.live_states()
        direction: Vector = np.sum([item.vector for item in batch], axis=0)
        states.sort(key=lambda state: -float(state.centroid @ direction))
        return [state.segment for state in states[:NEAREST_SEGMENTS]]

    def _consolidated(
        self, resident: ResidentSet, batch: Sequence[PendingPage], reading: BatchReading, shown: Sequence[Segment]
    ) -> ModelError | None:
        """Place a batch as it was read, unless its pages changed meanwhile; they are then read again."""
        with resident.consolidating:
            if not _unchanged(resident, batch):
                return None
            epoch, plan = resident.epoch, self._planner.plan(resident)
            failure = self._placed(plan, batch, reading, shown)
            self._planner.commit(resident, plan, epoch)
        return failure

    def _placed(
        self, plan: Plan, batch: Sequence[PendingPage], reading: BatchReading, shown: Sequence[Segment]
    ) -> ModelError | None:
        failure: ModelError | None = None
        for item, note in zip(batch, reading.notes, strict=True):
            segment_id = plan.place(item.page, item.vector, note, item.previous)
            if failure is None and self._analyst.eager and plan.is_hot(segment_id):
                failure = self._promoted_within(plan, segment_id)
            plan.evict(spare=segment_id)
        for segment_id in list(plan.joined):
            plan.summarise(segment_id, self._told(plan, segment_id, reading, shown))
        return failure

    def _told(self, plan: Plan, segment_id: str, reading: BatchReading, shown: Sequence[Segment]) -> str:
        """Return what the analyst said of a segment, if it knew all that is in it; else a summary of its pages."""
        known = {segment.id: segment.summary for segment in shown}
        new = plan.newcomers(segment_id)
        for topic in reading.topics:
            if not new <= set(topic.page_ids):
                continue
            if len(new) == len(plan.pages_of(segment_id)):
                return topic.summary
            if topic.segment_id == segment_id and known.get(segment_id) == plan.summary(segment_id):
                return topic.summary
        return checked_summary(self._analyst.summarise(plan.pages_of(segment_id)))

    def _promoted_within(self, plan: Plan, segment_id: str) -> ModelError | None:
        """Promote one segment within a plan; a model's failure is returned, so that the rest can be kept."""
        hot = plan.unpromoted(segment_id)
        try:
            facts = checked_facts(self._analyst.promote([hot], plan.known()), hot.pages)
        except ModelError as error:
            return error
        plan.promote([hot], facts)
        return None


def _unchanged(resident: ResidentSet, batch: Sequence[PendingPage]) -> bool:
    """Say whether the pages of a batch, and those before them, are still as they were read."""
    with resident.reading:
        now = resident.records.pages
        seen = [page for item in batch for page in (item.page, item.previous) if page is not None]
        return all(now.get(page.id) == page for page in seen)


def _pending(page: DialoguePage, previous: DialoguePage | None, vectors: Mapping[str, Vector]) -> PendingPage:
    before = vectors.get(previous.id) if previous else None
    return PendingPage(page=page, vector=vectors[page.id], previous=previous, previous_vector=before)
