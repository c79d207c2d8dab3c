"""Eqs. 2 and 3, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from memoryos_engine.similarity import jaccard, segment_score, unit


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((), (), 0.0),
        (("travel",), (), 0.0),
        (("travel",), ("travel",), 1.0),
        (("travel", "food"), ("travel", "work"), 1 / 3),
        (("a", "b", "c", "d"), ("a", "b", "c", "e"), 0.6),
        (("Travel", "FOOD"), ("travel", "food"), 1.0),
        (("STRASSE",), ("straße",), 1.0),
        (("travel", "travel", "Travel"), ("travel",), 1.0),
        (("旅行", "سفر"), ("سفر",), 0.5),
    ],
)
def test_jaccard_is_the_share_of_common_keywords_whatever_their_case(left, right, expected):
    """Eq. 3; that case does not count is our decision."""
    assert jaccard(left, right) == jaccard(right, left) == expected


@pytest.mark.parametrize(
    ("cosine", "segment", "page", "expected"),
    [
        (1.0, ("a",), ("a",), 2.0),
        (0.0, ("a",), ("b",), 0.0),
        (-1.0, (), (), -1.0),
        (0.25, ("a", "b"), ("a",), 0.75),
        (0.0, ("a", "b", "c", "d"), ("a", "b", "c", "e"), 0.6),
    ],
)
def test_the_segment_score_is_cosine_plus_jaccard(cosine, segment, page, expected):
    """Eq. 3, from -1 to 2."""
    assert segment_score(cosine, segment, page) == expected


def test_a_vector_keeps_its_direction_and_gets_length_one():
    """Our decision: a cosine is a dot product of unit vectors."""
    assert unit(np.array([3.0, 4.0], dtype=np.float32)).tolist() == pytest.approx([0.6, 0.8])


def test_a_vector_without_direction_stays_as_it_is():
    """Our decision: nothing is divided by zero."""
    assert unit(np.zeros(3, dtype=np.float32)).tolist() == [0.0, 0.0, 0.0]
