"""Memories that tests search and show: whose pages fit a query all alike, and whose facts say what their pages say."""

from __future__ import annotations

from collections.abc import Callable

from memoryos_engine import ManualClock, MemoryOS, UserMemory
from tests.engine.fakes import TagAnalyst, TagEmbedder


def twelve_teas(system: MemoryOS, clock: ManualClock) -> UserMemory:
    """Return a memory of twelve pages an hour apart, in two sessions, from two channels; asked from the later one."""
    for number in range(12):
        session = system.memory("ann", session_id="shop" if number < 4 else "home")
        metadata = {"channel": "phone" if number % 2 else "web", "stars": [number, "x"]}
        session.add_memory(f"Tea {number} is good.", "Noted.", metadata=metadata)
        clock.advance(hours=1)
    return system.memory("ann", session_id="home")


def five_animals(open_system: Callable[..., MemoryOS]) -> UserMemory:
    """Return a memory of five pages, the last in STM, and of a fact for each of the others; only tags are alike."""
    parts = {"embedder": TagEmbedder(), "analyst": TagAnalyst()}
    system = open_system(**parts, short_term_capacity=2, heat_threshold=0.0, knowledge_top_k=10)
    memory = system.memory("ann", session_id="zoo")
    for animal in ("owl", "fox", "bee", "elk", "cat"):
        memory.add_memory(f"{animal} #{animal}", metadata={"seen": animal})
    memory.flush()
    return memory


def two_homes(open_system: Callable[..., MemoryOS], clock: ManualClock) -> UserMemory:
    """Return a memory of three days, in which Leeds was home on the first and Bristol from the second on."""
    system = open_system(embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=0.0)
    memory = system.memory("ann")
    for line in ("home=Leeds #home", "home=Bristol #home", "bye #bye"):
        memory.add_memory(line)
        clock.advance(days=1)
    memory.flush()
    return memory


def two_colours(system: MemoryOS) -> MemoryOS:
    """Return the system after two users spoke of a colour each: ann of red, bob of blue."""
    for user_id, colour in (("ann", "red"), ("bob", "blue")):
        system.memory(user_id).add_memory(f"My colour is {colour}.")
    return system
