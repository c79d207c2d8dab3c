"""The two sides of an exchange, handed over one by one: the answer joins what it answers."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

import pytest

from memoryos_engine import InvalidInput, NotFound, StoreError, Tier
from memoryos_engine.plan import Plan
from tests.integrations.failing import broken_store

from .soundness import assert_as_reloaded, told

ASKED, ANSWERED = "What is a violin made of?", "Of spruce and maple, mostly."


@pytest.fixture
def memory(system):
    return system.memory("tom", session_id="desk")


# -- joining ----------------------------------------------------------------------------------------


def test_the_answer_joins_the_page_of_what_was_asked(system, memory):
    """The page keeps its id, time and place; only its other side and its metadata are new."""
    page = memory.add_memory(ASKED, timestamp="2023-05-01T10:00:00Z", metadata={"a": 1, "b": {"x": [1, None]}})
    whole = memory.add_response(ANSWERED, metadata={"b": 2, "c": ["ü", {"y": 1.5}]})

    expected = replace(page, agent_response=ANSWERED, metadata={"a": 1, "b": 2, "c": ["ü", {"y": 1.5}]})
    assert whole == expected
    assert memory.pages() == [expected]
    assert memory.latest_memory().short_term == (expected,)
    assert_as_reloaded(system)


def test_an_answer_without_metadata_leaves_what_the_page_has(memory):
    page = memory.add_memory(ASKED, metadata={"a": 1})

    assert dict(memory.add_response(ANSWERED).metadata) == {"a": 1} == dict(page.metadata)


@pytest.mark.parametrize(
    "text", ["x" * 5000, "\x00", "پاسخ من این است", " leading and trailing \r\n", "{}[]\"'\\", "👩‍👩‍👧"]
)
def test_both_sides_are_kept_verbatim(open_system, text):
    """Codec: where one side ends and the other begins is kept, whatever they are."""
    system = open_system()
    memory = system.memory("tom", session_id="desk")
    memory.add_memory(text)
    memory.add_response(text)
    system.close()

    assert told(open_system().memory("tom")) == [("desk", text, text, 0)]


def test_a_conversation_handed_over_side_by_side_is_one_page_for_each_exchange(system, memory):
    for number in range(20):
        memory.add_memory(f"Question {number}")
        memory.add_response(f"Answer {number}")

    assert told(memory) == [("desk", f"Question {n}", f"Answer {n}", n) for n in range(20)]
    assert_as_reloaded(system)


def test_each_session_has_its_own_open_question(system, memory):
    """What others said since keeps its place; so does the page."""
    phone = memory.in_session("phone")
    memory.add_memory("Desk asks")
    phone.add_memory("Phone asks")
    system.memory("eve", session_id="desk").add_memory("Eve asks")
    memory.add_response("Desk answer")
    phone.add_response("Phone answer")

    assert told(memory) == [("desk", "Desk asks", "Desk answer", 0), ("phone", "Phone asks", "Phone answer", 1)]
    assert told(system.memory("eve")) == [("desk", "Eve asks", "", 0)]
    assert_as_reloaded(system)


def test_the_question_that_is_last_again_after_forgetting_takes_the_answer(memory):
    """What is the session's last page is read from its pages, not remembered apart."""
    memory.add_memory("First?")
    second = memory.add_memory("Second?", "Second.")
    memory.forget(second.id)

    memory.add_response("First.")

    assert told(memory) == [("desk", "First?", "First.", 0)]


# -- of several questions -----------------------------------------------------------------------------


def test_answers_go_to_the_questions_they_name_in_whatever_order_they_come(system, memory):
    """Asked at once, in one session; metadata goes with the answer."""
    asked = [memory.add_memory(f"Question {number}", metadata={"n": number}) for number in range(3)]
    found = {}
    for number in (1, 0, 2):
        found[number] = memory.add_response(f"Answer {number}", page_id=asked[number].id, metadata={"a": number})

    expected = [
        replace(page, agent_response=f"Answer {number}", metadata={"n": number, "a": number})
        for number, page in enumerate(asked)
    ]
    assert [found[number] for number in range(3)] == expected == memory.pages()
    assert_as_reloaded(system)


def test_an_answer_that_names_none_goes_to_the_last_question_alone(system, memory):
    first = memory.add_memory("First?")
    memory.add_memory("Second?")
    memory.add_response("Second.")
    memory.add_response("First.", page_id=first.id)

    assert told(memory) == [("desk", "First?", "First.", 0), ("desk", "Second?", "Second.", 1)]
    assert_as_reloaded(system)


def unknown(memory, asked):
    return "no such page"


def an_empty_name(memory, asked):
    return ""


def of_another_session(memory, asked):
    return memory.in_session("phone").add_memory("Hi").id


def of_another_user(memory, asked):
    return memory.system.memory("eve", session_id="desk").add_memory("Hi").id


def answered_already(memory, asked):
    memory.add_response("Of wood.", page_id=asked.id)
    return asked.id


