"""Several writers of one owner: what one commits, the others have, whole and without reading everything again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memoryos_engine.changes import Changes
from memoryos_engine.checking import findings
from memoryos_engine.storage.heads import KEPT, NONE, Head, Heads
from memoryos_engine.storage.resident import ResidentSet
from tests.engine.storage.conftest import DIMENSION
from tests.engine.storage.stories import Story, assert_same_vectors, picture

STEPS = ("add", "add", "add", "join", "join", "promote", "visit", "archive", "restore", "learn", "use", "unlearn")
TURNS = st.tuples(st.integers(0, 2), st.sampled_from((*STEPS, "forget", "forget_newest")), st.integers(0, 9))


@pytest.fixture
def writers(make_collection: Any, make_store: Any, owner: Any, make_page: Any, direction: Any) -> Callable[[], Any]:
    """Make three writers of one collection, each as another process would be."""

    def making() -> list[Story]:
        collection, pages = make_collection(), {}
        sets = [ResidentSet(owner, make_store(collection, shared=True), dimension=DIMENSION) for _ in range(3)]
        return [Story(one, make_page, direction, first=1000 * n, pages=pages) for n, one in enumerate(sets)]

    return making


@given(script=st.lists(TURNS, max_size=25))
@example(script=[(0, "add", 0), (1, "add", 0), (0, "add", 0), (2, "join", 0), (1, "join", 0), (0, "forget", 0)])
@example(script=[(0, "add", 0), (0, "join", 0), (1, "forget", 0), (2, "add", 0), (1, "add", 1)])
@example(script=[(0, "add", 0), (1, "learn", 0), (0, "unlearn", 0), (1, "learn", 0), (2, "use", 0)])
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_writer_has_what_a_fresh_load_gives(writers, owner, script):
    """Design part 3: if a head moved, another process wrote; what is resident never says anything else."""
    stories = writers()
    for place, step, number in script:
        stories[place].do(step, number)
        stories[(place + number) % 3].resident.refresh()
    store = stories[0].resident.store
    fresh = ResidentSet(owner, store, dimension=DIMENSION)
    for story in stories:
        story.resident.refresh()

        assert picture(story.resident) == picture(fresh)
        assert_same_vectors(story.resident, fresh)
    assert findings(owner, store) == []
    said = {page.id: page.user_input for page in fresh.records.pages.values()}
    assert said == {key: page.user_input for key, page in stories[0].pages.items()}


def test_new_pages_of_another_writer_are_fetched_alone(make_collection, make_store, owner, make_page, direction):
    """A long memory is not read again for each page that another process adds."""
    collection = make_collection()
    ours = ResidentSet(owner, make_store(collection, shared=True), dimension=DIMENSION)
    theirs = Story(ResidentSet(owner, make_store(collection, shared=True), dimension=DIMENSION), make_page, direction)
    theirs.do("add", 0)
    ours.refresh()  # a writer that is seen first has all of its rows read
    read: list[int] = []
    rows = ours.store._rows

    def counting(*asked: Any, **how: Any) -> Any:
        found = list(rows(*asked, **how))
        read.append(len(found))
        return iter(found)

    ours.store._rows = counting
    for number in range(3):
        theirs.do("add", number)
    ours.refresh()
    theirs.do("join", 0)
    ours.refresh()

    # Three pages with the head that the last of them left; then one page, its segment and the head.
    assert read == [4, 3]
    assert picture(ours) == picture(theirs.resident)


def test_a_plan_outlives_pages_that_another_writer_adds(writers):
    """A model was paid for what it read; pages that came since change nothing of it."""
    ours, theirs, _ = writers()
    theirs.do("add", 0)
    ours.resident.refresh()
    epoch = ours.resident.epoch
    theirs.do("add", 1)
    ours.resident.refresh()
    assert (ours.resident.epoch, len(ours.resident.records.pages)) == (epoch, 2)

    theirs.do("join", 0)
    ours.resident.refresh()
    assert ours.resident.epoch != epoch


def test_a_commit_between_anothers_reading_and_writing_is_noticed(writers, make_page, direction):
    """Two that commit at once leave two heads: neither takes the other's for its own."""
    ours, theirs, third = writers()
    for story in (ours, theirs):
        story.do("add", 0)
        story.resident.refresh()
        ours.resident.refresh()
    page = make_page(9, id="page_late", session="a")
    with ours.resident.writing:  # which looks first
        theirs.do("add", 1)
        ours.resident.commit(Changes(pages=(page,), vectors={page.id: direction(3)}))
        assert len(ours.resident.records.pages) == 3

    ours.resident.refresh()
    assert len(ours.resident.records.pages) == 4
    third.resident.refresh()
    assert picture(third.resident) == picture(ours.resident)


