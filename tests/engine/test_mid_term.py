"""Eqs. 2 and 3 as a page meets them: which segment it joins, and which leaves first."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from memoryos_engine import DialoguePage, HeatWeights, Segment
from memoryos_engine.mid_term import MidTermDraft, SegmentState, keyword_weights, open_segment, with_page

NOON = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
WEIGHTS = HeatWeights()


def vector(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def page(name: str = "p", keywords: tuple[str, ...] = (), at: datetime = NOON) -> DialoguePage:
    return DialoguePage(
        id=name, session_id="s", user_input=name, agent_response="", timestamp=at, sequence=0, keywords=keywords
    )


def state(
    name: str,
    *,
    keywords: tuple[str, ...] = (),
    direction=(1.0, 0.0),
    at: datetime = NOON,
    visits=0,
    interactions=1,
    sequence=0,
) -> SegmentState:
    segment = Segment(id=name, summary="", keywords=keywords, created_at=at, visits=visits, sequence=sequence)
    return SegmentState(
        segment=segment,
        vector_sum=np.array(direction, dtype=np.float64),
        keyword_weights=keyword_weights([page(keywords=keywords)]),
        page_count=1,
        interactions=interactions,
        newest_at=at,
    )


@pytest.mark.parametrize(
    ("theta", "direction", "segment_keywords", "page_keywords", "joins"),
    [
        (0.6, (0.0, 1.0), ("a", "b", "c", "d"), ("a", "b", "c", "e"), False),  # 0 + 3/5 = 0.6 exactly
        (0.6, (0.0, 1.0), ("a", "b"), ("a", "b", "c"), True),  # 0 + 2/3
        (0.6, (0.0, 1.0), ("a", "b"), ("a", "c", "d"), False),  # 0 + 1/4
        (0.6, (1.0, 0.0), (), (), True),  # 1 + 0
        (1.0, (1.0, 0.0), ("a",), ("b",), False),  # 1 + 0 = 1 exactly
        (1.0, (1.0, 0.0), ("a", "b"), ("a",), True),  # 1 + 1/2
        (2.0, (1.0, 0.0), ("a",), ("a",), False),  # 1 + 1 = 2 exactly, the most there is
        (0.0, (0.0, 1.0), ("a",), ("b",), False),  # 0 + 0 = 0 exactly
        (-1.0, (-1.0, 0.0), (), (), False),  # -1 + 0 = -1 exactly, the least there is
        (-1.0, (-1.0, 0.0), ("a", "b"), ("a",), True),  # -1 + 1/2
    ],
)
def test_a_page_joins_only_when_its_score_exceeds_theta(theta, direction, segment_keywords, page_keywords, joins):
    """Eq. 2: F > theta, both sides and the edge itself."""
    draft = MidTermDraft([state("s", keywords=segment_keywords)], threshold=theta)
    placed = draft.place(page(keywords=page_keywords), vector(*direction))
    assert (placed.segment.id == "s", len(draft.states)) == (joins, 1 if joins else 2)


def test_a_page_joins_the_segment_of_the_highest_score_not_the_first_above_theta():
    """Eq. 2, our reading: exactly one segment, the best."""
    near, nearer = state("near", keywords=("a", "b")), state("nearer", keywords=("a",))
    draft = MidTermDraft([near, nearer], threshold=0.6)
    assert draft.place(page(keywords=("a",)), vector(1.0, 0.0)).segment.id == "nearer"
    assert {key: value.page_count for key, value in draft.states.items()} == {"near": 1, "nearer": 2}


def test_of_equal_scores_the_older_segment_wins():
    """Invariant 8: ties are decided by order, not by chance."""
    draft = MidTermDraft([state("newer", sequence=1), state("older", sequence=0)], threshold=0.6)
    assert draft.best(page(), vector(1.0, 0.0)) == ("older", 1.0)


def test_without_segments_there_is_no_best_one():
    """Our decision: the first page of a user opens the first segment."""
    draft = MidTermDraft([], threshold=0.6)
    assert draft.best(page(), vector(1.0, 0.0)) == (None, -1.0)
    assert draft.place(page(), vector(1.0, 0.0)).page_count == 1


def test_a_segment_points_where_its_pages_do():
    """Eq. 3: e_s is the direction of the segment's pages, here half-way between two."""
    joined = with_page(open_segment(page("a"), vector(1.0, 0.0)), page("b"), vector(0.0, 1.0))
    assert joined.centroid.tolist() == pytest.approx([0.70710678, 0.70710678])


