"""One session of a memory: its pages wherever they live, and forgetting them all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from memoryos_engine import InvalidInput, StoreError, Tier

from .soundness import assert_as_reloaded, told

THREADS = 8


@pytest.fixture
def memory(open_system):
    """Tom's desk has pages in every tier, with pages of other sessions and users in between."""
    system = open_system(short_term_capacity=3, mid_term_capacity=2, similarity_threshold=2.0, heat_threshold=0.0)
    memory = system.memory("tom", session_id="desk")
    phone, eve = memory.in_session("phone"), system.memory("eve", session_id="desk")
    for number, (said, heard) in enumerate(
        [
            ("I have hepatitis and see doctor Lindqvist.", "I am sorry about the hepatitis."),
            ("I love sourdough bread.", "With rye?"),
            ("My name is Tom.", "Hello, Tom!"),
            ("I play the violin.", "Since when?"),
            ("And the kayak.", "On which lake?"),
        ]
    ):
        memory.add_memory(said, heard)
        phone.add_memory(f"Call {number}", "Noted.")
        eve.add_memory(f"Secret {number}", "Kept.")
        if number == 3:
            memory.flush()
    return memory


def numbered(pages) -> list[int]:
    return [page.sequence for page in pages]


def test_it_is_the_pages_of_one_session_in_order_whatever_tier_they_live_in(memory):
    desk = {
        tier: [page.sequence for page in pages if page.session_id == "desk"] for tier, pages in memory.tiers().items()
    }

    assert all(desk.values())
    assert (
        numbered(memory.session_pages()) == [0, 2, 4, 6, 8] == sorted(n for numbers in desk.values() for n in numbers)
    )
    assert numbered(memory.in_session("phone").session_pages()) == [1, 3, 5, 7, 9]
    assert memory.session_pages() == [page for page in memory.pages() if page.session_id == "desk"]
    assert memory.in_session("never").session_pages() == []


def test_it_is_of_one_user_and_assistant(memory):
    system = memory.system

    assert {page.user_input[:6] for page in system.memory("eve", session_id="desk").session_pages()} == {"Secret"}
    assert system.memory("tom", "another", "desk").session_pages() == []
    assert system.memory("nobody", session_id="desk").session_pages() == []


@pytest.mark.parametrize(("last", "found"), [(1, [8]), (3, [4, 6, 8]), (5, [0, 2, 4, 6, 8]), (100, [0, 2, 4, 6, 8])])
def test_only_those_that_arrived_last_are_returned_in_order_of_arrival(memory, last, found):
    """Across tiers, and of this session alone."""
    assert numbered(memory.session_pages(last=last)) == found
    assert numbered(memory.in_session("phone").session_pages(last=last)) == [number + 1 for number in found]
    assert memory.in_session("never").session_pages(last=last) == []


@pytest.mark.parametrize("last", [0, -1, True, 1.0, "3"])
def test_a_count_that_is_none_is_refused(memory, last):
    with pytest.raises(InvalidInput, match="last"):
        memory.session_pages(last=last)


def test_the_last_pages_are_those_that_are_left_and_those_that_came(memory):
    memory.forget(memory.session_pages()[-1].id)
    page = memory.add_memory("Which lake?")

    assert numbered(memory.session_pages(last=2)) == [6, 10]
    assert memory.session_pages(last=1) == [page]


def test_the_last_pages_of_a_long_session_cost_no_walk_through_it(memory, monkeypatch):
    with memory.system.resident(memory.owner) as resident:
        looked_up = []
        before = resident.records._sessions._before
        monkeypatch.setattr(
            resident.records._sessions,
            "_before",
            type(
                "Noted",
                (dict,),
                {"__getitem__": lambda self, key: looked_up.append(key) or dict.__getitem__(self, key)},
            )(before),
        )
    memory.session_pages(last=2)

    assert len(looked_up) == 1


def test_it_holds_pages_whose_sides_came_apart(memory):
    memory.add_memory("Which lake?")
    page = memory.add_response("The big one.")

    assert memory.session_pages()[-1] == page


def test_forgetting_a_session_says_how_many_pages_it_had_and_leaves_the_others(memory):
    others = [turn for turn in told(memory) if turn[0] != "desk"]

    assert memory.forget_session() == 5
    assert told(memory) == others
    assert memory.session_pages() == []
    assert memory.forget_session() == 0
    assert len(memory.system.memory("eve", session_id="desk").session_pages()) == 5
    assert_as_reloaded(memory.system)


