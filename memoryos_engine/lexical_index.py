"""An index of terms: which page holds which, how often. Grows by one page at a time.

Nothing is ever refitted, so the ten-thousandth page costs what the first did.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]


class LexicalIndex:
    """Which page holds which term how often; a position is the order of adding."""

    def __init__(self) -> None:
        self._positions: dict[str, array[int]] = {}
        """Ascending, so that a page is found among many by halving."""
        self._counts: dict[str, array[float]] = {}
        self._terms: list[Mapping[str, int]] = []
        self._lengths = array("f")

    def __len__(self) -> int:
        return len(self._terms)

    def add(self, terms: Iterable[str]) -> int:
        """Index one page; returns its position."""
        position = len(self._terms)
        self._terms.append({})
        self._lengths.append(0.0)
        self._fill(position, terms)
        return position

    def replace(self, position: int, terms: Iterable[str]) -> None:
        """Index one page anew, at the position it has."""
        self.remove(position)
        self._fill(position, terms)

    def remove(self, position: int) -> None:
        """Empty one position. It stays, so that the others keep theirs, and matches nothing."""
        for term in self._terms[position]:
            at = bisect_left(self._positions[term], position)
            del self._positions[term][at], self._counts[term][at]
            if not self._positions[term]:
                del self._positions[term], self._counts[term]
        self._terms[position] = {}
        self._lengths[position] = 0.0

    def _fill(self, position: int, terms: Iterable[str]) -> None:
        counts = Counter(terms)
        for term, count in counts.items():
            held = self._positions.setdefault(term, array("q"))
            at = bisect_left(held, position) if held and held[-1] > position else len(held)
            held.insert(at, position)
            self._counts.setdefault(term, array("f")).insert(at, count)
        self._terms[position] = counts
        self._lengths[position] = sum(counts.values())

    @property
    def lengths(self) -> Floats:
        """Number of terms of each page."""
        return np.array(self._lengths, dtype=np.float32)

    def postings(self, term: str) -> tuple[Positions, Floats]:
        """The pages that hold the term, and how often each does."""
        held = np.array(self._positions.get(term, ()), dtype=np.int64)
        return held, np.array(self._counts.get(term, ()), dtype=np.float32)

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
        held = len(self._positions.get(term, ()))
        return math.log1p((len(self) - held + 0.5) / (held + 0.5))
