"""What was said is stored once and in order, whatever fails meanwhile, or its saver is told that it cannot be."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import chromadb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memoryos_engine import (
    ClosedError,
    EmbeddingError,
    InvalidInput,
    LimitReached,
    MemoryOS,
    MemorySettings,
    StoreError,
)
from memoryos_integrations import saving
from memoryos_integrations.saving import drop, retry, save, try_waiting, waiting
from memoryos_integrations.turns import Message, Turn, turns_of

from .failing import Moody, broken_store


def turn(text: str) -> Turn:
    """ "Q/A" is an exchange, "Q/" waits for its answer, "/A" is an answer."""
    said, answer = text.split("/")
    return Turn(user_input=said, agent_response=answer)


def turns(text: str) -> list[Turn]:
    return [turn(each) for each in text.split()]


def told(memory) -> str:
    """Every page of the session in order of arrival."""
    return " ".join(f"{page.user_input}/{page.agent_response}" for page in memory.session_pages())


def left(memory) -> str:
    return " ".join(f"{each.user_input}/{each.agent_response}" for each in waiting(memory))


@pytest.fixture
def memory(system):
    return system.memory("tom", session_id="desk")


# -- while all is well --------------------------------------------------------------------------------

PORTIONS = {
    "nothing": ([], ""),
    "no turns": ([""], ""),
    "exchanges": (["Q/A R/B", "S/C"], "Q/A R/B S/C"),
    "an answer comes later": (["Q/", "/A"], "Q/A"),
    "an answer with what comes next": (["Q/", "/A R/"], "Q/A R/"),
    "two answers": (["Q/", "/A", "/B"], "Q/A /B"),
    "an answer to nobody": (["/A", "Q/"], "/A Q/"),
    "the same again": (["Q/A", "Q/A", "Q/A"], "Q/A Q/A Q/A"),
    "the same twice at once": (["Q/ Q/"], "Q/ Q/"),
    "two questions, one answer": (["Q/", "R/", "/B"], "Q/ R/B"),
}


@pytest.mark.parametrize(("portions", "stored"), PORTIONS.values(), ids=PORTIONS)
def test_turns_are_stored_in_the_portions_they_come_in(memory, portions, stored):
    for portion in portions:
        save(memory, turns(portion))

    assert (told(memory), left(memory)) == (stored, "")


COUNT = itertools.count()
texts = st.sampled_from(("", " ", "Q", "R", "yes", "half \ud83d", "\x00"))
spoken = st.lists(
    st.builds(Message, role=st.sampled_from(("user", "agent", "other")), text=texts, id=st.none() | st.just("1")),
    max_size=10,
)
portion_sizes = st.lists(st.integers(1, 4), max_size=10)


@given(spoken, portion_sizes)
@example([Message(role="user", text="Q"), Message(role="agent", text="A")], [1])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_messages_in_any_portions_are_stored_as_if_handed_over_whole(system, messages, sizes):
    """Words beside tool calls aside: whether they were the answer shows only in the list they come in."""
    whole, parts = (system.memory(f"user {next(COUNT)}") for _ in range(2))
    save(whole, turns_of(messages))
    rest = messages
    for size in (*sizes, len(messages)):
        save(parts, turns_of(rest[:size]))
        rest = rest[size:]

    pages = [(page.user_input, page.agent_response, page.timestamp) for page in parts.session_pages()]
    said = [each.text.replace("\ud83d", "\ufffd") for each in messages if each.role == "user" and each.text.strip()]
    assert pages == [(page.user_input, page.agent_response, page.timestamp) for page in whole.session_pages()]
    assert [question for question, _, _ in pages if question] == said


@given(spoken, portion_sizes, st.lists(st.sampled_from(("works", "store", "embedder")), max_size=8))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_failures_change_nothing_of_what_is_stored_in_the_end(moody_system, messages, sizes, moods):
    """Whichever saves fail, and whether by the store or the embedder; everybody says something else every time."""
    messages = [replace(each, text=f"{each.text}{place}") for place, each in enumerate(messages)]
    system, embedder = moody_system
    whole, parts = (system.memory(f"user {next(COUNT)}") for _ in range(2))
    save(whole, turns_of(messages))
    rest = messages
    for place, size in enumerate((*sizes, len(messages))):
        mood = moods[place] if place < len(moods) else "works"
        saved_in_a_mood(parts, turns_of(rest[:size]), mood, embedder)
        rest = rest[size:]
    save(parts, [])

    sides = [(page.user_input, page.agent_response) for page in parts.session_pages()]
    assert sides == [(page.user_input, page.agent_response) for page in whole.session_pages()]
    assert waiting(parts) == []


def saved_in_a_mood(memory, new, mood, embedder):
    """Twice where it fails: a caller who is told of a failure may try again."""
    if mood == "works":
        save(memory, new)
        return
    embedder.error = EmbeddingError("not now") if mood == "embedder" else None
    for _ in range(2):
        with broken_store(memory.system, after=0 if mood == "store" else 1000):
            if new or waiting(memory):
                with pytest.raises((StoreError, EmbeddingError)):
                    save(memory, new)
    embedder.error = None


@pytest.fixture
def moody_system(open_system):
    embedder = Moody()
    return open_system(embedder=embedder), embedder


# -- when something fails -----------------------------------------------------------------------------


def test_what_a_broken_store_did_not_take_waits_and_is_told(system, memory):
    save(memory, turns("Q/A"))
    with broken_store(system), pytest.raises(StoreError, match="disk is full"):
        save(memory, turns("R/B S/C"))

    assert (told(memory), left(memory)) == ("Q/A", "R/B S/C")


def test_what_waits_goes_first_at_the_next_save(system, memory):
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A R/B"))
    save(memory, turns("S/C"))

    assert (told(memory), left(memory)) == ("Q/A R/B S/C", "")


def test_what_waits_is_stored_by_a_retry(system, memory):
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A R/B"))
    retry(memory)
    retry(memory)

    assert (told(memory), left(memory)) == ("Q/A R/B", "")


def test_a_retry_that_fails_raises_and_keeps_everything(system, memory):
    with broken_store(system):
        with pytest.raises(StoreError):
            save(memory, turns("Q/A"))
        with pytest.raises(StoreError):
            retry(memory)

    assert (told(memory), left(memory)) == ("", "Q/A")


def test_another_handle_on_the_session_stores_what_waits(system, memory):
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A"))
    retry(system.memory("tom", session_id="desk"))

    assert told(memory) == "Q/A"


def test_a_failure_in_the_middle_keeps_what_was_stored_before_it(system, memory):
    with broken_store(system, after=2), pytest.raises(StoreError):
        save(memory, turns("Q/A R/B S/C T/D"))

    assert (told(memory), left(memory)) == ("Q/A R/B", "S/C T/D")


def test_a_failure_a_turn_is_got_over_in_the_end(system, memory):
    save(memory, turns("Q/A"))
    for _ in range(3):
        with broken_store(system, after=1), pytest.raises(StoreError):
            save(memory, turns("R/B S/C T/D U/E"))
    save(memory, [])

    assert (told(memory), left(memory)) == ("Q/A R/B S/C T/D U/E", "")


@pytest.mark.parametrize("error", [EmbeddingError("no answer"), ConnectionError("reset"), KeyboardInterrupt()])
def test_an_embedder_may_fail_in_any_way(moody_system, error):
    system, embedder = moody_system
    memory = system.memory("tom")
    embedder.error = error
    with pytest.raises(type(error)):
        save(memory, turns("Q/A R/B"))
    embedder.error = None
    kept = left(memory)
    save(memory, turns("S/C"))

    assert (kept, told(memory)) == ("Q/A R/B", "Q/A R/B S/C")


def test_turns_keep_the_time_they_were_said_at(system, memory, clock):
    """Answers too: one that answers nobody is a page of its own time, and a page keeps its question's."""
    with broken_store(system):
        for portion in ("/W", "Q/A", "R/", "/B"):
            clock.advance(hours=1)
            with pytest.raises(StoreError):
                save(memory, turns(portion))
    clock.advance(days=1)
    save(memory, turns("S/C"))

    hours = [13, 14, 15]
    said_at = [datetime(2024, 3, 1, hour, tzinfo=timezone.utc) for hour in hours]
    assert told(memory) == "/W Q/A R/B S/C"
    assert [page.timestamp for page in memory.session_pages()] == [
        *said_at,
        datetime(2024, 3, 2, 16, tzinfo=timezone.utc),
    ]


