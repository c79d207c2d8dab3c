"""Any LangChain embeddings as the engine's embedder.

Names the embeddings and asks them; it does not know what is embedded or where vectors go.
"""

from __future__ import annotations

from collections.abc import Iterable

from langchain_core.embeddings import Embeddings

from memoryos_engine import InvalidInput
from memoryos_integrations.foreign_embedder import ForeignEmbedder, derived_name

_NAMED_BY = ("model", "model_name", "model_id", "repo_id", "model_path")
_SHORTENED_BY = ("dimensions", "output_dimensionality")


class LangChainEmbedder(ForeignEmbedder):
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
        name = _name(embeddings) if name is None else name
        super().__init__(embeddings, name=name, dimension=dimension, batch_size=batch_size, concurrent=concurrent)

    def _vectors(self, texts: list[str]) -> Iterable[object]:
        vectors: Iterable[object] = self._model.embed_documents(texts)
        return vectors


def _require_embeddings(embeddings: object) -> None:
    if not isinstance(embeddings, Embeddings):
        fix = 'Pass LangChain embeddings, for example init_embeddings("openai:text-embedding-3-small").'
        raise InvalidInput("embeddings", f"is a {type(embeddings).__name__}, not LangChain embeddings", fix)


def _name(embeddings: Embeddings) -> str:
    return derived_name("langchain", embeddings, named_by=_NAMED_BY, shortened_by=_SHORTENED_BY)
