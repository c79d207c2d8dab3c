"""The resident set: memory equals the store, and loading finishes what a crash left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memoryos_engine.changes import Changes
from memoryos_engine.checking import findings
from memoryos_engine.errors import CorruptRecord, StoreError
from memoryos_engine.mid_term import open_segment
from memoryos_engine.records import Owner
from memoryos_engine.storage.codec import Row
from memoryos_engine.storage.heads import NONE
from memoryos_engine.storage.resident import ResidentSet
from tests.engine.storage.stories import Story, assert_same_vectors, picture

DIMENSION = 8


@pytest.fixture
def load(owner: Owner, store: Any) -> Callable[..., ResidentSet]:
    def loading(kept_by: Any = None) -> ResidentSet:
        return ResidentSet(owner, kept_by or store, dimension=DIMENSION)

    return loading


@pytest.fixture
def story(load: Any, make_page: Any, direction: Any) -> Story:
    return Story(load(), make_page, direction)


STEPS = ("add", "add", "add", "join", "join", "promote", "visit", "archive", "restore", "learn", "use", "unlearn")
STORIES = st.lists(st.tuples(st.sampled_from((*STEPS, "forget", "forget_newest")), st.integers(0, 9)), max_size=25)


@given(script=STORIES)
@example(script=[("add", 0), ("join", 0), ("add", 0), ("archive", 0), ("restore", 0), ("add", 0)])
@example(script=[("add", 0), ("add", 1), ("add", 2), ("forget_newest", 0)])
@example(script=[("add", 0), ("add", 1), ("add", 0), ("join", 0), ("join", 1), ("archive", 0)])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_memory_equals_what_a_fresh_load_gives_after_any_commits(
    make_collection, make_store, owner, make_page, direction, script
):
    """Design part 3: what is resident is a view of the store and never says anything else."""
    store = make_store(make_collection())
    story = Story(ResidentSet(owner, store, dimension=DIMENSION), make_page, direction)
    for step, number in script:
        story.do(step, number)
    fresh = ResidentSet(owner, store, dimension=DIMENSION)

    assert picture(story.resident) == picture(fresh)
    assert_same_vectors(story.resident, fresh)
    assert findings(owner, store) == []
    found = {page.id: (page.user_input, page.agent_response) for page in fresh.records.pages.values()}
    assert found == {key: (page.user_input, page.agent_response) for key, page in story.pages.items()}


def test_a_sequence_is_never_given_out_again(story, load):
    """The sequence is the order of arrival in the whole memory, of what was forgotten as well: no id is reused."""
    for step in ("add", "add", "add", "join", "forget_newest", "archive"):
        story.do(step, 0)
    fresh = load()

    assert [page.sequence for page in fresh.records.pages.values()] == [0, 1]
    assert fresh.records.next_sequence == 3


def test_a_restored_page_stands_where_it_stood(story):
    """Neighbours of a page are those it was said between, whatever was archived and brought back."""
    for _ in range(3):
        story.add(0, "a")
    story.join(0)
    story.archive(0)
    story.restore(0)
    records = story.resident.records

    assert [getattr(records.previous(records.pages[f"page_{n}"]), "id", None) for n in range(3)] == [
        None,
        "page_0",
        "page_1",
    ]
    story.add(0, "a")
    assert records.previous(records.pages["page_3"]).id == "page_2"


# -- half a change ----------------------------------------------------------------------


@pytest.fixture
def cut(watched, make_store, owner):
    """A store whose upserts hold three rows and the head, and can stop after any of them."""
    return make_store(watched, max_batch=4)


@pytest.mark.parametrize("step", ["archive", "restore"])
@pytest.mark.parametrize("pages", [1, 10])
def test_archiving_and_its_way_back_are_one_upsert_however_large_the_segment(
    cut, watched, load, make_page, direction, owner, pages, step
):
    """A batch upsert is atomic even under kill -9: no half of it can be left."""
    story = Story(load(cut), make_page, direction)
    for number in range(pages):
        story.add(number)
    for _ in range(pages):
        story.join(0)
    if step == "restore":
        story.archive(0)
    watched.calls.clear()
    story.do(step, 0)
    (segment,) = load(cut).records.segments.values()

    assert watched.names.count("upsert") == 1
    assert segment.archived is (step == "archive")
    assert len(load(cut).records.pages_of(segment.id)) == pages


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_consolidation_cut_off_leaves_its_pages_without_a_segment(
    cut, watched, load, make_page, direction, owner, written
):
    """The segment is written last; pages that name one that is not there are pending again."""
    story = Story(load(cut), make_page, direction)
    for number in range(8):
        story.add(number, "a")
    pages = list(story.resident.records.pages.values())
    segment = open_segment(pages[0], direction(0)).segment
    assert len(pages) == 8
    placed = Changes(
        pages=tuple(replace(page, segment_id=segment.id) for page in pages),
        segments=(segment,),
        vectors={segment.id: direction(0)},
    )
    watched.upserts_left = written
    with pytest.raises(StoreError):
        story.resident.commit(placed)
    watched.upserts_left = None
    fresh = load(cut)

    assert list(fresh.records.open_pages("a")) == pages
    assert fresh.records.segments == {}
    fresh.commit(placed)
    assert [page.id for page in fresh.records.pages_of(segment.id)] == [page.id for page in pages]
    assert findings(owner, cut) == []
    assert picture(fresh) == picture(load(cut))


def test_memory_is_not_ahead_of_the_store_when_a_commit_fails(cut, watched, load, make_page, direction):
    """ResidentSet.commit: the store first, memory only when that succeeded."""
    story = Story(load(cut), make_page, direction)
    story.add(0)
    before = picture(story.resident)
    watched.upserts_left = 0

    with pytest.raises(StoreError):
        story.add(1)

    watched.upserts_left = None
    assert picture(story.resident) == before == picture(load(cut))


# -- forgetting and compacting ------------------------------------------------------------


def test_what_is_forgotten_is_in_neither_memory_nor_store(story, load, store, owner):
    """Design part 2: forget deletes one record, here with the segment that had only it."""
    for step in ("add", "add", "join", "learn"):
        story.do(step, 0)
    (segment,) = story.resident.records.segments
    story.resident.commit(Changes(forgotten=("page_0", segment, "knowledge_1")))

    for resident in (story.resident, load()):
        assert list(resident.records.pages) == ["page_1"]
        assert resident.records.segments == {}
        assert resident.records.knowledge == {}
    assert sorted(row.id for row in store.load(owner)[1]) == ["page_1"]


def test_a_segments_direction_forgets_a_page_with_it(story, load):
    """e_s is the direction of the pages that are there."""
    for step in ("add", "add", "add", "join", "join", "join"):
        story.do(step, 0)
    (segment,) = story.resident.records.segments
    story._forget(story.pages["page_1"])

    np.testing.assert_allclose(
        story.resident.records.state(segment).vector_sum, story._direction(0) + story._direction(2), atol=1e-5
    )
    assert picture(story.resident) == picture(load())


@pytest.mark.parametrize("coarser", [0, 1, 2])
def test_dead_rows_are_compacted_and_nothing_changes_by_it(story, load, coarser):
    """Invariant 5: nothing grows with history except storage. At every precision."""
    story.resident.commit(
        Changes(
            pages=tuple(story._make_page(number, session="a") for number in range(100)),
            vectors={f"page_tom_{number}": story._direction(number) for number in range(100)},
        )
    )
    for _ in range(coarser):
        assert story.resident.coarsen()
    story.resident.commit(Changes(forgotten=tuple(f"page_tom_{number}" for number in range(10, 70))))
    index, fresh = story.resident.records.index, load()

    assert index.ids == fresh.records.index.ids == [f"page_tom_{n}" for n in (*range(10), *range(70, 100))]
    assert index.alive.all()
    assert index.precision == ("float32", "float16", "none")[coarser]
    assert picture(story.resident) == picture(fresh)
    if coarser < 2:
        query = story._direction(80)
        np.testing.assert_allclose(index.similarities(query), fresh.records.index.similarities(query), atol=2e-3)


def test_vectors_that_are_not_resident_are_read_from_the_store_in_full(story):
    """page_index: coarse vectors rank; joins and archiving use the full ones."""
    story.add(0)
    full = story.resident.vectors(["page_0"])["page_0"]
    precisions = []
    for _ in range(3):
        story.resident.coarsen()
        precisions.append(story.resident.records.index.precision)
        np.testing.assert_array_equal(story.resident.vectors(["page_0", "page_99"])["page_0"], full)

    assert precisions == ["float16", "none", "none"]
    assert story.resident.coarsen() is False


# -- what cannot be loaded ------------------------------------------------------------------


def test_a_record_of_an_unknown_kind_stops_the_loading_and_names_itself(load, store, owner, direction):
    """CorruptRecord: it is left as it is, not dropped."""
    row = Row(id="riddle_1", kind="riddle", document="?", data="{}", vector=direction(0))
    store.commit(owner, [row], next_sequence=0)

    with pytest.raises(CorruptRecord, match="riddle_1"):
        load()
    assert [found.id for found in store.fetch(owner, ["riddle_1"])] == ["riddle_1"]


def test_a_set_sees_what_another_one_wrote_when_it_is_refreshed(
    load, make_collection, make_store, make_page, direction
):
    """Design part 3: if the head moved, another process wrote, so reload."""
    collection = make_collection()
    ours = load(make_store(collection, shared=True))
    theirs = Story(load(make_store(collection, shared=True)), make_page, direction)
    theirs.add(0)
    assert list(ours.records.pages) == []
    epoch = ours.epoch
    ours.refresh()

    assert picture(ours) == picture(theirs.resident)
    assert ours.epoch != epoch


def test_a_set_is_not_read_again_while_nobody_wrote(load, watched, make_store, make_page, direction):
    """Reading the heads is all that an unchanged store costs."""
    resident = load(make_store(watched, shared=True))
    Story(resident, make_page, direction).add(0)
    watched.calls.clear()
    resident.refresh()

    assert [options["where"]["$and"] for _, options in watched.calls] == [[{"user_id": "tom"}, {"kind": "head"}]]


def test_clearing_leaves_an_empty_set(story, load):
    """Invariant 6, in memory."""
    for step in ("add", "add", "join", "learn", "archive"):
        story.do(step, 0)
    story.resident.clear()

    assert picture(story.resident) == picture(load())
    assert (story.resident.records.pages, story.resident.heads) == ({}, NONE)
