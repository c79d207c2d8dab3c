"""The index of terms."""

from __future__ import annotations

from math import log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_engine.lexical_index import LexicalIndex

TERMS = st.lists(st.sampled_from("abcde"), max_size=8)


def index_of(*pages: str | list[str]) -> LexicalIndex:
    index = LexicalIndex()
    for page in pages:
        index.add(page)
    return index


def said_by(index: LexicalIndex) -> dict[str, tuple[list[int], list[float]]]:
    return {term: tuple(part.tolist() for part in index.postings(term)) for term in "abcde"}


def test_postings_say_which_page_holds_a_term_how_often():
    """LexicalIndex: a position is the order of adding."""
    index = index_of("aab", "", "bc")

    assert said_by(index) == {
        "a": ([0], [2.0]),
        "b": ([0, 2], [1.0, 1.0]),
        "c": ([2], [1.0]),
        "d": ([], []),
        "e": ([], []),
    }
    assert index.lengths.tolist() == [3.0, 0.0, 2.0]
    assert len(index) == 3


def test_adding_returns_the_position():
    """Rows of the page index and positions here are one numbering."""
    index = LexicalIndex()

    assert [index.add(page) for page in ("ab", "", "a")] == [0, 1, 2]


def test_frequencies_are_a_row_for_each_term_in_the_order_asked():
    """What ranking multiplies."""
    np.testing.assert_array_equal(
        index_of("aab", "", "bc").frequencies(["b", "x", "a"]), [[1, 0, 1], [0, 0, 0], [2, 0, 0]]
    )


def test_no_terms_and_no_pages_give_empty_tables():
    """A question without words, an empty memory."""
    assert index_of("ab").frequencies([]).shape == (0, 1)
    assert LexicalIndex().frequencies(["a"]).shape == (1, 0)
    assert LexicalIndex().lengths.shape == (0,)


@pytest.mark.parametrize(("held", "pages"), [(0, 4), (1, 4), (4, 4), (0, 0)])
def test_a_term_tells_more_the_fewer_pages_hold_it(held, pages):
    """BM25's inverse document frequency, never negative."""
    index = index_of(*["a"] * held, *["b"] * (pages - held))

    assert index.idf("a") == pytest.approx(log1p((pages - held + 0.5) / (held + 0.5)))
    assert index.idf("a") > 0


@given(pages=st.lists(TERMS, max_size=8), gone=st.sets(st.integers(0, 7)))
def test_what_is_removed_was_never_added(pages, gone):
    """LexicalIndex.remove: the others keep their positions and say what they would have said without it."""
    index, without = index_of(*pages), index_of(*([] if n in gone else page for n, page in enumerate(pages)))
    for position in sorted(gone.intersection(range(len(pages))), reverse=True):
        index.remove(position)

    assert said_by(index) == said_by(without)
    assert index.lengths.tolist() == without.lengths.tolist()
    never = index_of(*(page for n, page in enumerate(pages) if n not in gone))
    assert {term: index.idf(term) for term in "abcde"} == {term: never.idf(term) for term in "abcde"}
    np.testing.assert_array_equal(index.frequencies("abcde"), without.frequencies("abcde"))


def test_removing_twice_is_removing_once():
    """A dead position matches nothing, however often it is emptied."""
    index = index_of("ab", "b")
    index.remove(0)
    index.remove(0)

    assert said_by(index) == said_by(index_of("", "b"))