def test_an_answer_waits_behind_its_question(system, memory):
    save(memory, turns("Q/A R/"))
    with broken_store(system):
        for portion in ("S/", "/C"):
            with pytest.raises(StoreError):
                save(memory, turns(portion))
    kept = left(memory)
    retry(memory)

    assert (kept, told(memory)) == ("S/ /C", "Q/A R/ S/C")


def test_an_answer_that_waits_finds_the_question_that_does_not(system, memory):
    save(memory, turns("Q/"))
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("/A"))
    retry(memory)

    assert told(memory) == "Q/A"


AGAIN = {
    "all of it": ("Q/A R/B", "Q/A R/B", "Q/A R/B"),
    "and more": ("Q/A R/B", "Q/A R/B S/C", "Q/A R/B S/C"),
    "its end and more": ("Q/A R/B", "R/B S/C", "Q/A R/B S/C"),
    "something else": ("Q/A R/B", "S/C", "Q/A R/B S/C"),
    "its beginning, which is said anew": ("Q/A R/B", "Q/A", "Q/A R/B Q/A"),
    "the same twice is twice": ("Q/A Q/A", "Q/A Q/A", "Q/A Q/A"),
    "one by one": ("Q/ /A", "Q/ /A", "Q/A"),
}


@pytest.mark.parametrize(("first", "again", "stored"), AGAIN.values(), ids=AGAIN)
@pytest.mark.parametrize("after", [0, 1])
def test_a_caller_who_hands_over_again_what_failed_says_it_once(system, memory, first, again, stored, after):
    """Also what had been stored when the failure came, of which the caller knows nothing."""
    with broken_store(system, after=after), pytest.raises(StoreError):
        save(memory, turns(first))
    save(memory, turns(again))

    assert told(memory) == stored