def forgotten(memory, asked):
    memory.forget(asked.id)
    return asked.id


def moved(memory, asked):
    memory.move_pages([asked.id], "phone")
    return asked.id


def leave_stm(memory):
    for number in range(7):
        memory.add_memory(f"Text {number}", "Noted.")


def a_page_in_a_segment(memory, asked):
    leave_stm(memory)
    memory.flush()
    return asked.id


@pytest.mark.parametrize("named", [unknown, an_empty_name, of_another_user, forgotten])
def test_an_answer_to_a_page_that_is_none_is_refused(system, memory, named):
    """It may repeat what was deleted; and it is nobody else's answer."""
    page_id = named(memory, memory.add_memory(ASKED))
    memory.add_memory("And the bow?")
    before, others = memory.pages(), told(system.memory("eve"))
    with pytest.raises(NotFound):
        memory.add_response(ANSWERED, page_id=page_id)

    assert memory.pages() == before
    assert told(system.memory("eve")) == others


@pytest.mark.parametrize("named", [of_another_session, moved])
def test_an_answer_follows_its_page_into_another_session(system, memory, named):
    page_id = named(memory, memory.add_memory(ASKED))
    whole = memory.add_response(ANSWERED, page_id=page_id)

    assert (whole.id, whole.session_id, whole.agent_response) == (page_id, "phone", ANSWERED)
    assert_as_reloaded(system)


@pytest.mark.parametrize("named", [answered_already, a_page_in_a_segment])
def test_an_answer_to_a_page_that_takes_none_is_a_page_of_its_own(system, memory, named):
    """It does not go to another question that is open: whose answer it is, is known."""
    page_id = named(memory, memory.add_memory(ASKED))
    memory.add_memory("And the bow?")
    before, others = memory.pages(), told(system.memory("eve"))
    alone = memory.add_response(ANSWERED, page_id=page_id)

    assert memory.pages() == [*before, alone]
    assert (alone.session_id, alone.user_input, alone.agent_response) == ("desk", "", ANSWERED)
    assert told(system.memory("eve")) == others
    assert_as_reloaded(system)


def test_a_question_that_left_stm_and_waits_for_its_segment_takes_the_answer_that_names_it(system, memory):
    asked = memory.add_memory(ASKED)
    leave_stm(memory)
    whole = memory.add_response(ANSWERED, page_id=asked.id)

    assert memory.pages()[0] == whole == replace(asked, agent_response=ANSWERED)
    assert_as_reloaded(system)


@pytest.fixture
def answer_during_plan(memory, monkeypatch):
    """Consolidate, while another thread would answer a page; return how often the oldest was placed."""

    def answering(page_id):
        place, placed = Plan.place, []

        def placing(plan, page, *args):
            placed.append(page.sequence)
            if len(placed) == 1:
                memory.add_response(ANSWERED, page_id=page_id)
            return place(plan, page, *args)

        monkeypatch.setattr(Plan, "place", placing)
        memory.flush()
        return placed.count(0)

    return answering


def test_an_answer_is_not_written_over_by_a_plan_that_was_made_before_it_came(memory, answer_during_plan):
    asked = memory.add_memory(ASKED)
    leave_stm(memory)

    assert answer_during_plan(asked.id) == 2
    page = memory.page(asked.id)
    assert (page.user_input, page.agent_response, page.segment_id) == (ASKED, ANSWERED, memory.segments()[0].id)


def test_an_answer_in_stm_drops_no_plan(memory, answer_during_plan):
    leave_stm(memory)
    asked = memory.add_memory(ASKED)

    assert answer_during_plan(asked.id) == 1
    assert memory.pages()[-1] == replace(asked, agent_response=ANSWERED)


@pytest.mark.parametrize("page_id", [5, b"x", ["x"], "half \ud83d"])
def test_a_name_that_is_no_text_is_refused_and_nothing_stored(memory, page_id):
    memory.add_memory(ASKED)

    with pytest.raises(InvalidInput, match="page_id"):
        memory.add_response(ANSWERED, page_id=page_id)

    assert told(memory) == [("desk", ASKED, "", 0)]


def test_the_awaited_twin_answers_an_earlier_page_too(memory):
    first = memory.add_memory("First?")
    memory.add_memory("Second?")

    whole = asyncio.run(memory.aadd_response("First.", page_id=first.id))

    assert whole == replace(first, agent_response="First.")
    assert told(memory) == [("desk", "First?", "First.", 0), ("desk", "Second?", "", 1)]


# -- answers that become pages of their own ---------------------------------------------------------


def nothing(memory):
    """No page yet."""


def an_answered_page(memory):
    memory.add_memory("Hi", "Hello")


def a_blank_answer(memory):
    memory.add_memory("Hi", " ")


def an_answer_alone(memory):
    memory.add_memory("", "Welcome!")


def a_question_elsewhere(memory):
    memory.in_session("phone").add_memory("Hi")


