"""The port: what any object with `complete` can do, and what richer models do better."""

from __future__ import annotations

import pytest

from memoryos_engine.errors import ChatModelError, InvalidInput, ReplyRefused
from memoryos_engine.llm import (
    ChatMessage,
    JSONChatModel,
    OpenAIChatModel,
    OutputSchema,
    ScriptedChatModel,
    StreamingChatModel,
    TokenUsage,
    complete_json,
    stream,
)

ASKED = (ChatMessage(role="user", content="hello"),)
SCHEMA = OutputSchema(name="facts", schema={"type": "object"})


class Plain:
    """The least that is a chat model."""

    name = "plain"

    def __init__(self) -> None:
        self.asked = []

    def complete(self, messages):
        self.asked.append(messages)
        return "{} from complete"


def test_a_plain_model_answers_json_and_streams_through_complete():
    model = Plain()

    assert complete_json(model, ASKED, SCHEMA) == "{} from complete"
    assert list(stream(model, ASKED)) == ["{} from complete"]
    assert model.asked == [ASKED, ASKED]


def test_a_plain_model_is_not_asked_before_the_first_piece_is_wanted():
    model = Plain()
    stream(model, ASKED)

    assert model.asked == []


def test_a_richer_model_is_given_the_schema_and_the_stream():
    model = ScriptedChatModel(["{}", "abcd"])

    assert (complete_json(model, ASKED, SCHEMA), list(stream(model, ASKED))) == ("{}", ["a", "b", "c", "d"])
    assert model.schemas == [SCHEMA, None]


@pytest.mark.parametrize("kind", [ScriptedChatModel, OpenAIChatModel])
def test_the_models_that_ship_are_rich(kind):
    model = kind.__new__(kind)

    assert (isinstance(model, JSONChatModel), isinstance(model, StreamingChatModel)) == (True, True)


def test_a_plain_model_is_neither():
    assert (isinstance(Plain(), JSONChatModel), isinstance(Plain(), StreamingChatModel)) == (False, False)


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, "a\n"], ids=repr)
def test_a_name_that_services_refuse_is_refused_first(name):
    with pytest.raises(InvalidInput, match="name"):
        OutputSchema(name=name, schema={})


@pytest.mark.parametrize("name", ["a", "memory-note_2", "x" * 64])
def test_a_name_that_services_take_is_taken(name):
    assert OutputSchema(name=name, schema={}).name == name


def test_usage_adds_up():
    first = TokenUsage(calls=1, prompt_tokens=2, completion_tokens=3)
    second = TokenUsage(calls=10, prompt_tokens=20, completion_tokens=30)

    assert first + second == TokenUsage(calls=11, prompt_tokens=22, completion_tokens=33)
    assert sum((first, second), TokenUsage()) == first + second


def test_an_error_is_made_of_a_text_as_ever():
    error = ChatModelError("no answer")

    assert (str(error), error.args, error.retry_after) == ("no answer", ("no answer",), None)


def test_a_refusal_is_a_chat_model_error_that_knows_how_long_to_wait():
    error = ReplyRefused("no", retry_after=2.5)

    assert (isinstance(error, ChatModelError), error.retry_after) == (True, 2.5)
