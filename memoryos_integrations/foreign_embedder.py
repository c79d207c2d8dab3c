"""An embedder of any framework as the engine's: what all of them share.

Names, batches and checks; it does not know what is embedded or where vectors go. How a framework
is asked for vectors is left to each integration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import PurePath
from threading import Lock
from typing import Any

import numpy as np

from memoryos_engine import EmbeddingError, InvalidInput
from memoryos_engine.embedding import unit_rows
from memoryos_engine.embedding.function import dimension_of
from memoryos_engine.settings import require_count, require_id
from memoryos_engine.similarity import Vector


class ForeignEmbedder(ABC):
    """A framework's embedder as the engine's. Thread-safe; picklable if the framework's is.

    Args:
        model: the framework's; subclasses take it alone, by position, so that they can be pickled.
        name: what a store remembers.
        dimension: length of the vectors; None asks the model once, when first needed.
        batch_size: most texts of one call.
        concurrent: call from several threads at once.

    Raises:
        InvalidInput: a value is out of range.
    """

    def __init__(self, model: Any, *, name: str, dimension: int | None, batch_size: int, concurrent: bool) -> None:
        self._model = model
        self._name = require_id("name", name)
        self._dimension = None if dimension is None else require_count("dimension", dimension)
        self._batch_size = require_count("batch_size", batch_size)
        self._concurrent = concurrent
        self._turn: AbstractContextManager[object] = nullcontext() if concurrent else Lock()

    @property
    def name(self) -> str:
        """The name a store remembers."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of each vector.

        Raises:
            EmbeddingError: it was not given, and the model failed when asked.
        """
        if self._dimension is None:
            self._dimension = dimension_of(self._ask([" "]))
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vector:
        """Return an array of shape (len(texts), dimension), float32, rows of length 1.

        Raises:
            EmbeddingError: the model failed, or did not return one finite vector of the right
                length for each text. It quotes no text.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        starts = range(0, len(texts), self._batch_size)
        return np.concatenate([self._embed_batch(texts[start : start + self._batch_size]) for start in starts])

    @abstractmethod
    def _vectors(self, texts: list[str]) -> Iterable[object]:
        """Return the vector of each text, in order, as the framework gives them."""

    def _embed_batch(self, batch: Sequence[str]) -> Vector:
        vectors = self._ask([text or " " for text in batch])
        return unit_rows(vectors, rows=len(batch), dimension=self.dimension)

    def _ask(self, texts: list[str]) -> Vector:
        try:
            with self._turn:
                return np.asarray(list(self._vectors(texts)), dtype=np.float32)
        except Exception as error:  # noqa: BLE001 - embeddings are anybody's code
            # Not chained: the errors of services may quote a text or the key.
            problem = f"the embedder {self._name} failed with {type(error).__name__}; nothing was stored"
            raise EmbeddingError(f"{problem}. Check the network, the key, and the length of texts it takes.") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as what it was made of."""
        options: dict[str, Any] = {"dimension": self._dimension, "batch_size": self._batch_size}
        made = partial(type(self), name=self._name, concurrent=self._concurrent, **options)
        return made, (self._model,)


def derived_name(
    framework: str, model: object, *, named_by: Iterable[str], shortened_by: Iterable[str], unknown: str = ""
) -> str:
    """Return the framework, the class of the model, which model it is and the length its vectors are cut to, if any.

    Args:
        framework: its name.
        model: the framework's object.
        named_by: attributes that may say which model it is; an address does not, of a path the last part does.
        shortened_by: attributes that may say the length its vectors are cut to.
        unknown: what such an attribute says where nobody has set it.

    Raises:
        InvalidInput: none of them says which model it is.
    """
    told = (getattr(model, name, None) for name in named_by)
    found = (name for name in told if isinstance(name, str) and name not in ("", unknown) and "://" not in name)
    known = next(found, None)
    if known is None:
        fix = "Pass name= with the model and its version: a store remembers it."
        raise InvalidInput("name", f"cannot be told from {type(model).__name__}", fix)
    known = str.__str__(known)  # a member of an enumeration looks different in each version of Python
    path = PurePath(known)
    lengths = (getattr(model, name, None) for name in shortened_by)
    shortened = "".join(f", dimensions={length}" for length in lengths if isinstance(length, int))
    return f"{framework}:{type(model).__name__}({path.name if path.is_absolute() else known}{shortened})"
