"""Moves pages between tiers: consolidation, promotion, visits, forgetting (paper §3.3).

Each step asks the analyst first, plans on values, and ends in one commit. A step that
fails commits nothing it has not finished: the pages stay pending or unpromoted, which is
how the next step finds them again, in this process or after a crash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from memoryos_engine.analysis.base import Analyst, PageNote, PendingPage
from memoryos_engine.analysis.checked import checked_facts, checked_notes, checked_summary
from memoryos_engine.changes import Changes
from memoryos_engine.clock import Clock
from memoryos_engine.embedding.base import Embedder, unit_rows
from memoryos_engine.errors import ModelError, NotFound
from memoryos_engine.long_term import reopened, without_sources
from memoryos_engine.mid_term import keyword_weights, segment_keywords
from memoryos_engine.plan import Plan
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment
from memoryos_engine.settings import MemorySettings
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.visits import Visits

NEAREST_SEGMENTS = 10
"""Known segments an analyst is shown with a batch."""
MOST_FAILURES = 3
"""Promotions that may fail before a run gives up: one bad segment starves no other, a dead model is left alone."""


class Updater:
    """Runs the steps for one resident set at a time. Stateless and thread-safe."""

    def __init__(self, *, analyst: Analyst, embedder: Embedder, settings: MemorySettings, clock: Clock) -> None:
        self._analyst = analyst
        self._embedder = embedder
        self._settings = settings
        self._clock = clock

    @property
    def batch_size(self) -> int:
        """Pages the analyst takes at a time."""
        return self._analyst.batch_size

    def pending(self, resident: ResidentSet) -> list[DialoguePage]:
        """Return the pages that left STM and wait for consolidation, in the order they left."""
        with resident.reading:
            return resident.records.pending(
                capacity=self._settings.short_term_capacity, sessions=self._settings.short_term_sessions
            )

    def due(self, resident: ResidentSet) -> bool:
        """Say whether a segment waits for promotion."""
        return bool(self._plan(resident).hot())

    def consolidate(self, resident: ResidentSet) -> int:
        """Consolidate one batch of pending pages, promoting segments as they get hot; return its size.

        Raises:
            ModelError: the analyst or the embedder failed; what was not finished stays due.
            StoreError: nothing was changed.
        """
        with resident.consolidating:
            batch = self._batch(resident)
            if not batch:
                return 0
            epoch, plan = resident.epoch, self._plan(resident)
            notes = self._notes(batch, resident)
            failure = self._place(plan, batch, notes)
            self._commit(resident, plan, epoch)
        if failure:
            raise failure
        return len(batch)

    def promote(self, resident: ResidentSet) -> int:
        """Promote every hot segment (Eq. 4, heat > tau); return how many.

        Raises:
            ModelError: the analyst or the embedder failed; the segment stays due.
        """
        with resident.consolidating:
            epoch, plan = resident.epoch, self._plan(resident)
            hot, failures = plan.hot(), list[ModelError]()
            plan.fit_queues()  # a crash may have come between new entries and the leaving of old ones
            for segment_id in hot:
                failures += filter(None, [self._promote(plan, segment_id)])
                if len(failures) == MOST_FAILURES:
                    break
            kept = self._commit(resident, plan, epoch)
        if failures:
            raise failures[0]
        return len(hot) if kept else self.promote(resident)

    def record(self, resident: ResidentSet, visits: Visits) -> bool:
        """Count visits and uses; archived segments among them come back. False if another process wrote meanwhile."""
        with resident.consolidating:
            epoch, plan, spare = resident.epoch, self._plan(resident), ""
            for segment_id, visit in visits.segments.items():
                if segment_id in resident.records.segments:
                    plan.visit(segment_id, visit.times, visit.last_at)
                    spare = segment_id
            plan.evict(spare=spare)
            for entry_id, use in visits.entries.items():
                plan.use(entry_id, use.times)
            return self._commit(resident, plan, epoch)

    def forget(self, resident: ResidentSet, record_id: str) -> None:
        """Delete a page or a knowledge entry, and what was derived from it alone.

        Raises:
            NotFound: the owner has no such record.
        """
        with resident.consolidating, resident.writing:
            resident.refresh()
            if record_id in resident.records.knowledge:
                resident.commit(self._entries_changed(resident, forgotten=[record_id]))
            elif record_id in resident.records.pages:
                resident.commit(self._page_forgotten(resident, resident.records.pages[record_id]))
            else:
                raise NotFound(record_id)

    # -- consolidation ----------------------------------------------------------------

    def _batch(self, resident: ResidentSet) -> list[PendingPage]:
        pages = self.pending(resident)[: self._analyst.batch_size]
        with resident.reading:
            before = {page.id: resident.records.previous(page) for page in pages}
        wanted = {page.id for page in (*pages, *before.values()) if page}
        vectors = resident.vectors(wanted)
        return [_pending(page, before[page.id], vectors) for page in pages if page.id in vectors]

    def _notes(self, batch: Sequence[PendingPage], resident: ResidentSet) -> Sequence[PageNote]:
        return checked_notes(self._analyst.consolidate(batch, self._nearest(resident, batch)), batch)

    def _nearest(self, resident: ResidentSet, batch: Sequence[PendingPage]) -> list[Segment]:
        with resident.reading:
            states = resident.records.live_states()
        direction: Vector = np.sum([item.vector for item in batch], axis=0)
        states.sort(key=lambda state: -float(state.centroid @ direction))
        return [state.segment for state in states[:NEAREST_SEGMENTS]]

    def _place(self, plan: Plan, batch: Sequence[PendingPage], notes: Sequence[PageNote]) -> ModelError | None:
        failure: ModelError | None = None
        for item, note in zip(batch, notes, strict=True):
            segment_id = plan.place(item.page, item.vector, note, item.previous)
            if failure is None and plan.is_hot(segment_id):
                failure = self._promote(plan, segment_id)
            plan.evict(spare=segment_id)
        for segment_id in list(plan.joined):
            plan.summarise(segment_id, checked_summary(self._analyst.summarise(plan.pages_of(segment_id))))
        return failure

    def _promote(self, plan: Plan, segment_id: str) -> ModelError | None:
        """Promote one segment within a plan; a model's failure is returned, so that the rest can be kept."""
        pages = plan.unpromoted(segment_id)
        try:
            facts = checked_facts(self._analyst.promote(plan.segment(segment_id), pages, plan.entries()), pages)
        except ModelError as error:
            return error
        plan.promote(segment_id, pages, facts)
        return None

    # -- forgetting ------------------------------------------------------------

    def _page_forgotten(self, resident: ResidentSet, page: DialoguePage) -> Changes:
        # A meta chain sums up the pages before it, the forgotten one among them.
        later = [
            replace(other, meta_chain="", keywords=_own_keywords(other, without=page))
            for other in resident.records.pages.values()
            if page.chain_id and other.chain_id == page.chain_id and other.sequence > page.sequence
        ]
        after = {other.id: other for other in later}
        touched = dict.fromkeys(other.segment_id for other in (page, *later) if other.segment_id)
        left = {key: [after.get(p.id, p) for p in resident.records.pages_of(key) if p.id != page.id] for key in touched}
        segments = [self._resummarised(resident, key, pages) for key, pages in left.items() if pages]
        gone = [page.id, *(key for key, pages in left.items() if not pages)]
        changes = self._entries_changed(resident, page=page)
        return replace(changes, pages=tuple(later), segments=tuple(segments), forgotten=(*gone, *changes.forgotten))

    def _resummarised(self, resident: ResidentSet, segment_id: str, pages: Sequence[DialoguePage]) -> Segment:
        try:
            summary = checked_summary(self._analyst.summarise(pages))
        except ModelError:  # a model that is down must not keep a user from deleting
            summary = ""
        keywords = segment_keywords(keyword_weights(pages))
        return replace(resident.records.segments[segment_id], summary=summary, keywords=keywords)

    def _entries_changed(
        self, resident: ResidentSet, *, page: DialoguePage | None = None, forgotten: Sequence[str] = ()
    ) -> Changes:
        """Return what happens to the entries when one, or a source page of some, goes."""
        entries = {key: entry for key, entry in resident.records.knowledge.items() if key not in forgotten}
        touched = {key: entry for key, entry in entries.items() if page and page.id in entry.source_page_ids}
        left = {key: without_sources(entry, [page.id]) for key, entry in touched.items() if page}
        # A trait's text may quote any one of its pages.
        gone = [*forgotten, *(key for key, entry in left.items() if entry.level or not entry.source_page_ids)]
        kept = {key: left.get(key, entry) for key, entry in entries.items() if key not in gone}
        changed = {key: entry for key, entry in left.items() if key in kept} | reopened(kept.values())
        return Changes(knowledge=tuple(changed.values()), forgotten=tuple(gone))

    # -- planning and committing ------------------------------------------------------------

    def _plan(self, resident: ResidentSet) -> Plan:
        with resident.reading:
            records = resident.records
            return Plan(
                owner=resident.owner,
                states=records.live_states(),
                entries=records.knowledge,
                pages_of=records.pages_of,
                state_of=records.state,
                settings=self._settings,
                now=self._clock(),
            )

    def _commit(self, resident: ResidentSet, plan: Plan, epoch: int) -> bool:
        """Commit a plan unless records changed under it; say whether it was."""
        vectors = self._embedded(resident, plan.changed_entries())
        with resident.writing:
            resident.refresh()
            if resident.epoch != epoch:
                return False
            resident.commit(plan.changes(vectors))
        return True

    def _embedded(self, resident: ResidentSet, entries: Sequence[KnowledgeEntry]) -> Mapping[str, Vector]:
        new = [entry for entry in entries if entry.id not in resident.records.knowledge]
        if not new:
            return {}
        texts = [entry.text for entry in new]
        rows = unit_rows(self._embedder.embed(texts), rows=len(texts), dimension=self._embedder.dimension)
        return {entry.id: row for entry, row in zip(new, rows, strict=True)}


def _own_keywords(page: DialoguePage, *, without: DialoguePage) -> tuple[str, ...]:
    """Return the keywords of `page` less those it only carries on from a page that is forgotten."""
    said = page.text.casefold()
    return tuple(word for word in page.keywords if word not in without.keywords or word.casefold() in said)


def _pending(page: DialoguePage, previous: DialoguePage | None, vectors: Mapping[str, Vector]) -> PendingPage:
    before = vectors.get(previous.id) if previous else None
    return PendingPage(page=page, vector=vectors[page.id], previous=previous, previous_vector=before)
