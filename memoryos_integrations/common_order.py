"""Pairs of equal values in two lists: in the order that both have in common, as far as possible."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Sequence

Pairs = list[tuple[int, int]]
"""Places in the one list and in the other."""
_Link = tuple[int, int, "_Link | None"]
"""A pair of places, and what comes before it."""


def paired(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> Pairs:
    """Return as many pairs of equal values as there are, by place in `ours`; no place is in two of them.

    Most of them are in the same order in both; of several values that serve for that, the last in `theirs`.
    """
    pairs = in_order(ours, theirs)
    our_places, their_places = {own for own, _ in pairs}, {place for _, place in pairs}
    free: dict[Hashable, list[int]] = {}
    for place, value in enumerate(theirs):
        if place not in their_places:
            free.setdefault(value, []).append(place)
    rest = (own for own in range(len(ours)) if own not in our_places and free.get(ours[own]))
    return sorted([*pairs, *((own, free[ours[own]].pop()) for own in rest)])


def in_order(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> Pairs:
    """Return as many pairs of equal values as are in the same order in both: a longest common subsequence.

    Takes as long as there are pairs of equal values before the ending that both share, whatever their order
    (Hunt and Szymanski 1977).
    """
    same = _common_ending(ours, theirs)
    places: dict[Hashable, list[int]] = {}
    for place in range(len(theirs) - same):
        places.setdefault(theirs[place], []).append(-place)
    starts: list[_Link] = []
    """By length less one: the first pair, its place in `theirs` negative, of the subsequence that starts latest."""
    for own in reversed(range(len(ours) - same)):
        for place in places.get(ours[own], []):
            length = bisect_left(starts, place, key=lambda link: link[1])
            starts[length : length + 1] = [(own, place, starts[length - 1] if length else None)]
    ending = [(len(ours) - back, len(theirs) - back) for back in range(same, 0, -1)]
    return [*_chain(starts[-1] if starts else None), *ending]


def _common_ending(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> int:
    pairs = enumerate(zip(reversed(ours), reversed(theirs), strict=False))
    return next((back for back, (one, other) in pairs if one != other), min(len(ours), len(theirs)))


def _chain(link: _Link | None) -> Pairs:
    found: Pairs = []
    while link is not None:
        own, place, link = link
        found.append((own, -place))
    return found
