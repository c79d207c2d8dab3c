"""What a retrieval leaves behind: visits, and nothing else (paper §3.4; when they are counted is our decision)."""

from __future__ import annotations

import pytest

from memoryos_engine import StoreError, Tier
from memoryos_engine.storage.chroma import ChromaStore

from .fakes import TagAnalyst, TagEmbedder


@pytest.fixture
def memory(open_system):
    """Topics #a, #b, #c of one page each, in mid-term memory; every fact is learned."""
    options = {"short_term_capacity": 1, "heat_threshold": 0.0, "embedder": TagEmbedder(), "analyst": TagAnalyst()}
    memory = open_system(**options).memory("tom")
    for topic in "abc":
        memory.add_memory(f"#{topic} 0")
    memory.flush()
    return memory


def visits(memory) -> list[int]:
    return [segment.visits for segment in memory.segments()]


def everything(memory):
    return memory.pages(), memory.segments(), memory.knowledge(history=True), memory.heats(), memory.tiers()


def test_a_visit_is_counted_for_the_segments_whose_pages_were_returned(memory, clock):
    """§3.4: N_visit of the retrieved segments grows by one, and their time is now."""
    now = clock.advance(days=2)
    memory.retrieve_memory("#b 0", top_k=1)
    memory.flush()
    found = [(segment.visits, segment.last_visited_at) for segment in memory.segments()]
    assert found == [(0, None), (1, now), (0, None)]


def test_several_pages_of_one_segment_are_one_visit(memory):
    """§3.4: the segment is visited once by one retrieval."""
    memory.add_memory("#b 1")
    memory.flush()
    assert len(memory.retrieve_memory("#b", top_k=2).pages) == 2
    memory.flush()
    assert visits(memory) == [0, 1, 0]


def test_visits_wait_for_the_background_and_add_up(memory):
    """Our decision: a read does not wait for a write; three reads are one commit."""
    for _ in range(3):
        memory.retrieve_memory("#c 0", top_k=1)
    assert visits(memory) == [0, 0, 0]
    memory.flush()
    assert visits(memory) == [0, 0, 3]


def test_a_visit_happens_when_the_page_was_returned_not_when_it_was_counted(memory, clock):
    """Invariant 8: heat does not depend on when the background work ran."""
    then = clock()
    memory.retrieve_memory("#a 0", top_k=1)
    clock.advance(days=30)
    memory.flush()
    assert memory.segments()[0].last_visited_at == then


def test_a_retrieval_with_touch_off_changes_nothing(memory, clock):
    """Our decision: an evaluation or a peek leaves promotion and eviction as they are."""
    before = everything(memory)
    found = memory.retrieve_memory("#a 0", touch=False)
    assert len(found.pages) == 3
    assert len(found.user_knowledge) == 3
    memory.flush()
    assert everything(memory) == before


def test_a_retrieval_that_fails_is_no_visit(memory):
    """Our decision: only what was returned was visited."""
    before = everything(memory)
    memory.system.embedder.error = StoreError("gone")
    with pytest.raises(StoreError):
        memory.retrieve_memory("#a 0")
    memory.system.embedder.error = None
    memory.flush()
    assert everything(memory) == before


def test_what_is_not_in_a_segment_is_not_visited(open_system):
    """§3.4: visits are a segment's; short-term memory and pending pages have none."""
    memory = open_system(short_term_capacity=2, embedder=TagEmbedder(), analyst=TagAnalyst()).memory("tom")
    for text in ("#a pending", "#a resting"):
        memory.add_memory(text)
    memory.retrieve_memory("#a")
    memory.flush()
    assert visits(memory) == [0]


def test_a_returned_knowledge_entry_was_used(memory):
    """Our decision: use makes a fact worth keeping."""
    memory.retrieve_memory("#a", top_k=1)
    memory.flush()
    assert [entry.uses for entry in memory.knowledge()] == [1, 1, 1]


def test_a_visit_to_something_that_was_deleted_meanwhile_is_dropped(memory):
    """Our decision: no record comes back because it was read before it was forgotten."""
    memory.retrieve_memory("#a #b #c")
    memory.forget(memory.pages()[0].id)
    memory.flush()
    assert [page.user_input for page in memory.pages()] == ["#b 0", "#c 0"]
    assert visits(memory) == [1, 1]


def test_a_purge_drops_the_visits_that_were_waiting(memory):
    """Invariant 6: nothing of the user is written after a purge."""
    memory.retrieve_memory("#a #b #c")
    memory.purge()
    memory.flush()
    assert everything(memory) == ([], [], [], {}, {tier: [] for tier in Tier})
    assert memory.system.users() == []


def test_visits_that_cannot_be_written_are_counted_the_next_time(memory, monkeypatch):
    """Invariant 3: a failure never marks work as done."""
    memory.retrieve_memory("#a 0", top_k=1)

    def failing(*args, **options):
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(ChromaStore, "_upsert", failing)
        with pytest.raises(StoreError):
            memory.flush()
    memory.flush()
    assert visits(memory) == [1, 0, 0]


def test_visits_that_wait_are_counted_when_the_system_closes(open_system, memory):
    """Our decision: a program that asks once and ends has visited, too."""
    memory.retrieve_memory("#a 0", top_k=1)
    memory.system.close()
    again = open_system(short_term_capacity=1, embedder=TagEmbedder(), analyst=TagAnalyst()).memory("tom")
    assert sorted(visits(again)) == [0, 0, 1]


def test_looking_is_no_visit(memory):
    """Our decision: the views of a memory change nothing."""
    before = everything(memory)
    memory.get_user_profile()
    memory.status()
    memory.flush()
    assert everything(memory) == before
