"""One user's resident records in memory, with what is derived from them kept beside them.

Dictionaries for looking up, columns for ranking, a tally per segment so that heat needs
no scan. Knows no store and no lock; its owner, the resident set, has both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice, zip_longest
from sys import getsizeof

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.lexical import tokenize
from memoryos_engine.mid_term import SegmentState, keyword_weights, opening
from memoryos_engine.page_index import PageIndex, Precision
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment
from memoryos_engine.short_term import hand_over, live_sessions
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.session_links import SessionLinks
from memoryos_engine.storage.session_links import arrival as arrival  # how pages are ordered, for those who read them


@dataclass(slots=True)
class _Tally:
    """What is derived from the pages of one segment."""

    vector_sum: NDArray[np.float64]
    keyword_weights: Counter[str] = field(default_factory=Counter)
    page_ids: dict[str, None] = field(default_factory=dict)
    unpromoted: int = 0
    newest_at: datetime | None = None


RECORD_BYTES = 1500
"""What a fact or a segment takes besides its vector and texts, about."""
MENTION_BYTES = 95
"""What a term or a source of a fact takes, about."""


class UserRecords:
    """Pages, segments and knowledge entries of one user.

    Args:
        dimension: length of the vectors.
        precision: how page vectors are kept.
    """

    def __init__(self, *, dimension: int, precision: Precision) -> None:
        self._dimension = dimension
        self.index = PageIndex(dimension=dimension, precision=precision)
        self.pages: dict[str, DialoguePage] = {}
        self.segments: dict[str, Segment] = {}
        self.knowledge: dict[str, KnowledgeEntry] = {}
        self.knowledge_vectors: dict[str, Vector] = {}
        self.knowledge_terms: dict[str, frozenset[str]] = {}
        self.next_sequence = 0
        self._open: dict[str, dict[str, None]] = {}
        self._sessions = SessionLinks(self.pages)
        self._tallies: dict[str, _Tally] = {}
        self._entry_bytes = 0

    # -- looking ------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """About how much memory they take, in bytes."""
        return self.index.nbytes + self._entry_bytes + len(self.segments) * (RECORD_BYTES + 8 * self._dimension)

    def open_pages(self, session_id: str) -> Sequence[DialoguePage]:
        """Return the session's pages without a segment, in order of arrival."""
        return [self.pages[page_id] for page_id in self._open.get(session_id, ())]

    def session(self, session_id: str, *, last: int | None = None) -> list[DialoguePage]:
        """Return every page of a session, in order of arrival, or the last so many."""
        ids = islice(self._sessions.backwards(session_id), last)
        return [self.pages[page_id] for page_id in ids][::-1]

    @property
    def recent(self) -> dict[str, None]:
        """Sessions in the order of their latest pages."""
        return self._sessions.recent

    def short_term(self, session_id: str, *, capacity: int, sessions: int) -> Sequence[DialoguePage]:
        """Return the session's STM, in order of arrival; empty once `sessions` others were active since."""
        live = session_id in live_sessions(self.recent, count=sessions)
        return hand_over(self.open_pages(session_id), capacity=capacity, sessions=sessions, live=live)[1]

    def pending(self, *, capacity: int, sessions: int) -> list[DialoguePage]:
        """Return the pages of all sessions that left STM and have no segment, in the order they left.

        In this order, and not that of arrival, it does not matter how often pages are consolidated.
        """
        live = live_sessions(self.recent, count=sessions)
        found: list[tuple[float, DialoguePage]] = []
        for session in self._open:
            pages = self.open_pages(session)
            over = hand_over(pages, capacity=capacity, sessions=sessions, live=session in live)[0]
            silences = self._silences(pages, sessions) if over else []
            pushed = [page.sequence for page in pages[capacity - 1 :]]
            left = map(min, zip_longest(pushed, silences, fillvalue=float("inf")))
            found += zip(left, over, strict=False)
        return [page for _, page in sorted(found, key=lambda pair: (pair[0], arrival(pair[1])))]

    def waiting(self, *, capacity: int, sessions: int) -> list[DialoguePage]:
        """Return the pages that `pending` does, session by session, which costs little even after each page."""
        live = live_sessions(self.recent, count=sessions)
        found: list[DialoguePage] = []
        for session in self._open:
            pages = self.open_pages(session)
            found += hand_over(pages, capacity=capacity, sessions=sessions, live=session in live)[0]
        return found

    def _silences(self, pages: Sequence[DialoguePage], sessions: int) -> list[float]:
        """Return for each open page of a session when the session next fell silent, as a sequence."""
        found: list[float] = []
        silent = self._silent_at(pages[-1], sessions)
        for page, after in zip(reversed(pages), [None, *reversed(pages)], strict=False):
            if after is not None and after.sessions_since >= sessions:
                silent = self._silent_at(page, sessions)
            found.append(silent)
        return found[::-1]

    def _silent_at(self, page: DialoguePage, sessions: int) -> float:
        """Return the sequence at which `sessions` others had spoken since `page`; infinity if they have not."""
        row, seen = self.index.row(page.id), set[int]()
        for later in range(row + 1, len(self.index.ids)):
            code = int(self.index.sessions[later])
            if self.index.alive[later] and code != self.index.sessions[row]:
                seen.add(code)
                if len(seen) == sessions:
                    return self.pages[self.index.ids[later]].sequence
        return float("inf")

    def previous(self, page: DialoguePage) -> DialoguePage | None:
        """Return the page before `page` in its session, if any."""
        before = self._sessions.before(page.id)
        return self.pages[before] if before else None

    def pages_of(self, segment_id: str) -> list[DialoguePage]:
        """Return the pages of a segment, in order of arrival."""
        tally = self._tallies.get(segment_id)
        return sorted((self.pages[page_id] for page_id in tally.page_ids), key=arrival) if tally else []

    def live_states(self) -> list[SegmentState]:
        """Return the segments of mid-term memory, those not archived, in order of opening."""
        live = [segment for segment in self.segments.values() if not segment.archived]
        return [self.state(segment.id) for segment in sorted(live, key=opening)]

    def state(self, segment_id: str) -> SegmentState:
        """Return a segment with its derived counts."""
        segment, tally = self.segments[segment_id], self._tally(segment_id)
        return SegmentState(
            segment=segment,
            vector_sum=tally.vector_sum,
            keyword_weights=tally.keyword_weights,
            page_count=len(tally.page_ids),
            interactions=tally.unpromoted,
            newest_at=tally.newest_at or segment.created_at,
        )

    # -- changing -----------------------------------------------------------------

    def put_page(self, page: DialoguePage, vector: Vector | None) -> None:
        """Add a page, or replace what is known of it. A new page needs its vector."""
        known = self.pages.get(page.id)
        self.pages[page.id] = page
        if known is None:
            self._append(page, _given(vector, page.id))
        else:
            self.index.assign(page)
            if known.text != page.text:
                self.index.rewrite(page, _given(vector, page.id))
        if page.segment_id is None:
            self._open.setdefault(page.session_id, {})[page.id] = None
        else:
            self._join(page, page.segment_id, known, vector)

    def move_pages(self, moved: Sequence[DialoguePage]) -> None:
        """Take over the sessions of pages that are known; the sessions they left and joined are linked anew."""
        touched = {self.pages[page.id].session_id for page in moved} | {page.session_id for page in moved}
        members = {page.id: page for session in touched for page in self.session(session)}
        members |= {page.id: page for page in moved}
        self.pages |= members
        for page in moved:
            self.index.assign_session(page)
        by_session: dict[str, list[DialoguePage]] = {session: [] for session in touched}
        for page in sorted(members.values(), key=arrival):
            by_session[page.session_id].append(page)
        self._sessions.relink(by_session)
        for session, pages in by_session.items():
            self._open.pop(session, None)
            if unplaced := {page.id: None for page in pages if page.segment_id is None}:
                self._open[session] = unplaced

    def put_entry(self, entry: KnowledgeEntry, vector: Vector | None) -> None:
        """Add or replace a knowledge entry. A new entry needs its vector."""
        if entry.id in self.knowledge:
            self._entry_bytes -= self._weight(self.knowledge[entry.id])
        else:
            self.knowledge_vectors[entry.id] = _given(vector, entry.id)
            self.knowledge_terms[entry.id] = frozenset(tokenize(f"{entry.attribute} {entry.text}"))
        self.knowledge[entry.id] = entry
        self._entry_bytes += self._weight(entry)

    def drop_segment(self, segment_id: str) -> None:
        """Take out a segment with its pages."""
        for page in self.pages_of(segment_id):
            self.drop_page(page.id, None)
        self.segments.pop(segment_id, None)
        self._tallies.pop(segment_id, None)

    def drop_page(self, page_id: str, vector: Vector | None) -> None:
        """Take out a page. Its segment's direction changes only if `vector` is given."""
        page = self.pages.pop(page_id)
        self._sessions.leave(page)
        self._close(page)
        if page.segment_id is not None:
            self._leave(page, page.segment_id, vector)
        self.index.remove(page_id)

    def drop_entry(self, entry_id: str) -> None:
        """Take out a knowledge entry."""
        self._entry_bytes -= self._weight(self.knowledge[entry_id])
        del self.knowledge[entry_id], self.knowledge_vectors[entry_id], self.knowledge_terms[entry_id]

    def compact(self, vectors: Mapping[str, Vector]) -> None:
        """Rebuild the columns without dead rows."""
        self.index = PageIndex(dimension=self._dimension, precision=self.index.precision)
        for page in self.pages.values():
            self.index.add(page, vectors[page.id])

    # -- keeping what is derived ----------------------------------------------------

    def _weight(self, entry: KnowledgeEntry) -> int:
        mentions = len(self.knowledge_terms[entry.id]) + len(entry.source_page_ids)
        return RECORD_BYTES + 4 * self._dimension + getsizeof(entry.text) + MENTION_BYTES * mentions

    def _append(self, page: DialoguePage, vector: Vector) -> None:
        self.next_sequence = max(self.next_sequence, page.sequence + 1)
        self._sessions.append(page)
        self.index.add(page, vector)

    def _join(self, page: DialoguePage, segment_id: str, known: DialoguePage | None, vector: Vector | None) -> None:
        tally = self._tally(segment_id)
        if known is not None and known.segment_id == segment_id:
            tally.unpromoted += known.promoted - page.promoted
            if known.keywords != page.keywords:
                tally.keyword_weights += keyword_weights([page])
                tally.keyword_weights -= keyword_weights([known])
            return
        self._close(page)
        tally.page_ids[page.id] = None
        tally.unpromoted += not page.promoted
        tally.newest_at = max(tally.newest_at or page.timestamp, page.timestamp)
        tally.vector_sum = tally.vector_sum + _given(vector, page.id)
        tally.keyword_weights.update(keyword_weights([page]))

    def _leave(self, page: DialoguePage, segment_id: str, vector: Vector | None) -> None:
        tally = self._tally(segment_id)
        del tally.page_ids[page.id]
        tally.unpromoted -= not page.promoted
        tally.newest_at = max((self.pages[page_id].timestamp for page_id in tally.page_ids), default=None)
        if vector is not None:
            tally.vector_sum = tally.vector_sum - vector
            tally.keyword_weights = tally.keyword_weights - keyword_weights([page])

    def _close(self, page: DialoguePage) -> None:
        waiting = self._open.get(page.session_id, {})
        waiting.pop(page.id, None)
        if not waiting:
            self._open.pop(page.session_id, None)

    def _tally(self, segment_id: str) -> _Tally:
        if segment_id not in self._tallies:
            self._tallies[segment_id] = _Tally(np.zeros(self._dimension, dtype=np.float64))
        return self._tallies[segment_id]


def _given(vector: Vector | None, record_id: str) -> Vector:
    if vector is None:
        raise CorruptRecord(f"record {record_id!r} has no vector; it was left as it is")
    return vector