def test_a_caller_may_try_until_it_works(system, memory):
    for _ in range(4):
        with broken_store(system), pytest.raises(StoreError):
            save(memory, turns("Q/A R/B"))
    save(memory, turns("Q/A R/B"))

    assert told(memory) == "Q/A R/B"


def test_a_caller_who_tries_again_after_somebody_else_stored_it_says_it_once(system, memory):
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A R/B"))
    retry(memory)
    save(memory, turns("Q/A R/B"))

    assert told(memory) == "Q/A R/B"


def test_once_a_save_went_well_the_same_again_is_said_again(system, memory):
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A"))
    save(memory, turns("Q/A"))
    save(memory, turns("Q/A"))

    assert told(memory) == "Q/A Q/A"


LOST_REPLIES = {"Q/A": "P/ Q/A", "Q/": "P/ Q/", "/A": "P/A", "Q/A S/C": "P/ Q/A S/C"}


@pytest.mark.parametrize(("portion", "stored"), LOST_REPLIES.items())
def test_a_write_whose_reply_was_lost_is_not_written_twice(open_system, system, memory, portion, stored):
    save(memory, turns("P/"))
    with broken_store(system, writes=True), pytest.raises(StoreError):
        save(memory, turns(portion))
    retry(memory)
    system.close()

    assert told(open_system().memory("tom", session_id="desk")) == stored


@pytest.mark.parametrize(("portion", "stored"), LOST_REPLIES.items())
def test_nor_is_it_on_a_server_that_others_write_to(portion, stored):
    settings = MemorySettings(collection_name=f"lost-replies-{os.urandom(4).hex()}")
    with MemoryOS(client=chromadb.EphemeralClient(), settings=settings) as system:
        memory = system.memory("tom")
        save(memory, turns("P/"))
        with broken_store(system, writes=True), pytest.raises(StoreError):
            save(memory, turns(portion))
        save(memory, turns("R/B R/B"))

        assert told(memory) == f"{stored} R/B R/B"


def test_sessions_and_users_wait_for_nobody_else(system, memory):
    others = [memory.in_session("phone"), system.memory("eve", session_id="desk"), system.memory("tom", "b", "desk")]
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A"))
    for other in others:
        save(other, turns("S/C"))

    assert [(told(each), left(each)) for each in (memory, *others)] == [("", "Q/A"), *[("S/C", "")] * 3]


def test_each_system_has_its_own(tmp_path, open_system):
    here, there = (open_system(path=tmp_path / name).memory("tom") for name in ("a", "b"))
    with broken_store(here.system), pytest.raises(StoreError):
        save(here, turns("Q/A"))
    save(there, turns("S/C"))

    assert (left(here), left(there), told(there)) == ("Q/A", "", "S/C")


def test_a_store_whose_directory_is_moved_away_loses_nothing_once_it_is_back(tmp_path, open_system):
    """The real thing: SQLite refuses to write to a database that is not where it was opened."""
    memory = open_system(path=tmp_path / "here").memory("tom")
    save(memory, turns("Q/A"))
    (tmp_path / "here").rename(tmp_path / "there")
    for portion in ("R/B", "S/", "/C"):
        with pytest.raises(StoreError, match="could not be"):
            save(memory, turns(portion))
    kept = left(memory)
    (tmp_path / "there").rename(tmp_path / "here")
    save(memory, turns("T/D"))
    memory.system.close()

    assert (kept, left(memory)) == ("R/B S/ /C", "")
    assert told(open_system(path=tmp_path / "here").memory("tom")) == "Q/A R/B S/C T/D"


# -- answers that name their question, and what is told beside them -------------------------------------------


def answer(text: str, page_id: str | None = None, **metadata) -> Turn:
    return Turn(agent_response=text, page_id=page_id, metadata=metadata)


