"""retrieve_memory(where=...): which pages may be found, and what comes as it is."""

from __future__ import annotations

import asyncio
import threading

import pytest

from memoryos_engine import DialoguePage, InvalidInput, Tier

from .soundness import TOM, assert_as_reloaded

TURNS = (
    ("I play the violin in the evening.", "Scales?"),
    ("I play the violin in the morning.", "Bach?"),
    ("My violin is made of spruce.", "And maple."),
    ("Our cat sleeps on the violin case.", "Cats do."),
    ("I love sourdough bread.", "With rye?"),
    ("The kayak leaks.", "Patch it."),
)


BOTH = pytest.mark.parametrize("retrieval", ["hierarchical", "two_stage"])


@pytest.fixture
def retrieval():
    return "hierarchical"


@pytest.fixture
def memory(open_system, retrieval):
    """Six turns at the desk, four of them in segments; asked from another session, whose STM is one page."""
    memory = open_system(short_term_capacity=3, retrieval=retrieval).memory("tom", session_id="desk")
    for number, turn in enumerate(TURNS):
        memory.add_memory(*turn, metadata={"n": number})
    memory.flush()
    phone = memory.in_session("phone")
    phone.add_memory("Is the violin there?", "Yes.", metadata={"n": 6})
    return phone


def numbers(found) -> list[int]:
    return [page.metadata["n"] for page in found.pages]


def ask(memory, where=None, **options):
    return memory.retrieve_memory("violin", touch=False, where=where, **options)


@BOTH
@pytest.mark.parametrize("wanted", [{0, 1}, {2}, {3, 5}, set(), {0, 1, 2, 3, 4, 5, 6}])
def test_only_pages_that_it_takes_are_found_in_the_order_they_had(memory, wanted):
    """It leaves out; it does not rank anew."""
    everything = ask(memory)
    found = ask(memory, lambda page: page.metadata["n"] in wanted)

    assert numbers(found) == [n for n in numbers(everything) if n in wanted]
    scores = {page.id: page.score for page in everything.pages}
    assert {page.id: page.score for page in found.pages} == {page.id: scores[page.id] for page in found.pages}
    assert set(found.explanations) == {page.id for page in found.pages}


@BOTH
def test_it_is_asked_before_the_best_are_cut(memory):
    """top_k counts pages that may be found."""
    wanted = {3, 4, 5}
    found = ask(memory, lambda page: page.metadata["n"] in wanted, top_k=2)

    assert numbers(found) == [n for n in numbers(ask(memory)) if n in wanted][:2]
    assert len(numbers(found)) == 2


@BOTH
def test_stm_profile_and_knowledge_come_as_they_are(memory):
    everything, found = ask(memory), ask(memory, lambda page: False)

    assert found.pages == ()
    assert [page.metadata["n"] for page in found.short_term] == [6]
    for part in ("short_term", "user_profile", "user_knowledge", "assistant_knowledge", "sources"):
        assert getattr(found, part) == getattr(everything, part), part


@BOTH
def test_the_best_page_is_one_that_may_be_found_or_is_in_stm(memory):
    """`best` is "the page, found or in STM, that fits the query best"; what was left out is neither."""
    found = ask(memory, lambda page: page.metadata["n"] == 4)

    assert found.best is not None
    assert found.best.metadata["n"] in (4, 6)


def test_it_sees_whole_pages_each_once(memory):
    """As `pages()` gives them, without a score; whether it is asked about those in STM too is not promised."""
    seen: list[DialoguePage] = []
    ask(memory, lambda page: bool(seen.append(page)))

    found = [page for page in sorted(seen, key=lambda page: page.sequence) if page.session_id == "desk"]
    assert found == memory.in_session("desk").session_pages()
    assert len(seen) - len(found) in (0, 1)


def test_it_can_choose_by_tier_time_session_and_metadata(memory):
    placed = memory.tiers()[Tier.SEGMENT]

    assert {page.id for page in ask(memory, lambda page: page.segment_id is not None).pages} == {p.id for p in placed}
    assert numbers(ask(memory, lambda page: page.session_id == "phone")) == []
    assert numbers(ask(memory, lambda page: page.timestamp.year == 1999)) == []
    assert numbers(ask(memory, lambda page: "spruce" in page.text)) == [2]


