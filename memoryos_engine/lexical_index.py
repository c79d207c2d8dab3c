"""An index of terms: which page holds which, how often. Grows by one page at a time.

Nothing is ever refitted, so the ten-thousandth page costs what the first did.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


COUNT_BITS = 32
"""Low bits of a posting, which are the count; the position stands above them."""
COUNT_MASK = (1 << COUNT_BITS) - 1
TERM_BYTES = 180
"""What a term takes besides its postings, about: its place in a dictionary and an array."""
POSTING_BYTES = 20
"""What a posting takes, about, with its page's mention of the term."""


class LexicalIndex:
    """Which page holds which term how often; a position is the order of adding."""

    def __init__(self) -> None:
        self._postings: dict[str, array[int]] = {}
        """A position and a count in each number, ascending, so that a page is found among many by halving."""
        self._terms: list[tuple[str, ...]] = []
        """The distinct terms of each page."""
        self._lengths = array("f")
        self._held = 0
        self.pages = 0
        """Number of pages that were added and not removed."""

    def __len__(self) -> int:
        return len(self._terms)

    @property
    def nbytes(self) -> int:
        """About how much memory it takes, in bytes."""
        return TERM_BYTES * len(self._postings) + POSTING_BYTES * self._held

    def add(self, terms: Iterable[str]) -> int:
        """Index one page; returns its position."""
        position = len(self._terms)
        self.pages += 1
        self._terms.append(())
        self._lengths.append(0.0)
        self._fill(position, terms)
        return position

    def replace(self, position: int, terms: Iterable[str]) -> None:
        """Index one page anew, at the position it has."""
        self._empty(position)
        self._fill(position, terms)

    def remove(self, position: int) -> None:
        """Take out a page. Its position stays, so that the others keep theirs, matches nothing and counts for nothing.

        Not to be called again for the same position.
        """
        self._empty(position)
        self.pages -= 1

    def _empty(self, position: int) -> None:
        for term in self._terms[position]:
            held = self._postings[term]
            del held[bisect_left(held, position << COUNT_BITS)]
            if not held:
                del self._postings[term]
        self._held -= len(self._terms[position])
        self._terms[position] = ()
        self._lengths[position] = 0.0

    def _fill(self, position: int, terms: Iterable[str]) -> None:
        counts = Counter(terms)
        for term, count in counts.items():
            insort(self._postings.setdefault(term, array("q")), position << COUNT_BITS | count)
        self._held += len(counts)
        self._terms[position] = tuple(counts)
        self._lengths[position] = sum(counts.values())

    @property
    def lengths(self) -> Floats:
        """Number of terms of each page."""
        return np.array(self._lengths, dtype=np.float32)

    def postings(self, term: str) -> tuple[Positions, Floats]:
        """The pages that hold the term, and how often each does."""
        held = np.array(self._postings.get(term, ()), dtype=np.int64)
        return held >> COUNT_BITS, (held & COUNT_MASK).astype(np.float32)

    def frequencies(self, terms: Iterable[str]) -> Floats:
        """One row for each term: how often each page holds it."""
        rows = list(terms)
        table = np.zeros((len(rows), len(self)), dtype=np.float32)
        for row, term in zip(table, rows, strict=True):
            held, counts = self.postings(term)
            row[held] = counts
        return table

    def idf(self, term: str) -> float:
        """What a page tells by holding the term: much if few pages do."""
        held = len(self._postings.get(term, ()))
        return math.log1p((self.pages - held + 0.5) / (held + 0.5))
