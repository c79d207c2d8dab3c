"""A row of the index whose page is written anew: it says what it would say had the page come so."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_engine.lexical_index import LexicalIndex
from memoryos_engine.page_index import PageIndex
from memoryos_engine.records import DialoguePage
from memoryos_engine.similarity import Vector, unit

NOW = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
TERMS = st.lists(st.sampled_from("abcde"), max_size=6)


def said_by(index: LexicalIndex) -> dict[str, tuple[list[int], list[float]]]:
    return {term: tuple(part.tolist() for part in index.postings(term)) for term in "abcde"}


@given(pages=st.lists(TERMS, min_size=1, max_size=8), data=st.data())
def test_what_is_replaced_was_always_so(pages, data):
    """LexicalIndex.replace: no stale posting, no lost one, each still in the order of adding."""
    index, now = LexicalIndex(), list(pages)
    for page in pages:
        index.add(page)
    for position in data.draw(st.lists(st.integers(0, len(pages) - 1), max_size=5)):
        now[position] = data.draw(TERMS)
        index.replace(position, now[position])
    fresh = LexicalIndex()
    for page in now:
        fresh.add(page)

    assert said_by(index) == said_by(fresh)
    assert index.lengths.tolist() == fresh.lengths.tolist()
    assert {term: index.idf(term) for term in "abcde"} == {term: fresh.idf(term) for term in "abcde"}
    np.testing.assert_array_equal(index.frequencies("abcde"), fresh.frequencies("abcde"))
    assert len(index) == len(fresh)


def test_a_position_that_was_emptied_can_be_filled_again():
    """Nothing of the time before it was emptied comes back."""
    index = LexicalIndex()
    index.add("ab")
    index.remove(0)
    index.replace(0, "bb")

    assert said_by(index) == {"a": ([], []), "b": ([0], [2.0]), "c": ([], []), "d": ([], []), "e": ([], [])}


def comparisons(pages: int) -> int:
    """How often positions are compared while the newest of so many pages is replaced."""
    compared = 0

    class Position(int):
        def __eq__(self, other: object) -> bool:
            return counted(int(self) == other)

        def __lt__(self, other: int) -> bool:
            return counted(int(self) < other)

        def __gt__(self, other: int) -> bool:
            return counted(int(self) > other)

        __hash__ = int.__hash__

    def counted(outcome: bool) -> bool:
        nonlocal compared
        compared += 1
        return outcome

    index = LexicalIndex()
    for _ in range(pages):
        index.add("a")
    index.replace(Position(pages - 1), "ab")
    return compared


def test_replacing_the_newest_of_many_pages_costs_what_it_costs_with_few():
    """LexicalIndex: the ten-thousandth page costs what the first did."""
    assert comparisons(10_000) <= comparisons(100) + 100


# -- the index of pages ---------------------------------------------------------------------------


def page(number: int, user_input: str, agent_response: str = "") -> DialoguePage:
    return DialoguePage(
        id=f"page_{number}",
        session_id=f"session {number % 2}",
        user_input=user_input,
        agent_response=agent_response,
        timestamp=NOW,
        sequence=number,
    )


def direction(number: int) -> Vector:
    return unit(np.random.default_rng(number).standard_normal(8).astype(np.float32))


HALVES = [page(0, "Where is the violin?"), page(1, "¿Dónde vivo?"), page(2, "And the cat?")]
WHOLE = page(1, "¿Dónde vivo?", "You live in Madrid with your neighbours, as you told me in the morning.")


@pytest.fixture(params=["float32", "float16", "none"])
def index(request):
    index = PageIndex(dimension=8, precision=request.param)
    for each in HALVES:
        index.add(each, direction(each.sequence))
    return index


def as_it_would_be(index: PageIndex) -> PageIndex:
    fresh = PageIndex(dimension=8, precision=index.precision)
    for each, vector in zip([HALVES[0], WHOLE, HALVES[2]], [0, 10, 2], strict=True):
        fresh.add(each, direction(vector))
    return fresh


def test_a_rewritten_row_is_the_row_of_the_page_as_it_is_now(index):
    """PageIndex.rewrite: terms, vector and weight follow the text; place, session and time stay."""
    index.rewrite(WHOLE, direction(10))
    fresh = as_it_would_be(index)

    terms = set(fresh.lexical._postings) | set(index.lexical._postings)
    for term in sorted(terms):
        for mine, theirs in zip(index.lexical.postings(term), fresh.lexical.postings(term), strict=True):
            assert mine.tolist() == theirs.tolist(), term
    assert index.lexical.lengths.tolist() == fresh.lexical.lengths.tolist()
    assert index.ids == fresh.ids
    for name in ("alive", "sessions", "segments", "times"):
        assert getattr(index, name).tolist() == getattr(fresh, name).tolist(), name
    if index.precision == "none":
        assert index.similarities(direction(10)) is None
    else:
        np.testing.assert_array_equal(index.similarities(direction(10)), fresh.similarities(direction(10)))


def test_the_weight_of_a_rewritten_row_is_counted(index):
    """Residency: the budget holds for memories whose answers came later, too."""
    before = index.nbytes
    index.rewrite(WHOLE, direction(10))

    assert index.nbytes == as_it_would_be(index).nbytes > before


def test_a_rewritten_row_that_coarsens_afterwards_keeps_its_new_vector(index):
    """The vector that is coarsened is the one the page has."""
    index.rewrite(WHOLE, direction(10))
    if index.precision != "none":
        index.coarsen()
    found = index.similarities(direction(10))
    if found is not None:
        assert float(found[1]) == pytest.approx(1.0, abs=1e-2)
    assert len(index) == 3


def test_a_rewritten_row_can_be_removed(index):
    """Forgetting an answered page leaves none of its words."""
    index.rewrite(WHOLE, direction(10))
    index.remove(WHOLE.id)

    assert WHOLE.id not in index
    for term in index.lexical._postings:
        assert 1 not in index.lexical.postings(term)[0].tolist(), term
    assert index.lexical.lengths[1] == 0.0
