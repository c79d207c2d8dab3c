"""The user says that something known is wrong: it gives way at once, stays in history, and nothing undoes that."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import permutations, product

import pytest

from memoryos_engine import (
    CorruptRecord,
    DialoguePage,
    EmbeddingError,
    InvalidInput,
    KnowledgeKind,
    NotFound,
    Owner,
    StoreError,
    Tier,
)
from memoryos_engine.analysis.base import FoundFact
from memoryos_engine.checking import Finding
from memoryos_engine.long_term import absorb, corrected, held_at, reopened
from memoryos_engine.records import Correction
from memoryos_engine.storage.codec import decode_knowledge, encode_knowledge
from tests.chroma_server import ChromaServer

from .fakes import TagAnalyst, TagEmbedder
from .soundness import TOM, assert_as_reloaded, rows, told

PROFILE, KNOWLEDGE, TRAIT = KnowledgeKind.USER_PROFILE, KnowledgeKind.USER_KNOWLEDGE, KnowledgeKind.USER_TRAIT
AT_ONCE = {"short_term_capacity": 1, "heat_threshold": 0.0}
START = datetime(2024, 3, 1, 12, 0, tzinfo=timezone.utc)
LATER = START + timedelta(days=10)


@pytest.fixture
def analyst() -> TagAnalyst:
    return TagAnalyst()


@pytest.fixture
def opened(open_system, analyst):
    """Open a memory that reads every page at the next flush, with settings as keywords."""

    def opening(**options):
        parts = {"embedder": TagEmbedder(), "analyst": analyst, **AT_ONCE, **options}
        return open_system(**parts).memory("tom", session_id="desk")

    return opening


@pytest.fixture
def memory(opened, clock):
    """Tom lives in Paris and likes tea; ten days later he says what is wrong with that."""
    memory = opened()
    memory.add_memory("#home home=Paris")
    memory.add_memory("#tea I like tea")
    memory.flush()
    clock.advance(days=10)
    return memory


def known(memory, text: str):
    """The newest entry of this text, history included."""
    return [entry for entry in memory.knowledge(history=True) if entry.text == text][-1]


def held(memory) -> list[str]:
    return [entry.text for entry in memory.knowledge()]


def story(memory) -> list[tuple[str, int, int | None]]:
    """(text, first day, day it ended) of every entry, in the order they were said."""
    found = memory.knowledge(history=True)
    return [
        (entry.text, (entry.said_at - START).days, entry.valid_until and (entry.valid_until - START).days)
        for entry in found
    ]


def correction_pages(memory) -> list[DialoguePage]:
    return memory.in_session("corrections").session_pages()


FACTS = pytest.mark.parametrize("text", ["Paris", "#tea I like tea"], ids=["profile value", "free fact"])


# -- what a correction does ------------------------------------------------------------------------------


@FACTS
def test_the_new_entry_holds_from_now_on_and_the_old_one_until_now(memory, text):
    """Same kind, same attribute, its page as its source; nothing of the past is lost."""
    old = known(memory, text)
    new = memory.correct(old.id, "Tokyo")
    (page,) = correction_pages(memory)

    order = page.sequence * 1000
    ended = Correction(page_id=page.id, said_at=LATER, order=order)
    expected = replace(
        old, id=new.id, text="Tokyo", source_page_ids=(page.id,), said_at=LATER, order=order, repetitions=1, uses=0
    )
    assert new == expected
    assert new.id != old.id
    assert known(memory, "Tokyo") == new
    assert known(memory, text) == replace(old, valid_until=LATER, corrected=ended)
    assert len(memory.knowledge(history=True)) == 3
    assert_as_reloaded(memory.system)


def test_an_entry_of_the_assistant_is_corrected_alike(opened):
    class Told(TagAnalyst):
        def promote(self, hot, known):
            facts = super().promote(hot, known)
            return [replace(fact, kind=KnowledgeKind.ASSISTANT_KNOWLEDGE) for fact in facts]

    memory = opened(analyst=Told())
    memory.add_memory("#plan I am free on Monday")
    memory.flush()
    new = memory.correct(memory.knowledge()[0].id, "I am free on Tuesday")

    assert (new.kind, new.text) == (KnowledgeKind.ASSISTANT_KNOWLEDGE, "I am free on Tuesday")
    assert memory.knowledge() == [new]


def test_what_was_said_is_a_page_of_its_own_session_word_by_word(memory):
    """Not between the turns of a conversation; read for facts already."""
    before, entry = memory.session_pages(), known(memory, "Paris")
    memory.correct(entry.id, " Tokyo, since May \n")
    (page,) = correction_pages(memory)

    expected = DialoguePage(
        id=page.id,
        session_id="corrections",
        user_input=" Tokyo, since May \n",
        agent_response="",
        timestamp=LATER,
        sequence=2,
        metadata={"corrects": entry.id},
        promoted=True,
    )
    assert page == expected
    assert memory.session_pages() == before
    assert known(memory, "Tokyo, since May").source_page_ids == (page.id,)
    assert memory.latest_memory().short_term == ()


def test_profile_and_search_tell_what_holds_and_what_held(memory):
    memory.correct(known(memory, "Paris").id, "Tokyo")
    memory.correct(known(memory, "#tea I like tea").id, "#tea I hate tea")
    then = LATER - timedelta(seconds=1)

    assert dict(memory.get_user_profile().fields) == {"home": "Tokyo"}
    assert dict(memory.get_user_profile(as_of=then).fields) == {"home": "Paris"}
    now, before = (memory.retrieve_memory("#tea", as_of=moment, touch=False) for moment in (None, then))
    assert [entry.text for entry in now.user_knowledge] == ["#tea I hate tea"]
    assert [entry.text for entry in before.user_knowledge] == ["#tea I like tea"]
    assert "#tea I hate tea" in [page.user_input for page in now.pages]


def test_the_time_it_was_said_can_be_given(memory):
    moment = START + timedelta(days=4)
    new = memory.correct(known(memory, "Paris").id, "Tokyo", timestamp=moment.isoformat())

    assert (new.said_at, correction_pages(memory)[0].timestamp) == (moment, moment)
    assert story(memory) == [("Paris", 0, 4), ("#tea I like tea", 0, None), ("Tokyo", 4, None)]


def test_a_correction_is_corrected_in_its_turn(memory, clock):
    new = memory.correct(known(memory, "Paris").id, "Tokyo")
    clock.advance(days=5)
    memory.correct(new.id, "Paris")

    assert story(memory) == [("Paris", 0, 10), ("#tea I like tea", 0, None), ("Tokyo", 10, 15), ("Paris", 15, None)]
    assert_as_reloaded(memory.system)


def test_less_takes_the_place_of_more_if_the_user_says_so(memory, clock):
    """An analyst's "Paris" would only repeat "Paris, France"; here somebody says that France is wrong."""
    more = memory.correct(known(memory, "Paris").id, "Paris, France")
    clock.advance(days=1)
    less = memory.correct(more.id, "Paris")
    memory.add_memory("#cat I have a cat")
    memory.flush()  # tidies intervals

    assert dict(memory.get_user_profile().fields) == {"home": "Paris"}
    assert known(memory, "Paris") == less
    assert known(memory, "Paris, France").valid_until == less.said_at
    assert_as_reloaded(memory.system)


