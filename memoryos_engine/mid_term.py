"""Mid-term memory: topic segments and which one a page joins (paper §3.2, Eqs. 2 and 3).

A page belongs to exactly one segment: the one of highest F if that exceeds theta, else a
new one. e_s is the direction of the segment's pages and K_s its keywords. Counts and
times are derived from the pages, so they cannot disagree with them. A draft is where a
plan tries out joins before anything is written; it knows no store, model or clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.heat import HeatWeights, heat, recency
from memoryos_engine.records import DialoguePage, Segment, stable_id
from memoryos_engine.similarity import Vector, jaccard, unit

MOST_KEYWORDS = 12
"""Keywords of a segment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentState:
    """A segment with what is derived from its pages."""

    segment: Segment
    vector_sum: NDArray[np.float64]
    """Sum of its pages' vectors; its direction is e_s. In double precision, so that no order of adding shows."""
    page_count: int
    interactions: int
    """L_interaction: its pages that are not promoted yet."""
    newest_at: datetime
    """Timestamp of its newest page."""
    keyword_weights: Mapping[str, int] = field(default_factory=dict)
    """What each keyword of its pages weighs; the heaviest are K_s."""

    @property
    def centroid(self) -> Vector:
        """e_s: unit direction of its pages."""
        return unit(self.vector_sum.astype(np.float32))

    @property
    def last_active_at(self) -> datetime:
        """When it was last visited or added to, whichever is later."""
        return max(self.newest_at, self.segment.last_visited_at or self.newest_at)

    def heat(self, now: datetime, weights: HeatWeights) -> float:
        """Return its heat at `now` (Eq. 4)."""
        elapsed = recency(self.last_active_at, now, time_constant=weights.recency_constant)
        return heat(self.segment.visits, self.interactions, elapsed, weights)


def open_segment(page: DialoguePage, vector: Vector) -> SegmentState:
    """Return the state of a new segment with one page; its id derives from the page's."""
    segment = Segment(
        id=stable_id("segment", page.id),
        summary="",
        keywords=page.keywords,
        created_at=page.timestamp,
        sequence=page.sequence,
    )
    return SegmentState(
        segment=segment,
        vector_sum=vector.astype(np.float64),
        keyword_weights=keyword_weights([page]),
        page_count=1,
        interactions=int(not page.promoted),
        newest_at=page.timestamp,
    )


def with_page(state: SegmentState, page: DialoguePage, vector: Vector) -> SegmentState:
    """Return `state` after `page` joined it, its keywords brought up to date."""
    weights = Counter(state.keyword_weights) + keyword_weights([page])
    return replace(
        state,
        segment=replace(state.segment, keywords=segment_keywords(weights)),
        vector_sum=state.vector_sum + vector,
        keyword_weights=weights,
        page_count=state.page_count + 1,
        interactions=state.interactions + (not page.promoted),
        newest_at=max(state.newest_at, page.timestamp),
    )


def keyword_weights(pages: Iterable[DialoguePage]) -> Counter[str]:
    """Return what the keywords of `pages` weigh together: the more telling on its page, the more."""
    weights: Counter[str] = Counter()
    for page in pages:
        for place, word in enumerate(page.keywords):
            weights[word] += max(1, MOST_KEYWORDS - place)
    return weights


def segment_keywords(weights: Mapping[str, int]) -> tuple[str, ...]:
    """Return K_s: the heaviest words, in an order that depends on the weights alone."""
    return tuple(sorted(weights, key=lambda word: (-weights[word], word))[:MOST_KEYWORDS])


class MidTermDraft:
    """The resident segments of one owner as a plan changes them.

    Args:
        states: the segments as they are; not modified.
        threshold: theta of Eq. 2.
    """

    def __init__(self, states: Iterable[SegmentState], *, threshold: float) -> None:
        self._threshold = threshold
        self._states: dict[str, SegmentState] = {}
        self._rows: list[str] = []
        self._centroids = np.zeros((0, 0), dtype=np.float32)
        initial = list(states)
        if initial:
            self._states = {state.segment.id: state for state in initial}
            self._rows = list(self._states)
            self._centroids = np.stack([state.centroid for state in initial])

    @property
    def states(self) -> Mapping[str, SegmentState]:
        """Segment id to state, in order of opening."""
        return self._states

    def best(self, page: DialoguePage, vector: Vector) -> tuple[str | None, float]:
        """Return the segment of highest F for the page, and F; (None, -1.0) if there is none."""
        if not self._rows:
            return None, -1.0
        cosines = (self._centroids @ vector).astype(np.float64)
        # Rounded, because a store gives vectors back with other last bits than it got.
        scores = np.round(
            cosines + [jaccard(self._states[row].segment.keywords, page.keywords) for row in self._rows], 6
        )
        best = np.flatnonzero(scores == scores.max())
        winner = min((self._rows[place] for place in best), key=lambda key: opening(self._states[key].segment))
        return winner, float(scores.max())

    def place(self, page: DialoguePage, vector: Vector) -> SegmentState:
        """Put the page in its best segment when F exceeds theta, else in a new one."""
        winner, score = self.best(page, vector)
        if winner is not None and score > self._threshold:
            state = with_page(self._states[winner], page, vector)
        else:
            state = open_segment(page, vector)
        self.put(state)
        return state

    def put(self, state: SegmentState) -> None:
        """Replace or add a segment's state."""
        segment_id = state.segment.id
        if segment_id in self._states:
            self._centroids[self._rows.index(segment_id)] = state.centroid
        else:
            self._rows.append(segment_id)
            width = len(state.vector_sum)
            self._centroids = np.concatenate([self._centroids.reshape(-1, width), state.centroid[None]])
        self._states[segment_id] = state

    def drop(self, segment_id: str) -> None:
        """Take a segment out of the resident set."""
        row = self._rows.index(segment_id)
        del self._rows[row], self._states[segment_id]
        self._centroids = np.delete(self._centroids, row, axis=0)

    def coldest(self, now: datetime, weights: HeatWeights, *, spare: str) -> str:
        """Return the segment of lowest heat other than `spare`; the older one where heats are equal."""
        others = [state for key, state in self._states.items() if key != spare]
        return min(
            others, key=lambda state: (state.heat(now, weights), state.last_active_at, *opening(state.segment))
        ).segment.id


def opening(segment: Segment) -> tuple[int, str]:
    """Return the key that sorts segments by opening."""
    return segment.sequence, segment.id
