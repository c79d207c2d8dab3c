"""ScriptedChatModel: it says what it was told to, and remembers what it was asked."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from memoryos_engine.errors import ChatModelError
from memoryos_engine.llm import ChatMessage, OutputSchema, ScriptedChatModel, TokenUsage
from memoryos_engine.tokens import estimate_tokens

SCHEMA = OutputSchema(name="facts", schema={"type": "object"})


def asked(text):
    return (ChatMessage(role="user", content=text),)


def test_replies_come_in_order_and_requests_are_remembered():
    model = ScriptedChatModel(["one"])
    model.enqueue("two", "three")

    assert [model.complete(list(asked(text))) for text in "abc"] == ["one", "two", "three"]
    assert model.requests == [asked("a"), asked("b"), asked("c")]
    assert model.schemas == [None, None, None]


def test_the_schema_of_each_request_is_remembered():
    model = ScriptedChatModel(["one", "{}", "three"])

    assert [model.complete(asked("a")), model.complete_json(asked("b"), SCHEMA)] == ["one", "{}"]
    assert list(model.stream(asked("c"))) == ["th", "re", "e"]
    assert model.schemas == [None, SCHEMA, None]


def test_an_exception_is_raised_and_the_script_goes_on():
    model = ScriptedChatModel([ChatModelError("down"), RuntimeError("broken"), "up"])

    with pytest.raises(ChatModelError, match="down"):
        model.complete(asked("a"))
    with pytest.raises(RuntimeError, match="broken"):
        list(model.stream(asked("b")))
    assert model.complete(asked("c")) == "up"
    assert model.requests == [asked("a"), asked("b"), asked("c")]


def test_a_callable_is_given_the_messages():
    model = ScriptedChatModel([lambda messages: messages[-1].content.upper()])

    assert model.complete(asked("hello")) == "HELLO"


def test_an_unexpected_call_is_an_error_that_is_remembered():
    model = ScriptedChatModel()

    with pytest.raises(ChatModelError, match="enqueue"):
        model.complete(asked("a"))
    assert model.requests == [asked("a")]


def test_otherwise_answers_when_the_queue_is_empty():
    model = ScriptedChatModel(["first"], otherwise=lambda messages: f"{messages[0].content}?")

    assert [model.complete(asked(text)) for text in "abc"] == ["first", "b?", "c?"]


@pytest.mark.parametrize("answer", ["", "a", "abcde", "a longer answer in several pieces"])
def test_the_pieces_of_a_stream_are_the_answer(answer):
    pieces = list(ScriptedChatModel([answer]).stream(asked("a")))

    assert ("".join(pieces), len(pieces)) == (answer, min(len(answer), 4 if len(answer) != 5 else 3))


def test_usage_is_estimated_for_answers_only():
    model = ScriptedChatModel(["an answer", ChatModelError("down")])
    model.complete(asked("hello"))
    with pytest.raises(ChatModelError):
        model.complete(asked("hello"))

    hello, answer = estimate_tokens("hello"), estimate_tokens("an answer")
    assert model.usage == TokenUsage(calls=1, prompt_tokens=hello, completion_tokens=answer)


def test_latency_is_slept_by_each_call_side_by_side(monkeypatch):
    """Threads that sleep must not wait for each other: the lock is free meanwhile."""
    model = ScriptedChatModel(["one", "two"], latency=1.5)
    slept = []

    def sleeping(seconds):
        slept.append(seconds)
        if len(slept) == 1:
            assert model.complete(asked("b")) == "two"

    monkeypatch.setattr(time, "sleep", sleeping)
    assert model.complete(asked("a")) == "one"
    assert slept == [1.5, 1.5]


def test_threads_share_a_script():
    model = ScriptedChatModel(str(number) for number in range(200))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: model.complete(asked(str(number))), range(200)))

    assert sorted(found, key=int) == [str(number) for number in range(200)]
    assert (len(model.requests), len(model.schemas), model.usage.calls) == (200, 200, 200)