@pytest.mark.parametrize("again", ["Paris", " paris. "])
def test_a_value_that_is_said_to_be_so_holds_anew_in_the_letters_of_the_correction(memory, again):
    entry = known(memory, "Paris")
    confirmed = memory.correct(entry.id, again)
    (page,) = correction_pages(memory)
    before, *_ = [each for each in memory.knowledge(history=True) if each.id == entry.id]

    assert (confirmed.text, confirmed.said_at, confirmed.valid_until) == (again.strip(), page.timestamp, None)
    assert (before.said_at, before.valid_until) == (entry.said_at, page.timestamp)
    assert len(memory.knowledge(history=True)) == 3
    assert_as_reloaded(memory.system)


def test_a_fact_that_is_said_to_be_so_is_confirmed(memory):
    entry = known(memory, "#tea I like tea")
    confirmed = memory.correct(entry.id, entry.text)
    (page,) = correction_pages(memory)

    assert confirmed == replace(entry, repetitions=2, source_page_ids=(*entry.source_page_ids, page.id))
    assert len(memory.knowledge(history=True)) == 2
    assert_as_reloaded(memory.system)


def test_what_was_said_before_a_correction_and_is_read_after_it_does_not_end_it(open_system):
    memory = open_system(short_term_capacity=2, heat_threshold=0.0).memory("tom")
    memory.add_memory("I live in Utrecht.")
    memory.add_memory("ok")
    memory.flush()
    memory.add_memory("I live in Leiden.")
    memory.correct(memory.get_user_profile().entries[0].id, "Utrecht")
    for _ in range(2):
        memory.add_memory("ok")
    memory.flush()

    assert memory.get_user_profile().fields == {"home": "Utrecht"}
    assert "Leiden" in [each.text for each in memory.knowledge(history=True)]


