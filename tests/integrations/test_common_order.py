"""Pairs of equal values in two lists."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_integrations.common_order import in_order, paired

PAIRED = {
    "nothing": ("", "", []),
    "nothing in common": ("ab", "cd", []),
    "the same": ("abc", "abc", [(0, 0), (1, 1), (2, 2)]),
    "a part": ("ac", "abc", [(0, 0), (1, 2)]),
    "more": ("abcd", "bc", [(1, 0), (2, 1)]),
    "of several the last": ("a", "aba", [(0, 2)]),
    "the last that serve": ("ab", "aabab", [(0, 3), (1, 4)]),
    "what is said again": ("bca", "abca", [(0, 1), (1, 2), (2, 3)]),
    "as often as in both": ("aaa", "aa", [(1, 0), (2, 1)]),
    "another order": ("ba", "ab", [(0, 1), (1, 0)]),
    "one that moved to the end": ("bcda", "abcd", [(0, 1), (1, 2), (2, 3), (3, 0)]),
}


@pytest.mark.parametrize(("ours", "theirs", "pairs"), PAIRED.values(), ids=PAIRED)
def test_equal_values_are_paired(ours, theirs, pairs):
    assert paired(ours, theirs) == pairs


words = st.text("abc", max_size=8)


def longest(ours: str, theirs: str) -> int:
    """Return the length of a longest common subsequence, by trying all."""
    within = {sub for size in range(len(theirs) + 1) for sub in combinations(theirs, size)}
    subs = (sub for size in range(len(ours), -1, -1) for sub in combinations(ours, size))
    return next(len(sub) for sub in subs if sub in within)


@given(words, words)
def test_no_more_values_are_in_the_same_order(ours, theirs):
    pairs = in_order(ours, theirs)

    assert all(ours[own] == theirs[place] for own, place in pairs)
    assert all(one[0] < other[0] and one[1] < other[1] for one, other in pairwise(pairs))
    assert len(pairs) == longest(ours, theirs)


@given(words, words)
def test_every_value_that_both_have_is_in_one_pair(ours, theirs):
    pairs = paired(ours, theirs)

    assert Counter(ours[own] for own, _ in pairs) == Counter(ours) & Counter(theirs)
    assert all(ours[own] == theirs[place] for own, place in pairs)
    assert [len(set(places)) for places in zip(*pairs, strict=True)] == [len(pairs)] * (2 if pairs else 0)