@pytest.mark.parametrize("handed", [["Q/A"], ["Q/", "/A"]], ids=["whole", "side by side"])
def test_metadata_for_which_there_is_no_room_costs_nobody_the_turn(open_system, handed):
    memory = open_system(max_turn_bytes=1000).memory("tom", session_id="desk")
    for each in handed:
        kept = {"tool_calls": "x" * 5000} if each.endswith("A") else {}
        save(memory, [replace(turn(each), metadata=kept)], again=False)

    assert (told(memory), dict(memory.pages()[0].metadata), left(memory)) == ("Q/A", {}, "")


def test_the_same_words_answered_twice_to_one_page_are_two_answers(memory):
    save(memory, turns("Q/"))
    page = memory.pages()[0]
    for _ in range(2):
        save(memory, [answer("Yes.", page.id)], again=False)

    assert told(memory) == "Q/Yes. /Yes."


def test_an_answer_that_waits_goes_to_its_page_though_the_last_page_got_the_same_words(memory):
    save(memory, turns("First?/ Second?/"))
    first = memory.pages()[0]
    with broken_store(memory.system), pytest.raises(StoreError):
        save(memory, [answer("Yes.", first.id)], again=False)
    memory.add_response("Yes.")
    retry(memory)

    assert told(memory) == "First?/Yes. Second?/Yes."


def beside(memory) -> list[dict]:
    """The metadata of every page of the session."""
    return [dict(page.metadata) for page in memory.session_pages()]


def test_an_answer_goes_to_the_question_that_it_names(memory):
    first, second = (memory.add_memory(said, metadata={"said": said}) for said in "QR")
    save(memory, [answer("A", first.id, n=1)])
    save(memory, [answer("B", second.id, n=2)])

    assert told(memory) == "Q/A R/B"
    assert beside(memory) == [{"said": "Q", "n": 1}, {"said": "R", "n": 2}]


def test_an_answer_to_what_takes_none_is_a_page_of_its_own_and_no_other_questions(memory):
    first = memory.add_memory("Q", "X")
    memory.add_memory("R")
    save(memory, [answer("A", first.id, n=1)])

    assert told(memory) == "Q/X R/ /A"
    assert beside(memory) == [{}, {}, {"n": 1}]


def test_an_answer_to_a_page_that_was_deleted_is_dropped(memory):
    """It may repeat what was to be forgotten, and is nobody else's answer."""
    first = memory.add_memory("Q")
    memory.add_memory("R")
    memory.forget(first.id)
    save(memory, [answer("A", first.id), *turns("S/B")])

    assert (told(memory), left(memory)) == ("R/ S/B", "")


def test_an_answer_that_waited_while_its_page_was_deleted_is_dropped(system, memory):
    first = memory.add_memory("Q")
    with broken_store(system), pytest.raises(StoreError):
        save(memory, [answer("A", first.id)])
    memory.forget(first.id)
    save(memory, turns("S/B"))

    assert (told(memory), left(memory)) == ("S/B", "")


@pytest.mark.parametrize("asked", ["Q/X", "Q/"])
@pytest.mark.parametrize("capacity", [1, 7])
def test_an_answer_beside_its_page_whose_reply_was_lost_is_not_stored_twice(open_system, capacity, asked):
    """To a page that has an answer, or is in a segment."""
    system = open_system(short_term_capacity=capacity)
    memory = system.memory("tom", session_id="desk")
    page = memory.add_memory(*asked.split("/"))
    if capacity == 1:
        memory.flush()
    elif asked == "Q/":
        memory.add_response("X")
    with broken_store(system, writes=True), pytest.raises(StoreError):
        save(memory, [answer("A", page.id)])
    save(memory, turns("R/B"))

    assert told(memory).replace("Q/X", "Q/") == "Q/ /A R/B"


@pytest.mark.parametrize("handed", ["R/B", "R/", "/B"])
def test_a_turn_whose_reply_was_lost_is_not_stored_twice_where_stm_keeps_none(open_system, handed):
    system = open_system(short_term_capacity=1)
    memory = system.memory("tom", session_id="desk")
    save(memory, turns("Q/A"))
    with broken_store(system, writes=True), pytest.raises(StoreError):
        save(memory, turns(handed))
    save(memory, turns("S/C"))

    assert told(memory) == f"Q/A {handed} S/C"


def test_an_answer_goes_to_its_question_in_whatever_session_that_is_by_now(memory):
    first, second = memory.add_memory("Q"), memory.add_memory("R", "X")
    memory.move_pages([first.id, second.id], "phone")
    save(memory, [answer("A", first.id), answer("B", second.id)])

    assert (told(memory), told(memory.in_session("phone"))) == ("", "Q/A R/X /B")


