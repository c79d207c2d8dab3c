"""MemoryOS for LlamaIndex: memory for chat engines and agents, memory block, retriever and models.

Importing this loads no part of LlamaIndex; each name loads its own module when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memoryos_integrations.lazy_names import lazy_names

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


__getattr__ = lazy_names(__name__, _HOME_OF, extra="llama-index")


def __dir__() -> list[str]:
    return sorted(__all__)