def test_an_entry_that_was_dated_ahead_of_the_clock_can_be_corrected(memory, clock):
    entry = known(memory, "Paris")
    clock.advance(days=-300)
    new = memory.correct(entry.id, "Tokyo")

    assert new.said_at == entry.said_at
    assert known(memory, "Tokyo") == new
    assert known(memory, "Paris").valid_until == entry.said_at


def test_what_is_said_again_long_after_it_was_forgotten_is_said_then(memory, clock):
    entry = known(memory, "Paris")
    memory.forget(memory.correct(entry.id, "Tokyo").id)
    clock.advance(days=200)
    again = memory.correct(entry.id, "Tokyo")

    assert (again.said_at, again.valid_until) == (clock(), None)


def test_entries_are_found_by_what_they_say_in_this_process_and_the_next(memory):
    """A new one has a vector of its own; a confirmed one, whose text stays, keeps its own too."""
    tea = known(memory, "#tea I like tea")
    memory.correct(tea.id, "#TEA I like tea")
    new = memory.correct(known(memory, "Paris").id, " #tokyo ")
    embed, fresh = memory.system.embedder.embed, vectors(memory)

    expected = {tea.id: embed([tea.text])[0].tolist(), new.id: embed(["#tokyo"])[0].tolist()}
    assert {key: fresh[key] for key in expected} == expected
    with memory.system.resident(TOM) as resident:
        held_here = resident.records.knowledge_vectors
        assert {key: held_here[key].tolist() for key in expected} == expected


def vectors(memory) -> dict[str, list[float]]:
    """The vector of every record as it lies in the store."""
    return {row.id: row.vector.tolist() for row in memory.system._storage.store.rows(TOM) if row.vector is not None}


def test_a_fact_that_is_known_already_is_not_known_twice(memory):
    """The wrong one ends, the one that says so is repeated."""
    memory.add_memory("#tea I like coffee")
    memory.flush()
    tea, coffee = known(memory, "#tea I like tea"), known(memory, "#tea I like coffee")
    said = memory.correct(tea.id, "#tea I like coffee")
    (page,) = correction_pages(memory)

    assert said == replace(coffee, repetitions=2, source_page_ids=(*coffee.source_page_ids, page.id))
    assert held(memory) == ["Paris", "#tea I like coffee"]
    assert known(memory, tea.text).valid_until == LATER
    assert_as_reloaded(memory.system)


@FACTS
@pytest.mark.parametrize("new", ["Tokyo", None], ids=["correction", "confirmation"])
def test_doing_it_again_changes_nothing(memory, clock, text, new):
    """A host that did not hear the first answer asks once more."""
    entry = known(memory, text)
    first = memory.correct(entry.id, new or text)
    before = rows(memory.system)
    clock.advance(minutes=1)

    assert memory.correct(entry.id, new or text) == first
    assert rows(memory.system) == before


def test_what_holds_again_after_its_correction_was_forgotten_is_corrected_again(memory):
    old = known(memory, "Paris")
    new = memory.correct(old.id, "Tokyo")
    memory.forget(new.id)
    again = memory.correct(old.id, "Tokyo")

    assert again == new
    assert held(memory) == ["#tea I like tea", "Tokyo"]
    assert len(correction_pages(memory)) == 1


# -- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stranger", ["nobody", "page", "other user", "other assistant", "forgotten"])
def test_an_id_of_no_entry_of_the_user_is_not_found(memory, stranger):
    system = memory.system
    others = {"other user": system.memory("eve"), "other assistant": system.memory("tom", "tutor")}
    for other in others.values():
        other.add_memory("#home home=Oslo")
        other.flush()
    gone = known(memory, "#tea I like tea").id
    memory.forget(gone)
    ids = {name: other.knowledge()[0].id for name, other in others.items()}
    ids |= {"nobody": "knowledge_9", "page": memory.pages()[0].id, "forgotten": gone}
    before = rows(system)

    with pytest.raises(NotFound, match=ids[stranger]):
        memory.correct(ids[stranger], "Tokyo")

    assert rows(system) == before


def test_what_is_history_already_is_not_corrected_again(memory):
    """The message says where the current entries are."""
    old = known(memory, "Paris")
    memory.correct(old.id, "Tokyo")
    before = rows(memory.system)

    with pytest.raises(InvalidInput, match=r"entry_id names an entry that is history already\. .*memory\.knowledge"):
        memory.correct(old.id, "Oslo")

    assert rows(memory.system) == before


def test_a_correction_that_was_corrected_since_is_not_done_again(memory):
    old = known(memory, "Paris")
    memory.correct(memory.correct(old.id, "Tokyo").id, "Oslo")
    before = rows(memory.system)

    with pytest.raises(InvalidInput, match="history already"):
        memory.correct(old.id, "Tokyo")

    assert rows(memory.system) == before


