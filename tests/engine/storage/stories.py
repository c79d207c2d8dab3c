"""What a resident set is made to do, and everything it says, as values that compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from memoryos_engine.changes import Changes
from memoryos_engine.lexical_index import LexicalIndex
from memoryos_engine.long_term import without_sources
from memoryos_engine.mid_term import open_segment, with_page
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Segment
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.storage.user_records import arrival

SESSIONS = ("a", "b", "c")


class Story:
    """Does to a resident set what the updater does, one commit at a time.

    Args:
        resident: what it is done to.
        make_page: makes a page.
        direction: gives the vector of a number.
        first: number of its first page and fact, where several tell one story.
        pages: what should be there in the end, shared by those who tell it.
    """

    def __init__(
        self,
        resident: ResidentSet,
        make_page: Callable[..., DialoguePage],
        direction: Any,
        *,
        first: int = 0,
        pages: dict[str, DialoguePage] | None = None,
    ) -> None:
        self.resident = resident
        self.pages: dict[str, DialoguePage] = {} if pages is None else pages
        self._make_page = make_page
        self._direction = direction
        self._facts = self._added = first

    def do(self, step: str, number: int) -> None:
        with self.resident.writing:
            getattr(self, step)(number)

    def add(self, number: int, session: str | None = None) -> None:
        sequence = self.resident.records.next_sequence
        count, self._added = self._added, self._added + 1
        page = self._make_page(
            sequence, id=f"page_{count}", session=session or SESSIONS[number % 3], user_input=f"word{number} {count}"
        )
        self.pages[page.id] = page
        self.resident.commit(Changes(pages=(page,), vectors={page.id: self._direction(count)}))

    def join(self, number: int) -> None:
        """Put the oldest page without a segment in a segment of mid-term memory or a new one."""
        records = self.resident.records
        waiting = sorted((page for page in records.pages.values() if page.segment_id is None), key=arrival)
        if not waiting:
            return
        vector = self.resident.vectors([waiting[0].id])[waiting[0].id]
        page = replace(waiting[0], chain_id=waiting[0].id, keywords=(f"k{number % 3}", "k"), meta_chain="m")
        states = [*records.live_states(), None]
        state = states[number % len(states)]
        joined = open_segment(page, vector) if state is None else with_page(state, page, vector)
        segment = joined.segment
        self.resident.commit(
            Changes(
                pages=(replace(page, segment_id=segment.id),),
                segments=(replace(segment, summary="s"),),
                vectors={segment.id: joined.centroid},
            )
        )

    def promote(self, number: int) -> None:
        segment = self._pick(number)
        if segment is not None:
            pages = self.resident.records.pages_of(segment.id)
            self.resident.commit(Changes(pages=tuple(replace(page, promoted=True) for page in pages)))

    def visit(self, number: int) -> None:
        segment = self._pick(number)
        if segment is not None:
            self.resident.commit(Changes(segments=(replace(segment, visits=segment.visits + number),)))

    def archive(self, number: int) -> None:
        segment = self._pick(number)
        if segment is not None:
            self.resident.commit(Changes(segments=(replace(segment, archived=True),)))

    def restore(self, number: int) -> None:
        archived = [segment for segment in self.resident.records.segments.values() if segment.archived]
        if archived:
            self.resident.commit(Changes(segments=(replace(archived[number % len(archived)], archived=False),)))

    def learn(self, number: int) -> None:
        self._facts += 1
        entry = KnowledgeEntry(
            id=f"knowledge_{self._facts}",
            kind=KnowledgeKind.USER_KNOWLEDGE,
            text=f"fact {number}",
            source_page_ids=tuple(self.resident.records.pages)[:1],
            said_at=self._make_page(number).timestamp,
        )
        self.resident.commit(Changes(knowledge=(entry,), vectors={entry.id: self._direction(number)}))

    def use(self, number: int) -> None:
        entries = list(self.resident.records.knowledge.values())
        if entries:
            entry = entries[number % len(entries)]
            self.resident.commit(Changes(knowledge=(replace(entry, uses=entry.uses + 1),)))

    def unlearn(self, number: int) -> None:
        entries = list(self.resident.records.knowledge)
        if entries:
            self.resident.commit(Changes(forgotten=(entries[number % len(entries)],)))

    def forget(self, number: int) -> None:
        pages = list(self.resident.records.pages.values())
        if pages:
            self._forget(pages[number % len(pages)])

    def forget_newest(self, number: int) -> None:
        pages = sorted(self.resident.records.pages.values(), key=arrival)
        if pages:
            self._forget(pages[-1])

    def _forget(self, page: DialoguePage) -> None:
        del self.pages[page.id]
        rest = [other for other in self.resident.records.pages_of(page.segment_id or "") if other.id != page.id]
        gone = (page.id, page.segment_id) if page.segment_id and not rest else (page.id,)
        segments = (self.resident.records.segments[page.segment_id],) if page.segment_id and rest else ()
        known = self.resident.records.knowledge.values()
        entries = tuple(without_sources(entry, [page.id]) for entry in known if page.id in entry.source_page_ids)
        self.resident.commit(Changes(segments=segments, knowledge=entries, forgotten=gone))

    def _pick(self, number: int) -> Segment | None:
        states = self.resident.records.live_states()
        return states[number % len(states)].segment if states else None


def words_of(index: LexicalIndex, position: int) -> dict[str, float]:
    """How often a page holds each of its terms."""
    held = {term: dict(zip(*map(list, index.postings(term)), strict=True)) for term in index._terms[position]}
    return {term: float(counts[position]) for term, counts in held.items()}


def picture(resident: ResidentSet) -> dict[str, Any]:
    """Everything that a resident set says, as values that compare."""
    records = resident.records
    index = records.index
    live = [page_id for page_id in index.ids if page_id in index]
    order = [index.row(page_id) for page_id in live]
    return {
        "pages": dict(sorted(records.pages.items())),
        "segments": dict(sorted(records.segments.items())),
        "knowledge": dict(sorted(records.knowledge.items())),
        "knowledge terms": dict(sorted(records.knowledge_terms.items())),
        "order of segments": list(records.segments),
        "mid-term": [state.segment.id for state in records.live_states()],
        "next sequence": records.next_sequence,
        "heads": resident.heads,
        "open": {session: list(records.open_pages(session)) for session in SESSIONS},
        "short term": {session: list(records.short_term(session, capacity=3, sessions=2)) for session in SESSIONS},
        "pending": records.pending(capacity=3, sessions=2),
        "before": {key: getattr(records.previous(page), "id", None) for key, page in sorted(records.pages.items())},
        "members": {key: [page.id for page in records.pages_of(key)] for key in sorted(records.segments)},
        "counts": {
            key: (state.page_count, state.interactions, state.newest_at, dict(state.keyword_weights))
            for key in sorted(records.segments)
            for state in [records.state(key)]
        },
        "rows": live,
        "words": [dict(sorted(words_of(index.lexical, row).items())) for row in order],
        "times": [float(index.times[row]) for row in order],
        "same session": [[index._sessions.values[a] == index._sessions.values[b] for a in order] for b in order],
        "same segment": [[index.segments[a] == index.segments[b] for a in order] for b in order],
    }


def assert_same_vectors(left: ResidentSet, right: ResidentSet) -> None:
    for key in left.records.pages:
        np.testing.assert_allclose(
            left.records.index.vector(key), right.records.index.vector(key), atol=1e-6, err_msg=key
        )
    for key in left.records.segments:
        ours, theirs = left.records.state(key).vector_sum, right.records.state(key).vector_sum
        np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=key)
    for key, vector in left.records.knowledge_vectors.items():
        np.testing.assert_allclose(vector, right.records.knowledge_vectors[key], atol=1e-6, err_msg=key)
