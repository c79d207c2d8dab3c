"""Consolidation: pending pages get their chains and segments, a batch at a time (paper §3.3, Eqs. 1 to 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from memoryos_engine.analysis.base import Analyst, BatchReading, PendingPage, TopicNote
from memoryos_engine.analysis.checked import checked_facts, checked_reading, checked_summary
from memoryos_engine.batching import halved, next_batch
from memoryos_engine.errors import ModelError
from memoryos_engine.lexical import terms_of
from memoryos_engine.mid_term import SegmentState
from memoryos_engine.plan import Plan
from memoryos_engine.planner import Planner
from memoryos_engine.records import DialoguePage, Segment
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.telemetry import Traced

NEAREST_SEGMENTS = 10
"""Known segments an analyst is shown with a batch."""
LONGEST_SUMMARY = 600
"""Characters of a summary that is put together from several."""


class Consolidation:
    """Places pending pages. Stateless and thread-safe.

    Args:
        analyst: says what the pages are about.
        planner: plans and commits.
    """

    def __init__(self, analyst: Analyst, planner: Planner) -> None:
        self._analyst = analyst
        self._planner = planner

    def run(self, resident: ResidentSet, pending: Sequence[DialoguePage], *, epoch: int, partial: bool) -> int | None:
        """Consolidate one batch of pages that are pending since `epoch`; return its size. Needs `resident.thinking`.

        Returns:
            None if there was no batch; 0 if it has to be read again, because something was forgotten meanwhile.

        Raises:
            ModelError: the analyst or the embedder failed; what was not finished stays due.
            StoreError: nothing was changed.
        """
        failures = resident.trouble.failures
        pages = next_batch(pending, failures, size=self._analyst.batch_size)
        if not pages or not (partial or len(pages) == halved(self._analyst.batch_size, failures(pages[0].id))):
            return None
        with Traced("memoryos.consolidate", resident.owner) as span:
            span.record(pages=len(pages))
            return self._consolidated(resident, pages, epoch)

    def _consolidated(self, resident: ResidentSet, pages: Sequence[DialoguePage], epoch: int) -> int:
        batch = self._batch(resident, pages)
        if not batch:
            return 0
        shown = self._nearest(resident, batch)
        with resident.trouble.counted([item.page.id for item in batch]):
            reading = checked_reading(self._analyst.consolidate(batch, shown), batch)
        with resident.consolidating:
            plan = self._planner.plan(resident)
            if resident.epoch != epoch:
                return 0
            failure = self._placed(plan, batch, reading, shown)
            kept = self._planner.commit(resident, plan, epoch)
        if failure:
            raise failure
        return len(batch) if kept else 0

    def _batch(self, resident: ResidentSet, pages: Sequence[DialoguePage]) -> list[PendingPage]:
        inside = {page.id for page in pages}
        with resident.reading:
            records = resident.records
            pages = [page for page in pages if page.id in records.pages]  # one may just have been forgotten
            before = {page.id: _settled(records.previous(page), inside) for page in pages}
        wanted = {page.id for page in (*pages, *before.values()) if page}
        vectors = resident.vectors(wanted)
        return [_pending(page, before[page.id], vectors) for page in pages if page.id in vectors]

    def _nearest(self, resident: ResidentSet, batch: Sequence[PendingPage]) -> list[Segment]:
        """Return the segments likely to be carried on: first those of the pages before, then the nearest."""
        with resident.reading:
            states = resident.records.live_states()
        vectors: Vector = np.stack([item.vector for item in batch])
        said = terms_of(item.page.text for item in batch)
        before = {item.previous.segment_id for item in batch if item.previous}
        scores = {state.segment.id: _affinity(state, vectors, said) for state in states}
        states.sort(key=lambda state: (state.segment.id not in before, -scores[state.segment.id]))
        return [state.segment for state in states[:NEAREST_SEGMENTS]]

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
        """Return the summary of a segment that pages joined: the analyst's own, or one made from its pages."""
        new = plan.newcomers(segment_id)
        topics = [topic for topic in reading.topics if not new.isdisjoint(topic.page_ids)]
        if len(topics) == 1 and _knows_all(topics[0], plan, segment_id, shown):
            return topics[0].summary
        if topics and all(topic.segment_id in (None, segment_id) for topic in topics):
            return _joined([plan.summary(segment_id), *(topic.summary for topic in topics)])
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


def _affinity(state: SegmentState, vectors: Vector, said: frozenset[str]) -> float:
    """Return how near a segment is to a batch: the best cosine, and the share of its keywords that are said."""
    own = terms_of([" ".join(state.segment.keywords)])
    return float((vectors @ state.centroid).max()) + len(own & said) / max(1, len(own))


def _knows_all(topic: TopicNote, plan: Plan, segment_id: str, shown: Sequence[Segment]) -> bool:
    """Say whether a topic's summary covers its segment: all of it is new, or it brings the known summary up to date."""
    if not plan.newcomers(segment_id) <= set(topic.page_ids):
        return False
    if topic.segment_id is None:
        return len(plan.newcomers(segment_id)) == len(plan.pages_of(segment_id))
    known = {segment.id: segment.summary for segment in shown}
    return topic.segment_id == segment_id and known.get(segment_id) == plan.summary(segment_id)


def _joined(summaries: Sequence[str]) -> str:
    """Return summaries end to end, the latest kept where that gets too long."""
    text = " ".join(dict.fromkeys(summary for summary in summaries if summary))
    return text if len(text) <= LONGEST_SUMMARY else text[-LONGEST_SUMMARY:].partition(" ")[2]


def _settled(previous: DialoguePage | None, inside: Collection[str]) -> DialoguePage | None:
    """Return the page before, unless it is pending itself in another batch: it has no chain yet to go on with."""
    return previous if previous and (previous.segment_id or previous.id in inside) else None


def _pending(page: DialoguePage, previous: DialoguePage | None, vectors: Mapping[str, Vector]) -> PendingPage:
    before = vectors.get(previous.id) if previous else None
    return PendingPage(page=page, vector=vectors[page.id], previous=previous, previous_vector=before)