def a_question_to_another(memory):
    memory.system.memory("tom", "tutor", "desk").add_memory("Hi")


def a_forgotten_question(memory):
    memory.forget(memory.add_memory("Hi").id)


def a_purged_question(memory):
    memory.add_memory("Hi")
    memory.purge()


@pytest.mark.parametrize(
    "before",
    [
        nothing,
        an_answered_page,
        a_blank_answer,
        an_answer_alone,
        a_question_elsewhere,
        a_question_to_another,
        a_forgotten_question,
        a_purged_question,
    ],
)
def test_an_answer_to_nothing_open_is_a_page_of_its_own(system, memory, clock, before):
    """Nothing an agent said is dropped, and no page of two sides is written over."""
    before(memory)
    known = memory.pages()
    clock.advance(minutes=1)
    alone = memory.add_response(ANSWERED, metadata={"n": 1})

    assert memory.pages() == [*known, alone]
    assert (alone.user_input, alone.agent_response, dict(alone.metadata)) == ("", ANSWERED, {"n": 1})
    assert (alone.session_id, alone.timestamp) == ("desk", clock())
    assert_as_reloaded(system)


def test_an_answer_that_arrives_twice_is_kept_twice(system, memory):
    """Whether it is a retry or the agent repeats itself cannot be told; neither is lost, the first stays."""
    memory.add_memory(ASKED)
    memory.add_response(ANSWERED)
    memory.add_response(ANSWERED)

    assert told(memory) == [("desk", ASKED, ANSWERED, 0), ("desk", "", ANSWERED, 1)]
    assert_as_reloaded(system)


@pytest.mark.parametrize("flushed", [False, True])
def test_a_question_that_left_stm_is_left_as_it_is(open_system, flushed):
    """It may be in a plan or a segment by then: what was derived from it must stay true."""
    system = open_system(short_term_capacity=1)
    memory = system.memory("tom", session_id="desk")
    asked = memory.add_memory(ASKED)
    if flushed:
        memory.flush()
    memory.add_response(ANSWERED)

    assert asked not in memory.pages(Tier.SHORT_TERM)
    assert told(memory) == [("desk", ASKED, "", 0), ("desk", "", ANSWERED, 1)]
    assert_as_reloaded(system)


def test_a_question_of_a_session_that_fell_silent_is_left_as_it_is(open_system):
    """Its pages left STM when enough other sessions had spoken."""
    system = open_system(short_term_sessions=1)
    memory = system.memory("tom", session_id="desk")
    memory.add_memory(ASKED)
    memory.in_session("phone").add_memory("Hi", "Hello")
    memory.add_response(ANSWERED)

    assert told(memory) == [("desk", ASKED, "", 0), ("phone", "Hi", "Hello", 1), ("desk", "", ANSWERED, 2)]
    assert_as_reloaded(system)


def test_an_answer_does_not_make_its_session_speak_again(open_system):
    """STM follows the order of the pages alone, so that the next process agrees on who fell silent."""
    system = open_system(short_term_sessions=2)
    memory = system.memory("tom", session_id="desk")
    memory.add_memory(ASKED)
    memory.in_session("phone").add_memory("Hi", "Hello")
    whole = memory.add_response(ANSWERED)
    last = memory.in_session("car").add_memory("Hi", "Hello")

    assert memory.pages(Tier.PENDING) == [whole]
    assert last.sessions_since == 0
    assert_as_reloaded(system)


# -- the same all the same ----------------------------------------------------------------------------


def test_the_awaited_twin_does_the_same(system, memory):
    """aadd_response: the same page, the same errors."""
    page = memory.add_memory(ASKED, metadata={"a": 1})

    whole = asyncio.run(memory.aadd_response(ANSWERED, metadata={"b": 2}))
    assert whole == replace(page, agent_response=ANSWERED, metadata={"a": 1, "b": 2})
    assert memory.pages() == [whole]
    with pytest.raises(InvalidInput):
        asyncio.run(memory.aadd_response(5))


def test_the_other_fields_of_a_page_are_those_of_a_page_that_came_whole(system, memory):
    """No field is left to what it was for half a page."""
    memory.add_memory(ASKED, metadata={"n": 1})
    halves = asdict(replace(memory.add_response(ANSWERED), metadata={}))
    whole = asdict(replace(system.memory("ann", session_id="desk").add_memory(ASKED, ANSWERED), metadata={}))

    assert {**halves, "id": ""} == {**whole, "id": ""}


def test_a_write_whose_reply_is_lost_is_found_out(system, memory):
    """Whoever looks sees it, and what comes after it has its own place."""
    with broken_store(system, writes=True), pytest.raises(StoreError):
        memory.add_memory("Is it there?")
    memory.add_memory("And this?")

    assert told(memory) == [("desk", "Is it there?", "", 0), ("desk", "And this?", "", 1)]
    assert_as_reloaded(system)