def test_a_trait_is_not_corrected_and_the_error_says_what_to_do(open_system):
    memory = open_system(**AT_ONCE).memory("tom")
    for text in ("I love science fiction films.", "I love watching films every weekend.", "I love old films."):
        memory.add_memory(text)
    memory.flush()
    trait = memory.get_user_profile().traits[0]
    before = rows(memory.system)

    with pytest.raises(InvalidInput, match=r"entry_id names a trait.*memory\.forget.*add_memory"):
        memory.correct(trait.id, "hates films")

    assert rows(memory.system) == before


@pytest.mark.parametrize(
    ("text", "timestamp", "message"),
    [
        (" \n", None, "text is empty"),
        (None, None, "text is a NoneType"),
        ("half \ud83d", None, "text contains a lone surrogate"),
        ("x" * 2000, None, "text with the other side and metadata takes"),
        ("Tokyo", "soon", "timestamp is not a time"),
        ("Tokyo", START - timedelta(seconds=1), "timestamp is before the entry was said.*2024-03-01T12:00:00"),
    ],
)
def test_what_cannot_be_said_is_refused_under_the_name_the_caller_knows(opened, text, timestamp, message):
    memory = opened(max_turn_bytes=1000)
    memory.add_memory("#home home=Paris")
    memory.flush()
    before = rows(memory.system)

    with pytest.raises(InvalidInput, match=message):
        memory.correct(memory.knowledge()[0].id, text, timestamp=timestamp)

    assert rows(memory.system) == before


# -- what comes after does not undo it ------------------------------------------------------------------------


def test_its_page_is_consolidated_like_any_other_and_never_read_for_facts(memory, analyst):
    """A model that reads "Tokyo" alone would make a fact of it that says nothing."""
    for entry, text in zip(memory.knowledge(), ("Tokyo", "#tea I hate tea"), strict=True):
        memory.correct(entry.id, text)
    before = memory.knowledge(history=True)
    memory.flush()

    assert [page.segment_id is not None for page in correction_pages(memory)] == [True, True]
    assert memory.pages(Tier.PENDING) == []
    assert memory.knowledge(history=True) == before
    assert "Tokyo" in analyst.said("consolidate")[-1]
    assert [inputs for inputs in analyst.said("promote") if "Tokyo" in inputs or "" in inputs or not inputs] == []
    assert memory.status().unpromoted == 0
    assert_as_reloaded(memory.system)


def test_its_page_heats_no_segment(opened, analyst):
    """L_interaction counts pages that promotion has not read (Eq. 4), in whatever batch they come."""
    memory = opened(heat_threshold=2.5)
    for _ in range(2):
        memory.add_memory("#home home=Paris")
    memory.flush()
    calls = len(analyst.said("promote"))
    memory.correct(memory.knowledge()[0].id, "#home Tokyo")
    memory.in_session("corrections").add_memory("#home and that is all")
    memory.flush()

    assert len(memory.segments()) == 1
    assert list(memory.heats().values()) == [2.0]
    assert len(analyst.said("promote")) == calls


@pytest.mark.parametrize("said", ["#home home=Paris", "#home home=Tokyo", "#home home=Oslo"])
def test_an_older_page_that_is_read_later_does_not_undo_it(memory, said):
    """Hot segments are read by heat, not by time."""
    memory.correct(known(memory, "Paris").id, "Tokyo")
    memory.add_memory(said, timestamp=START + timedelta(days=5))
    memory.flush()

    assert dict(memory.get_user_profile().fields) == {"home": "Tokyo"}
    assert_as_reloaded(memory.system)


def test_an_older_page_that_repeats_a_wrong_fact_does_not_bring_it_back(memory):
    """It is one more source of the entry that ended."""
    memory.correct(known(memory, "#tea I like tea").id, "#tea I hate tea")
    memory.add_memory("#tea I like tea", timestamp=START + timedelta(days=5))
    memory.flush()

    assert held(memory) == ["Paris", "#tea I hate tea"]
    assert (known(memory, "#tea I like tea").repetitions, len(memory.knowledge(history=True))) == (2, 3)
    assert_as_reloaded(memory.system)


@pytest.mark.parametrize("said", ["#home home=Paris", "#tea I like tea"])
def test_who_says_it_anew_later_means_it(memory, clock, said):
    for entry in memory.knowledge():
        memory.correct(entry.id, "Tokyo")
    clock.advance(days=1)
    memory.add_memory(said)
    memory.flush()

    assert said.removeprefix("#home home=") in held(memory)
    assert_as_reloaded(memory.system)