def test_a_segment_counts_its_pages_and_knows_its_newest():
    """§3.2; an older page that joins late does not make a segment look older."""
    first = open_segment(page("a", ("x",)), vector(1.0, 0.0))
    joined = with_page(first, page("b", at=NOON - timedelta(days=9)), vector(1.0, 0.0))
    assert (first.page_count, first.interactions, first.newest_at, first.segment.keywords) == (1, 1, NOON, ("x",))
    assert (joined.page_count, joined.interactions, joined.newest_at) == (2, 2, NOON)


def test_the_keywords_of_a_segment_are_the_heaviest_of_its_pages():
    """Eq. 3: K_s; our decision: arithmetic over the pages, so that it is fresh with each page that joins."""
    pages = [page("a", ("x", "y")), page("b", ("y",)), page("c", tuple("zyxwvutsrqponm"))]
    joined = open_segment(pages[0], vector(1.0))
    for each in pages[1:]:
        joined = with_page(joined, each, vector(1.0))
    assert joined.segment.keywords[:3] == ("y", "x", "z")
    assert len(joined.segment.keywords) == 12


def test_the_keywords_of_a_segment_do_not_depend_on_the_order_of_its_pages():
    """Invariant 8: what counts is which pages there are."""
    pages = [page("a", ("x", "y")), page("b", ("y", "z")), page("c", ("w",))]
    assert keyword_weights(pages) == keyword_weights(reversed(pages))


def test_the_id_of_a_segment_derives_from_its_first_page():
    """Our decision: applying a plan twice opens no second segment."""
    first, again, other = (open_segment(page(name), vector(1.0)).segment.id for name in ("a", "a", "b"))
    assert first == again != other


@pytest.mark.parametrize(
    ("visited_at", "expected"),
    [(None, 2.0), (NOON - timedelta(days=1), 2.0), (NOON + timedelta(seconds=1e7), 2.0)],
)
def test_recency_counts_from_the_later_of_visit_and_newest_page(visited_at, expected):
    """Eq. 4; our reading of "last access": being added to is access too."""
    now = visited_at if visited_at and visited_at > NOON else NOON
    visited = state("s")
    visited = replace(visited, segment=replace(visited.segment, last_visited_at=visited_at))
    assert visited.heat(now, WEIGHTS) == expected


def test_the_coldest_segment_is_the_one_of_lowest_heat():
    """§3.3: by heat, not by age and not by visits alone."""
    states = [state("visited", visits=3, interactions=0), state("long", interactions=2), state("hot", interactions=9)]
    draft = MidTermDraft(states, threshold=0.6)
    assert draft.coldest(NOON, WEIGHTS, spare="") == "long"


def test_the_segment_in_use_is_spared_even_when_it_is_the_coldest():
    """Our decision: a new topic is not put out at once because the old ones were read."""
    states = [state("new"), state("read", visits=5)]
    assert MidTermDraft(states, threshold=0.6).coldest(NOON, WEIGHTS, spare="new") == "read"


def test_of_equally_hot_segments_the_one_untouched_longest_is_the_coldest():
    """Our decision; future timestamps all have recency 1, so the times themselves decide."""
    later, sooner = (state(name, at=NOON + timedelta(days=days)) for name, days in (("later", 9), ("sooner", 2)))
    assert MidTermDraft([later, sooner], threshold=0.6).coldest(NOON, WEIGHTS, spare="") == "sooner"


def test_a_dropped_segment_takes_no_more_pages():
    """§3.3: what left mid-term memory is not compared any more."""
    draft = MidTermDraft([state("gone"), state("left", direction=(0.0, 1.0))], threshold=0.6)
    draft.drop("gone")
    assert list(draft.states) == ["left"]
    assert draft.best(page(), vector(0.0, 1.0)) == ("left", 1.0)
