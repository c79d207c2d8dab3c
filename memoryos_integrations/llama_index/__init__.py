"""MemoryOS for LlamaIndex: memory for chat engines and agents, memory block, retriever and models.

Importing this loads no part of LlamaIndex; each name loads its own module when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memoryos_integrations.llama_index.chat_model import LlamaIndexChatModel
    from memoryos_integrations.llama_index.chroma import chroma_client
    from memoryos_integrations.llama_index.embedder import LlamaIndexEmbedder
    from memoryos_integrations.llama_index.memory import MemoryOSMemory
    from memoryos_integrations.llama_index.memory_block import MemoryOSMemoryBlock
    from memoryos_integrations.llama_index.retriever import MemoryOSRetriever

_HOME_OF = {
    "LlamaIndexChatModel": "chat_model",
    "LlamaIndexEmbedder": "embedder",
    "MemoryOSMemory": "memory",
    "MemoryOSMemoryBlock": "memory_block",
    "MemoryOSRetriever": "retriever",
    "chroma_client": "chroma",
}
"""Name to the module it lives in."""

__all__ = [
    "LlamaIndexChatModel",
    "LlamaIndexEmbedder",
    "MemoryOSMemory",
    "MemoryOSMemoryBlock",
    "MemoryOSRetriever",
    "chroma_client",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("memoryos"):
            raise
        fix = 'pip install "memoryos-integrations[llama-index]"'
        raise ModuleNotFoundError(f"{name} needs {error.name}: {fix}", name=error.name) from error


def __dir__() -> list[str]:
    return sorted(__all__)