def test_two_pages_that_were_given_one_place_get_one_each(writers, make_page, direction, owner):
    """Where no lock says who is alone, two processes may number a page alike; whoever loads them next mends it."""
    ours, theirs, third = writers()
    pages = [make_page(0, id="page_a", session="a"), make_page(0, id="page_b", session="a")]
    for story, page in zip((ours, theirs), pages, strict=True):
        story.resident.commit(Changes(pages=(page,), vectors={page.id: direction(1)}))
    third.resident.refresh()
    ours.resident.refresh()

    places = {page.id: page.sequence for page in ours.resident.records.pages.values()}
    assert places == {"page_a": 0, "page_b": 1}
    assert picture(ours.resident) == picture(third.resident)
    assert findings(owner, ours.resident.store) == []


def test_what_is_purged_by_one_is_gone_for_all_and_what_comes_after_is_seen(writers):
    """Invariant 6 across processes; a writer that begins anew is not taken for one that goes on."""
    ours, theirs, third = writers()
    for _ in range(3):
        theirs.do("add", 0)
    ours.resident.refresh()
    theirs.resident.clear()
    theirs.pages.clear()
    ours.resident.refresh()
    assert (dict(ours.resident.records.pages), ours.resident.heads) == ({}, NONE)

    third.resident.refresh()
    theirs.do("add", 0)
    theirs.resident.clear()
    theirs.pages.clear()
    theirs.do("add", 5)
    for story in (ours, third):
        story.resident.refresh()
        assert picture(story.resident) == picture(theirs.resident)


def test_what_is_forgotten_while_another_reads_is_gone_for_it_at_its_next_look(writers, monkeypatch):
    """The deletion follows the upsert; who read between the two has to be told that there was one."""
    ours, theirs, _ = writers()
    for _ in range(2):
        theirs.do("add", 0)
    ours.resident.refresh()
    collection = theirs.resident.store._collection
    delete = type(collection).delete

    def looking(self: Any, *args: Any, **options: Any) -> Any:
        ours.resident.refresh()
        return delete(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(collection), "delete", looking)
        theirs.do("forget", 0)
    assert len(ours.resident.records.pages) == 2
    ours.resident.refresh()

    assert picture(ours.resident) == picture(theirs.resident)


def test_heads_of_processes_that_are_gone_do_not_pile_up(make_collection, make_store, owner, make_page, direction):
    """Each process leaves a head; a user of years has had thousands of them."""
    collection, pages = make_collection(), {}
    for number in range(KEPT + 5):
        one = ResidentSet(owner, make_store(collection, shared=True), dimension=DIMENSION)
        Story(one, make_page, direction, first=number, pages=pages).do("add", number)
    fresh = ResidentSet(owner, make_store(collection, shared=True), dimension=DIMENSION)

    assert len(fresh.heads.by_writer) == KEPT + 1
    assert fresh.records.next_sequence == KEPT + 5
    assert sorted(fresh.records.pages) == sorted(pages)


# -- heads as values --------------------------------------------------------------------------


def head(writer: int, count: int, *, base: int = 1, mark: str | None = None) -> Head:
    return Head(mark=mark or f"{writer}.{count}", next_sequence=count, writer=writer, count=count, base=base)


def heads(*each: Head) -> Heads:
    return Heads({one.writer: one for one in each})


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (heads(head(1, 3)), heads(head(1, 5)), [head(1, 5)]),
        (heads(head(1, 3), head(2, 9)), heads(head(1, 3), head(2, 10)), [head(2, 10)]),
        (heads(head(1, 3)), heads(head(1, 5, base=5)), None),
        (heads(head(1, 3)), heads(head(1, 5, base=3)), [head(1, 5, base=3)]),
        (heads(head(1, 3)), heads(head(1, 3), head(2, 1)), None),
        (heads(head(1, 3), head(2, 1)), heads(head(1, 4)), None),
        (heads(head(1, 3)), NONE, None),
        (NONE, heads(head(1, 1)), None),
        (heads(head(0, 0, base=0)), heads(head(0, 0, base=0, mark="another")), None),
    ],
    ids=["goes on", "one of two", "deleted", "deleted before", "a newcomer", "one is gone", "purged", "first", "owned"],
)
def test_rows_are_fetched_alone_only_where_nothing_can_be_missed(before, after, news):
    """What a writer wrote since is numbered; what it deleted, or a newcomer did before it was seen, is not."""
    assert before.news(after) == news


def test_heads_that_say_the_same_are_no_news():
    """An unchanged store costs one small read."""
    same = heads(head(1, 3), head(2, 4))
    assert same.news(replace(same)) == []
