"""What leaves mid-term memory, and where it goes (paper §3.3; the archive is our decision)."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from memoryos_engine import Tier
from tests.tagged import remember, tagged


@pytest.fixture
def opened(open_system):
    return partial(tagged, open_system)


def texts(memory, tier: Tier | None = None) -> list[str]:
    return [page.user_input for page in memory.pages(tier)]


def test_the_capacity_may_be_reached(opened):
    """§3.3: eviction needs "exceeds"; as many segments as the capacity stay."""
    memory = opened(mid_term_capacity=3)
    remember(memory, "#a 0", "#b 0", "#c 0")
    assert (texts(memory, Tier.SEGMENT), texts(memory, Tier.ARCHIVE)) == (["#a 0", "#b 0", "#c 0"], [])


def test_one_segment_more_than_the_capacity_lets_the_coldest_go(opened):
    """§3.3: #b has one page, #a and #c two; all else is equal."""
    memory = opened(mid_term_capacity=3)
    remember(memory, "#a 0", "#b 0", "#c 0", "#a 1", "#c 1", "#d 0")
    assert texts(memory, Tier.ARCHIVE) == ["#b 0"]
    assert [segment.archived for segment in memory.segments()] == [False, False, False, True]


def test_segments_leave_in_the_order_of_their_heat(opened, clock):
    """Eq. 4: every eviction takes the lowest heat among the others, worked out before it happens."""
    memory = opened(mid_term_capacity=5, heat_threshold=1e9)
    for topic, pages in zip("abcde", (3, 1, 4, 2, 5), strict=True):
        remember(memory, *(f"#{topic} {number}" for number in range(pages)))
        clock.advance(days=1)
    coldest_first = list(reversed(memory.heats()))
    left = []
    for topic in "vwxyz":
        before = {segment.id for segment in memory.segments() if segment.archived}
        remember(memory, *(f"#{topic} {number}" for number in range(9)))
        left += [segment.id for segment in memory.segments() if segment.archived and segment.id not in before]
    assert left == coldest_first
    assert [text[1] for text in texts(memory, Tier.ARCHIVE) if text.endswith("0")] == ["a", "b", "c", "d", "e"]


def test_a_segment_of_heat_seven_outlives_one_of_heat_three(opened):
    """§3.3: heat decides, not how often a segment was read alone."""
    memory = opened(mid_term_capacity=2, heat_threshold=1e9)
    remember(memory, *(f"#a {number}" for number in range(6)), "#b 0")
    memory.retrieve_memory("#b 0", top_k=1)
    memory.flush()
    assert list(memory.heats().values()) == [7.0, 3.0]
    remember(memory, "#c 0")
    assert texts(memory, Tier.ARCHIVE) == ["#b 0"]


def test_a_new_topic_stays_although_every_old_one_was_read(opened):
    """Our decision: memory does not stop learning at capacity; nothing is lost either way."""
    memory = opened(mid_term_capacity=2)
    remember(memory, "#a 0", "#b 0")
    for _ in range(3):
        memory.retrieve_memory("#a #b")
    memory.flush()
    for topic in "cde":
        remember(memory, f"#{topic} 0")
        assert f"#{topic} 0" in texts(memory, Tier.SEGMENT)
    assert texts(memory) == ["#a 0", "#b 0", "#c 0", "#d 0", "#e 0"]
    assert len(texts(memory, Tier.SEGMENT)) == 2


def test_an_archived_page_is_unchanged_and_listed(opened):
    """Invariant 1: verbatim, with its chain, its segment and its metadata, in exactly one tier."""
    memory = opened(mid_term_capacity=1)
    memory.add_memory("#a question", "an answer", timestamp="2015-05-04T10:00:00Z", metadata={"n": [1, None]})
    memory.flush()
    (before,) = memory.pages(Tier.SEGMENT)
    remember(memory, "#b 0")
    assert memory.pages(Tier.ARCHIVE) == [before]
    assert texts(memory) == ["#a question", "#b 0"]


