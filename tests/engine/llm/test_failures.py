"""OpenAIChatModel when something fails: an error that says what to do, and never an answer."""

from __future__ import annotations

import traceback

import pytest

from memoryos_engine.errors import ChatModelError, ReplyRefused
from memoryos_engine.llm import ChatMessage, OpenAIChatModel, OutputSchema, TokenUsage
from tests.loopback import Body, Cut, Held, Said, failing

KEY = "sk-hunter2"
SECRET = "my secret diary"
ASKED = (ChatMessage(role="user", content=SECRET),)
SCHEMA = OutputSchema(name="facts", schema={"type": "object"})
NOTHING = TokenUsage()

BAD_ANSWERS = [
    pytest.param(Body(text="<html>login</html>", content_type="text/html"), id="a web page"),
    pytest.param(Body(text="<html>login</html>"), id="a web page that claims to be JSON"),
    pytest.param(Body(text=""), id="an empty body"),
    pytest.param(Body(text="null"), id="null"),
    pytest.param(Body(text="[]"), id="a list"),
    pytest.param(Body(text='"text"'), id="a text"),
    pytest.param(Body(text="{}"), id="an empty object"),
    pytest.param(Body(text='{"choices": null}'), id="null choices"),
    pytest.param(Body(text='{"choices": {"0": {}}}'), id="choices that are no list"),
    pytest.param(Body(text='{"choices": [1]}'), id="a choice that is a number"),
    pytest.param(Body(text='{"choices": [null]}'), id="a choice that is null"),
    pytest.param(Body(text='{"choices": [{}]}'), id="a choice without a message"),
    pytest.param(Body(text='{"choices": [{"message": "hello"}]}'), id="a message that is a text"),
    pytest.param(Body(text='{"choices": [{"message": {"content": [1]}}]}'), id="content that is a list"),
    pytest.param(Said(has_choices=False), id="no choices"),
    pytest.param(Said(text=None), id="null content"),
    pytest.param(Said(text=" \n"), id="blank content"),
    pytest.param(Said(text=None, finish_reason="length"), id="a limit reached before the first word"),
]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_failing_server_is_tried_again(connect, server, status):
    server.faults.extend([failing(status)] * 3)

    assert connect(max_retries=3).complete(ASKED) == "ok"
    assert len(server.requests) == 4


def test_tries_end(connect, server):
    server.faults.extend([failing(500)] * 9)

    with pytest.raises(ChatModelError, match=r"HTTP 500.*try again later"):
        connect(max_retries=2).complete(ASKED)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (400, "length of the prompt"),
        (401, "Check the API key"),
        (403, "may not"),
        (404, "no such model"),
        (429, "quota"),
    ],
)
def test_an_error_says_what_to_do(model, server, status, advice):
    server.faults.append(failing(status))

    with pytest.raises(ChatModelError, match=advice):
        model.complete(ASKED)
    assert (len(server.requests), model.usage) == (1, NOTHING)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "retry_after": "7"}, 0.25),
        ({"retry_after_ms": "soon", "retry_after": "7"}, 7.0),
        ({"retry_after": "-7"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({"x_other": "1"}, None),
    ],
    ids=str,
)
def test_the_time_that_the_server_asks_to_wait_is_told(model, server, headers, seconds):
    server.faults.append(failing(429, **headers))

    with pytest.raises(ChatModelError) as raised:
        model.complete(ASKED)
    assert raised.value.retry_after == seconds


def test_a_date_to_wait_for_is_told_in_seconds(model, server):
    server.faults.append(failing(503, retry_after="Fri, 31 Dec 2999 23:59:59 GMT"))

    with pytest.raises(ChatModelError) as raised:
        model.complete(ASKED)
    assert raised.value.retry_after > 365 * 24 * 3600


def test_a_server_that_does_not_answer_in_time_is_an_error(connect, server):
    server.replies.append(Held())

    with pytest.raises(ChatModelError, match=r"APITimeoutError.*timeout"):
        connect(timeout=0.05).complete(ASKED)


@pytest.mark.parametrize("cut", [Cut(), Cut(in_body=True)], ids=["before the answer", "within the body"])
def test_a_connection_that_is_cut_is_an_error(model, server, cut):
    server.replies.append(cut)

    with pytest.raises(ChatModelError, match=r"APIConnectionError.*base_url") as raised:
        model.complete(ASKED)
    assert raised.value.retry_after is None


def test_no_server_is_an_error(server):
    with pytest.raises(ChatModelError, match="APIConnectionError"):
        OpenAIChatModel("m", api_key=KEY, base_url="http://127.0.0.1:9/v1", max_retries=0).complete(ASKED)


@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_what_is_no_answer_is_an_error(model, server, answer):
    server.replies.extend([answer, answer])

    with pytest.raises(ChatModelError):
        model.complete(ASKED)
    with pytest.raises(ChatModelError):
        model.complete_json(ASKED, SCHEMA)
    assert len(server.requests) == 2


def test_what_is_no_completion_says_so(model, server):
    server.replies.append(Body(text="<html>login</html>", content_type="text/html"))

    with pytest.raises(ChatModelError, match="no chat completion"):
        model.complete(ASKED)


@pytest.mark.parametrize(
    "said",
    [
        Said(text=None, refusal="I can't help with that."),
        Said(text="half an ans", finish_reason="content_filter"),
        Said(text=None, finish_reason="content_filter"),
    ],
    ids=["refusal", "filtered", "filtered whole"],
)
def test_a_refusal_is_an_error_of_its_own(model, server, said):
    server.replies.extend([said, said])

    with pytest.raises(ReplyRefused):
        model.complete(ASKED)
    with pytest.raises(ReplyRefused):
        model.complete_json(ASKED, SCHEMA)


def test_a_long_answer_that_was_cut_is_still_an_answer(model, server):
    server.replies.append(Said(text="Once upon a", finish_reason="length"))

    assert model.complete(ASKED) == "Once upon a"


@pytest.mark.parametrize(
    "answer",
    [
        failing(401, f"bad key {KEY} for {SECRET}"),
        failing(400, SECRET),
        Body(text=f"<html>{SECRET} {KEY}</html>"),
        Body(text=f"<html>{SECRET} {KEY}</html>", content_type="text/html"),
        Said(text=None, refusal=f"I won't read {SECRET}"),
        Said(text=f"{SECRET} and", finish_reason="content_filter"),
        Said(text=f"{SECRET} and", finish_reason="length"),
    ],
    ids=["key", "prompt", "page as JSON", "page", "refusal", "filtered", "cut"],
)
def test_neither_key_nor_prompt_nor_reply_is_in_the_error_or_its_traceback(model, server, answer):
    server.faults.extend([answer] * 3)

    with pytest.raises(ChatModelError) as raised:
        model.complete_json(ASKED, SCHEMA)
    shown = "".join(traceback.format_exception(raised.value))
    assert (KEY in shown, SECRET in shown) == (False, False)
