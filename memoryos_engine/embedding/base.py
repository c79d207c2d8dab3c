"""The embedder port: text in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from memoryos_engine.errors import EmbeddingError
from memoryos_engine.similarity import Vector


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors. Thread-safe.

    `name` identifies the model and its version: a store remembers it, and opening the
    store with another is an error, because vectors of two models do not compare.
    """

    @property
    def name(self) -> str:
        """Name and version of the model."""
        ...

    @property
    def dimension(self) -> int:
        """Length of each vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vector:
        """Return an array of shape (len(texts), dimension), float32, rows of length 1.

        Raises:
            EmbeddingError: the model failed.
        """
        ...


def unit_rows(values: Any, *, rows: int, dimension: int) -> Vector:
    """Return `values` as float32 rows of length 1, or raise EmbeddingError if the shape is wrong.

    A zero row, which has no direction, becomes the first axis.
    """
    try:
        array = np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingError("the embedder returned something else than rows of numbers; nothing was stored") from error
    if array.shape != (rows, dimension):
        raise EmbeddingError(f"the embedder returned shape {array.shape}, not {(rows, dimension)}; nothing was stored")
    if not np.isfinite(array).all():
        raise EmbeddingError("the embedder returned NaN or infinity; nothing was stored")
    array[~array.any(axis=1), 0] = 1.0
    array /= np.abs(array).max(axis=1, keepdims=True)  # squares of very large or small values leave float32
    scaled: Vector = array / np.linalg.norm(array, axis=1, keepdims=True)
    return scaled