def test_a_deep_search_finds_archived_pages_and_a_shallow_one_does_not(opened):
    """Our decision: archived pages are Chroma's to search."""
    memory = opened(mid_term_capacity=1)
    remember(memory, "#a the boat is called Mirabelle", "#b 0")
    found = {
        deep: [page.user_input for page in memory.retrieve_memory("#a boat", deep=deep, touch=False).pages]
        for deep in (True, False)
    }
    assert found == {True: ["#a the boat is called Mirabelle", "#b 0"], False: ["#b 0"]}


def test_the_archive_is_asked_by_itself_when_the_resident_pages_answer_poorly(opened):
    """Our decision: `deep=None` searches deep when most of the question is nowhere resident."""
    memory = opened(mid_term_capacity=1)
    remember(memory, "#a the boat is called Mirabelle", "#b the cat sleeps")
    asked = {
        query: memory.retrieve_memory(query, touch=False).pages[0].user_input
        for query in ("What is the boat called, Mirabelle?", "the cat sleeps")
    }
    assert asked == {
        "What is the boat called, Mirabelle?": "#a the boat is called Mirabelle",
        "the cat sleeps": "#b the cat sleeps",
    }


def test_an_answer_without_a_model_quotes_the_archive_where_it_knows_best(opened):
    """Our decision: the best page is the best of all that was searched."""
    memory = opened(mid_term_capacity=1)
    remember(memory, "#a the boat is called Mirabelle", "#b the cat sleeps")
    assert "User: #a the boat is called Mirabelle" in memory.get_response("What is the boat called, Mirabelle?")


def test_a_visit_brings_an_archived_segment_back_whole(opened):
    """Our decision: as swap is to RAM; the segment comes back with all its pages and its count goes on."""
    memory = opened(mid_term_capacity=1)
    remember(memory, "#a 0", "#a 1", "#b 0")
    before = {page.id: page for page in memory.pages()}
    assert texts(memory, Tier.ARCHIVE) == ["#a 0", "#a 1"]
    memory.retrieve_memory("#a", deep=True, top_k=1)
    memory.flush()
    assert texts(memory, Tier.SEGMENT) == ["#a 0", "#a 1"]
    assert texts(memory, Tier.ARCHIVE) == ["#b 0"]
    back, gone = memory.segments()
    assert (back.visits, back.summary, gone.archived) == (1, "#a 0 | #a 1", True)
    assert {page.id: page for page in memory.pages()} == before


def test_a_retrieval_of_resident_and_archived_pages_counts_for_both(opened):
    """Our decision: bringing one back may send the other away, but neither visit is lost."""
    memory = opened(mid_term_capacity=1)
    remember(memory, "#a 0", "#b 0")
    memory.retrieve_memory("#a #b", deep=True)
    memory.flush()
    assert [segment.visits for segment in memory.segments()] == [1, 1]
    assert sorted(segment.archived for segment in memory.segments()) == [False, True]
    assert texts(memory) == ["#a 0", "#b 0"]


def test_a_visit_that_arrives_after_the_segment_was_archived_brings_it_back(opened):
    """Our decision: visits are recorded later than they happen; what moved meanwhile is found."""
    memory = opened(mid_term_capacity=1)
    remember(memory, "#a 0")
    memory.retrieve_memory("#a")
    memory.add_memory("#b 0")
    memory.flush()
    memory.flush()
    assert texts(memory) == ["#a 0", "#b 0"]
    assert {segment.summary: segment.visits for segment in memory.segments()} == {"#a 0": 1, "#b 0": 0}


def test_a_page_on_an_archived_topic_opens_a_new_segment(opened):
    """Our decision: only resident segments take pages; the paper's have been deleted by then."""
    memory = opened(mid_term_capacity=1)
    remember(memory, "#a 0", "#b 0", "#a 1")
    assert len({page.segment_id for page in memory.pages()}) == 3


