"""system.stats(): what the store holds, counted from its rows."""

from __future__ import annotations

import chromadb
import pytest

from memoryos_engine import HashingEmbedder, MemoryOS, StoreStats, Tier
from memoryos_engine.storage import chroma, survey

from .damage import CUT, NEXT, OWNER, SEGMENT, broken, collection, row, write
from .fakes import FailingAnalyst


def filled(system: MemoryOS) -> None:
    for user, assistant, pages in (("tom", "assistant", 9), ("tom", "coach", 1), ("eve", "assistant", 4)):
        memory = system.memory(user, assistant)
        for number in range(pages):
            town = ("Oslo", "Lima", "Rome")[number % 3]
            memory.add_memory(f"I live in {town}. I love {('tea', 'chess', 'boats')[number % 3]}.", f"Nice {number}.")
        memory.flush()


def told(system: MemoryOS) -> dict[str, int]:
    """The same figures, by opening every memory."""
    memories = [system.memory(owner.user_id, owner.assistant_id) for owner in system.users()]
    tiers = [memory.tiers() for memory in memories]
    entries = [entry for memory in memories for entry in memory.knowledge(history=True)]
    segments = [segment for memory in memories for segment in memory.segments(archived=True)]
    return {
        "memories": len(memories),
        "pages": sum(len(memory.pages()) for memory in memories),
        "pages_in_segments": sum(len(each[Tier.SEGMENT]) for each in tiers),
        "pages_archived": sum(len(each[Tier.ARCHIVE]) for each in tiers),
        "pages_outside": sum(len(each[Tier.SHORT_TERM]) + len(each[Tier.PENDING]) for each in tiers),
        "segments": sum(not segment.archived for segment in segments),
        "archived_segments": sum(segment.archived for segment in segments),
        "knowledge_current": sum(entry.valid_until is None for entry in entries),
        "knowledge_history": sum(entry.valid_until is not None for entry in entries),
    }