def test_nothing_derived_from_a_forgotten_session_alone_is_left(memory):
    """Segments, archive, facts and profile; not in what is resident and not in the store."""
    memory.flush()
    assert "hepatitis" in repr(memory.segments()).casefold()
    assert "sourdough" in repr(memory.knowledge(history=True)).casefold()
    memory.forget_session()
    seen = [memory.segments(), memory.knowledge(history=True), memory.get_user_profile(), memory.latest_memory()]
    stored = memory.system._storage.store._collection.get(include=["documents", "metadatas"])

    for word in ("hepatitis", "lindqvist", "sourdough", "violin", "kayak"):
        assert word not in repr(seen).casefold()
        assert word not in repr(stored).casefold()
        found = memory.retrieve_memory(word, touch=False)
        assert word not in repr([found.pages, found.user_knowledge]).casefold()


def test_a_session_can_begin_anew_after_it_was_forgotten(memory):
    """Sequences go on, so that no id is used twice; STM is empty."""
    memory.forget_session()
    page = memory.add_memory("Hello again")

    assert (page.sequence, memory.session_pages()) == (10, [page])
    assert memory.latest_memory().short_term == (page,)
    assert memory.add_response("Welcome back.").sequence == 10
    assert_as_reloaded(memory.system)


def test_it_stays_forgotten_after_reopening(memory, open_system):
    memory.forget_session()
    left = told(memory)
    memory.system.close()

    assert told(open_system().memory("tom")) == left


def test_the_whole_memory_can_be_one_session(system):
    memory = system.memory("tom", session_id="desk")
    for number in range(20):
        memory.add_memory(f"Text {number}", "Noted.")
    memory.flush()

    assert memory.forget_session() == 20
    assert (memory.pages(), memory.segments(), memory.knowledge(history=True)) == ([], [], [])
    assert_as_reloaded(system)


def test_a_store_that_fails_on_the_way_leaves_whole_pages(memory, monkeypatch):
    """What was not forgotten is there still, and the next call forgets it."""
    collection = memory.system._storage.store._collection
    delete, left = collection.delete, [1]
    monkeypatch.setattr("memoryos_engine.rights.FORGOTTEN_AT_ONCE", 2)

    def failing(**options):
        if not left[0]:
            raise ConnectionError("the disk went away")
        left[0] -= 1
        return delete(**options)

    with monkeypatch.context() as patch:
        patch.setattr(collection, "delete", failing)
        with pytest.raises(StoreError):
            memory.forget_session()

    assert len(memory.session_pages()) == 3
    assert memory.forget_session() == 3
    assert_as_reloaded(memory.system)


def test_two_that_forget_a_session_at_once_both_find_it_forgotten(memory):
    """A user who presses the button twice: what the other forgot first is no error."""
    start = threading.Barrier(THREADS)

    def forgets(_: int) -> int:
        start.wait(timeout=30)
        return memory.forget_session()

    with ThreadPoolExecutor(THREADS) as pool:
        counts = list(pool.map(forgets, range(THREADS)))

    assert max(counts) <= 5
    assert memory.session_pages() == []
    assert_as_reloaded(memory.system)


def test_sessions_are_forgotten_while_others_are_talked_in_and_consolidated(open_system):
    """Background work that read a page loses to whoever forgets it."""
    system = open_system(short_term_capacity=2, consolidation_delay=0.0, heat_threshold=1.0)

    def lives(number: int) -> int:
        memory = system.memory("tom", session_id=f"session {number}")
        for turn in range(4):
            memory.add_memory(f"Text {number}-{turn} about word{number}?")
            memory.add_response(f"Noted {turn}.")
        return memory.forget_session() if number % 2 else len(memory.session_pages())

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(lives, range(THREADS))) == [4] * THREADS
    memory = system.memory("tom")
    memory.flush()

    assert {page.session_id for page in memory.pages()} == {f"session {n}" for n in range(0, THREADS, 2)}
    assert len(memory.pages()) == 4 * THREADS // 2
    assert len(memory.pages(Tier.PENDING)) == 0
    seen = repr([memory.segments(), memory.knowledge(history=True)])
    assert not [n for n in range(1, THREADS, 2) if f"word{n}" in seen]
    assert_as_reloaded(system)
