"""MemoryOS for LangChain: chat memory, message history, retriever, agent middleware, tools and models.

Importing this loads no part of LangChain; each name loads its own module when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "LangChainChatModel": ("chat_model", "langchain"),
    "LangChainEmbedder": ("embedder", "langchain"),
    "MemoryOSChatMemory": ("chat_memory", "langchain-classic"),
    "MemoryOSChatMessageHistory": ("chat_history", "langchain"),
    "MemoryOSMiddleware": ("middleware", "langchain"),
    "MemoryOSRetriever": ("retriever", "langchain"),
    "MemoryOSStore": ("store", "langchain"),
    "create_memory_tools": ("tools", "langchain"),
}
"""Name to the module it lives in and the extra that module needs."""

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


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _HOME_OF[name]
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("memoryos"):
            raise
        fix = f'pip install "memoryos-integrations[{extra}]"'
        raise ModuleNotFoundError(f"{name} needs {error.name}: {fix}", name=error.name) from error


def __dir__() -> list[str]:
    return sorted(__all__)
