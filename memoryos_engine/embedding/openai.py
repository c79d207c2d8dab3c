"""OpenAI's embedding models, and servers that speak the same protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.embedding.function import dimension_of
from memoryos_engine.errors import EmbeddingError
from memoryos_engine.openai_client import connect
from memoryos_engine.settings import require_count, require_id
from memoryos_engine.similarity import Vector

if TYPE_CHECKING:
    from openai import OpenAI

_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}

# The service takes 8,192 tokens a text and 300,000 a request. A token is at least one byte
# of UTF-8, so bytes bound tokens without a tokenizer.
_TEXT_BYTES = 8_000
_REQUEST_BYTES = 250_000
_REQUEST_TEXTS = 256

_ADVICE = {
    400: "The server refused the request; check that the model takes texts and this dimension.",
    401: "Check the API key.",
    403: "The API key may not use this model.",
    404: "The server has no such model; check model and base_url.",
    429: "The rate limit or quota is used up; try again later.",
}


class OpenAIEmbedder:
    """Embeds with an OpenAI model. Texts leave this machine.

    Of a text longer than 8,000 bytes of UTF-8 the first 8,000 are embedded, since the
    service refuses more; a single space stands for the empty text. Requests are retried
    with backoff when the server is busy or failing.

    Args:
        model: name of the model; also the name a store remembers.
        api_key: by default the environment variable OPENAI_API_KEY. Any text will do for a
            server that asks for none.
        base_url: of another server; None or empty is OPENAI_BASE_URL, else OpenAI itself.
        dimension: shortened vectors of this length (text-embedding-3 only); None is the
            model's own length, which an unknown model is asked for when first needed.
        timeout: seconds for each attempt.
        max_retries: attempts after the first.
        client: an `openai.OpenAI` to use instead; the key, address, timeout and retries are
            then its own.

    Raises:
        InvalidInput: no key was found, or a value is out of range.
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        dimension: int | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        client: OpenAI | None = None,
    ) -> None:
        self._model = require_id("model", model)
        asked = None if dimension is None else require_count("dimension", dimension)
        self._options: dict[str, Any] = {} if asked is None else {"dimensions": asked}
        self._dimension = asked or _DIMENSIONS.get(model)
        self._client = client or connect(api_key, base_url, timeout=timeout, max_retries=max_retries)

    @property
    def name(self) -> str:
        """The name a store remembers: the model's."""
        return self._model

    @property
    def dimension(self) -> int:
        """Length of each vector.

        Raises:
            EmbeddingError: the model is unknown here, and the server failed when asked.
        """
        if self._dimension is None:
            self._dimension = dimension_of(self._request([" "]))
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vector:
        """Return an array of shape (len(texts), dimension), float32, rows of length 1.

        Raises:
            EmbeddingError: the server did not answer, or not with one finite vector of the
                right length for each text. It quotes neither texts nor the key.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return np.concatenate([self._embed_batch(batch) for batch in _batches(texts)])

    def _embed_batch(self, batch: list[str]) -> Vector:
        return unit_rows(self._request(batch), rows=len(batch), dimension=self.dimension)

    def _request(self, batch: list[str]) -> Vector:
        try:
            # "float" is what every compatible server can answer.
            answer = self._client.embeddings.create(
                model=self._model, input=batch, encoding_format="float", **self._options
            )
            ordered = sorted(answer.data, key=lambda item: item.index)
            return np.asarray([item.embedding for item in ordered], dtype=np.float32)
        except Exception as error:  # noqa: BLE001 - the client, or a malformed answer, may raise anything
            # Not chained: the client's errors quote the server, which may quote the key or a text.
            raise EmbeddingError(_explained(self._model, error)) from None


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for encoded in map(_bounded, texts):
        if batch and (len(batch) == _REQUEST_TEXTS or size + len(encoded) > _REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(encoded.decode("utf-8", "ignore"))
        size += len(encoded)
    if batch:
        yield batch


def _bounded(text: str) -> bytes:
    return (text or " ").encode("utf-8", "replace")[:_TEXT_BYTES]


def _explained(model: str, error: Exception) -> str:
    status = getattr(error, "status_code", None)
    kind = type(error).__name__ if status is None else f"{type(error).__name__}, HTTP {status}"
    if status is None:
        advice = "Check the network and base_url."
    else:
        advice = _ADVICE.get(status, "The server failed; try again later.")
    return f"the embedding model {model} failed ({kind}); nothing was stored. {advice}"
