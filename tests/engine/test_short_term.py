"""The queue of a session: first in, first out, handed over when it is full (paper §3.2, §3.3)."""

from __future__ import annotations

from datetime import datetime, timezone
from types import MappingProxyType

import pytest

from memoryos_engine import DialoguePage, Tier
from memoryos_engine.short_term import hand_over, live_sessions, sessions_since


@pytest.mark.parametrize(
    ("pages", "capacity", "pending", "resting"),
    [
        ("", 7, "", ""),
        ("abcdef", 7, "", "abcdef"),
        ("abcdefg", 7, "a", "bcdefg"),
        ("abcdefgh", 7, "ab", "cdefgh"),
        ("a", 1, "a", ""),
        ("a", 2, "", "a"),
        ("ab", 2, "a", "b"),
        ("abcdefgh", 3, "abcdef", "gh"),
    ],
)
def test_the_oldest_pages_hand_over_when_the_queue_reaches_capacity(pages, capacity, pending, resting):
    """§3.3: full is "reaches", so at most capacity - 1 pages rest."""
    assert handed_over(pages, capacity=capacity) == (pending, resting)


@pytest.mark.parametrize(
    ("since", "live", "pending", "resting"),
    [
        ({}, False, "abcd", ""),
        ({"c": 1}, True, "", "abcd"),
        ({"c": 2}, True, "ab", "cd"),
        ({"c": 5}, True, "ab", "cd"),
        ({"b": 2, "d": 2}, True, "abc", "d"),
        ({"a": 2}, True, "", "abcd"),
        ({"c": 2}, False, "abcd", ""),
    ],
)
def test_a_page_that_returns_after_enough_other_sessions_starts_a_queue(since, live, pending, resting):
    """Our decision: what left short-term memory never comes back; here two sessions keep theirs."""
    assert handed_over("abcd", capacity=7, since=since, live=live) == (pending, resting)


def handed_over(names: str, *, capacity: int, since=MappingProxyType({}), live: bool = True) -> tuple[str, str]:
    """Pending and resting pages by name; `since` says how many sessions spoke before a page's own did again."""
    pages = [
        DialoguePage(
            id=name,
            session_id="s",
            user_input=name,
            agent_response="",
            timestamp=datetime(2024, 3, 1, tzinfo=timezone.utc),
            sequence=place,
            sessions_since=since.get(name, 0),
        )
        for place, name in enumerate(names)
    ]
    parts = hand_over(pages, capacity=capacity, sessions=2, live=live)
    pending, resting = ("".join(page.id for page in part) for part in parts)
    return pending, resting


@pytest.mark.parametrize(
    ("recent", "session", "count"), [("", "a", 0), ("a", "a", 0), ("ab", "a", 1), ("abc", "a", 2), ("abc", "x", 0)]
)
def test_other_sessions_are_counted_since_a_session_spoke_last(recent, session, count):
    """Our decision: each session counts once, however much was said in it."""
    assert sessions_since(dict.fromkeys(recent), session) == count


@pytest.mark.parametrize(
    ("sessions", "count", "live"),
    [("", 2, ""), ("ab", 2, "ab"), ("abc", 2, "bc"), ("abc", 1, "c"), ("abc", 10, "abc")],
)
def test_the_sessions_active_last_keep_their_short_term_memory(sessions, count, live):
    """Our decision: short-term memory does not grow with the number of sessions."""
    assert set(live_sessions(dict.fromkeys(sessions), count=count)) == set(live)


def in_tier(memory, tier: Tier) -> list[str]:
    return [page.user_input for page in memory.pages(tier)]


def test_the_seventh_page_hands_over_the_first(system):
    """§4.1: capacity 7; every page of the queue is in the context."""
    memory = system.memory("tom")
    for number in range(6):
        memory.add_memory(f"page {number}")
    assert (len(in_tier(memory, Tier.SHORT_TERM)), in_tier(memory, Tier.PENDING)) == (6, [])
    memory.add_memory("page 6")
    found = memory.retrieve_memory("anything", touch=False)
    assert [page.user_input for page in found.short_term] == [f"page {number}" for number in range(1, 7)]
    assert in_tier(memory, Tier.PENDING) == ["page 0"]


def test_each_session_has_a_queue_of_its_own(open_system):
    """Our decision: short-term memory is a session's, the rest is the user's."""
    memory = open_system(short_term_capacity=3).memory("tom")
    for number in range(2):
        memory.in_session("phone").add_memory(f"phone {number}")
        memory.in_session("desk").add_memory(f"desk {number}")
    found = memory.in_session("desk").retrieve_memory("phone", touch=False)
    assert [page.user_input for page in found.short_term] == ["desk 0", "desk 1"]
    assert {page.user_input for page in found.pages} == {"phone 0", "phone 1"}


def test_a_session_silent_while_enough_others_spoke_hands_over_whole(open_system):
    """Our decision (`short_term_sessions`): what was said in a short session reaches long-term memory too."""
    memory = open_system(short_term_sessions=2).memory("tom")
    for session in ("first", "second", "third"):
        memory.in_session(session).add_memory(f"in {session}")
    assert in_tier(memory, Tier.PENDING) == ["in first"]
    assert memory.in_session("first").retrieve_memory("in", touch=False).short_term == ()


def test_what_handed_over_does_not_come_back_when_its_session_speaks_again(open_system):
    """Invariant 8: otherwise it would be in a segment or in the queue by when the background work ran."""
    memory = open_system(short_term_sessions=2).memory("tom")
    for session in ("first", "second", "third"):
        memory.in_session(session).add_memory(f"in {session}")
    memory.in_session("first").add_memory("first is back")
    assert in_tier(memory, Tier.PENDING) == ["in first", "in second"]
    found = memory.in_session("first").retrieve_memory("in", touch=False)
    assert [page.user_input for page in found.short_term] == ["first is back"]


def test_a_session_that_handed_over_whole_starts_an_empty_queue(open_system):
    """Our decision: a page that has its segment does not return to short-term memory."""
    memory = open_system(short_term_sessions=1).memory("tom")
    memory.in_session("first").add_memory("old")
    memory.in_session("second").add_memory("other")
    memory.flush()
    memory.in_session("first").add_memory("new")
    assert in_tier(memory, Tier.SEGMENT) == ["old"]
    assert in_tier(memory, Tier.SHORT_TERM) == ["new"]


@pytest.mark.parametrize("capacity", [3, 20])
def test_another_capacity_at_the_next_opening_loses_no_page(open_system, capacity):
    """Invariant 1: the queue is derived from the order of the pages, not stored."""
    first = open_system(short_term_capacity=8)
    for number in range(7):
        first.memory("tom").add_memory(f"page {number}")
    first.close()
    memory = open_system(short_term_capacity=capacity).memory("tom")
    memory.add_memory("page 7")
    memory.flush()
    assert [page.user_input for page in memory.pages()] == [f"page {number}" for number in range(8)]
    assert in_tier(memory, Tier.SHORT_TERM) == [f"page {number}" for number in range(8)][-(capacity - 1) :]
