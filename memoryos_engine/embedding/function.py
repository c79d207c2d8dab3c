"""Any callable as an embedder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.errors import EmbeddingError
from memoryos_engine.settings import require_count, require_id
from memoryos_engine.similarity import Vector


class FunctionEmbedder:
    """Embeds with a callable that turns a list of texts into one vector for each.

    It is called by one thread at a time, so it need not be thread-safe, and never with an
    empty text, which many models refuse: a single space stands for it.

    Args:
        function: takes a list of texts, returns as many vectors of one length, in order.
        name: identifies the model and its version; see `Embedder`.
        dimension: length of the vectors; None asks the function once, when first needed.

    Raises:
        InvalidInput: `name` is empty or `dimension` is not a whole number of at least 1.
    """

    _advice: ClassVar[str] = "The error chained to this one has the cause."

    def __init__(self, function: Callable[[list[str]], Any], *, name: str, dimension: int | None = None) -> None:
        self._function = function
        self._name = require_id("name", name)
        self._dimension = None if dimension is None else require_count("dimension", dimension)
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The name a store remembers."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of each vector.

        Raises:
            EmbeddingError: it was not given, and the function failed when asked.
        """
        if self._dimension is None:
            self._dimension = dimension_of(self._call([" "]))
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vector:
        """Return an array of shape (len(texts), dimension), float32, rows of length 1.

        Raises:
            EmbeddingError: the function failed, or did not return one finite vector of
                the right length for each text.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        vectors = self._call([text or " " for text in texts])
        return unit_rows(vectors, rows=len(texts), dimension=self.dimension)

    def _call(self, texts: list[str]) -> Vector:
        try:
            with self._lock:
                return np.asarray(list(self._function(texts)), dtype=np.float32)
        except Exception as error:
            problem = f"the embedder {self._name} failed with {type(error).__name__}; nothing was stored"
            raise EmbeddingError(f"{problem}. {self._advice}") from error


def dimension_of(answer: Vector) -> int:
    """Return the length of the vector in `answer`, an array made from a single text.

    Raises:
        EmbeddingError: `answer` is not one vector of at least one number.
    """
    if answer.ndim != 2 or answer.shape[0] != 1 or answer.shape[1] < 1:
        raise EmbeddingError(f"the embedder returned shape {answer.shape} for one text, not one vector")
    return int(answer.shape[1])
