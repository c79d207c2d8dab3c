"""What a watch notes of a memory: looks, what happened between them, and tokens."""

from __future__ import annotations

import pytest

from memoryos_engine import InvalidInput, Segment
from memoryos_integrations.jupyter.segment_events import (
    EventKind,
    Look,
    SegmentEvent,
    SegmentLook,
    events_between,
    segment_label,
)
from memoryos_integrations.jupyter.watch import MemoryWatch, TurnTokens
from tests.tagged import remember, tagged


def happened(watch: MemoryWatch) -> list[tuple[str, str]]:
    labels = {each.segment_id: each.label for look in watch.looks for each in look.segments}
    return [(event.kind.value, labels[event.segment_id]) for event in watch.events]


def test_a_look_notes_every_segment_as_it_is(open_system, clock):
    """Eq. 4: #a has two pages and was added to just now, #b one a day ago."""
    memory = tagged(open_system)
    remember(memory, "#b 0")
    clock.advance(days=1)
    remember(memory, "#a 0", "#a 1")
    watch = MemoryWatch(memory)
    watch.look("asked about a")
    b, a = memory.segments()

    assert watch.looks == (
        Look(
            at=clock(),
            label="asked about a",
            segments=(
                SegmentLook(segment_id=b.id, label="b", heat=memory.heats()[b.id], pages=1, promoted=0),
                SegmentLook(segment_id=a.id, label="a", heat=3.0, pages=2, promoted=0),
            ),
        ),
    )
    assert watch.events == ()


def test_the_past_of_heat_is_kept(open_system):
    """Heat is never stored by the engine: what was noted stays as it was."""
    memory = tagged(open_system)
    watch = MemoryWatch(memory)
    for number in range(3):
        remember(memory, f"#a {number}")
        watch.look()

    assert [look.segments[0].heat for look in watch.looks] == [2.0, 3.0, 4.0]


def test_a_look_counts_no_visit(open_system):
    memory = tagged(open_system)
    remember(memory, "#a 0")
    watch = MemoryWatch(memory)
    watch.look()
    watch.sent("#a")
    memory.flush()

    assert [segment.visits for segment in memory.segments()] == [0]


def test_a_promotion_is_seen_by_the_look_after_it(open_system, clock):
    """§3.3: five pages make the heat 6, above tau; promoted, R_recency alone is left."""
    memory = tagged(open_system)
    remember(memory, *(f"#a {number}" for number in range(4)))
    watch = MemoryWatch(memory)
    watch.look()
    clock.advance(hours=1)
    remember(memory, "#a 4")
    watch.look()
    (segment,) = memory.segments()

    assert watch.events == (SegmentEvent(kind=EventKind.PROMOTED, segment_id=segment.id, at=clock(), look=2, heat=1.0),)
    assert watch.looks[-1].segments[0].promoted == 5


def test_what_is_evicted_is_archived_and_returns_when_it_is_found(open_system):
    """Our decision: the archive is still searched, and a visit brings the segment back."""
    memory = tagged(open_system, mid_term_capacity=2)
    remember(memory, "#a 0", "#b 0", "#b 1")
    watch = MemoryWatch(memory)
    watch.look()
    remember(memory, "#c 0", "#c 1")
    watch.look()
    memory.retrieve_memory("#a 0", top_k=1)
    memory.flush()
    watch.look()

    assert happened(watch)[:2] == [("evicted", "a"), ("returned", "a")]
    assert watch.events[0].heat == 2.0
    assert [each.archived for each in watch.looks[1].segments] == [False, False, True]


@pytest.mark.parametrize(
    ("eviction", "capacity", "then"),
    [
        ("archive", 2, []),
        ("delete", 2, []),  # no segment came in its place
        ("delete", 3, ["#c 0"]),  # one came, and there was room for both
    ],
)
def test_what_is_forgotten_is_not_evicted(open_system, eviction, capacity, then):
    memory = tagged(open_system, mid_term_capacity=capacity, eviction=eviction)
    remember(memory, "#a 0", "#b 0")
    watch = MemoryWatch(memory)
    watch.look()
    memory.forget(memory.pages()[0].id)
    remember(memory, *then)
    watch.look()

    assert happened(watch) == [("forgotten", "a")]


def test_what_is_forgotten_long_after_its_eviction_has_the_heat_it_had_last(open_system):
    memory = tagged(open_system, mid_term_capacity=2)
    remember(memory, "#a 0", "#b 0", "#b 1")
    watch = MemoryWatch(memory)
    watch.look()
    remember(memory, "#c 0", "#c 1")
    watch.look()
    memory.forget(memory.pages()[0].id)
    watch.look()

    assert [(event.kind.value, event.look, event.heat) for event in watch.events] == [
        ("evicted", 2, 2.0),
        ("forgotten", 3, 2.0),
    ]


def test_what_made_room_in_a_memory_that_deletes_was_evicted(open_system):
    memory = tagged(open_system, mid_term_capacity=2, eviction="delete")
    remember(memory, "#a 0", "#b 0", "#b 1")
    watch = MemoryWatch(memory)
    watch.look()
    remember(memory, "#c 0", "#c 1")
    watch.look()

    assert happened(watch) == [("evicted", "a")]


