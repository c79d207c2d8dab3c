"""Messages become turns, whatever order and portions they come in and however often they are sent."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_engine import DialoguePage
from memoryos_integrations.turns import Message, Turn, following, turns_of, unstored

TOOL = Message(role="other", text="42", id="tool")


def user(text: str, key: str | None = None) -> Message:
    return Message(role="user", text=text, id=key)


def agent(text: str, key: str | None = None) -> Message:
    return Message(role="agent", text=text, id=key)


def asking(text: str = "", key: str | None = None) -> Message:
    return Message(role="agent", text=text, id=key, asks_tools=True)


def sides(turns) -> list[tuple[str, str]]:
    return [(turn.user_input, turn.agent_response) for turn in turns]


# -- turns_of ---------------------------------------------------------------------------------------

EXCHANGES = {
    "nothing": ([], []),
    "a question": ([user("Q")], [("Q", "")]),
    "an exchange": ([user("Q"), agent("A")], [("Q", "A")]),
    "two exchanges": ([user("Q"), agent("A"), user("R"), agent("B")], [("Q", "A"), ("R", "B")]),
    "an answer to nobody": ([agent("A")], [("", "A")]),
    "a greeting first": ([agent("Welcome"), user("Q"), agent("A")], [("", "Welcome"), ("Q", "A")]),
    "two answers": ([user("Q"), agent("A"), agent("B")], [("Q", "A"), ("", "B")]),
    "two questions": ([user("Q"), user("R"), agent("B")], [("Q", ""), ("R", "B")]),
    "the same question twice": ([user("Q"), user("Q")], [("Q", ""), ("Q", "")]),
    "what says nothing": ([user(" \n"), user("Q"), agent("\t"), agent("A"), user("")], [("Q", "A")]),
    "systems and tools": ([TOOL, user("Q"), TOOL, agent("A"), TOOL], [("Q", "A")]),
    "a tool round": ([user("Q"), asking(), TOOL, agent("A")], [("Q", "A")]),
    "a word beside the tool": ([user("Q"), asking("I'll look."), TOOL, agent("A")], [("Q", "A")]),
    "an empty answer after it": ([user("Q"), asking("It is 42."), TOOL, agent("")], [("Q", "It is 42.")]),
    "the last word that was said": (
        [user("Q"), asking("First"), TOOL, asking("It is 42."), TOOL, asking(" "), TOOL, agent("")],
        [("Q", "It is 42.")],
    ),
    "the user goes on": ([user("Q"), asking("It is 42."), TOOL, user("R")], [("Q", "It is 42."), ("R", "")]),
    "the user goes on without a word": ([user("Q"), asking(), TOOL, user("R")], [("Q", ""), ("R", "")]),
    "the answer may still come": ([user("Q"), asking("I'll look."), TOOL], [("Q", "")]),
    "tools after the answer": ([user("Q"), agent("A"), asking("B"), TOOL, user("R")], [("Q", "A"), ("R", "")]),
    "tools for nobody": ([asking("B"), TOOL, user("R")], [("R", "")]),
    "a word is used once": ([user("Q"), asking("W"), agent(""), agent("")], [("Q", "W")]),
    "spaces are the speaker's": ([user(" Q "), agent("\nA\n")], [(" Q ", "\nA\n")]),
}


@pytest.mark.parametrize(("messages", "exchanges"), EXCHANGES.values(), ids=EXCHANGES)
def test_what_a_user_opens_the_next_thing_said_answers(messages, exchanges):
    assert sides(turns_of(messages)) == exchanges


IDENTIFIED = {
    "both sides": ([user("Q", "1"), agent("A", "2")], True),
    "no side": ([user("Q"), agent("A")], False),
    "the question": ([user("Q", "1"), agent("A")], False),
    "the answer": ([user("Q"), agent("A", "2")], False),
    "a question alone": ([user("Q", "1")], True),
    "an answer alone": ([agent("A", "1")], True),
    "a word beside a tool": ([user("Q", "1"), asking("W", "2"), agent("", "3")], True),
    "a word, and the user goes on": ([user("Q", "1"), asking("W"), user(" ")], True),
}


@pytest.mark.parametrize(("messages", "identified"), IDENTIFIED.values(), ids=IDENTIFIED)
def test_a_turn_is_identified_if_what_it_is_made_of_is(messages, identified):
    assert [turn.identified for turn in turns_of(messages)] == [identified]


texts = st.sampled_from(("", " ", "Q", "R", "yes"))
roles = st.sampled_from(("user", "agent", "other"))
ids = st.none() | st.sampled_from(("1", "2", "3"))
messages = st.lists(st.builds(Message, role=roles, text=texts, id=ids, asks_tools=st.booleans()), max_size=12)


@given(messages)
def test_every_text_of_the_user_is_in_exactly_one_turn(messages):
    said = [each.text for each in messages if each.role == "user" and each.text.strip()]

    assert [turn.user_input for turn in turns_of(messages) if turn.user_input] == said


@given(messages)
def test_every_answer_is_in_exactly_one_turn(messages):
    """In their order, between words that were said beside tools."""
    answers = [each.text for each in messages if each.role == "agent" and each.text.strip() and not each.asks_tools]
    found = iter(turn.agent_response for turn in turns_of(messages))

    assert all(answer in found for answer in answers)


@given(messages)
def test_no_turn_is_empty(messages):
    assert all(turn.user_input.strip() or turn.agent_response.strip() for turn in turns_of(messages))


# -- unstored ---------------------------------------------------------------------------------------

RESENT = {
    "nothing": ([], []),
    "all new": ([user("Q"), agent("A")], [user("Q"), agent("A")]),
    "people say the same twice": ([user("yes"), user("yes")], [user("yes"), user("yes")]),
    "ours": ([user("Q", "ours-1"), agent("A", "ours-2"), user("R")], [user("R")]),
    "only ours": ([user("Q", "ours-1")], []),
    "the input is repeated": ([user("Q", "1"), user("Q", "1"), agent("A", "2")], [user("Q", "1"), agent("A", "2")]),
    "and only there it has an id": ([user("Q"), user("Q", "1"), agent("A", "2")], [user("Q", "1"), agent("A", "2")]),
    "several, with what is not said": (
        [TOOL, user("Q"), user("R"), user("Q", "1"), user("R", "2"), agent("A", "3")],
        [user("Q", "1"), user("R", "2"), agent("A", "3")],
    ),
    "a system message that is only in the input": (
        [Message(role="other", text="Be kind"), user("Q"), user("Q", "1"), agent("A", "2")],
        [user("Q", "1"), agent("A", "2")],
    ),
    "a system message that got no id": (
        [user("Q"), Message(role="other", text="Be kind"), user("Q", "1"), agent("A", "2")],
        [user("Q", "1"), agent("A", "2")],
    ),
    "the output is all that was ever said": (
        [user("R", "3"), user("Q", "1"), agent("A", "2"), user("R", "3"), agent("B", "4")],
        [user("Q", "1"), agent("A", "2"), user("R", "3"), agent("B", "4")],
    ),
    "all that was ever said, and the input has no id": (
        [user("R"), user("Q", "1"), agent("A", "2"), user("R", "3"), agent("B", "4")],
        [user("Q", "1"), agent("A", "2"), user("R", "3"), agent("B", "4")],
    ),
    "our pages in front of it": (
        [user("R"), user("Q", "ours-1"), agent("A", "ours-2"), user("R", "3"), agent("B", "4")],
        [user("R", "3"), agent("B", "4")],
    ),
    "an input without an id and an answer with one": ([user("Q"), agent("A", "1")], [user("Q"), agent("A", "1")]),
    "the agent repeats the user": ([user("Q"), agent("Q", "1")], [user("Q"), agent("Q", "1")]),
    "said again after the answer": (
        [user("yes"), agent("A", "1"), user("yes", "2")],
        [user("yes"), agent("A", "1"), user("yes", "2")],
    ),
    "another input than the conversation has": ([user("R"), user("Q", "1")], [user("R"), user("Q", "1")]),
    "half of the input": ([user("R"), user("Q"), user("Q", "1")], [user("R"), user("Q"), user("Q", "1")]),
}  # fmt: skip


@pytest.mark.parametrize(("messages", "new"), RESENT.values(), ids=RESENT)
def test_what_comes_twice_is_new_once(messages, new):
    found = unstored(messages, lambda key: key.startswith("ours"))

    assert [each for each in found if each.role != "other"] == new


@given(st.lists(st.tuples(st.sampled_from("QRS"), st.booleans()), min_size=1, max_size=6), st.integers(0, 5))
def test_a_conversation_that_is_sent_whole_with_its_last_input_in_front_is_new_once(conversation, identified_input):
    """Whatever was asked, answered or not; the input bare, or with the id it has in the conversation."""
    whole = []
    for place, (text, answered) in enumerate(conversation):
        whole.append(user(text, f"u{place}"))
        whole += [agent(text.lower(), f"a{place}")] if answered else []
    last = max(place for place, each in enumerate(whole) if each.role == "user")
    asked = whole[last] if identified_input % 2 else user(whole[last].text)

    assert unstored([asked, *whole], lambda key: False) == whole


@given(messages)
def test_without_ids_everything_is_new(messages):
    bare = [Message(role=each.role, text=each.text, asks_tools=each.asks_tools) for each in messages]

    assert unstored(bare, lambda key: True) == bare


@given(messages)
def test_what_is_new_comes_in_its_order_each_id_once(messages):
    found = unstored(messages, lambda key: key == "2")
    places = iter(messages)
    named = [each.id for each in found if each.id is not None]

    assert all(each in places for each in found)
    assert len(named) == len(set(named))
    assert set(named) == {each.id for each in messages if each.id} - {"2"}


# -- following --------------------------------------------------------------------------------------

MOMENT = datetime(2024, 3, 1, tzinfo=timezone.utc)


def turn(text: str, identified: bool = True) -> Turn:
    """ "Qa" is a question and its answer, "Q" waits for one, "a" answers nobody."""
    said, answer = (text[:1], text[1:]) if text[0].isupper() else ("", text)
    return Turn(user_input=said, agent_response=answer, identified=identified)


def told(turns) -> str:
    return " ".join(each.user_input + each.agent_response for each in turns)


def pages(text: str) -> list[DialoguePage]:
    return [
        DialoguePage(id=f"page_{place}", session_id="s", user_input=each.user_input,
                     agent_response=each.agent_response, timestamp=MOMENT, sequence=place)
        for place, each in enumerate(map(turn, text.split()))
    ]  # fmt: skip


FOLLOWING = {
    "nothing is stored": ("Qa Rb", "", "Qa Rb"),
    "nothing is sent": ("", "Qa", ""),
    "one turn alone is always new": ("Qa", "Qa", "Qa"),
    "a conversation that goes on": ("Qa Rb", "Qa", "Rb"),
    "by several turns": ("Qa Rb Sc Td", "Qa Rb", "Sc Td"),
    "nothing new": ("Qa Rb", "Qa Rb", ""),
    "only its end is sent": ("Rb Sc", "Qa Rb", "Sc"),
    "only new turns are sent": ("Sc Td", "Qa Rb", "Sc Td"),
    "what was said before is said again": ("Qa Rb", "Qa Sc", "Qa Rb"),
    "the same twice": ("Qa Qa", "Qa", "Qa"),
    "the same thrice": ("Qa Qa Qa", "Qa Qa", "Qa"),
    "the same at both ends": ("Qa Rb Qa", "Qa Rb", "Qa"),
    "the answer came": ("Qa Rb", "Qa R", "b"),
    "the answer came, and more": ("Qa Rb Sc", "Qa R", "b Sc"),
    "the answer never came": ("Q Rb Sc", "Q Rb", "Sc"),
    "the answer to an older question": ("Qa Rb Sc", "Q Rb", "Sc"),
    "another answer": ("Qa Rb", "Qx", "Qa Rb"),
    "a page was forgotten": ("Qa Rb Sc Td", "Qa Sc", "Td"),
    "the first was forgotten": ("Qa Rb Sc Td", "Rb Sc", "Td"),
    "two were forgotten": ("Qa Rb Sc Td Ue Vf", "Qa Td Ue", "Vf"),
    "a page was forgotten, and its like comes": ("Qa Rb Sc Rb", "Qa Sc", "Rb"),
    "the last one was forgotten, which nobody can tell": ("Qa Rb Sc", "Qa Rb", "Sc"),
    "one page is no proof of a conversation": ("Sc Qa", "Qa", "Sc Qa"),
    "nor are questions that nobody answered": ("S Q R", "Q R", "S Q R"),
    "sides that were stored apart": ("Qa Rb Sc", "Q a Rb", "Sc"),
    "sides that were stored apart, last": ("Qa Rb Sc", "Qa R b", "Sc"),
    "an answer to nobody": ("w Qa Rb", "w Qa", "Rb"),
    "two answers": ("Qa b Rc", "Qa b", "Rc"),
}


@pytest.mark.parametrize(("sent", "stored", "new"), FOLLOWING.values(), ids=FOLLOWING)
def test_what_follows_on_what_is_stored_is_new(sent, stored, new):
    assert told(following([turn(each) for each in sent.split()], pages(stored))) == new


def test_turns_without_ids_are_never_taken_for_sent_again():
    bare = [turn(each, identified=False) for each in ("Qa", "Rb", "Sc")]

    assert following(bare, pages("Qa Rb")) == bare


def test_what_follows_stays_as_it_was_handed_over():
    bare = turn("Sc", identified=False)

    assert following([turn("Qa"), bare], pages("Qa")) == [bare]


exchanges = st.sampled_from(("Qa", "Qb", "Rb", "Yo"))
lists = st.lists(exchanges, max_size=6)


@given(lists, lists)
def test_a_conversation_sent_whole_after_every_exchange_is_stored_once(first, later):
    """Word for word the same exchanges are told apart by their number."""
    stored: list[str] = list(first)
    for count in range(1, len(later) + 1):
        sent = [*first, *later[:count]]
        stored += told(following([turn(each) for each in sent], pages(" ".join(stored)))).split()

    assert stored == [*first, *later]


@given(lists, lists)
def test_what_is_new_is_the_end_of_what_is_sent(sent, stored):
    """Nothing is made up, nothing reordered."""
    turns = [turn(each) for each in sent]
    new = following(turns, pages(" ".join(stored)))

    assert new == turns[len(turns) - len(new) :]


@given(st.lists(st.sampled_from("ABCDEFGH"), unique=True, min_size=3), st.data())
def test_forgetting_brings_nothing_back_that_is_still_there(questions, data):
    """Of a conversation that is sent whole, what was forgotten before its last two pages stays forgotten."""
    conversation = [f"{each}{each.lower()}" for each in questions]
    kept = data.draw(st.lists(st.sampled_from(conversation[:-2]), unique=True))
    stored = [each for each in conversation[:-2] if each in kept] + conversation[-2:]

    assert told(following([turn(each) for each in (*conversation, "Zz")], pages(" ".join(stored)))) == "Zz"