STATEMENTS = ("Paris", "Paris, France", "Tokyo")
CHAINS = [(PROFILE, "home"), (KNOWLEDGE, "home"), (KNOWLEDGE, "")]


@pytest.mark.parametrize(("kind", "attribute"), CHAINS)
@pytest.mark.parametrize("days", [(1, 2, 3), (0, 0, 0)], ids=["days apart", "at one moment"])
def test_whatever_was_said_before_and_in_whatever_order_it_is_read_a_correction_stands(kind, attribute, days):
    """Three statements in every order, some read before it is corrected, the rest after."""
    undone = []
    for texts, order, first in product(product(STATEMENTS, repeat=3), permutations(range(3)), (1, 2, 3)):
        for text in (*STATEMENTS, "Paris, France, EU"):
            entries = read({}, kind, attribute, [(place, texts[place], days[place]) for place in order[:first]])
            wrong = held_at(entries.values(), None)[0]
            entries |= corrected(entries, wrong, page(9, text, 10), TOM)
            entries = read(entries, kind, attribute, [(place, texts[place], days[place]) for place in order[first:]])
            now = [entry.text for entry in held_at(entries.values(), None)]
            stands = now == [text] if attribute else now.count(text) == 1 and len(set(now)) == len(now)
            gone = wrong.text == text or wrong.text not in now
            confirmed = wrong.text == text and len(set(now)) == len(now)
            if not (confirmed or (stands and gone)) or reopened(entries.values()):
                undone.append((texts, order, first, text, now))

    assert undone == []


def page(number: int, text: str, day: float) -> DialoguePage:
    at = START + timedelta(days=day)
    return DialoguePage(
        id=f"page_{number}", session_id="s", user_input=text, agent_response="", timestamp=at, sequence=number
    )


def read(entries, kind, attribute, statements):
    """Entries once each statement of (number, text, day) was absorbed."""
    for number, text, day in statements:
        source = page(number, text, day)
        fact = FoundFact(kind=kind, text=text, attribute=attribute, source_page_ids=(source.id,))
        entries = entries | absorb(entries, [fact], {source.id: source}, TOM)
    return entries


# -- work in flight -------------------------------------------------------------------------------------------


class Held(TagAnalyst):
    """Waits within one reading, once told to, until it is let go."""

    def __init__(self, method: str, **options) -> None:
        super().__init__(**options)
        self.method, self.armed = method, False
        self.reached, self.let_go = threading.Event(), threading.Event()

    def _called(self, method, pages) -> None:
        super()._called(method, pages)
        if self.armed and method == self.method and not self.reached.is_set():
            self.reached.set()
            assert self.let_go.wait(30)


@pytest.mark.parametrize("method", ["consolidate", "promote"])
def test_a_correction_waits_for_no_model_and_what_was_read_meanwhile_does_not_undo_it(opened, clock, method):
    """A plan rests on the entries as they are when it is made, not as they were when the model was asked."""
    analyst = Held(method, eager=False)
    memory = opened(analyst=analyst)
    memory.add_memory("#home home=Paris")
    memory.add_memory("#tea I like tea")
    memory.flush()
    for said in ("#home home=Paris", "#tea I like tea"):
        memory.add_memory(said)
    clock.advance(days=10)
    analyst.armed = True
    work = threading.Thread(target=memory.flush)
    work.start()
    assert analyst.reached.wait(30)
    memory.correct(known(memory, "Paris").id, "Tokyo")
    memory.correct(known(memory, "#tea I like tea").id, "#tea I hate tea")
    analyst.let_go.set()
    work.join(30)
    memory.flush()

    assert not work.is_alive()
    assert held(memory) == ["Tokyo", "#tea I hate tea"]
    assert [page.promoted for page in memory.pages()] == [True] * 6
    assert "Tokyo" not in [text for inputs in analyst.said("promote") for text in inputs]
    assert_as_reloaded(memory.system)