def seen(segment_id: str, *, heat: float | None, promoted: int = 0) -> SegmentLook:
    return SegmentLook(segment_id=segment_id, label="a", heat=heat, pages=5, promoted=promoted)


@pytest.mark.parametrize(
    ("heat", "came", "kind"),
    [(3.0, True, EventKind.EVICTED), (3.0, False, EventKind.FORGOTTEN), (None, True, EventKind.FORGOTTEN)],
)
def test_only_what_made_room_and_was_in_mid_term_memory_was_evicted(clock, heat, came, kind):
    before = Look(at=clock(), label="", segments=(seen("gone", heat=heat),))
    after = Look(at=clock(), label="", segments=(seen("new", heat=2.0),) if came else ())

    assert events_between(before, after, number=2, last_heats={"gone": 3.0}, full=True) == [
        SegmentEvent(kind=kind, segment_id="gone", at=clock(), look=2, heat=3.0)
    ]


def test_a_segment_promoted_before_it_was_ever_seen_resident_has_no_heat(clock):
    before = Look(at=clock(), label="", segments=())
    after = Look(at=clock(), label="", segments=(seen("s", heat=None, promoted=5),))

    assert events_between(before, after, number=2, last_heats={}, full=False) == [
        SegmentEvent(kind=EventKind.PROMOTED, segment_id="s", at=clock(), look=2, heat=None)
    ]


@pytest.mark.parametrize(
    ("keywords", "summary", "label"),
    [
        (("boat", "keel", "hull", "paint"), "A boat.", "boat, keel, hull"),
        ((), "  One day in\nLisbon with rain ", "One day in Lisbon"),
        ((), "", "(no keywords)"),
    ],
)
def test_people_know_a_segment_by_its_first_keywords(clock, keywords, summary, label):
    segment = Segment(id="s", summary=summary, keywords=keywords, created_at=clock())

    assert segment_label(segment) == label


def test_a_turn_is_held_against_all_that_was_said(open_system, clock):
    memory = tagged(open_system)
    watch = MemoryWatch(memory)
    watch.sent("no past", counter=len)
    memory.add_memory("#a 0", "yes")
    watch.sent("#a", counter=len)

    assert watch.turns == (
        TurnTokens(with_memory=7, full_history=0, at=clock()),
        TurnTokens(with_memory=2, full_history=len("#a 0\nyes"), at=clock()),
    )


def test_tokens_are_the_engines_own_by_default(open_system):
    watch = MemoryWatch(tagged(open_system))
    watch.sent("four words of English")

    assert 4 <= watch.turns[0].with_memory <= 8


def test_a_page_is_counted_once_and_again_when_its_answer_comes(open_system):
    """The cost of a long conversation grows with its length, not with its square."""
    counted: list[str] = []

    def counter(text: str) -> int:
        counted.append(text)
        return len(text)

    memory = tagged(open_system, short_term_capacity=9)
    watch = MemoryWatch(memory)
    for number in range(3):
        memory.add_memory(f"#a {number}")
        watch.sent("", counter=counter)
    memory.add_response("yes")
    watch.sent("", counter=counter)

    assert [text for text in counted if text] == ["#a 0", "#a 1", "#a 2", "#a 2\nyes"]
    assert [turn.full_history for turn in watch.turns] == [4, 8, 12, 16]


def test_another_counter_counts_everything_anew(open_system):
    memory = tagged(open_system)
    memory.add_memory("#a 0")
    watch = MemoryWatch(memory)
    watch.sent("", counter=len)
    watch.sent("", counter=lambda text: 10 * len(text))

    assert [turn.full_history for turn in watch.turns] == [4, 40]


@pytest.mark.parametrize(("eviction", "left"), [("archive", 4), ("delete", 8)])
def test_a_buffer_still_holds_what_a_memory_that_deletes_has_dropped(open_system, eviction, left):
    """With an archive only what was forgotten is gone, and a buffer would have to forget it too."""
    memory = tagged(open_system, eviction=eviction)
    memory.add_memory("#a 0")
    memory.add_memory("#b 0")
    watch = MemoryWatch(memory)
    watch.sent("", counter=len)
    memory.forget(memory.pages()[0].id)
    watch.sent("", counter=len)

    assert [turn.full_history for turn in watch.turns] == [8, left]


def test_what_is_no_text_is_refused_and_nothing_noted(open_system):
    watch = MemoryWatch(tagged(open_system))
    with pytest.raises(InvalidInput, match="label is a int"):
        watch.look(3)
    with pytest.raises(InvalidInput, match="prompt is a NoneType"):
        watch.sent(None)

    assert (watch.looks, watch.turns) == ((), ())


def test_a_watch_says_what_it_saw(open_system):
    watch = MemoryWatch(tagged(open_system))
    watch.look()

    assert repr(watch).endswith(": 1 looks, 0 turns, 0 events")