def test_it_goes_with_deep_and_as_of(open_system):
    """A page must be allowed by all of them."""
    memory = open_system(short_term_capacity=1, mid_term_capacity=1, similarity_threshold=2.0).memory("tom")
    for number, turn in enumerate(TURNS):
        memory.add_memory(*turn, metadata={"n": number})
    memory.flush()
    archived = {page.metadata["n"] for page in memory.pages(Tier.ARCHIVE)}
    assert {0, 1, 2, 3} <= archived

    assert numbers(ask(memory, lambda page: page.metadata["n"] in {0, 5}, deep=False)) == [5]
    assert set(numbers(ask(memory, lambda page: page.metadata["n"] in {0, 5}, deep=True))) == {0, 5}
    assert numbers(ask(memory, lambda page: page.metadata["n"] == 2, as_of="2000-01-01")) == [2]


@pytest.mark.parametrize("precision", ["float16", "none"])
def test_it_chooses_the_same_however_vectors_are_kept(memory, precision):
    expected = ask(memory, lambda page: page.metadata["n"] in {0, 2, 5})
    with memory.system.resident(TOM) as resident:
        while resident.records.index.precision != precision:
            resident.coarsen()

    assert numbers(ask(memory, lambda page: page.metadata["n"] in {0, 2, 5})) == numbers(expected)


def test_forgotten_pages_are_not_shown_to_it(memory):
    gone = memory.pages()[0]
    memory.forget(gone.id)
    seen: list[str] = []
    ask(memory, lambda page: bool(seen.append(page.id)))

    assert gone.id not in seen
    assert seen


def test_what_it_raises_reaches_the_caller_and_harms_nothing(memory):
    """A predicate is the caller's code: no lock stays held, nothing is remembered."""

    def fails(page):
        raise ZeroDivisionError

    before = memory.pages()
    with pytest.raises(ZeroDivisionError):
        ask(memory, fails)
    adding = threading.Thread(target=memory.add_memory, args=("Hi", "Hello"), daemon=True)
    adding.start()
    adding.join(timeout=30)

    assert not adding.is_alive()
    assert memory.pages()[:-1] == before
    assert_as_reloaded(memory.system)


def test_it_holds_up_nobody_and_may_look_at_the_memory_itself(memory):
    """The caller's code runs under no lock: while it thinks others add, and a look of its own cannot deadlock."""
    added, found = [], []

    def looks(page: DialoguePage) -> bool:
        if not added:
            thread = threading.Thread(target=memory.add_memory, args=("Hi", "Hello"), daemon=True)
            thread.start()
            thread.join(timeout=5)
            added.append(not thread.is_alive())
        return page in memory.pages()

    asking = threading.Thread(target=lambda: found.append(ask(memory, looks)), daemon=True)
    asking.start()
    asking.join(timeout=10)

    assert (added, len(found)) == ([True], 1)


def test_visits_are_counted_of_what_was_found_alone(memory):
    """Heat is of segments that came up, not of those left out."""
    wanted = next(page.segment_id for page in memory.pages() if page.metadata["n"] == 2)
    memory.retrieve_memory("violin", where=lambda page: page.segment_id == wanted)
    memory.flush()

    assert {segment.id: segment.visits for segment in memory.segments()} == {
        segment.id: int(segment.id == wanted) for segment in memory.segments()
    }


@pytest.mark.parametrize("where", [5, "n == 1", {"n": 1}])
def test_what_cannot_be_asked_is_refused_by_its_name(memory, where):
    """A filter of another library is no predicate."""
    with pytest.raises(InvalidInput) as refused:
        ask(memory, where)
    assert refused.value.parameter == "where"


def test_the_awaited_twin_takes_it_too(memory):
    found = asyncio.run(memory.aretrieve_memory("violin", touch=False, where=lambda page: page.metadata["n"] == 2))

    assert numbers(found) == [2]
