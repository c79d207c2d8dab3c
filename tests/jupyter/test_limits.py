"""Displays stay below 300 KB, text and HTML together, whatever was stored and however it is set."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from memoryos_engine import KnowledgeKind, MemoryOS, UserMemory
from memoryos_engine.analysis.base import FoundFact
from memoryos_integrations.jupyter import show
from memoryos_integrations.jupyter.explorer_views import LONGEST_QUERY, ExplorerViews
from tests.engine.fakes import TagAnalyst, TagEmbedder
from tests.jupyter.reading import parsed, words

MOST = 300_000
LONG = {"user_input": "zebra " + "x" * 160, "agent_response": "y" * 160}


def size(thing: object) -> int:
    display = show(thing)
    return len((display.html + display.text).encode())


def viewed(memory: UserMemory, show: str, key: str = "") -> str:
    return ExplorerViews(memory).answer({"show": show, "key": key})["html"]


def test_a_short_term_memory_of_a_thousand_pages_is_cut(open_system: Callable[..., MemoryOS]):
    memory = open_system(short_term_capacity=5000).memory("ann")
    memory.import_turns(LONG for _ in range(1000))
    found = memory.retrieve_memory("zebra", touch=False)

    assert max(size(memory), size(found), len(viewed(memory, "found", "zebra"))) < MOST
    assert "990 pages before these" in words(parsed(show(memory).html))
    assert "and 990 pages more" in words(parsed(show(found).html))


def test_a_retrieval_of_a_thousand_pages_is_cut(open_system: Callable[..., MemoryOS]):
    memory = open_system(short_term_capacity=1).memory("ann")
    memory.import_turns(LONG for _ in range(1000))
    found = memory.retrieve_memory("zebra", top_k=1000, touch=False)

    assert size(found) < MOST
    assert "and 900 pages more" in words(parsed(show(found).html))


def test_metadata_of_fifty_thousand_values_is_cut(system: MemoryOS):
    memory = system.memory("ann")
    page = memory.add_memory("x", metadata={f"k{number}": number for number in range(50_000)})

    assert max(size(page), len(viewed(memory, "page", page.id))) < MOST
    assert "and 49,980 values more" in words(parsed(show(page).html))


def test_a_query_that_was_pasted_by_mistake_is_cut(system: MemoryOS):
    memory = system.memory("ann")
    memory.add_memory("zebra")
    late = memory.in_session("later")

    assert "1.00" in viewed(late, "found", "zebra " * 400)
    assert "1.00" not in viewed(late, "found", "x " * (LONGEST_QUERY // 2) + "zebra")


class Talkative(TagAnalyst):
    """Reads so many facts out of one page."""

    def promote(self, hot, known):
        page = hot[0].pages[0].id
        return [
            FoundFact(kind=KnowledgeKind.USER_KNOWLEDGE, text=f"{number} " + "z" * 300, source_page_ids=(page,))
            for number in range(1500)
        ]


@pytest.fixture
def talkative(open_system: Callable[..., MemoryOS]) -> UserMemory:
    system = open_system(
        embedder=TagEmbedder(),
        analyst=Talkative(),
        short_term_capacity=1,
        heat_threshold=0.0,
        knowledge_capacity=5000,
        knowledge_top_k=5000,
    )
    memory = system.memory("ann")
    for number in range(2):
        memory.add_memory(f"{number} #a")
    memory.flush()
    return memory


def test_fifteen_hundred_facts_of_one_page_are_cut(talkative: UserMemory):
    page = talkative.pages()[0]
    found = talkative.retrieve_memory("z", touch=False)
    views = [viewed(talkative, "page", page.id), viewed(talkative, "facts"), viewed(talkative, "found", "z")]

    assert len(talkative.knowledge()) >= 1500
    assert max(size(talkative), size(found), *map(len, views)) < MOST
