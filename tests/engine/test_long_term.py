"""Long-term persona memory: facts in time (paper §3.2, §3.3; supersession is our decision)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from memoryos_engine import DialoguePage, KnowledgeEntry, KnowledgeKind, Owner
from memoryos_engine.analysis.base import FoundFact
from memoryos_engine.long_term import (
    MAX_SOURCES,
    absorb,
    held_at,
    least_useful,
    normalised,
    reopened,
    usefulness,
    user_profile,
    without_sources,
)

OWNER = Owner(user_id="tom", assistant_id="assistant")
START = datetime(2024, 5, 1, tzinfo=timezone.utc)
PROFILE, KNOWLEDGE = KnowledgeKind.USER_PROFILE, KnowledgeKind.USER_KNOWLEDGE
MU = 1e7


def day(number: float) -> datetime:
    """Noon of a day after the start; facts are said at midnight."""
    return START + timedelta(days=number)


def page(number: int, at: datetime) -> DialoguePage:
    return DialoguePage(
        id=f"page_{number}", session_id="s", user_input="x", agent_response="", timestamp=at, sequence=number
    )


def told(*statements: tuple[str, str, float], kind: KnowledgeKind = PROFILE) -> dict[str, KnowledgeEntry]:
    """Entries after statements of (attribute, text, day) were absorbed one by one, in this order."""
    entries: dict[str, KnowledgeEntry] = {}
    for number, (attribute, text, when) in enumerate(statements):
        source = page(number, day(when))
        fact = FoundFact(kind=kind, text=text, attribute=attribute, source_page_ids=(source.id,))
        entries |= absorb(entries, [fact], {source.id: source}, OWNER)
    return entries


def at(entries: dict[str, KnowledgeEntry], when: float | None) -> list[str]:
    """What was held at a day, or is held now."""
    return [entry.text for entry in held_at(entries.values(), None if when is None else day(when))]


def intervals(entries: dict[str, KnowledgeEntry]) -> list[tuple[str, float, float | None]]:
    """(text, first day, day it ended) of every entry, in order of time."""
    found = [(entry.text, entry.said_at, entry.valid_until) for entry in entries.values()]
    return [(text, (a - START).days, b and (b - START).days) for text, a, b in sorted(found, key=lambda each: each[1])]


def test_a_new_fact_is_one_entry_with_its_source_and_date():
    """§3.2: an entry says what, whence and since when."""
    (entry,) = told(("home", "Paris", 3)).values()
    expected = KnowledgeEntry(
        id=entry.id, kind=PROFILE, text="Paris", source_page_ids=("page_0",), said_at=day(3), attribute="home"
    )
    assert entry == expected


def test_a_thousand_repetitions_are_one_entry_and_push_nothing_out():
    """§3.2, capacity 100; our decision: repetition refreshes."""
    others = [("", f"fact number {number}", 0.0) for number in range(99)]
    entries = told(*others, *[("", "likes tea", 1.0)] * 1000, kind=KNOWLEDGE)
    tea = next(entry for entry in entries.values() if entry.text == "likes tea")
    gone = least_useful(entries.values(), capacity=100, now=day(1), time_constant=MU)
    assert (len(entries), tea.repetitions, len(tea.source_page_ids), gone) == (100, 1000, MAX_SOURCES, [])
    assert tea.source_page_ids[-1] == "page_1098"


@pytest.mark.parametrize("again", ["Likes tea.", "likes  TEA", "ｌｉｋｅｓ tea!", " likes tea… ".replace("…", ".")])
def test_a_repetition_in_another_dress_is_still_a_repetition(again):
    """Our decision: case, width, spacing and closing punctuation do not make a fact."""
    (entry,) = told(("", "likes tea", 0), ("", again, 1), kind=KNOWLEDGE).values()
    assert (entry.text, entry.repetitions, entry.source_page_ids) == ("likes tea", 2, ("page_0", "page_1"))


@pytest.mark.parametrize(
    ("left", "right"),
    [("likes tea", "likes teas"), ("born in 1980", "born in 1981"), ("چای", "چاي قند"), ("a b", "ab")],
)
def test_different_facts_stay_different(left, right):
    """Our decision: only the dress is ignored, never a word or a figure."""
    assert normalised(left) != normalised(right)
    assert len(told(("", left, 0), ("", right, 0), kind=KNOWLEDGE)) == 2


def test_a_newer_fact_on_the_same_attribute_supersedes_the_older():
    """Our decision: the newest is current, the older keeps the time it held."""
    entries = told(("home", "Paris", 0), ("home", "Tokyo", 10))
    assert intervals(entries) == [("Paris", 0, 10), ("Tokyo", 10, None)]
    assert at(entries, None) == ["Tokyo"]


def test_different_attributes_and_kinds_do_not_supersede_each_other():
    """Our decision: a fact follows only facts on the same subject."""
    entries = told(("home", "Paris", 0), ("work", "Tokyo", 10), ("", "Rome", 11))
    assert set(at(entries, None)) == {"Paris", "Tokyo", "Rome"}


def test_free_facts_supersede_nothing():
    """Our decision: without an attribute there is no subject to replace."""
    assert len(at(told(("", "likes tea", 0), ("", "hates tea", 1), kind=KNOWLEDGE), None)) == 2


@pytest.mark.parametrize(
    ("when", "expected"),
    [(-1, []), (0, ["Paris"]), (9.9, ["Paris"]), (10, ["Tokyo"]), (10.1, ["Tokyo"]), (99, ["Tokyo"])],
)
def test_as_of_sees_what_was_true_then(when, expected):
    """Our decision: an interval holds its beginning and not its end."""
    assert at(told(("home", "Paris", 0), ("home", "Tokyo", 10)), when) == expected


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_history_told_out_of_order_makes_the_same_intervals(order):
    """Our decision: what counts is when it was said, not when it was imported."""
    statements = [("home", "Paris", 0), ("home", "Tokyo", 10), ("home", "Oslo", 20)]
    entries = told(*(statements[place] for place in order))
    assert intervals(entries) == [("Paris", 0, 10), ("Tokyo", 10, 20), ("Oslo", 20, None)]


def test_a_return_to_an_earlier_value_is_a_new_interval():
    """Our decision: moving back to Paris does not erase the years in Tokyo."""
    entries = told(("home", "Paris", 0), ("home", "Tokyo", 10), ("home", "Paris", 20), ("home", "paris.", 25))
    assert intervals(entries) == [("Paris", 0, 10), ("Tokyo", 10, 20), ("Paris", 20, None)]
    assert len({entry.id for entry in entries.values()}) == 3


def test_a_repetition_of_the_current_value_keeps_its_beginning():
    """Our decision: saying it again does not make it true only since then."""
    (entry,) = told(("home", "Paris", 0), ("home", "Paris", 10)).values()
    assert (entry.said_at, entry.repetitions) == (day(0), 2)


def test_a_repetition_from_before_the_current_value_does_not_become_current():
    """Our decision: an old page that is imported late cannot turn back time."""
    entries = told(("home", "Paris", 0), ("home", "Tokyo", 10), ("home", "Paris", 5))
    assert at(entries, None) == ["Tokyo"]
    assert at(entries, 7) == ["Paris"]


def test_a_free_fact_holds_since_it_was_first_said_whatever_the_order():
    """Our decision: importing an older page moves the beginning back."""
    entries = told(("", "likes tea", 100), ("", "likes tea", 0), kind=KNOWLEDGE)
    assert [(entry.said_at, entry.repetitions) for entry in entries.values()] == [(day(0), 2)]


@pytest.mark.parametrize(
    "cities", [("Paris", "Tokyo", "Oslo", "Rome", "Lima"), ("Lima", "Rome", "Oslo", "Tokyo", "Paris")]
)
def test_of_facts_said_at_one_time_the_one_said_last_is_current(cities):
    """Our decision: history with dates only, or one page that says both, still has an order."""
    assert at(told(*(("home", city, 0) for city in cities)), None) == [cities[-1]]


def test_a_fact_of_several_pages_is_a_statement_by_each_of_them():
    """Our decision: Paris, Tokyo, Paris in one promotion is the same as in three."""
    pages = {each.id: each for each in (page(number, day(number)) for number in range(3))}
    facts = [
        FoundFact(kind=PROFILE, text="Paris", attribute="home", source_page_ids=("page_0", "page_2")),
        FoundFact(kind=PROFILE, text="Tokyo", attribute="home", source_page_ids=("page_1",)),
    ]
    assert intervals(absorb({}, facts, pages, OWNER)) == [("Paris", 0, 1), ("Tokyo", 1, 2), ("Paris", 2, None)]


def test_absorbing_the_same_page_again_changes_nothing():
    """§5 of our design: a job that runs once too often leaves no trace."""
    source = page(0, day(0))
    facts = [
        FoundFact(kind=PROFILE, text="Paris", attribute="home", source_page_ids=(source.id,)),
        FoundFact(kind=KNOWLEDGE, text="likes tea", source_page_ids=(source.id,)),
    ]
    entries = absorb({}, facts, {source.id: source}, OWNER)
    assert len(entries) == 2
    assert absorb(entries, facts, {source.id: source}, OWNER) == {}


def test_one_batch_may_say_a_fact_twice():
    """Our decision: within one call the second is a repetition, too."""
    pages = {each.id: each for each in (page(0, day(0)), page(1, day(1)))}
    facts = [FoundFact(kind=KNOWLEDGE, text="likes tea", source_page_ids=(key,)) for key in pages]
    (entry,) = absorb({}, facts, pages, OWNER).values()
    assert (entry.repetitions, entry.source_page_ids) == (2, ("page_0", "page_1"))


def test_ids_say_nothing_of_the_fact_and_differ_by_owner():
    """Invariant 2: no text in ids, and equal facts of two users are two records."""
    source = page(0, day(0))
    fact = FoundFact(kind=KNOWLEDGE, text="HIV positive", source_page_ids=(source.id,))
    owners = [OWNER, Owner(user_id="ann", assistant_id="assistant"), Owner(user_id="tom", assistant_id="other")]
    ids = {key for owner in owners for key in absorb({}, [fact], {source.id: source}, owner)}
    assert len(ids) == 3
    assert not any("hiv" in key.casefold() or "positive" in key.casefold() for key in ids)


def test_forgetting_the_newest_value_makes_the_one_before_current_again():
    """Our decision: without its successor nothing has ended it."""
    entries = told(("home", "Paris", 0), ("home", "Tokyo", 10), ("home", "Oslo", 20))
    left = {key: entry for key, entry in entries.items() if entry.text != "Oslo"}
    assert intervals(left | reopened(left.values())) == [("Paris", 0, 10), ("Tokyo", 10, None)]


def test_forgetting_a_value_in_between_lets_the_one_before_hold_on():
    """Our decision: time has no gaps."""
    entries = told(("home", "Paris", 0), ("home", "Tokyo", 10), ("home", "Oslo", 20))
    left = {key: entry for key, entry in entries.items() if entry.text != "Tokyo"}
    assert intervals(left | reopened(left.values())) == [("Paris", 0, 20), ("Oslo", 20, None)]


def test_a_value_said_again_after_its_first_entry_was_forgotten_keeps_the_later_history():
    """Our decision: an id is never given out twice."""
    entries = told(("home", "A", 0), ("home", "B", 1), ("home", "A", 2), ("home", "C", 3))
    first = min((entry for entry in entries.values() if entry.text == "A"), key=lambda entry: entry.said_at)
    del entries[first.id]
    source = page(9, day(9))
    fact = FoundFact(kind=PROFILE, text="A", attribute="home", source_page_ids=(source.id,))
    entries |= absorb(entries, [fact], {source.id: source}, OWNER)
    assert intervals(entries) == [("B", 1, 2), ("A", 2, 3), ("C", 3, 9), ("A", 9, None)]


def test_a_trait_changes_with_its_level_not_with_its_words():
    """§3.2: a trait is a direction; the reason may be put in other words."""
    entries: dict[str, KnowledgeEntry] = {}
    for number, (level, reason) in enumerate(
        [("more", "loves films"), ("more", "sees a film a day"), ("less", "no films")]
    ):
        source = page(number, day(number))
        fact = FoundFact(
            kind=KnowledgeKind.USER_TRAIT, text=reason, attribute="cinema", level=level, source_page_ids=(source.id,)
        )
        entries |= absorb(entries, [fact], {source.id: source}, OWNER)
    found = [(entry.level, entry.repetitions, entry.valid_until) for entry in entries.values()]
    assert found == [("more", 2, day(2)), ("less", 1, None)]


def entry(name: str, *, said: float = 0.0, repetitions: int = 1, uses: int = 0, **others) -> KnowledgeEntry:
    return KnowledgeEntry(
        id=name, kind=others.pop("kind", KNOWLEDGE), text=name, source_page_ids=("page_0",), said_at=day(said),
        repetitions=repetitions, uses=uses, **others,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (entry("new", said=10), 1.693147),  # log 2 + log 1 + 1
        (entry("old", said=10 - 1e7 / 86400), 1.061027),  # log 2 + exp(-1)
        (entry("repeated", said=10, repetitions=6), 2.945910),  # log 7 + 1
        (entry("used", said=10, uses=3), 3.079442),  # log 2 + log 4 + 1
    ],
)
def test_usefulness_adds_repetition_use_and_recency(made, expected):
    """Our decision, worked by hand: log(1 + repetitions) + log(1 + uses) + exp(-age / mu)."""
    assert usefulness(made, day(10), time_constant=MU) == pytest.approx(expected, abs=1e-5)


def test_at_capacity_the_least_useful_leaves_not_the_oldest():
    """§3.2, capacity; our decision: "allergic to penicillin", old but used, outlives small talk."""
    entries = [entry("allergy", said=0, uses=2), entry("tea", said=5), entry("weather", said=9)]
    assert least_useful(entries, capacity=2, now=day(10), time_constant=MU) == ["tea"]
    assert least_useful(entries, capacity=1, now=day(10), time_constant=MU) == ["tea", "weather"]
    assert least_useful(entries, capacity=3, now=day(10), time_constant=MU) == []


def test_the_two_queues_have_a_capacity_each_and_profile_and_history_have_none():
    """§3.2: 100 entries in each knowledge queue; the profile is not a queue."""
    agent = KnowledgeKind.ASSISTANT_KNOWLEDGE
    kept = [entry("user"), entry("agent", kind=agent), entry("profile", kind=PROFILE, attribute="name")]
    past = entry("past", attribute="home", valid_until=day(1))
    assert least_useful([*kept, past], capacity=1, now=day(10), time_constant=MU) == []
    over = [*kept, past, entry("second agent", kind=agent, uses=1)]
    assert least_useful(over, capacity=1, now=day(10), time_constant=MU) == ["agent"]


def test_the_profile_is_a_view_over_the_current_entries():
    """§3.2: static facts by attribute, traits beside them."""
    entries = told(("name", "Tom", 0), ("home", "Paris", 0), ("home", "Tokyo", 10))
    trait = entry("loves films", kind=KnowledgeKind.USER_TRAIT, attribute="cinema", level="more")
    now, then = (user_profile([*entries.values(), trait], as_of) for as_of in (None, day(5)))
    assert (dict(now.fields), now.traits) == ({"home": "Tokyo", "name": "Tom"}, (trait,))
    assert dict(then.fields) == {"home": "Paris", "name": "Tom"}
    assert str(now) == "home: Tokyo\nname: Tom\ncinema: more (loves films)"


def test_an_entry_loses_only_the_sources_that_are_gone():
    """Our decision: no entry points at a page that is not there."""
    made = replace(entry("fact"), source_page_ids=("a", "b", "c"))
    assert without_sources(made, ["b", "x"]) == replace(made, source_page_ids=("a", "c"))


def test_a_fuller_value_is_not_replaced_by_less_in_whatever_order_they_are_read():
    """Hot segments are read by heat, not by time: what was said first may be read last."""
    for statements in (
        [("name", "Tom", 20), ("name", "Tom Miller", 3)],
        [("name", "Tom Miller", 3), ("name", "Tom", 20)],
    ):
        entries = told(*statements)

        assert (at(entries, None), at(entries, 25), at(entries, 5)) == (["Tom Miller"],) * 3
        assert intervals(entries)[0] == ("Tom Miller", 3, None)


def test_a_value_said_again_is_one_entry_in_whatever_order_it_is_read():
    entries = told(("home", "Paris", 20), ("home", "Paris", 3), ("home", "Paris", 9))

    assert intervals(entries) == [("Paris", 3, None)]
    assert [entry.repetitions for entry in entries.values()] == [3]


def test_who_moves_back_lives_there_again():
    """Not less than what was held in between, but something else."""
    entries = told(("home", "Paris", 1), ("home", "Tokyo", 5), ("home", "Paris", 9))

    assert intervals(entries) == [("Paris", 1, 5), ("Tokyo", 5, 9), ("Paris", 9, None)]