def test_a_new_page_after_a_reopening_comes_after_every_archived_one(opened):
    """Invariant 1: no page takes the place, or the id, of one that happens to be archived."""
    first = opened(mid_term_capacity=1)
    remember(first, "#a 0", "#b 0")
    first.retrieve_memory("#a", deep=True, top_k=1)
    first.flush()
    assert texts(first, Tier.ARCHIVE) == ["#b 0"]
    first.system.close()
    memory = opened(mid_term_capacity=1)
    memory.add_memory("#b 0")
    assert texts(memory) == ["#a 0", "#b 0", "#b 0"]
    assert [page.sequence for page in memory.pages()] == [0, 1, 2]
    assert memory.system.check() == []


@pytest.mark.parametrize("tier", ["segment", "archive"])
def test_nothing_points_at_a_page_that_was_forgotten(opened, tier):
    """Our decision: forgetting takes what was derived from the page alone, wherever it lives."""
    memory = opened(mid_term_capacity=1, heat_threshold=0.0)
    remember(memory, "#a secret=hidden", "#a 1")
    if tier == "archive":
        remember(memory, "#b 0")
    secret, *_ = memory.pages(Tier(tier))
    memory.forget(secret.id)
    assert memory.system.check() == []
    everything = [*memory.pages(), *memory.segments(), *memory.knowledge(history=True)]
    assert "hidden" not in repr(everything)
    assert "#a 1" in texts(memory)


def test_no_archived_page_quotes_a_forgotten_one(opened):
    """Our decision: a meta chain sums up earlier pages, so it goes with them, in the archive as well."""
    memory = opened(mid_term_capacity=1, similarity_threshold=2.0)
    memory.add_memory("#a hidden")
    memory.add_memory("#a later")
    memory.add_memory("#a last")
    memory.flush()
    hidden, later, _ = memory.pages()
    assert later.meta_chain == "#a hidden > #a later"
    memory.forget(hidden.id)
    assert texts(memory) == ["#a later", "#a last"]
    assert "hidden" not in repr([*memory.pages(), *memory.segments()])


def test_eviction_by_deletion_takes_the_pages_and_what_points_at_them(opened):
    """`eviction="delete"`: the paper's own rule; the facts learned from the pages stay, without a source."""
    memory = opened(mid_term_capacity=1, eviction="delete", heat_threshold=0.0)
    remember(memory, "#a name=Tom", "#b 0")
    assert (texts(memory), len(memory.segments())) == (["#b 0"], 1)
    assert {entry.text: len(entry.source_page_ids) for entry in memory.knowledge()} == {"Tom": 0, "#b 0": 1}
    assert memory.system.check() == []


def test_a_smaller_capacity_at_the_next_opening_archives_the_coldest(opened):
    """Invariant 1: another capacity moves pages, it loses none."""
    first = opened(heat_threshold=1e9)
    remember(first, "#a 0", "#a 1", "#b 0", "#c 0", "#c 1", "#d 0")
    first.system.close()
    memory = opened(mid_term_capacity=2, heat_threshold=1e9)
    remember(memory, "#e 0")
    assert len(texts(memory, Tier.SEGMENT)) == 3
    assert "#e 0" in texts(memory, Tier.SEGMENT)
    assert texts(memory) == ["#a 0", "#a 1", "#b 0", "#c 0", "#c 1", "#d 0", "#e 0"]


def test_old_segments_leave_before_young_ones_of_the_same_size(opened, clock):
    """Eq. 4: of equal visits and lengths, recency decides."""
    memory = opened(mid_term_capacity=2)
    old = clock() - timedelta(days=400)
    memory.add_memory("#a 0")
    memory.add_memory("#b 0", timestamp=old)
    memory.add_memory("#c 0")
    memory.flush()
    assert texts(memory, Tier.ARCHIVE) == ["#b 0"]