@pytest.mark.parametrize(("consolidated", "stored"), [(False, "Q/A R/ S/"), (True, "Q/ R/ S/ /A")])
def test_a_question_that_left_short_term_memory_takes_its_answer_until_it_is_in_a_segment(
    open_system, consolidated, stored
):
    memory = open_system(short_term_capacity=2).memory("tom", session_id="desk")
    first = memory.add_memory("Q")
    save(memory, turns("R/ S/"))
    if consolidated:
        memory.flush()
    save(memory, [answer("A", first.id)])

    assert told(memory) == stored


def test_an_answer_to_an_earlier_page_that_waited_goes_there_when_it_can(system, memory):
    first = memory.add_memory("Q")
    memory.add_memory("R")
    with broken_store(system), pytest.raises(StoreError):
        save(memory, [answer("A", first.id, n=1)])
    save(memory, turns("S/C"))

    assert (told(memory), left(memory)) == ("Q/A R/ S/C", "")
    assert beside(memory) == [{"n": 1}, {}, {}]


@pytest.mark.parametrize("more", ["", "S/C", "S/"])
def test_an_answer_to_an_earlier_page_whose_write_was_done_is_not_stored_twice(system, memory, more):
    """Only its reply was lost; the session's last page says nothing of it."""
    first = memory.add_memory("Q")
    memory.add_memory("R")
    with broken_store(system, writes=True), pytest.raises(StoreError):
        save(memory, [answer("A", first.id, n=1)])
    assert left(memory) == "/A"
    # what is resident learns of a write whose reply was lost when it is loaded anew
    with system.resident(memory.owner) as resident:
        resident.load()
    save(memory, turns(more))

    assert (told(memory), left(memory)) == (f"Q/A R/ {more}".strip(), "")
    assert beside(memory)[:2] == [{"n": 1}, {}]


def test_nor_is_it_where_what_is_resident_does_not_know_of_the_write(open_system, system, memory):
    first = memory.add_memory("Q")
    memory.add_memory("R")
    with broken_store(system, writes=True), pytest.raises(StoreError):
        save(memory, [answer("A", first.id, n=1)])
    retry(memory)
    found = told(memory)
    system.close()

    assert (found, told(open_system().memory("tom", session_id="desk"))) == ("Q/A R/", "Q/A R/")


def test_metadata_outlives_an_outage(system, memory):
    """Of whole turns, of answers, and of what is handed over again."""
    whole = Turn(user_input="Q", agent_response="A", metadata={"tools": [{"name": "look", "arguments": "{}"}]})
    with broken_store(system):
        for _ in range(2):
            with pytest.raises(StoreError):
                save(memory, [whole, Turn(user_input="R", metadata={"n": 1})])
        with pytest.raises(StoreError):
            save(memory, [answer("B", m=2)])
    kept = left(memory)
    retry(memory)

    assert (kept, told(memory)) == ("Q/A R/ /B", "Q/A R/B")
    assert beside(memory) == [{"tools": [{"name": "look", "arguments": "{}"}]}, {"n": 1, "m": 2}]


def test_an_answer_that_is_too_long_for_its_question_keeps_its_metadata(open_system):
    memory = open_system(max_turn_bytes=20).memory("tom")
    page = memory.add_memory("x" * 10)
    save(memory, [answer("y" * 10, page.id, n=1)])

    assert told(memory) == f"{'x' * 10}/ /{'y' * 10}"
    assert beside(memory) == [{}, {"n": 1}]


# -- what can never be stored -------------------------------------------------------------------------


@pytest.fixture
def narrow(open_system):
    """A memory whose pages hold ten bytes of text, and two of metadata."""
    return open_system(max_turn_bytes=12).memory("tom")


LONG = "x" * 20
REFUSED = {
    "alone": (f"{LONG}/", ""),
    "an answer": (f"/{LONG}", ""),
    "both sides": (f"{LONG}/{LONG}", ""),
    "the question of an answer": (f"{LONG}/A", "/A"),
    "the answer to a question": (f"Q/{LONG}", "Q/"),
    "in the middle": (f"Q/A {LONG}/ S/C", "Q/A S/C"),
    "at both ends": (f"{LONG}/ Q/A /{LONG}", "Q/A"),
    "nothing at all": ("Q/A / S/C", "Q/A S/C"),
}


@pytest.mark.parametrize(("portion", "stored"), REFUSED.values(), ids=REFUSED)
def test_what_is_too_long_is_told_and_takes_nothing_with_it(narrow, portion, stored):
    with pytest.raises(InvalidInput) as caught:
        save(narrow, turns(portion))

    assert (told(narrow), left(narrow)) == (stored, "")
    assert LONG not in str(caught.value)


