"""MemoryOS for LangChain: chat memory, message history, retriever, agent middleware, tools and models.

Importing this loads no part of LangChain; each name loads its own module when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memoryos_integrations.lazy_names import lazy_names

if TYPE_CHECKING:
    from memoryos_integrations.langchain.chat_history import MemoryOSChatMessageHistory
    from memoryos_integrations.langchain.chat_memory import MemoryOSChatMemory
    from memoryos_integrations.langchain.chat_model import LangChainChatModel
    from memoryos_integrations.langchain.embedder import LangChainEmbedder
    from memoryos_integrations.langchain.middleware import MemoryOSMiddleware
    from memoryos_integrations.langchain.retriever import MemoryOSRetriever
    from memoryos_integrations.langchain.store import MemoryOSStore
    from memoryos_integrations.langchain.tools import create_memory_tools

_HOME_OF = {
    "LangChainChatModel": "chat_model",
    "LangChainEmbedder": "embedder",
    "MemoryOSChatMemory": "chat_memory",
    "MemoryOSChatMessageHistory": "chat_history",
    "MemoryOSMiddleware": "middleware",
    "MemoryOSRetriever": "retriever",
    "MemoryOSStore": "store",
    "create_memory_tools": "tools",
}
"""Name to the module it lives in."""

__all__ = [
    "LangChainChatModel",
    "LangChainEmbedder",
    "MemoryOSChatMemory",
    "MemoryOSChatMessageHistory",
    "MemoryOSMiddleware",
    "MemoryOSRetriever",
    "MemoryOSStore",
    "create_memory_tools",
]


__getattr__ = lazy_names(__name__, _HOME_OF, extra="langchain", extras={"MemoryOSChatMemory": "langchain-classic"})


def __dir__() -> list[str]:
    return sorted(__all__)
