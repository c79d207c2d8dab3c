"""An embedder without a model: character n-grams hashed into a vector.

Two texts are near when their words share beginnings, endings or middles, whatever the
script. It knows no meaning; it catches what exact terms miss (inflections that no
stemmer covers, compounds, misspellings) and costs no download.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.lexical import tokenize

SHORTEST, LONGEST = 3, 5
TELLING_LENGTH = 8  # longer words tell more, up to here: rarity without a corpus

Vector = NDArray[np.float32]


class HashingEmbedder:
    """Deterministic on every machine: the name holds all that the vectors depend on."""

    def __init__(self, dimension: int = 512) -> None:
        self.dimension = dimension
        self.name = f"hashing-v1-{dimension}"

    def embed(self, texts: Sequence[str]) -> Vector:
        """One unit row for each text."""
        rows = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._embed_one(text)
        return rows

    def _embed_one(self, text: str) -> Vector:
        counts = Counter(tokenize(text))
        parts = [_pieces(term, self.dimension) for term in counts]
        if not parts:
            return self._nothing()
        weights = [w * (1 + math.log(n)) for (_, w), n in zip(parts, counts.values(), strict=True)]
        places = np.concatenate([places for places, _ in parts])
        values = np.concatenate(weights)
        summed = np.bincount(places, values, self.dimension)
        norm = float(np.linalg.norm(summed))
        return (summed / norm).astype(np.float32) if norm else self._nothing()

    def _nothing(self) -> Vector:
        """The vector of text without words: fixed, and of length one like all others."""
        vector = np.zeros(self.dimension, dtype=np.float32)
        vector[0] = 1.0
        return vector


@lru_cache(maxsize=32768)
def _pieces(term: str, dimension: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places and signed weights of a term's n-grams; together they weigh as the term does."""
    hashes = [crc32(gram.encode()) for gram in _grams(term)]
    places = np.array([h % dimension for h in hashes], dtype=np.int64)
    signs = np.array([1.0 if h >> 20 & 1 else -1.0 for h in hashes])
    return places, signs * math.sqrt(min(len(term), TELLING_LENGTH) / len(hashes))


def _grams(term: str) -> list[str]:
    """The marked term itself and its n-grams, so that ends differ from middles."""
    marked = f"<{term}>"
    return [marked] + [
        marked[start : start + size]
        for size in range(SHORTEST, min(LONGEST, len(marked) - 1) + 1)
        for start in range(len(marked) - size + 1)
    ]