def test_the_first_refusal_is_told_and_only_once(narrow):
    with pytest.raises(InvalidInput, match="takes 22 bytes"):
        save(narrow, turns(f"{LONG}/ {LONG}{LONG}/ Q/A"))
    save(narrow, turns("R/B"))

    assert told(narrow) == "Q/A R/B"


TOGETHER = {"at once": ["Question/Response"], "one by one": ["Question/", "/Response"]}


@pytest.mark.parametrize("portions", TOGETHER.values(), ids=TOGETHER)
def test_sides_that_are_too_long_together_are_stored_apart(narrow, portions):
    for portion in portions:
        save(narrow, turns(portion))

    assert told(narrow) == "Question/ /Response"


@pytest.mark.parametrize("portions", [[f"{LONG}/", "/B"], [f"{LONG}/ /B"], [f"{LONG}/B"]])
def test_the_answer_to_a_refused_question_does_not_answer_an_older_one(narrow, portions):
    save(narrow, turns("Q/"))
    for portion in portions:
        try:
            save(narrow, turns(portion))
        except InvalidInput:
            continue
    save(narrow, turns("S/"))
    save(narrow, turns("/C"))

    assert told(narrow) == "Q/ /B S/C"


def test_a_refusal_is_told_even_if_the_store_fails_before_it_can_be(narrow):
    with broken_store(narrow.system, after=1), pytest.raises(StoreError):
        save(narrow, turns(f"{LONG}/ R/ /B"))
    with pytest.raises(InvalidInput):
        retry(narrow)
    retry(narrow)

    assert (told(narrow), left(narrow)) == ("R/B", "")


@pytest.mark.parametrize(
    "wrong", [Turn(user_input=7), Turn(user_input="Q", agent_response=None), Turn(user_input=b"Q")]
)
def test_what_is_no_text_is_refused_before_anything_changes(memory, wrong):
    with pytest.raises(InvalidInput, match="not text"):
        save(memory, [turn("Q/A"), wrong])
    save(memory, turns("R/B"))

    assert (told(memory), left(memory)) == ("R/B", "")


def test_half_characters_cost_no_turn(memory):
    save(memory, [Turn(user_input="Hi \ud83d", agent_response="\ude00 \ud83d\ude00")])

    assert told(memory) == "Hi \ufffd/\ufffd \U0001f600"


# -- an embedder that takes some texts and not others ---------------------------------------------------


def tried(memory, clock, portions, *, times=8, minutes=5):
    """Save a portion, then try again and again; return what was raised."""
    raised = []
    for portion in (*portions, *[""] * times):
        try:
            save(memory, turns(portion))
        except (EmbeddingError, InvalidInput) as error:
            raised.append(type(error).__name__)
        clock.advance(minutes=minutes)
    return raised


WIDE = "x" * 12
NOT_TAKEN = {
    "a question": (f"{LONG}/", "Q/A", {"EmbeddingError", "InvalidInput"}),
    "a question with its answer": (f"{LONG}/B", "/B Q/A", {"EmbeddingError", "InvalidInput"}),
    "an answer with its question": (f"Q/{LONG}", "Q/ Q/A", {"EmbeddingError", "InvalidInput"}),
    "an answer alone": (f"/{LONG}", "Q/A", {"EmbeddingError", "InvalidInput"}),
    "two sides that are too long together": (f"{WIDE}/{WIDE}", f"{WIDE}/ /{WIDE} Q/A", {"EmbeddingError"}),
}


