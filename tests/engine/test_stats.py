"""system.stats(): what the store holds, counted from its rows."""

from __future__ import annotations

import chromadb
import pytest

from memoryos_engine import ChatModelError, ClosedError, MemoryOS, Tier
from memoryos_engine.storage import chroma

from .damage import CUT, NEXT, SEGMENT, broken, row, write
from .fakes import TagAnalyst

LITTLE = {
    "short_term_capacity": 2,
    "mid_term_capacity": 2,
    "heat_threshold": 1.5,
    "similarity_threshold": 1.9,
}


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
    segments = [segment for memory in memories for segment in memory.segments()]
    return {
        "users": len({owner.user_id for owner in system.users()}),
        "memories": len(memories),
        "pages": sum(len(memory.pages()) for memory in memories),
        "pages_in_segments": sum(len(each[Tier.SEGMENT]) for each in tiers),
        "pages_archived": sum(len(each[Tier.ARCHIVE]) for each in tiers),
        "pages_outside": sum(len(each[Tier.SHORT_TERM]) + len(each[Tier.PENDING]) for each in tiers),
        "segments": sum(not segment.archived for segment in segments),
        "archived_segments": sum(segment.archived for segment in segments),
        "knowledge_current": sum(entry.valid_until is None for entry in entries),
        "knowledge_history": sum(entry.valid_until is not None for entry in entries),
        "set_aside": 0,
    }


def test_the_figures_are_those_of_the_memories(open_system, monkeypatch):
    """However many reads it takes."""
    system = open_system(**LITTLE)
    filled(system)
    monkeypatch.setattr(chroma, "READ_PAGE", 7)
    figures = system.stats().as_dict()
    expected = told(system)

    assert {key: figures[key] for key in expected} == expected
    assert [key for key in ("pages_archived", "pages_outside", "knowledge_history") if not expected[key]] == []


def test_counting_opens_nobodys_memory(open_system, tmp_path):
    open_system(**LITTLE).memory("tom").add_memory("Hello")
    other = open_system(path=tmp_path / "other")
    write(other, [row(NEXT)])
    before = other.stats()
    other.memory("tom").pages()
    after = other.stats()

    assert (before.resident_memories, before.resident_bytes) == (0, 0)
    assert (after.resident_memories, after.resident_bytes > 0) == (1, True)
    assert after.resident_budget == other.settings.resident_bytes


def test_what_the_store_is_made_with_is_told(system):
    stats = system.stats()

    assert (stats.embedder, stats.dimension, stats.collection, stats.schema) == ("hashing-v1-512", 512, "memoryos", 2)
    assert (stats.users, stats.memories, stats.pages) == (0, 0, 0)


def test_the_bytes_are_those_of_the_files(system, tmp_path):
    system.memory("tom").add_memory("Hello")
    files = [file.stat().st_size for file in (tmp_path / "store").rglob("*") if file.is_file()]

    assert system.stats().disk_bytes == sum(files) > 0


def test_behind_a_client_there_are_no_files_to_weigh(open_system):
    client = chromadb.EphemeralClient()
    system = open_system(client=client, collection_name="weighed")
    system.memory("tom").add_memory("Hello")

    assert (system.stats().disk_bytes, system.stats().pages) == (None, 1)


def test_broken_rows_count_as_what_they_say_they_are(system):
    """Figures of a store that needs a repair are still to be had."""
    write(system, [CUT, row(NEXT), broken(SEGMENT, archived="no")])
    before = system.stats()
    system.check(repair=True)
    after = system.stats()

    assert (before.pages, before.pages_outside, before.segments, before.set_aside) == (2, 2, 1, 0)
    assert (after.pages, after.pages_outside, after.segments, after.set_aside) == (1, 1, 0, 2)


def test_background_jobs_are_counted(open_system):
    """One waits for its time; one failed, and so waits for its next try."""
    analyst = TagAnalyst()
    analyst.errors["consolidate"] = ChatModelError("down")
    system = open_system(short_term_capacity=2, analyst=analyst)
    assert jobs(system) == (0, 0, 0)
    for user in ("tom", "eve"):
        for number in range(3):
            system.memory(user).add_memory(f"I love tea, cup {number}.", "Nice.")
    assert jobs(system) == (2, 0, 0)
    with pytest.raises(ChatModelError):
        system.memory("tom").flush()

    assert jobs(system) == (2, 0, 1)


def jobs(system: MemoryOS) -> tuple[int, int, int]:
    stats = system.stats()
    return stats.jobs_due, stats.jobs_running, stats.jobs_failing


def test_a_closed_system_has_no_figures(system):
    system.close()
    with pytest.raises(ClosedError):
        system.stats()
    with pytest.raises(ClosedError):
        system.check()
