"""The embedder a name stands for: `--embedder NAME`, `embedding_model_name=NAME`, the name in a store."""

from __future__ import annotations

from pathlib import Path

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import InvalidInput
from memoryos_engine.settings import require_id

_MINILM_NAMES = frozenset({"minilm", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"})
_FIX = (
    "Choose hashing, minilm, text-embedding-3-small or another OpenAI text-embedding model, a Hugging Face name such "
    'as "BAAI/bge-m3", or the folder of a sentence-transformers model.'
)


def embedder_by_name(name: str, *, api_key: str | None = None, base_url: str | None = None) -> Embedder:
    """Return the embedder that `name` stands for, with its defaults.

    "hashing"; "minilm" or all-MiniLM-L6-v2; an OpenAI name beginning with "text-embedding-";
    a Hugging Face name with its "/"; or the folder of a sentence-transformers model.

    Args:
        name: of the embedder.
        api_key: for OpenAI's; by default the environment variable OPENAI_API_KEY.
        base_url: of another server for OpenAI's; by default OPENAI_BASE_URL, else OpenAI itself.

    Raises:
        InvalidInput: no embedder has this name, or it needs a package or a key that is missing.
        EmbeddingError: its model could not be loaded.
    """
    require_id("embedder", name)
    if name == "hashing" or name.startswith("hashing-v1-"):
        from memoryos_engine.embedding.hashing import HashingEmbedder

        dimension = name.rpartition("-")[2]
        return HashingEmbedder(int(dimension)) if dimension.isdecimal() else HashingEmbedder()
    if name.startswith("text-embedding-"):
        from memoryos_engine.embedding.openai import OpenAIEmbedder

        return OpenAIEmbedder(name, api_key=api_key, base_url=base_url)
    return _sentence_transformer(name)


def _sentence_transformer(name: str) -> Embedder:
    from memoryos_engine.embedding.sentence_transformer import SentenceTransformerEmbedder, minilm

    if name in _MINILM_NAMES:
        return minilm()
    if "/" in name or Path(name).is_dir():
        return SentenceTransformerEmbedder(name)
    raise InvalidInput("embedder", f"{name[:80]!r} names no embedder", _FIX)
