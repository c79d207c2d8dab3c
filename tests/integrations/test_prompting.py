"""What is remembered and the latest turns share one budget, and turns stand whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryos_engine import (
    DialoguePage,
    InvalidInput,
    KnowledgeEntry,
    KnowledgeKind,
    RetrievedMemory,
    UserProfile,
)
from memoryos_engine.tokens import default_counter
from memoryos_integrations.prompting import (
    MESSAGE_OVERHEAD,
    RECENT_SHARE,
    Recollection,
    latest_within,
    page_cost,
    recollection,
)

START = datetime(2024, 3, 1, tzinfo=timezone.utc)


def page(place: int, said: str = "", answer: str = "") -> DialoguePage:
    moment = START + timedelta(hours=place)
    return DialoguePage(
        id=f"page_{place}", session_id="s", user_input=said, agent_response=answer, timestamp=moment, sequence=place
    )


def fact(place: int, text: str) -> KnowledgeEntry:
    kind = KnowledgeKind.USER_KNOWLEDGE
    return KnowledgeEntry(id=f"fact_{place}", kind=kind, text=text, source_page_ids=("gone",), said_at=START)


def words(text: str) -> int:
    return len(text.split())


PAGES = tuple(page(place, "one two three", "four five") for place in range(4))
"""Each costs five words and twice the overhead of a message: thirteen."""


def taken(budget: int) -> list[int]:
    return [each.sequence for each in recollection(RetrievedMemory(query="", short_term=PAGES), budget, words).recent]


@pytest.mark.parametrize(
    ("budget", "recent"),
    [
        (1, []),
        (25, []),
        (26, [3]),
        (51, [3]),
        (52, [2, 3]),
        (103, [1, 2, 3]),
        (104, [0, 1, 2, 3]),
        (10**6, [0, 1, 2, 3]),
    ],
)
def test_half_of_the_budget_is_for_the_latest_turns_that_fit_in_it_whole(budget, recent):
    assert taken(budget) == recent


def test_what_does_not_fit_as_turns_is_told_in_the_context():
    earlier, later = page(0, "my boat is called Esmeralda"), page(1, "one two three", "four five")
    found = recollection(RetrievedMemory(query="", short_term=(earlier, later)), 40, words)

    assert found.recent == (later,)
    assert "Esmeralda" in found.context
    assert "one two three" not in found.context


def test_a_turn_that_is_too_long_leaves_the_older_ones_to_the_context():
    """Turns without a gap: a shorter one before it would read as if it had come last."""
    short, long = page(0, "hello"), page(1, "word " * 100)

    assert recollection(RetrievedMemory(query="", short_term=(short, long)), 100, words).recent == ()


def test_nothing_known_is_nothing_said():
    assert recollection(RetrievedMemory(query=""), 100, words) == Recollection(context="", recent=())


def test_turns_alone_need_no_context():
    assert recollection(RetrievedMemory(query="", short_term=PAGES), 1000, words) == Recollection(
        context="", recent=PAGES
    )


def test_what_was_found_is_told_beside_the_turns():
    pages = (page(9, "my boat is called Esmeralda"),)
    found = recollection(RetrievedMemory(query="", short_term=PAGES, pages=pages), 1000, words)

    assert "Esmeralda" in found.context
    assert found.recent == PAGES


def test_what_is_found_is_not_changed():
    found = RetrievedMemory(query="", short_term=PAGES, user_knowledge=(fact(0, "Likes tea."),))
    copy = replace(found)
    recollection(found, 60, words)

    assert found == copy


@pytest.mark.parametrize("budget", [0, -1, 1.5, True, "100", None])
def test_a_budget_that_is_none_is_refused(budget):
    with pytest.raises(InvalidInput, match="max_tokens"):
        recollection(RetrievedMemory(query=""), budget)


@pytest.mark.parametrize(
    ("said", "answer", "cost"),
    [
        ("one two", "three", 3 + 2 * MESSAGE_OVERHEAD),
        ("one two", "", 2 + MESSAGE_OVERHEAD),
        ("", "one", 1 + MESSAGE_OVERHEAD),
    ],
)
def test_a_page_costs_a_message_for_each_side(said, answer, cost):
    assert page_cost(page(0, said, answer), words) == cost


# -- for any counter and any memory -----------------------------------------------------------------------

COUNTERS = {
    "words": words,
    "characters": len,
    "bytes": lambda text: len(text.encode()),
    "nothing costs anything": lambda text: 0,
    "everything costs the same": lambda text: 7,
    "long texts are dearer than their parts": lambda text: len(text) ** 2 // 50,
    "only lines": lambda text: text.count("\n"),
    "out of nowhere": lambda text: len(text) * 31 % 17,
    "the default": None,
}
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.text("ab \n<&", max_size=200)
some_pages = st.lists(st.tuples(texts, texts), max_size=6)


@st.composite
def memories(draw):
    rested, found, facts, fields = draw(some_pages), draw(some_pages), draw(st.lists(texts, max_size=4)), draw(texts)
    return RetrievedMemory(
        query="",
        short_term=tuple(page(place, *sides) for place, sides in enumerate(rested)),
        pages=tuple(page(100 + place, *sides) for place, sides in enumerate(found)),
        user_profile=UserProfile(fields={"home": fields} if fields else {}),
        user_knowledge=tuple(fact(place, text) for place, text in enumerate(facts)),
        assistant_profile=draw(texts),
    )


@given(memories(), st.integers(1, 600), st.sampled_from(list(COUNTERS)))
@settings(max_examples=300, deadline=None)
def test_the_budget_holds_and_the_turns_are_the_latest(found, budget, name):
    counter = COUNTERS[name]
    result = recollection(found, budget, counter)
    cost = counter or default_counter()
    recent = sum(page_cost(each, cost) for each in result.recent)

    assert (cost(result.context) if result.context else 0) + recent <= budget
    assert recent <= budget * RECENT_SHARE
    assert result.recent == found.short_term[len(found.short_term) - len(result.recent) :]


@given(some_pages, st.integers(0, 300), st.sampled_from([name for name in COUNTERS if COUNTERS[name]]))
def test_no_more_of_the_latest_pages_would_fit(sides, budget, name):
    pages, counter = [page(place, *each) for place, each in enumerate(sides)], COUNTERS[name]
    latest = latest_within(pages, budget, counter)
    one_more = pages[len(pages) - len(latest) - 1 :] if len(latest) < len(pages) else None

    assert sum(page_cost(each, counter) for each in latest) <= budget
    assert one_more is None or sum(page_cost(each, counter) for each in one_more) > budget
