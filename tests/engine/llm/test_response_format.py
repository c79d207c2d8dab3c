"""Structured output: which format an endpoint takes is found out once, and only from what it does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from memoryos_engine.errors import ChatModelError
from memoryos_engine.llm import ChatMessage, OutputSchema
from memoryos_engine.llm.response_format import naming_json
from tests.loopback import FORMATS, Said, failing

ASKED = (ChatMessage(role="user", content="The user's name as JSON, please."),)
SCHEMA = OutputSchema(
    name="names",
    schema={
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
)
REPLY = '{"name": "Tom"}'
OBJECTS = frozenset(("json_object",))
WORDS: frozenset[str] = frozenset()


def test_a_schema_is_asked_for_strictly(model, server):
    server.replies.append(REPLY)

    assert model.complete_json(ASKED, SCHEMA) == REPLY
    wanted = {"name": "names", "strict": True, "schema": SCHEMA.schema}
    assert server.requests == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "The user's name as JSON, please."}],
            "response_format": {"type": "json_schema", "json_schema": wanted},
        }
    ]


@pytest.mark.parametrize(
    ("formats", "asked"),
    [
        (FORMATS, ["json_schema", "json_schema", "json_schema"]),
        (OBJECTS, ["json_schema", "json_object", "json_object", "json_object"]),
        (WORDS, ["json_schema", "json_object", None, None, None]),
    ],
    ids=["schemas", "objects", "words"],
)
def test_what_an_endpoint_refuses_is_asked_for_once(model, server, formats, asked):
    server.formats = formats
    server.respond = lambda request: REPLY

    assert [model.complete_json(ASKED, SCHEMA) for _ in range(3)] == [REPLY] * 3
    assert server.formats_asked() == asked


@pytest.mark.parametrize("status", [400, 404, 415, 422, 501])
def test_any_status_of_a_refusal_will_do(model, server, status):
    server.formats, server.refusal_status = WORDS, status

    assert model.complete_json(ASKED, SCHEMA) == "ok"
    assert server.formats_asked() == ["json_schema", "json_object", None]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_another_error_is_no_refusal_of_the_format(model, server, status):
    server.faults.append(failing(status))

    with pytest.raises(ChatModelError, match=str(status)):
        model.complete_json(ASKED, SCHEMA)
    assert (model.complete_json(ASKED, SCHEMA), server.formats_asked()) == ("ok", ["json_schema"] * 2)


def test_a_request_that_fails_in_every_format_says_nothing_about_formats(model, server):
    """A prompt that is too long is a 400 too."""
    server.faults.extend([failing(400)] * 3)

    with pytest.raises(ChatModelError, match="HTTP 400"):
        model.complete_json(ASKED, SCHEMA)
    assert model.complete_json(ASKED, SCHEMA) == "ok"
    assert server.formats_asked() == ["json_schema", "json_object", None, "json_schema"]


def test_a_fault_on_the_way_leaves_nothing_remembered(model, server):
    server.faults.extend([failing(400), failing(500)])

    with pytest.raises(ChatModelError, match="HTTP 500"):
        model.complete_json(ASKED, SCHEMA)
    assert model.complete_json(ASKED, SCHEMA) == "ok"
    assert server.formats_asked() == ["json_schema", "json_object", "json_schema"]


@pytest.mark.parametrize(("formats", "working"), [(FORMATS, "json_schema"), (OBJECTS, "json_object"), (WORDS, None)])
def test_a_format_that_has_worked_is_not_given_up(model, server, formats, working):
    server.formats = formats
    model.complete_json(ASKED, SCHEMA)
    server.requests.clear()
    server.faults.append(failing(400))

    with pytest.raises(ChatModelError, match="HTTP 400"):
        model.complete_json(ASKED, SCHEMA)
    assert model.complete_json(ASKED, SCHEMA) == "ok"
    assert server.formats_asked() == [working, working]


def test_an_endpoint_that_ignores_the_format_is_believed(model, server):
    """Whether the text is JSON is for whoever parses it."""
    server.replies.append("I would rather talk.")

    assert model.complete_json(ASKED, SCHEMA) == "I would rather talk."
    assert server.formats_asked() == ["json_schema"]


def test_what_one_model_object_learnt_another_does_not_know(connect, server):
    server.formats = WORDS
    connect().complete_json(ASKED, SCHEMA)
    connect().complete_json(ASKED, SCHEMA)

    assert server.formats_asked() == ["json_schema", "json_object", None] * 2


def test_threads_that_find_out_together_agree(model, server):
    server.formats = OBJECTS
    together = Barrier(8)

    def ask(_: int) -> str:
        together.wait()
        return model.complete_json(ASKED, SCHEMA)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == ["ok"] * 8
    server.requests.clear()
    assert (model.complete_json(ASKED, SCHEMA), server.formats_asked()) == ("ok", ["json_object"])


def test_an_answer_that_was_cut_is_never_json(model, server):
    server.replies.append(Said(text=REPLY, finish_reason="length"))

    with pytest.raises(ChatModelError, match="was cut"):
        model.complete_json(ASKED, SCHEMA)


def test_the_word_json_is_in_the_messages(model, server):
    """OpenAI's JSON mode refuses a request without it; the server here does too."""
    server.formats = OBJECTS

    assert model.complete_json([ChatMessage(role="user", content="Names?")], SCHEMA) == "ok"
    assert server.requests[1]["messages"] == [{"role": "user", "content": "Names?\n\nAnswer with JSON only."}]


@pytest.mark.parametrize("content", ["as JSON", "as json", "a Json object"])
def test_messages_that_name_json_are_left_alone(content):
    messages = [ChatMessage(role="system", content=content), ChatMessage(role="user", content="Names?")]

    assert naming_json(messages) == messages


def test_no_messages_stay_no_messages():
    assert naming_json([]) == []
