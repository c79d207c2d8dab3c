"""What one display of a memory shows of it, as values: what comes first, and how much of each tier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from memoryos_engine import ManualClock, MemoryOS, Tier
from memoryos_integrations.jupyter.display import full_bar
from memoryos_integrations.jupyter.overview import overview, segment_views, sources_of
from tests.remembered import five_animals, two_homes
from tests.tagged import remember, tagged


def test_the_session_of_the_handle_comes_first_then_those_that_spoke_last(system: MemoryOS):
    for name in ("a", "b", "c", "d", "e", "f", "b"):
        system.memory("ann", session_id=name).add_memory(f"in {name}")

    view = overview(system.memory("ann", session_id="c"))

    assert [(each.id, [page.user_input for page in each.pages]) for each in view.sessions] == [
        ("c", ["in c"]),
        ("b", ["in b", "in b"]),
        ("f", ["in f"]),
        ("e", ["in e"]),
    ]
    assert (view.sessions_left, view.short_term_count) == (2, 7)


def test_the_newest_pending_pages_are_shown_and_all_of_them_counted(open_system: Callable[..., MemoryOS]):
    memory = open_system(short_term_capacity=1).memory("ann")
    for number in range(8):
        memory.add_memory(f"number {number}")

    view = overview(memory)

    assert [page.user_input for page in view.pending] == [f"number {number}" for number in (7, 6, 5, 4, 3)]
    assert view.pending_count == 8


def test_the_newest_facts_are_shown_and_the_rest_counted(open_system: Callable[..., MemoryOS]):
    memory = tagged(open_system, heat_threshold=0.0)
    memory.import_turns({"user_input": f"thing {letter} #{letter}"} for letter in "abcdefghijklmnop")
    memory.flush()

    (knowledge,) = overview(memory).knowledge

    assert [entry.text for entry in knowledge.entries] == [f"thing {letter} #{letter}" for letter in "ponmlkjihgfe"]
    assert (knowledge.title, knowledge.left) == ("User knowledge", 4)


def test_only_facts_that_hold_are_counted_in_the_head(open_system: Callable[..., MemoryOS], clock: ManualClock):
    memory = two_homes(open_system, clock)

    assert overview(memory).fact_count == len(memory.knowledge()) < len(memory.knowledge(history=True))


def test_a_fact_shows_the_newest_three_of_its_pages(open_system: Callable[..., MemoryOS]):
    memory = five_animals(open_system)
    pages = memory.pages()
    fact = replace(memory.knowledge()[0], source_page_ids=(*(page.id for page in pages), "page_gone"))

    assert sources_of([fact], {page.id: page for page in pages}) == {fact.id: pages[:1:-1]}


def test_what_is_archived_is_counted_and_not_listed(open_system: Callable[..., MemoryOS]):
    memory = tagged(open_system, mid_term_capacity=1)
    remember(memory, "#a 0", "#a 1", "#b 0", "#b 1", "#b 2", "#c 0")
    view = overview(memory)

    assert view.archived_page_count == len(memory.pages(Tier.ARCHIVE)) > view.archived_count > 0
    assert view.archived_count + len(view.segments) == view.segment_count == len(memory.segments())


def test_a_segment_that_was_opened_since_the_segments_were_read_waits_for_the_next_display(
    open_system: Callable[..., MemoryOS],
):
    memory = five_animals(open_system)
    known = memory.segments()[:1]

    views = segment_views(known, memory.heats(), memory.pages(Tier.SEGMENT))

    assert [view.record for view in views] == known


@pytest.mark.parametrize(("tau", "whole"), [(5.0, 5.0), (2.5, 4.0)])
def test_a_whole_bar_of_heat_is_tau_or_the_hottest_segment(
    open_system: Callable[..., MemoryOS], tau: float, whole: float
):
    """Eq. 4: three pages that were never visited have the heat 4. Nothing is promoted between the two openings."""
    memory = tagged(open_system, heat_threshold=1e9)
    remember(memory, "#a 0", "#a 1", "#a 2")
    memory = tagged(open_system, heat_threshold=tau)

    assert overview(memory).hottest == whole


@pytest.mark.parametrize(("scores", "whole"), [((), 1.0), ((0.4, None), 1.0), ((1.5, 0.2), 1.5)])
def test_a_whole_bar_is_the_best_score_and_at_least_one(
    system: MemoryOS, scores: tuple[float | None, ...], whole: float
):
    page = system.memory("ann").add_memory("tea")
    found = system.memory("ann").retrieve_memory("tea", touch=False)

    assert full_bar(replace(found, pages=[replace(page, score=score) for score in scores])) == whole
