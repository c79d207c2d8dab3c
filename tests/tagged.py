"""Memories whose pages have a #tag as their topic, and are handed over at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from memoryos_engine import MemoryOS
from memoryos_engine.memory import UserMemory
from tests.engine.fakes import TagAnalyst, TagEmbedder


def tagged(open_system: Callable[..., MemoryOS], **settings: Any) -> UserMemory:
    options = {"short_term_capacity": 1, "embedder": TagEmbedder(), "analyst": TagAnalyst(), **settings}
    return open_system(**options).memory("tom")


def remember(memory: UserMemory, *lines: str) -> None:
    for line in lines:
        memory.add_memory(line)
        memory.flush()
