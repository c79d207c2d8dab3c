"""Any LlamaIndex embedding model as the engine's embedder.

Names the model and asks it; it does not know what is embedded or where vectors go.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import Context
from typing import TYPE_CHECKING

from llama_index.core.base.embeddings.base import BaseEmbedding

from memoryos_engine import InvalidInput
from memoryos_integrations.foreign_embedder import ForeignEmbedder, derived_name
from memoryos_integrations.llama_index.global_settings import settings_embed_model

if TYPE_CHECKING:
    from typing_extensions import Self

_NAMED_BY = ("model_name", "model", "model_id")
_NAMELESS = "unknown"
_SHORTENED_BY = ("dimensions", "output_dimensionality")


class LlamaIndexEmbedder(ForeignEmbedder):
    """A LlamaIndex embedding model as the engine's embedder. Thread-safe; picklable if the model is.

    Texts and queries are both embedded as texts, so that they compare; a single space stands for
    the empty text, which many models refuse. What a model does with texts longer than it takes is
    its own affair. As nobody can tell whose texts are embedded while a memory is consolidated, no
    call belongs to the query or workflow in whose midst it happens.

    Args:
        embed_model: called for batches of texts, which it may cut further by its `embed_batch_size`.
        name: what a store remembers. By default "llama_index:", the class of the model, its
            `model_name` (of a path the last part) and the length its vectors are cut to, if it is. Pass
            one where these do not tell two models apart, as for deployments and for instructions to a model.
        dimension: length of the vectors; None asks the model once, when first needed.
        batch_size: most texts of one call; 32 is what strict servers take.
        concurrent: call from several threads at once. Services can take that; many models on
            this machine cannot, so by default one thread calls at a time.

    Raises:
        InvalidInput: this is no embedding model, a value is out of range, or the model cannot be told
            and `name` was not given.
    """

    def __init__(
        self,
        embed_model: BaseEmbedding,
        *,
        name: str | None = None,
        dimension: int | None = None,
        batch_size: int = 32,
        concurrent: bool = False,
    ) -> None:
        _require_embedding(embed_model)
        name = _name(embed_model) if name is None else name
        super().__init__(embed_model, name=name, dimension=dimension, batch_size=batch_size, concurrent=concurrent)

    @classmethod
    def from_settings(
        cls,
        *,
        name: str | None = None,
        dimension: int | None = None,
        batch_size: int = 32,
        concurrent: bool = False,
    ) -> Self:
        """Return `Settings.embed_model`, as it is at this moment, as the engine's embedder; options as above.

        Raises:
            InvalidInput: none is set and LlamaIndex's default cannot be made, or it is a mock.
        """
        model = settings_embed_model()
        return cls(model, name=name, dimension=dimension, batch_size=batch_size, concurrent=concurrent)

    def _vectors(self, texts: list[str]) -> Iterable[object]:
        vectors: Iterable[object] = Context().run(self._model.get_text_embedding_batch, texts)
        return vectors


def _require_embedding(embed_model: object) -> None:
    if not isinstance(embed_model, BaseEmbedding):
        fix = "Pass a LlamaIndex embedding model, for example OpenAIEmbedding(), or use from_settings()."
        raise InvalidInput("embed_model", f"is a {type(embed_model).__name__}, not a LlamaIndex embedding model", fix)


def _name(embed_model: BaseEmbedding) -> str:
    return derived_name("llama_index", embed_model, named_by=_NAMED_BY, shortened_by=_SHORTENED_BY, unknown=_NAMELESS)
