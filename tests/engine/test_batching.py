"""What a model is asked about next: one page that it refuses keeps nothing else waiting (our decision)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_engine import DialoguePage, Segment
from memoryos_engine.analysis.base import HotSegment
from memoryos_engine.batching import Failures, next_batch, next_group

NOON = datetime(2024, 3, 1, 12, 0, tzinfo=timezone.utc)


def paged(number: int) -> DialoguePage:
    return DialoguePage(
        id=f"page {number}",
        session_id="default",
        user_input=f"text {number}",
        agent_response="",
        timestamp=NOON,
        sequence=number,
    )


def hot(*sizes: int) -> list[HotSegment]:
    """Segments "a", "b", ... with so many pages each, numbered through."""
    found, first = [], 0
    for place, size in enumerate(sizes):
        segment = Segment(id="abcdefghijklmnop"[place], summary="", keywords=(), created_at=NOON)
        found.append(HotSegment(segment=segment, pages=tuple(map(paged, range(first, first + size)))))
        first += size
    return found


def numbers(pages: Sequence[DialoguePage]) -> list[int]:
    return [page.sequence for page in pages]


def said(found: Sequence[Sequence[HotSegment]]) -> list[list[tuple[str, int]]]:
    """Each group as its segments with how many pages of them it holds."""
    return [[(part.segment.id, len(part.pages)) for part in group] for group in found]


def failed(count: int, *places: int) -> dict[str, int]:
    return {f"page {place}": count for place in places}


def times(failures: Mapping[str, int]) -> Failures:
    """Failures in a row as the functions ask for them."""
    return lambda page_id: failures.get(page_id, 0)


def test_nothing_pending_is_an_empty_batch():
    assert next_batch([], times({}), size=10) == []


def test_a_batch_is_the_first_pages_in_the_order_they_left_short_term_memory():
    """Design part 3: pages are consolidated in the order they left STM."""
    assert numbers(next_batch([paged(n) for n in range(25)], times({}), size=10)) == list(range(10))


def test_fewer_pages_than_a_batch_holds_come_together():
    assert numbers(next_batch([paged(n) for n in range(3)], times({}), size=10)) == [0, 1, 2]


@pytest.mark.parametrize(("failures", "size"), [(0, 10), (1, 10), (2, 5), (3, 2), (4, 1), (5, 1), (1000, 1)], ids=str)
def test_a_batch_is_halved_with_each_failure_after_the_first(failures, size):
    """The first failure may have been the model's bad moment; from the second on the batch is the suspect."""
    pending = [paged(n) for n in range(10)]

    assert numbers(next_batch(pending, times(failed(failures, *range(10))), size=10)) == list(range(size))


def test_pages_that_never_failed_go_first():
    """A page that a model refuses is tried again when nothing else waits."""
    pending = [paged(n) for n in range(6)]

    assert numbers(next_batch(pending, times(failed(1, 0, 3)), size=10)) == [1, 2, 4, 5]


def test_pages_with_different_numbers_of_failures_share_no_batch():
    """A batch that is asked about again is the batch that failed, or a part of it."""
    pending = [paged(n) for n in range(4)]

    assert numbers(next_batch(pending, times(failed(1, 0, 1) | failed(4, 2, 3)), size=10)) == [0, 1]


def test_one_refused_page_is_alone_after_a_few_failures():
    """Bounded: nine of ten pages are consolidated within nine calls."""
    pending, trouble, asked = [paged(n) for n in range(10)], dict[str, int](), list[list[int]]()
    while len(pending) > 1 or trouble.get("page 7", 0) < 6:
        batch = next_batch(pending, times(trouble), size=10)
        asked.append(numbers(batch))
        if 7 in asked[-1]:
            trouble |= {page.id: trouble.get(page.id, 0) + 1 for page in batch}
        else:
            pending = [page for page in pending if page not in batch]

    ten = list(range(10))
    assert asked == [ten, ten, ten[:5], ten[5:], [5, 6], [7, 8], [9], [7], [8], [7]]


def drained(hot_segments: Sequence[HotSegment], trouble: Mapping[str, int], size: int) -> list[list[HotSegment]]:
    """The groups one after the other, each read with success."""
    left, found = list(hot_segments), list[list[HotSegment]]()
    while group := next_group(left, times(trouble), size=size):
        found.append(group)
        read = {page.id for part in group for page in part.pages}
        left = [replace(each, pages=tuple(page for page in each.pages if page.id not in read)) for each in left]
    assert not any(each.pages for each in left)
    return found