def test_of_two_that_correct_one_entry_at_once_one_is_told_that_it_is_history(memory):
    entry, start, outcomes = known(memory, "Paris"), threading.Barrier(6), []

    def correct(number: int) -> None:
        start.wait(timeout=30)
        try:
            outcomes.append(memory.correct(entry.id, f"City {number // 2}").text)  # two say the same
        except InvalidInput:
            outcomes.append(None)

    threads = [threading.Thread(target=correct, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    city = dict(memory.get_user_profile().fields)["home"]
    assert sorted(map(str, outcomes)) == sorted([city, city, *["None"] * 4])
    assert len(correction_pages(memory)) == 1
    assert_as_reloaded(memory.system)


def test_pending_pages_are_scheduled_like_those_of_any_session(memory, monkeypatch):
    scheduled = []
    monkeypatch.setattr(memory.system._worker, "schedule", lambda owner, *, delay: scheduled.append((owner, delay)))
    memory.correct(known(memory, "Paris").id, "Tokyo")

    assert scheduled == [(memory.owner, memory.system.settings.consolidation_delay)]


def test_who_corrects_is_speaking(memory):
    """A chat model is asked once the user is quiet."""
    with memory.system.resident(TOM) as resident:
        resident.spoke_at = None
        memory.correct(known(memory, "Paris").id, "Tokyo")

        assert resident.spoke_at is not None


# -- capacity --------------------------------------------------------------------------------------------------


def test_in_a_full_queue_the_new_takes_the_place_of_the_old(opened, clock):
    memory = opened(knowledge_capacity=2)
    for said in ("#tea I like tea", "#cat I have a cat"):
        memory.add_memory(said)
    memory.flush()
    clock.advance(days=10)
    memory.correct(known(memory, "#tea I like tea").id, "#tea I hate tea")

    assert story(memory) == [("#tea I like tea", 0, 10), ("#cat I have a cat", 0, None), ("#tea I hate tea", 10, None)]
    assert_as_reloaded(memory.system)


def test_the_wrong_fact_does_not_come_back_when_its_correction_leaves_a_full_queue(opened, clock):
    """What is not worth keeping is forgotten; what is wrong is still wrong."""
    memory = opened(knowledge_capacity=1)
    memory.add_memory("#tea I like tea")
    memory.flush()
    memory.correct(memory.knowledge()[0].id, "#tea I hate tea")
    clock.advance(days=10)
    for said in ("#cat I have a cat", "#dog I have a dog"):
        memory.add_memory(said)
        memory.flush()

    assert story(memory) == [("#tea I like tea", 0, 0), ("#dog I have a dog", 10, None)]
    assert_as_reloaded(memory.system)


def test_a_correction_outlives_its_page_where_segments_that_leave_are_deleted(opened, clock):
    """eviction="delete" makes room; it takes nothing back."""
    memory = opened(mid_term_capacity=1, eviction="delete")
    memory.add_memory("#tea I like tea")
    memory.flush()
    memory.correct(memory.knowledge()[0].id, "#tea I hate tea")
    memory.flush()
    clock.advance(days=10)
    memory.add_memory("#cat I have a cat")
    memory.flush()

    assert correction_pages(memory) == []
    assert held(memory) == ["#tea I hate tea", "#cat I have a cat"]
    assert known(memory, "#tea I like tea").corrected == Correction(page_id="", said_at=START, order=1000)
    assert_as_reloaded(memory.system)


# -- forgetting ------------------------------------------------------------------------------------------------


@FACTS
@pytest.mark.parametrize("new", ["Tokyo", "Paris, France"])
@pytest.mark.parametrize("placed", [False, True], ids=["at once", "after consolidation"])
def test_without_the_page_that_said_so_the_old_entry_holds_again(memory, text, new, placed):
    before = memory.knowledge(history=True)
    memory.correct(known(memory, text).id, new)
    if placed:
        memory.flush()
    memory.forget(correction_pages(memory)[0].id)

    assert memory.knowledge(history=True) == before
    assert_as_reloaded(memory.system)


@FACTS
def test_without_the_entry_that_took_its_place_the_old_one_holds_again(memory, text):
    before = memory.knowledge(history=True)
    memory.forget(memory.correct(known(memory, text).id, "Tokyo").id)

    assert memory.knowledge(history=True) == before
    assert_as_reloaded(memory.system)


def test_forgetting_a_correction_to_what_was_known_already_leaves_that_and_reopens_the_wrong(memory):
    memory.add_memory("#tea I like coffee")
    memory.flush()
    before = [replace(entry, repetitions=1) for entry in memory.knowledge(history=True)]
    memory.correct(known(memory, "#tea I like tea").id, "#tea I like coffee")
    memory.forget(correction_pages(memory)[0].id)

    assert [replace(entry, repetitions=1) for entry in memory.knowledge(history=True)] == before
    assert_as_reloaded(memory.system)


def test_forgetting_the_first_of_two_corrections_leaves_the_second(memory, clock):
    new = memory.correct(known(memory, "Paris").id, "Tokyo")
    clock.advance(days=5)
    memory.correct(new.id, "Oslo")
    memory.forget(correction_pages(memory)[0].id)

    assert story(memory) == [("Paris", 0, 15), ("#tea I like tea", 0, None), ("Oslo", 15, None)]
    assert_as_reloaded(memory.system)


def test_an_entry_in_words_that_only_its_correction_says_is_kept_with_its_page_gone(opened):
    """A model's own words: they were known before the correction, so they did not come from it."""

    class Rewording(TagAnalyst):
        def promote(self, hot, known):
            return [replace(fact, text="enjoys tea") for fact in super().promote(hot, known)]

    memory = opened(analyst=Rewording())
    memory.add_memory("#tea tea for me")
    memory.flush()
    (before,) = memory.knowledge()
    memory.correct(before.id, "enjoys coffee")
    memory.forget(correction_pages(memory)[0].id)

    assert memory.knowledge(history=True) == [before]


def test_forgetting_the_old_entry_or_what_said_it_leaves_the_correction(memory):
    for entry in memory.knowledge():
        memory.correct(entry.id, "Tokyo")
    memory.forget(memory.pages()[0].id)
    memory.forget(known(memory, "#tea I like tea").id)

    assert story(memory) == [("Tokyo", 10, None), ("Tokyo", 10, None)]
    assert_as_reloaded(memory.system)


# -- failures and other processes --------------------------------------------------------------------------------


def failing(*_, **__):
    raise ConnectionError("the disk went away")


def test_a_store_that_takes_no_write_leaves_all_as_it_was_and_it_is_done_by_doing_it_again(memory, monkeypatch):
    entry, before = known(memory, "Paris"), (told(memory), memory.knowledge(history=True))
    with monkeypatch.context() as patch:
        patch.setattr(memory.system._storage.store._collection, "upsert", failing)
        with pytest.raises(StoreError):
            memory.correct(entry.id, "Tokyo")

    assert (told(memory), memory.knowledge(history=True)) == before
    assert_as_reloaded(memory.system)
    memory.correct(entry.id, "Tokyo")
    assert (len(correction_pages(memory)), held(memory)) == (1, ["#tea I like tea", "Tokyo"])
    assert_as_reloaded(memory.system)


def test_an_embedder_that_fails_leaves_all_as_it_was(memory):
    before = rows(memory.system)
    memory.system.embedder.error = EmbeddingError("down")

    with pytest.raises(EmbeddingError):
        memory.correct(known(memory, "Paris").id, "Tokyo")

    assert rows(memory.system) == before


@FACTS
@pytest.mark.parametrize("new", ["Tokyo", "Paris", None], ids=["correction", "less", "confirmation"])
@pytest.mark.parametrize("tidied", [False, True])
@pytest.mark.parametrize("written", [0, 1, 2])
def test_half_of_it_is_finished_by_doing_it_again(memory, opened, clock, monkeypatch, text, new, written, tidied):
    """Page and entries are one write; a store that takes one row at a time may be cut off after any of them."""
    entry = memory.correct(known(memory, text).id, text + ", France")
    text = entry.text
    others = [each for each in held(memory) if each != text]
    store, pages = memory.system._storage.store, len(correction_pages(memory))
    upsert, left = store._upsert, [written]

    def cut_off(owner, rows):
        left[0] -= 1
        if left[0] < 0:
            raise StoreError("killed")
        upsert(owner, rows)

    with monkeypatch.context() as patch:
        patch.setattr(store, "max_batch", 2)  # a row and the head
        patch.setattr(store, "_upsert", cut_off)
        with suppress(StoreError):  # two rows are all that a confirmation has
            memory.correct(entry.id, new or text)
    memory.system.close()
    again = opened()
    if tidied:
        again.flush()
    clock.advance(minutes=1)
    done = again.correct(entry.id, new or text)

    assert len(correction_pages(again)) == pages + 1
    assert done.source_page_ids[-1] == correction_pages(again)[-1].id
    assert sorted(held(again)) == sorted([*others, new or text])
    assert len(again.knowledge(history=True)) == (4 if new or entry.attribute else 3)
    assert_as_reloaded(again.system)


@pytest.fixture
def two(tmp_path, open_system):
    """Tom's memory twice, each behind a client of its own: what one wrote the other has to find out."""
    (tmp_path / "server").mkdir()
    server = ChromaServer(tmp_path / "server")
    try:
        parts = {"embedder": TagEmbedder(), "analyst": TagAnalyst(), **AT_ONCE}
        ours, theirs = (open_system(client=server.client(), **parts).memory("tom") for _ in range(2))
        ours.add_memory("#home home=Paris")
        ours.flush()
        yield ours, theirs
        ours.system.close()
        theirs.system.close()
    finally:
        server.close()


def test_another_process_sees_it_and_does_not_do_it_twice(two):
    ours, theirs = two
    (old,) = theirs.knowledge()
    new = ours.correct(old.id, "Tokyo")

    assert theirs.knowledge() == [new]
    assert theirs.correct(old.id, "Tokyo") == new
    with pytest.raises(InvalidInput, match="history already"):
        theirs.correct(old.id, "Oslo")
    assert len(correction_pages(ours)) == 1
    assert_as_reloaded(ours.system)


def test_what_another_process_wrote_while_this_one_waited_is_seen(two):
    """Else a correction would be made of an entry that is history by then."""
    ours, theirs = two
    (old,) = ours.knowledge()
    said = []
    with ours.system.resident(ours.owner) as resident, resident.consolidating:
        waiting = threading.Thread(target=outcome, args=(lambda: ours.correct(old.id, "Tokyo"), said))
        waiting.start()
        new = theirs.correct(old.id, "Oslo")
    waiting.join(30)

    assert [type(each) for each in said] == [InvalidInput]
    assert ours.knowledge() == [new]
    assert_as_reloaded(ours.system)


def outcome(call, said: list) -> None:
    try:
        said.append(call())
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        said.append(error)


def test_a_write_whose_reply_is_lost_is_not_done_twice(two, monkeypatch):
    ours, _ = two
    (old,) = ours.knowledge()
    collection = ours.system._storage.store._collection
    upsert = collection.upsert

    def written(**columns):
        upsert(**columns)
        raise ConnectionError("the reply is lost")

    with monkeypatch.context() as patch:
        patch.setattr(collection, "upsert", written)
        with pytest.raises(StoreError):
            ours.correct(old.id, "Tokyo")
    ours.correct(old.id, "Tokyo")

    assert (len(correction_pages(ours)), held(ours)) == (1, ["Tokyo"])
    assert_as_reloaded(ours.system)


# -- what lasts ------------------------------------------------------------------------------------------------


def test_it_lasts_over_reopening_and_in_an_export(memory, opened, tmp_path):
    for entry in memory.knowledge():
        memory.correct(entry.id, "Tokyo")
    memory.flush()
    before = memory.pages(), memory.knowledge(history=True)
    memory.export(tmp_path / "tom.jsonl")
    memory.system.close()
    again, other = opened(), opened(path=tmp_path / "other")
    copy = other.system.import_memory(tmp_path / "tom.jsonl")

    assert (again.pages(), again.knowledge(history=True)) == before
    assert (copy.pages(), copy.knowledge(history=True)) == before
    assert_as_reloaded(other.system)


def test_the_awaited_twin_does_the_same(memory):
    entry, moment = known(memory, "Paris"), START + timedelta(days=4)
    new = asyncio.run(memory.acorrect(entry.id, "Tokyo", timestamp=moment))

    assert new == known(memory, "Tokyo")
    assert new.said_at == moment


def test_a_corrected_entry_is_read_back_as_it_was_written(memory):
    new = memory.correct(known(memory, "Paris").id, "Tokyo")
    old = known(memory, "Paris")
    vector = memory.system.embedder.embed(["x"])[0]

    assert [decode_knowledge(encode_knowledge(entry, vector)) for entry in (old, new)] == [old, new]
    assert "corrected" not in json.loads(encode_knowledge(new, vector).data)  # rows of older stores have none either


@pytest.mark.parametrize("value", [None, "page_1", {}, {"page_id": 5}, {"page_id": "p", "said_at": "soon", "order": 0}])
def test_a_row_whose_correction_is_none_is_corrupt(memory, value):
    entry = known(memory, "Paris")
    row = encode_knowledge(entry, memory.system.embedder.embed(["x"])[0])

    with pytest.raises(CorruptRecord):
        decode_knowledge(replace(row, data=json.dumps({**json.loads(row.data), "corrected": value})))


def test_checking_names_an_entry_that_a_missing_page_corrected(memory):
    """system.check(): what forgetting would need to look at."""
    entry = known(memory, "Paris")
    broken = replace(entry, valid_until=LATER, corrected=Correction(page_id="page_9", said_at=LATER, order=0))
    row = encode_knowledge(broken, memory.system.embedder.embed(["x"])[0])
    memory.system._storage.store.commit(TOM, [row], next_sequence=5)

    assert memory.system.check() == [
        Finding(
            owner=TOM,
            record_id=entry.id,
            problem="was corrected by a page that does not exist",
            repair="leave the page out; it stays corrected",
        )
    ]


def test_owners_are_apart(memory):
    """Invariant 2: the session of corrections is one of each user."""
    eve = memory.system.memory("eve")
    eve.add_memory("#home home=Paris")
    eve.flush()
    before = told(eve), eve.knowledge(history=True)
    memory.correct(known(memory, "Paris").id, "Tokyo")

    assert (told(eve), eve.knowledge(history=True)) == before
    assert eve.owner == Owner(user_id="eve", assistant_id="assistant")
