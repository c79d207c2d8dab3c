"""What one batch of background work changes, worked out before anything is written.

A plan starts from the tiers as they are, takes an analyst's notes and facts one at a time
and ends as Changes. The order of the pages alone decides the outcome, not how they were
batched: each page is placed, and its segment checked for heat, before the next is looked
at. Knows no store, no model, no embedder and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from memoryos_engine.analysis.base import FoundFact, HotSegment, PageNote
from memoryos_engine.changes import Changes
from memoryos_engine.dialogue_chain import chained
from memoryos_engine.long_term import absorb, corrected, held_at, least_useful, reopened, said_of, without_sources
from memoryos_engine.mid_term import MidTermDraft, SegmentState
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Owner, Segment
from memoryos_engine.settings import MemorySettings
from memoryos_engine.similarity import Vector

PagesOf = Callable[[str], Sequence[DialoguePage]]


class Plan:
    """Collects the changes of one batch for one owner.

    Args:
        owner: whose tiers these are.
        states: the resident segments.
        entries: all knowledge entries.
        pages_of: gives the pages of a segment, in order.
        state_of: gives the state of an archived segment.
        settings: capacities and thresholds.
        now: the time heat is computed at.
    """

    def __init__(
        self,
        *,
        owner: Owner,
        states: Iterable[SegmentState],
        entries: Mapping[str, KnowledgeEntry],
        pages_of: PagesOf,
        state_of: Callable[[str], SegmentState],
        settings: MemorySettings,
        now: datetime,
    ) -> None:
        self._owner = owner
        self._settings = settings
        self._now = now
        self._pages_of = pages_of
        self._state_of = state_of
        self._draft = MidTermDraft(states, threshold=settings.similarity_threshold)
        self._entries = dict(entries)
        self._pages: dict[str, DialoguePage] = {}
        self._segments: dict[str, Segment] = {}
        self._centroids: dict[str, Vector] = {}
        self._changed_entries: dict[str, None] = {}
        self._forgotten: dict[str, None] = {}
        self.joined: dict[str, None] = {}
        """Ids of the segments that pages joined, whose summaries are due."""

    def page(self, page: DialoguePage) -> DialoguePage:
        """Return a page as this plan leaves it."""
        return self._pages.get(page.id, page)

    def pages_of(self, segment_id: str) -> list[DialoguePage]:
        """Return the pages of a segment as this plan leaves them, in order."""
        known = [self.page(page) for page in self._pages_of(segment_id)]
        seen = {page.id for page in known}
        new = [page for page in self._pages.values() if page.segment_id == segment_id and page.id not in seen]
        return sorted(known + new, key=lambda page: (page.sequence, page.id))

    # -- consolidation --------------------------------------------------------------

    def place(self, page: DialoguePage, vector: Vector, note: PageNote, previous: DialoguePage | None) -> str:
        """Give a pending page its chain and its segment (Eqs. 1 to 3); return the segment's id."""
        noted = chained(page, note, self.page(previous) if previous else None)
        state = self._draft.place(noted, vector)
        self._pages[page.id] = replace(noted, segment_id=state.segment.id)
        self._segments[state.segment.id] = state.segment
        self.joined[state.segment.id] = None
        return state.segment.id

    def newcomers(self, segment_id: str) -> set[str]:
        """Return the ids of the pages that this plan puts into a segment."""
        return {page.id for page in self._pages.values() if page.segment_id == segment_id}

    def summary(self, segment_id: str) -> str:
        """Return the summary of a segment as this plan leaves it."""
        return self._segments[segment_id].summary

    def summarise(self, segment_id: str, summary: str) -> None:
        """Give a segment its refreshed summary."""
        self._segments[segment_id] = replace(self._segments[segment_id], summary=summary)
        if segment_id in self._draft.states:
            self._draft.put(replace(self._draft.states[segment_id], segment=self._segments[segment_id]))

    # -- promotion --------------------------------------------------------------------

    def hot(self) -> list[str]:
        """Return the segments due for promotion, hottest first."""
        due = [state for state in self._draft.states.values() if self._is_due(state)]
        due.sort(key=lambda state: -state.heat(self._now, self._settings.heat_weights))
        return [state.segment.id for state in due]

    def is_hot(self, segment_id: str) -> bool:
        """Say whether a segment's heat exceeds tau and it has unpromoted pages."""
        return self._is_due(self._draft.states[segment_id])

    def unpromoted(self, segment_id: str) -> HotSegment:
        """Return a segment with the pages that long-term memory has not seen."""
        pages = tuple(page for page in self.pages_of(segment_id) if not page.promoted)
        return HotSegment(segment=self.segment(segment_id), pages=pages)

    def segment(self, segment_id: str) -> Segment:
        """Return a segment as this plan leaves it."""
        return self._draft.states[segment_id].segment

    def known(self) -> list[KnowledgeEntry]:
        """Return the current knowledge entries as this plan leaves them."""
        return held_at(self._entries.values(), None)

    def promote(self, hot: Iterable[HotSegment], facts: Iterable[FoundFact]) -> None:
        """Take the facts of hot segments into long-term memory and restart their L_interaction at 0."""
        parts = list(hot)
        pages = {page.id: self.page(page) for part in parts for page in part.pages}
        found = absorb(self._entries, facts, pages, self._owner)
        self._entries |= found
        self._changed_entries |= dict.fromkeys(found)
        self.fit_queues(spare=found)
        self._pages |= {key: replace(page, promoted=True) for key, page in pages.items()}
        for part in parts:
            self._promoted(part)

    def correct(self, entry_id: str, page: DialoguePage) -> KnowledgeEntry:
        """Have what a page says take the place of a current entry; return the entry that says so.

        No queue gets longer by it: the one ends, the other comes.
        """
        wrong = self._entries[entry_id]
        found = corrected(self._entries, wrong, page, self._owner)
        self._entries |= found
        self._changed_entries |= dict.fromkeys(found)
        self._pages[page.id] = page
        said = said_of(self._entries, wrong, page)
        return self._entries[entry_id] if said is None else said

    def tidy(self) -> None:
        """Finish what a crash may have left undone: intervals around a forgotten entry, queues over capacity."""
        changed = reopened(self._entries.values())
        self._entries |= changed
        self._changed_entries |= dict.fromkeys(changed)
        self.fit_queues()

    def _promoted(self, part: HotSegment) -> None:
        state = self._draft.states.get(part.segment.id)
        if state is not None:
            self._put(replace(state, interactions=state.interactions - len(part.pages)))

    # -- visits and eviction ------------------------------------------------------------

    def visit(self, segment_id: str, times: int, last_at: datetime) -> None:
        """Count `times` retrievals that returned pages of a segment, the last at `last_at`; it is back if archived."""
        state = self._draft.states.get(segment_id) or self._state_of(segment_id)
        last = max(last_at, state.segment.last_visited_at or last_at)
        visited = replace(state.segment, archived=False, visits=state.segment.visits + times, last_visited_at=last)
        self._put(replace(state, segment=visited))

    def use(self, entry_id: str, times: int) -> None:
        """Count `times` retrievals that returned a knowledge entry."""
        if entry_id in self._entries:
            entry = self._entries[entry_id]
            self._entries[entry_id] = replace(entry, uses=entry.uses + times)
            self._changed_entries[entry_id] = None

    def evict(self, *, spare: str) -> None:
        """Let the coldest segments go until the capacity is kept; `spare`, just used, stays."""
        while len(self._draft.states) > self._settings.mid_term_capacity:
            coldest = self._draft.coldest(self._now, self._settings.heat_weights, spare=spare)
            self._leave(self._draft.states[coldest])

    def _leave(self, state: SegmentState) -> None:
        self._draft.drop(state.segment.id)
        if self._settings.eviction == "archive":
            self._segments[state.segment.id] = replace(state.segment, archived=True)
            self._centroids[state.segment.id] = state.centroid
        else:
            self._forget(state.segment.id, self.pages_of(state.segment.id))

    def _forget(self, segment_id: str, pages: Sequence[DialoguePage]) -> None:
        gone = [page.id for page in pages]
        self._forgotten |= dict.fromkeys([segment_id, *gone])
        self._segments.pop(segment_id, None)
        self.joined.pop(segment_id, None)
        for page_id in gone:
            self._pages.pop(page_id, None)
        for entry in self._entries.values():
            left = without_sources(entry, gone)
            if left != entry:
                self._entries[entry.id] = left
                self._changed_entries[entry.id] = None

    # -- the outcome ------------------------------------------------------------------

    def changed_entries(self) -> list[KnowledgeEntry]:
        """Return the knowledge entries this plan adds or changes."""
        return [self._entries[key] for key in self._changed_entries if key in self._entries]

    def changes(self, knowledge_vectors: Mapping[str, Vector]) -> Changes:
        """Return everything this plan changes, with the vectors of new entries as given."""
        centroids = {key: state.centroid for key, state in self._draft.states.items() if key in self._segments}
        return Changes(
            pages=tuple(self._pages.values()),
            segments=tuple(self._segments.values()),
            knowledge=tuple(self.changed_entries()),
            vectors={**self._centroids, **centroids, **knowledge_vectors},
            forgotten=tuple(key for key in self._forgotten if key not in self._entries),
            makes_room=True,
            audited_at=self._now if self._settings.audit else None,
        )

    def _put(self, state: SegmentState) -> None:
        self._draft.put(state)
        self._segments[state.segment.id] = state.segment

    def _is_due(self, state: SegmentState) -> bool:
        hot = state.heat(self._now, self._settings.heat_weights) > self._settings.heat_threshold
        return hot and state.interactions > 0

    def fit_queues(self, *, spare: Collection[str] = ()) -> None:
        """Let the least useful entries go until every queue fits; those in `spare`, just learnt, last."""
        gone = least_useful(
            self._entries.values(),
            capacity=self._settings.knowledge_capacity,
            spare=spare,
            now=self._now,
            time_constant=self._settings.heat_weights.recency_constant,
        )
        for entry_id in gone:
            del self._entries[entry_id]
            self._forgotten[entry_id] = None