@pytest.mark.parametrize(("portion", "stored", "raised"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_a_turn_that_the_embedder_never_takes_does_not_hold_up_the_others_for_ever(
    moody_system, clock, portion, stored, raised
):
    system, embedder = moody_system
    memory = system.memory("tom")
    embedder.refuses = lambda text: len(text) > 15
    told_of = tried(memory, clock, [portion, "Q/A"])

    assert (told(memory), left(memory)) == (stored, "")
    assert set(told_of) == raised
    assert told_of.count("InvalidInput") <= 1


def test_an_answer_that_is_too_long_with_its_question_is_stored_alone(moody_system, clock):
    system, embedder = moody_system
    memory = system.memory("tom")
    embedder.refuses = lambda text: len(text) > 15
    tried(memory, clock, [f"{WIDE}/", f"/{WIDE}", "Q/A"])

    assert (told(memory), left(memory)) == (f"{WIDE}/ /{WIDE} Q/A", "")


def test_an_embedder_that_takes_nothing_loses_nothing_however_long(moody_system, clock):
    system, embedder = moody_system
    memory = system.memory("tom")
    embedder.error = EmbeddingError("down")
    raised = tried(memory, clock, ["Q/A", "R/B"], times=100)
    embedder.error = None
    retry(memory)

    assert raised == ["EmbeddingError"] * 102
    assert told(memory) == "Q/A R/B"


def test_an_embedder_that_refuses_for_a_few_minutes_loses_nothing(moody_system, clock):
    """A limit on tokens a minute lets short texts through and long ones not."""
    system, embedder = moody_system
    memory = system.memory("tom")
    embedder.refuses = lambda text: len(text) > 15
    tried(memory, clock, [f"{LONG}/B", "Q/A"], times=100, minutes=0.09)
    embedder.refuses = lambda text: False
    retry(memory)

    assert told(memory) == f"{LONG}/B Q/A"


def test_an_embedder_that_refuses_now_and_then_loses_nothing(moody_system, clock):
    """Four times long after the turn was said may be bad luck."""
    system, embedder = moody_system
    memory = system.memory("tom")
    embedder.refuses = lambda text: len(text) > 15
    tried(memory, clock, [f"{LONG}/B"], times=1, minutes=10)
    tried(memory, clock, [], times=3)
    embedder.refuses = lambda text: False
    retry(memory)

    assert told(memory) == f"{LONG}/B"


def test_an_outage_is_not_made_longer_by_asking_the_embedder_twice(moody_system):
    system, embedder = moody_system
    embedder.error = EmbeddingError("down")
    with pytest.raises(EmbeddingError):
        save(system.memory("tom"), turns("Q/A R/B S/C"))

    assert embedder.asked == 1


# -- threads, and the end -------------------------------------------------------------------------------


def test_threads_store_everything_once_each_in_its_order(system, memory):
    def speak(name: str) -> None:
        for number in range(15):
            save(memory, turns(f"{name}{number}/A"))

    threads = [threading.Thread(target=speak, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = [page.user_input for page in memory.session_pages()]

    assert sorted(said) == sorted(f"{name}{number}" for name in "pqrs" for number in range(15))
    assert {name: [each for each in said if each[0] == name] for name in "pqrs"} == {
        name: [f"{name}{number}" for number in range(15)] for name in "pqrs"
    }


def test_threads_that_fail_now_and_then_store_everything_once(moody_system):
    system, embedder = moody_system
    memory = system.memory("tom")
    count = iter(range(10_000))
    embedder.refuses = lambda text: next(count) % 3 == 0

    def speak(name: str) -> None:
        for number in range(10):
            try:
                save(memory, turns(f"{name}{number}/A"))
            except EmbeddingError:
                continue

    threads = [threading.Thread(target=speak, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    embedder.refuses = lambda text: False
    retry(memory)
    said = [page.user_input for page in memory.session_pages()]

    assert sorted(said) == sorted(f"{name}{number}" for name in "pqrs" for number in range(10))


def test_a_closed_system_keeps_the_turn_for_when_it_is_open_again(system, memory):
    """A vacuum closes a system and opens it again; a save may come in between."""
    system.close()
    with pytest.raises(ClosedError):
        save(memory, turns("Q/A"))
    kept = left(memory)
    system._reopen()
    retry(memory)

    assert (kept, told(memory), left(memory)) == ("Q/A", "Q/A", "")


def test_a_collected_system_takes_what_waits_with_it():
    """Also with a refusal that is still to be told: an error's traceback would keep the system alive."""
    few = MemorySettings(collection_name="collected", max_turn_bytes=12)
    system = MemoryOS(client=chromadb.EphemeralClient(), settings=few)
    memory = system.memory("tom")
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns(f"{LONG}/ Q/A"))
    with broken_store(system):
        system.close()
    gone = weakref.ref(system)
    del system, memory
    gc.collect()

    assert gone() is None


def test_a_session_that_nothing_waits_for_takes_no_room(system):
    for number in range(3):
        memory = system.memory("tom", session_id=str(number))
        save(memory, turns("Q/A"))
        retry(memory)
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("R/B"))
    held = dict(saving._queues.by_system())[system]

    assert [session_id for _, session_id in held] == ["2"]

    save(memory, turns("R/B"))

    assert dict(saving._queues.by_system())[system] == {}


# -- the end of the process -------------------------------------------------------------------------------

ENDING = """
import sys
from memoryos_engine import MemoryOS, StoreError
from memoryos_integrations.saving import save
from memoryos_integrations.turns import Turn
from tests.integrations.failing import broken_store

system = MemoryOS(sys.argv[1])
for session in ("desk", "phone"):
    with broken_store(system):
        try:
            save(system.memory("tom", session_id=session), [Turn(user_input=session, agent_response="A")] * 2)
        except StoreError:
            pass
"""
ROOT = Path(__file__).parents[2]
LOST = "4 turns that waited to be stored are lost: the process ends\n"
ENDINGS = {
    "the store works again": ("", "desk/A desk/A", ""),
    "the store does not": (
        "broken = broken_store(system)\nbroken.__enter__()",
        "",
        "turns that waited could not be stored (StoreError)\n" + LOST,
    ),
    "the system was closed": (
        "system.close()",
        "desk/A desk/A",
        "",
    ),
    "by an error": ("raise SystemExit(3)", "desk/A desk/A", ""),
    "in a forked child it is not the child's": (
        """
import os
from memoryos_integrations import saving
if os.fork() == 0:
    saving._store_at_exit()
    os._exit(0)
os.wait()
""",
        "desk/A desk/A",
        "",
    ),
}


@pytest.mark.parametrize(("ending", "stored", "logged"), ENDINGS.values(), ids=ENDINGS)
def test_what_waits_is_tried_once_more_when_the_process_ends(tmp_path, ending, stored, logged):
    command = [sys.executable, "-c", ENDING + ending, str(tmp_path / "store")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    with MemoryOS(tmp_path / "store") as system:
        found = told(system.memory("tom", session_id="desk"))

    assert (found, done.stderr) == (stored, logged)


def test_the_end_does_not_wait_for_a_thread_that_is_stuck_in_a_save(moody_system):
    system, embedder = moody_system
    memory = system.memory("tom")
    stuck, let_go = threading.Event(), threading.Event()
    embedder.refuses = lambda text: stuck.set() or not let_go.wait(60)
    saver = threading.Thread(target=save, args=(memory, turns("Q/A")))
    saver.start()
    assert stuck.wait(60)
    end = threading.Thread(target=saving._store_at_exit, daemon=True)
    end.start()
    end.join(20)
    ended = not end.is_alive()
    let_go.set()
    saver.join()

    assert ended
    assert told(memory) == "Q/A"


def test_a_turn_that_turns_out_too_long_at_the_end_is_told_and_takes_nothing_with_it(narrow, caplog):
    for session, portion in (("a", f"{LONG}/ R/B"), ("b", "Q/A")):
        with broken_store(narrow.system), pytest.raises(StoreError):
            save(narrow.in_session(session), turns(portion))
    with caplog.at_level(logging.WARNING):
        saving._store_at_exit()

    assert [told(narrow.in_session(session)) for session in "ab"] == ["R/B", "Q/A"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert LONG not in caplog.text


def test_a_caller_that_hands_over_each_turn_once_may_say_the_same_twice_in_an_outage(system, memory):
    for _ in range(2):
        with broken_store(system), pytest.raises(StoreError):
            save(memory, turns("Thanks/Welcome"), again=False)
    save(memory, [])

    assert told(memory) == "Thanks/Welcome Thanks/Welcome"


def test_what_nobody_asked_to_be_stored_now_is_logged_and_costs_no_reading(system, memory, caplog):
    with broken_store(system):
        with pytest.raises(StoreError):
            save(memory, turns("Q/A"))
        try_waiting(memory)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert left(memory) == "Q/A"

    try_waiting(memory)

    assert (left(memory), told(memory)) == ("", "Q/A")


def test_what_waits_goes_with_its_user(system, memory):
    """A purge is a promise: nothing said before it comes back."""
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A"))
    memory.purge()
    save(memory, turns("R/B"))

    assert (left(memory), told(memory)) == ("", "R/B")


def test_what_is_dropped_is_as_if_it_had_never_been_said(system, memory):
    with broken_store(system), pytest.raises(StoreError):
        save(memory, turns("Q/A"))
    drop(memory)
    assert (left(memory), told(memory)) == ("", "")

    save(memory, turns("Q/A"))

    assert told(memory) == "Q/A"


def test_what_waits_is_stored_when_its_system_is_closed(open_system):
    """Else it would be lost with a `with` block whose store works again by its end."""
    system = open_system()
    with broken_store(system), pytest.raises(StoreError):
        save(system.memory("tom", session_id="desk"), turns("Q/A"))
    system.close()

    assert told(open_system().memory("tom", session_id="desk")) == "Q/A"


def test_a_user_who_is_full_keeps_nobody_elses_turns_from_being_stored(open_system):
    """A limit is one user's, and what is beyond it is refused, not kept for ever."""
    system = open_system(max_pages=1)
    ann, bob = system.memory("ann"), system.memory("bob")
    save(ann, turns("Q/A"))
    for _ in range(2):
        with pytest.raises(LimitReached):
            save(ann, turns("R/B"))
        assert waiting(ann) == []
    with broken_store(system), pytest.raises(StoreError):
        save(bob, turns("S/C"))
    saving._try_once_more(system, [(ann.owner, ann.session_id), (bob.owner, bob.session_id)])

    assert [page.user_input for page in bob.pages()] == ["S"]
