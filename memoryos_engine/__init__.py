"""MemoryOS: long-term memory for chat, in three tiers on Chroma.

Importing this loads neither chromadb nor openai nor any framework; they are loaded when a
store is opened or a model is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memoryos_engine.analysis.extractive import ExtractiveAnalyst
    from memoryos_engine.analysis.llm import LLMAnalyst
    from memoryos_engine.audit import AuditChange, AuditEvent
    from memoryos_engine.checks.findings import Finding, FindingState
    from memoryos_engine.clock import ManualClock
    from memoryos_engine.embedding import Embedder, HashingEmbedder
    from memoryos_engine.errors import (
        CallerError,
        ChatModelError,
        ClosedError,
        ConsolidationError,
        CorruptRecord,
        EmbedderMismatch,
        EmbeddingError,
        ImportCutOff,
        InvalidInput,
        LimitReached,
        MemoryOSError,
        ModelError,
        NotFound,
        ReplyRefused,
        StoreError,
        StoreLocked,
    )
    from memoryos_engine.events import EventName, MemoryEvent
    from memoryos_engine.heat import HeatWeights
    from memoryos_engine.llm import (
        ChatMessage,
        ChatModel,
        OpenAIChatModel,
        OutputSchema,
        ScriptedChatModel,
        TokenUsage,
    )
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.prompts import Prompts
    from memoryos_engine.records import (
        DialoguePage,
        KnowledgeEntry,
        KnowledgeKind,
        Owner,
        Segment,
        Tier,
        UserProfile,
    )
    from memoryos_engine.reference import Memoryos
    from memoryos_engine.retrieved import Explanation, RetrievedMemory
    from memoryos_engine.settings import MemorySettings
    from memoryos_engine.stats import StoreStats
    from memoryos_engine.status import MemoryStatus
    from memoryos_engine.system import MemoryOS

_HOMES = {
    "analysis.extractive": ("ExtractiveAnalyst",),
    "analysis.llm": ("LLMAnalyst",),
    "checks.findings": ("Finding", "FindingState"),
    "audit": ("AuditChange", "AuditEvent"),
    "clock": ("ManualClock",),
    "embedding": ("Embedder", "HashingEmbedder"),
    "errors": (
        "CallerError",
        "ChatModelError",
        "ClosedError",
        "ConsolidationError",
        "CorruptRecord",
        "EmbedderMismatch",
        "EmbeddingError",
        "ImportCutOff",
        "InvalidInput",
        "LimitReached",
        "MemoryOSError",
        "ModelError",
        "NotFound",
        "ReplyRefused",
        "StoreError",
        "StoreLocked",
    ),
    "events": ("EventName", "MemoryEvent"),
    "heat": ("HeatWeights",),
    "llm": ("ChatMessage", "ChatModel", "OpenAIChatModel", "OutputSchema", "ScriptedChatModel", "TokenUsage"),
    "memory": ("UserMemory",),
    "prompts": ("Prompts",),
    "records": ("DialoguePage", "KnowledgeEntry", "KnowledgeKind", "Owner", "Segment", "Tier", "UserProfile"),
    "reference": ("Memoryos",),
    "retrieved": ("Explanation", "RetrievedMemory"),
    "settings": ("MemorySettings",),
    "stats": ("StoreStats",),
    "status": ("MemoryStatus",),
    "system": ("MemoryOS",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AuditChange",
    "AuditEvent",
    "CallerError",
    "ChatMessage",
    "ChatModel",
    "ChatModelError",
    "ClosedError",
    "ConsolidationError",
    "CorruptRecord",
    "DialoguePage",
    "Embedder",
    "EmbedderMismatch",
    "EmbeddingError",
    "EventName",
    "Explanation",
    "ExtractiveAnalyst",
    "Finding",
    "FindingState",
    "HashingEmbedder",
    "HeatWeights",
    "ImportCutOff",
    "InvalidInput",
    "KnowledgeEntry",
    "KnowledgeKind",
    "LLMAnalyst",
    "LimitReached",
    "ManualClock",
    "MemoryEvent",
    "MemoryOS",
    "MemoryOSError",
    "MemorySettings",
    "MemoryStatus",
    "Memoryos",
    "ModelError",
    "NotFound",
    "OpenAIChatModel",
    "OutputSchema",
    "Owner",
    "Prompts",
    "ReplyRefused",
    "RetrievedMemory",
    "ScriptedChatModel",
    "Segment",
    "StoreError",
    "StoreLocked",
    "StoreStats",
    "Tier",
    "TokenUsage",
    "UserMemory",
    "UserProfile",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
