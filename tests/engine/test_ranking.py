"""Which pages answer a question."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoryos_engine.lexical_index import LexicalIndex
from memoryos_engine.ranking import (
    AFTER,
    BEFORE,
    DATE_WEIGHT,
    DAY,
    DAYS_EARLY,
    DAYS_LATE,
    PAUSE,
    SIMILARITY_WEIGHT,
    Evidence,
    Surroundings,
    date_evidence,
    lexical_evidence,
    rank,
)

NOBODY = -1


def indexed(pages: list[str]) -> LexicalIndex:
    index = LexicalIndex()
    for page in pages:
        index.add(page)
    return index


def surroundings(sessions: list[int], times: list[float] | None = None) -> Surroundings:
    clock = np.arange(len(sessions)) * 60.0 if times is None else np.array(times, dtype=np.float64)
    return Surroundings.of(np.array(sessions, dtype=np.int64), np.arange(len(sessions)), clock)


def evidence(pages: list[str], query: str, sessions: list[int] | None = None) -> Evidence:
    around = surroundings(sessions or list(range(len(pages))))
    times = np.arange(len(pages)) * 60.0
    return rank(indexed(pages), dict.fromkeys(query, 1.0), around, np.zeros(len(pages), np.float32), times)


def neighbours(sessions: list[int], times: list[float] | None = None) -> dict[int, list[int]]:
    """Steps away (negative: earlier) to the neighbour of each page, -1 for none."""
    steps = surroundings(sessions, times).steps
    offsets = [*range(-1, -len(BEFORE) - 1, -1), *range(1, len(AFTER) + 1)]
    return {
        offset: [NOBODY if at == len(sessions) else int(at) for at in found]
        for offset, (found, _) in zip(offsets, steps, strict=True)
    }


def test_neighbours_are_the_pages_beside_in_the_same_session():
    """Design part 4: a page is supported by its neighbours in the session; sessions may interleave."""
    found = neighbours([0, 1, 0, 0, 1])

    assert found[-1] == [NOBODY, NOBODY, 0, 2, 1]
    assert found[1] == [2, 4, 3, NOBODY, NOBODY]
    assert found[-2] == [NOBODY, NOBODY, NOBODY, 0, NOBODY]
    assert found[2] == [3, NOBODY, NOBODY, NOBODY, NOBODY]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 60.0, PAUSE + 1])), max_size=12))
def test_neighbours_never_cross_a_session_or_a_pause(pages):
    """A session is cut where it paused: a year in one session is many sittings."""
    sessions, times = [one for one, _ in pages], list(np.cumsum([gap for _, gap in pages]))
    for offset, found in neighbours(sessions, times).items():
        for here, there in enumerate(found):
            if there == NOBODY:
                continue
            inside = [n for n, session in enumerate(sessions) if session == sessions[here]]
            first, last = sorted((inside.index(here), inside.index(there)))
            assert sessions[here] == sessions[there]
            assert inside.index(there) - inside.index(here) == offset
            gaps = [times[b] - times[a] for a, b in zip(inside[first:last], inside[first + 1 :], strict=False)]
            assert all(gap <= PAUSE for gap in gaps)


def test_dead_rows_are_nobodys_neighbours(make_index):
    """PageIndex.remove: a dead row has a session of its own, so what it stood between is neighbours now."""
    index = make_index(["a", "a", "a"])
    index.remove("page_1")
    steps = {share: found.tolist() for found, share in index.surroundings.steps}

    assert steps[BEFORE[0]] == [3, 3, 0]
    assert steps[AFTER[0]] == [2, 3, 3]


@pytest.fixture
def make_index():
    from datetime import datetime, timezone

    from memoryos_engine.page_index import PageIndex
    from memoryos_engine.records import DialoguePage

    def making(texts: list[str]) -> PageIndex:
        index = PageIndex(dimension=2)
        for number, text in enumerate(texts):
            page = DialoguePage(
                id=f"page_{number}",
                session_id="s",
                user_input=text,
                agent_response="",
                timestamp=datetime(2024, 3, 1, tzinfo=timezone.utc),
                sequence=number,
            )
            index.add(page, np.array([1.0, 0.0], dtype=np.float32))
        return index

    return making


@given(
    pages=st.lists(st.tuples(st.text("abc", max_size=5), st.integers(0, 2)), max_size=8),
    query=st.text("abcd", max_size=3),
    seed=st.integers(0, 99),
)
@settings(deadline=None)
def test_the_components_add_up_to_the_total(pages, query, seed):
    """ranking: each kind of evidence is explained; the score is their sum and nothing else."""
    random = np.random.default_rng(seed)
    similarities = random.uniform(-1, 1, len(pages)).astype(np.float32)
    times = random.uniform(0, 30 * DAY, len(pages))
    around = surroundings([session for _, session in pages], list(times))
    found = rank(
        indexed([text for text, _ in pages]), dict.fromkeys(query, 1.0), around, similarities, times, [(0.0, DAY)]
    )

    np.testing.assert_allclose(found.total, found.words + found.neighbours + found.similarity + found.date, rtol=1e-6)
    for part in (found.words, found.neighbours, found.similarity, found.date):
        assert part.shape == (len(pages),)
        assert (part >= -1e-6).all()
    assert (found.words + found.neighbours <= 1 + 1e-5).all()
    np.testing.assert_allclose(found.similarity, SIMILARITY_WEIGHT * np.maximum(similarities, 0), rtol=1e-6)


def test_the_best_lexical_score_is_one_whatever_the_length_of_the_question():
    """So that similarity and dates weigh the same beside it."""
    for query in ("a", "abc", "abcdefg"):
        found = evidence(["abc", "c", "x"], query)
        assert float((found.words + found.neighbours).max()) == pytest.approx(1.0)


def test_a_page_gains_from_a_neighbour_that_holds_the_term():
    """A conversation says a thing once and goes on with "it"."""
    together, apart = evidence(["a", "x", "x"], "a", [0, 0, 0]), evidence(["a", "x", "x"], "a", [0, 1, 2])

    assert together.neighbours[1] > together.neighbours[2] > 0
    assert (together.words[1], together.words[2]) == (0, 0)
    assert apart.neighbours.tolist() == [0, 0, 0]


def test_the_page_that_says_it_comes_before_its_neighbours():
    """Support from the side is less than the word itself."""
    assert evidence(["x", "a", "x"], "a", [0, 0, 0]).best(3).tolist()[0] == 1


def test_a_rare_term_tells_more_than_a_common_one():
    """Inverse frequency over blocks of a sitting."""
    found = evidence(["ab", "a", "a", "a", "b"], "ab")

    assert found.best(5).tolist()[:2] == [0, 4]


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_ties_keep_the_order_of_the_pages(count):
    """Invariant 8: the same inputs give the same answer."""
    assert evidence(["a", "b", "a", "a"], "a").best(count).tolist() == [0, 2, 3, 1][:count]
    assert evidence(["x"] * 5, "a").best(count).tolist() == [0, 1, 2, 3, 4][:count]


def test_only_allowed_pages_are_returned():
    """STM is in the context whole and never ranked."""
    found = evidence(["a", "a", "b"], "a")

    assert found.best(5, np.array([False, True, True])).tolist() == [1, 2]
    assert found.best(5, np.zeros(3, dtype=np.bool_)).tolist() == []


def test_an_empty_memory_ranks_nothing():
    """No pages, no division by their number."""
    assert evidence([], "a").best(5).tolist() == []
    assert evidence([], "").total.shape == (0,)


def test_a_question_without_words_scores_no_page_by_words():
    """Only what there is counts."""
    found = evidence(["a", "b"], "")

    assert (found.words.tolist(), found.neighbours.tolist()) == ([0, 0], [0, 0])


def test_words_and_neighbours_share_one_score():
    """lexical_evidence: the share of the page and the share of those around it."""
    words, beside = lexical_evidence(indexed(["a", "a"]), {"a": 1.0}, surroundings([0, 0]))
    total = words + beside

    assert float(total.max()) == pytest.approx(1.0)
    np.testing.assert_allclose(words / total, [1 / (1 + AFTER[0]), 1 / (1 + BEFORE[0])], rtol=1e-5)


def test_a_date_counts_fully_inside_its_span_and_fades_outside():
    """Plans come before the day, stories after it."""
    days = np.array([5.0, 10.0, 10.5, 11.0, 18.0, 25.0, 40.0, 400.0, 800.0, 900.0]) * DAY
    found = date_evidence(days, [(10 * DAY, 11 * DAY)])
    share = found / found.max()

    np.testing.assert_allclose(
        share, [1 - 5 / DAYS_EARLY, 1, 1, 1, 1 - 7 / DAYS_LATE, 0, 0, 0, 0, 0], rtol=1e-5, atol=1e-6
    )
    assert float(found.max()) == pytest.approx(DATE_WEIGHT * (1 - share.mean()), rel=1e-5)


@pytest.mark.parametrize("spans", [[], [(0.0, DAY)]])
def test_a_date_that_fits_every_page_or_none_is_given_tells_nothing(spans):
    """It would only blur what the words say."""
    assert date_evidence(np.array([0.0, 3600.0]), spans).tolist() == [0.0, 0.0]