def test_no_hot_segments_are_no_group():
    assert next_group([], times({}), size=10) == []


def test_small_segments_share_a_group_of_at_most_the_size():
    """One call for the hot segments of a batch."""
    assert said(drained(hot(3, 4, 3, 1), {}, 10)) == [[("a", 3), ("b", 4), ("c", 3)], [("d", 1)]]


def test_a_segment_that_does_not_fit_begins_the_next_group():
    assert said(drained(hot(6, 6, 4), {}, 10)) == [[("a", 6)], [("b", 6), ("c", 4)]]


def test_a_large_segment_comes_in_parts():
    """Our decision: promotion_size is the most pages of one call, whatever the segment."""
    assert said(drained(hot(25), {}, 10)) == [[("a", 10)], [("a", 10)], [("a", 5)]]


def test_the_last_part_of_a_large_segment_shares_its_group():
    assert said(drained(hot(12, 3, 6), {}, 10)) == [[("a", 10)], [("a", 2), ("b", 3)], [("c", 6)]]


def test_pages_that_failed_once_go_last_and_still_share_a_group():
    assert said(drained(hot(2, 3, 4), failed(1, 0, 1, 2, 3, 4), 10)) == [[("c", 4)], [("a", 2), ("b", 3)]]


def test_pages_that_failed_again_are_read_in_halves_and_apart_from_others():
    """What they stood with has nothing to do with what the model refuses in them."""
    trouble = failed(2, *range(2, 8)) | failed(3, 8, 9, 10)

    found = drained(hot(2, 6, 3, 2), trouble, 10)

    assert said(found) == [[("a", 2), ("d", 2)], [("b", 5)], [("b", 1)], [("c", 2)], [("c", 1)]]


def test_a_segment_without_pages_takes_no_call():
    assert next_group(hot(0, 2), times({}), size=10) == hot(0, 2)[1:]


TROUBLE = st.integers(0, 6)
SIZES = st.integers(1, 12)


@given(st.lists(TROUBLE, max_size=30), SIZES)
def test_a_batch_is_part_of_what_failed_least_and_keeps_its_order(failures, size):
    pending = [paged(n) for n in range(len(failures))]
    trouble = {page.id: times for page, times in zip(pending, failures, strict=True) if times}
    batch = next_batch(pending, times(trouble), size=size)
    alike = [number for number, times in enumerate(failures) if times == min(failures)]

    assert numbers(batch) == alike[: len(batch)]
    assert bool(batch) == bool(pending)
    assert len(batch) <= size


@given(st.lists(TROUBLE, min_size=1, max_size=20), st.sets(st.integers(0, 19)), SIZES)
def test_every_page_that_is_not_refused_is_consolidated_whatever_failed_before(failures, refused, size):
    """The refused ones are asked about alone in the end, and no more often than a few times each."""
    pending = [paged(n) for n in range(len(failures))]
    trouble = {page.id: times for page, times in zip(pending, failures, strict=True)}
    calls = 0
    while {page.sequence for page in pending} - refused:
        batch = next_batch(pending, times(trouble), size=size)
        calls += 1
        if refused.isdisjoint(numbers(batch)):
            pending = [page for page in pending if page not in batch]
        else:
            trouble |= {page.id: trouble[page.id] + 1 for page in batch}
        assert calls <= 12 * len(failures)

    assert {page.sequence for page in pending} <= refused


@given(st.lists(st.lists(TROUBLE, max_size=25), max_size=12), SIZES)
def test_every_page_is_in_exactly_one_group_with_its_like(segments, size):
    parts = hot(*map(len, segments))
    trouble = {
        page.id: n for each, ns in zip(parts, segments, strict=True) for page, n in zip(each.pages, ns, strict=True)
    }
    found = drained(parts, trouble, size)
    read = [page.id for group in found for part in group for page in part.pages]

    assert sorted(read) == sorted(trouble)
    assert [trouble[page_id] for page_id in read] == sorted(trouble.values())
    for group in found:
        failures = {trouble[page.id] for part in group for page in part.pages}
        assert len(failures) == 1
        assert 1 <= sum(len(part.pages) for part in group) <= max(1, size >> max(0, max(failures) - 1))
        assert all(part.pages for part in group)
