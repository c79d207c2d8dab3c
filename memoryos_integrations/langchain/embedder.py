"""Any LangChain embeddings as the engine's embedder.

Names, batches and checks; it does not know what is embedded or where vectors go.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import PurePath
from threading import Lock
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from memoryos_engine import EmbeddingError, InvalidInput
from memoryos_engine.embedding import unit_rows
from memoryos_engine.embedding.function import dimension_of
from memoryos_engine.settings import require_count, require_id
from memoryos_engine.similarity import Vector

_NAMED_BY = ("model", "model_name", "model_id", "repo_id", "model_path")
_SHORTENED_BY = ("dimensions", "output_dimensionality")


class LangChainEmbedder:
    """LangChain embeddings as the engine's embedder. Thread-safe; picklable if the embeddings are.

    Texts and queries are both embedded as documents, so that they compare; a single space
    stands for the empty text, which many models refuse. What a model does with texts longer
    than it takes is its own affair.

    Args:
        embeddings: called for batches of texts.
        name: what a store remembers. By default "langchain:", the class of the embeddings, its
            model (of a path the last part) and the length its vectors are cut to, if it is. Pass one
            where these do not tell two models apart, as for deployments and for prompts of a model.
        dimension: length of the vectors; None asks the model once, when first needed.
        batch_size: most texts of one call; 32 is what strict servers take.
        concurrent: call from several threads at once. Services can take that; many models on
            this machine cannot, so by default one thread calls at a time.

    Raises:
        InvalidInput: these are no embeddings, a value is out of range, or their model cannot be told
            and `name` was not given.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        *,
        name: str | None = None,
        dimension: int | None = None,
        batch_size: int = 32,
        concurrent: bool = False,
    ) -> None:
        _require_embeddings(embeddings)
        self._embeddings = embeddings
        self._name = require_id("name", _name(embeddings) if name is None else name)
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

    def _embed_batch(self, batch: Sequence[str]) -> Vector:
        vectors = self._ask([text or " " for text in batch])
        return unit_rows(vectors, rows=len(batch), dimension=self.dimension)

    def _ask(self, texts: list[str]) -> Vector:
        try:
            with self._turn:
                return np.asarray(list(self._embeddings.embed_documents(texts)), dtype=np.float32)
        except Exception as error:  # noqa: BLE001 - embeddings are anybody's code
            # Not chained: the errors of services may quote a text or the key.
            problem = f"the embedder {self._name} failed with {type(error).__name__}; nothing was stored"
            raise EmbeddingError(f"{problem}. Check the network, the key, and the length of texts it takes.") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as what it was made of."""
        options: dict[str, Any] = {"dimension": self._dimension, "batch_size": self._batch_size}
        made = partial(type(self), name=self._name, concurrent=self._concurrent, **options)
        return made, (self._embeddings,)


def _require_embeddings(embeddings: object) -> None:
    if not isinstance(embeddings, Embeddings):
        fix = 'Pass LangChain embeddings, for example init_embeddings("openai:text-embedding-3-small").'
        raise InvalidInput("embeddings", f"is a {type(embeddings).__name__}, not LangChain embeddings", fix)


def _name(embeddings: Embeddings) -> str:
    told = (getattr(embeddings, name, None) for name in _NAMED_BY)
    model = next((name for name in told if isinstance(name, str) and name and "://" not in name), None)
    if model is None:
        fix = "Pass name= with the model and its version: a store remembers it."
        raise InvalidInput("name", f"cannot be told from {type(embeddings).__name__}", fix)
    path = PurePath(model)
    lengths = (getattr(embeddings, name, None) for name in _SHORTENED_BY)
    shortened = "".join(f", dimensions={length}" for length in lengths if isinstance(length, int))
    return f"langchain:{type(embeddings).__name__}({path.name if path.is_absolute() else model}{shortened})"
