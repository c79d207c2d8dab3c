"""Embedders: the port and its adapters, each loaded when it is first asked for."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memoryos_engine.embedding.base import Embedder, unit_rows

if TYPE_CHECKING:
    from memoryos_engine.embedding.by_name import embedder_by_name
    from memoryos_engine.embedding.chroma_function import ChromaFunctionEmbedder
    from memoryos_engine.embedding.function import FunctionEmbedder
    from memoryos_engine.embedding.hashing import HashingEmbedder
    from memoryos_engine.embedding.openai import OpenAIEmbedder
    from memoryos_engine.embedding.sentence_transformer import SentenceTransformerEmbedder, minilm

__all__ = [
    "ChromaFunctionEmbedder",
    "Embedder",
    "FunctionEmbedder",
    "HashingEmbedder",
    "OpenAIEmbedder",
    "SentenceTransformerEmbedder",
    "embedder_by_name",
    "minilm",
    "unit_rows",
]

_MODULES = {
    "ChromaFunctionEmbedder": "chroma_function",
    "FunctionEmbedder": "function",
    "HashingEmbedder": "hashing",
    "OpenAIEmbedder": "openai",
    "SentenceTransformerEmbedder": "sentence_transformer",
    "embedder_by_name": "by_name",
    "minilm": "sentence_transformer",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
