"""Moves pages between tiers: consolidation, promotion, visits, forgetting (paper §3.3).

A step asks the analyst first, holding nothing that anybody else waits for; then it plans
on the records as they are by then, and ends in one commit. A step that fails commits
nothing: the pages stay pending or unpromoted, which is how the next step finds them
again, in this process or after a crash.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from memoryos_engine.analysis.base import Analyst
from memoryos_engine.analysis.checked import checked_summary
from memoryos_engine.changes import Changes
from memoryos_engine.clock import Clock
from memoryos_engine.consolidation import Consolidation
from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import ModelError, NotFound
from memoryos_engine.forgetting import entry_forgotten, pages_forgotten
from memoryos_engine.planner import Planner
from memoryos_engine.promotion import Promotion
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment, Tier
from memoryos_engine.settings import MemorySettings
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.telemetry import Traced
from memoryos_engine.visits import Visits

BACKLOG_BATCHES = 8
"""Batches that an eager analyst's work may be put off by."""


class Updater:
    """Runs the steps for one resident set at a time. Thread-safe; holds no records."""

    def __init__(self, *, analyst: Analyst, embedder: Embedder, settings: MemorySettings, clock: Clock) -> None:
        self._analyst = analyst
        self._settings = settings
        self._clock = clock
        self._planner = Planner(embedder=embedder, settings=settings, clock=clock)
        self._consolidation = Consolidation(analyst, self._planner)
        self._promotion = Promotion(analyst, self._planner)

    def use_embedder(self, embedder: Embedder) -> None:
        """Have new entries embedded by another embedder from now on."""
        self._planner.use_embedder(embedder)

    @property
    def batch_size(self) -> int:
        """Pages the analyst takes at a time."""
        return self._analyst.batch_size

    @property
    def backlog(self) -> int:
        """Pending pages at which work begins without waiting for a quiet moment.

        A model's full batch is worth its call at once; reading without one competes with adding for the processor.
        """
        return self.batch_size * (BACKLOG_BATCHES if self.eager else 1)

    @property
    def eager(self) -> bool:
        """Whether asking the analyst costs nothing."""
        return self._analyst.eager

    def pending(self, resident: ResidentSet) -> list[DialoguePage]:
        """Return the pages that left STM and wait for consolidation, in the order they left."""
        with resident.reading:
            return resident.records.pending(
                capacity=self._settings.short_term_capacity, sessions=self._settings.short_term_sessions
            )

    def waiting(self, resident: ResidentSet) -> list[DialoguePage]:
        """Return the pages that `pending` does, in no order, which costs less."""
        with resident.reading:
            return resident.records.waiting(
                capacity=self._settings.short_term_capacity, sessions=self._settings.short_term_sessions
            )

    def tiers(self, resident: ResidentSet) -> dict[Tier, list[DialoguePage]]:
        """Return every page by the tier it lives in: each page in exactly one."""
        found: dict[Tier, list[DialoguePage]] = {tier: [] for tier in Tier}
        for page_id, tier in self.tiers_of(resident, list(resident.records.pages)).items():
            found[tier].append(resident.records.pages[page_id])
        return found

    def tiers_of(self, resident: ResidentSet, page_ids: Iterable[str]) -> dict[str, Tier]:
        """Return the tier of each of these pages that there is."""
        records = resident.records
        waiting = {page.id for page in self.waiting(resident)}
        return {key: _tier(records.pages[key], records.segments, waiting) for key in page_ids if key in records.pages}

    def unpromoted(self, resident: ResidentSet) -> int:
        """Return how many pages of hot segments wait for promotion."""
        return sum(len(each.pages) for each in self._promotion.hot(resident))

    def consolidate(self, resident: ResidentSet, *, partial: bool = True, skip_resting: bool = False) -> int | None:
        """Consolidate one batch of pending pages; return its size, None if there was none, 0 to read it again.

        An eager analyst promotes segments on the way, as they get hot.

        Args:
            resident: whose pages.
            partial: whether less than a full batch is worth asking for.
            skip_resting: leave pages alone about which no usable answer came a short while ago.

        Raises:
            ModelError: the analyst or the embedder failed; what was not finished stays due.
            StoreError: nothing was changed.
        """
        with resident.thinking:
            epoch, pending = resident.epoch, self.pending(resident)
            if skip_resting:
                pending = [page for page in pending if not resident.trouble.is_resting(page.id)]
            return self._consolidation.run(resident, pending, epoch=epoch, partial=partial)

    def promote(self, resident: ResidentSet, *, partial: bool = True, skip_resting: bool = False) -> bool:
        """Promote every hot segment (heat > tau); return whether any was read.

        Args:
            resident: whose segments.
            partial: whether less than a full batch is worth asking for.
            skip_resting: leave pages alone about which no usable answer came a short while ago.

        Raises:
            ModelError: the analyst or the embedder failed; the segment stays due.
        """
        with resident.thinking:
            self._promotion.tidy(resident)
            at_least = 1 if partial else self._analyst.promotion_size
            return self._promotion.run(resident, at_least=at_least, skip_resting=skip_resting)

    def record(self, resident: ResidentSet, visits: Visits) -> bool:
        """Count visits and uses; archived segments among them come back. False if another process wrote meanwhile."""
        with resident.consolidating:
            epoch, plan, spare = resident.epoch, self._planner.plan(resident), ""
            for segment_id, visit in visits.segments.items():
                if segment_id in resident.records.segments:
                    plan.visit(segment_id, visit.times, visit.last_at)
                    spare = segment_id
            plan.evict(spare=spare)
            for entry_id, use in visits.entries.items():
                plan.use(entry_id, use.times)
            return self._planner.commit(resident, plan, epoch)

    def correct(
        self, resident: ResidentSet, entry_id: str, page: DialoguePage, vectors: tuple[Vector, Vector]
    ) -> KnowledgeEntry:
        """Have what a page says take the place of a current entry, in one change with the page; return what is so now.

        Called with `resident.consolidating` and `resident.writing` held.

        Args:
            resident: whose entry.
            entry_id: of the entry that is not so.
            page: says how it is.
            vectors: of the page and of what it says.
        """
        plan = self._planner.plan(resident)
        entry = plan.correct(entry_id, page)
        new = {} if entry.id in resident.records.knowledge else {entry.id: vectors[1]}
        resident.commit(plan.changes({page.id: vectors[0], **new}))
        return entry

    def forget(self, resident: ResidentSet, record_id: str) -> None:
        """Delete a page or a knowledge entry, and what was derived from it alone. Asks no model.

        Raises:
            NotFound: the owner has no such record.
        """
        with Traced("memoryos.forget", resident.owner) as span, resident.consolidating, resident.writing:
            records = resident.records
            if record_id in records.knowledge:
                self._forgot(resident, entry_forgotten(records, record_id))
                span.record(pages=0)
            elif record_id in records.pages:
                self._forgot(resident, pages_forgotten(records, [records.pages[record_id]], self._summary))
                span.record(pages=1)
            else:
                raise NotFound(record_id)

    def forget_pages(self, resident: ResidentSet, page_ids: Iterable[str]) -> int:
        """Delete pages in one change, as `forget` does each; return how many of them there were."""
        with Traced("memoryos.forget", resident.owner) as span, resident.consolidating, resident.writing:
            pages = resident.records.pages
            gone = [pages[key] for key in page_ids if key in pages]
            if gone:
                self._forgot(resident, pages_forgotten(resident.records, gone, self._summary))
            span.record(pages=len(gone))
            return len(gone)

    def _forgot(self, resident: ResidentSet, changes: Changes) -> None:
        resident.commit(replace(changes, audited_at=self._clock() if self._settings.audit else None))

    def _summary(self, pages: Sequence[DialoguePage]) -> str:
        try:
            return checked_summary(self._analyst.summarise(pages))
        except ModelError:  # an analyst that is down must not keep a user from deleting
            return ""


def _tier(page: DialoguePage, segments: Mapping[str, Segment], waiting: Collection[str]) -> Tier:
    if page.segment_id is None:
        return Tier.PENDING if page.id in waiting else Tier.SHORT_TERM
    return Tier.ARCHIVE if segments[page.segment_id].archived else Tier.SEGMENT
