"""OpenAIChatModel.stream through the official client, against a server on loopback."""

from __future__ import annotations

import json

import pytest

from memoryos_engine.errors import ChatModelError, ReplyRefused
from memoryos_engine.llm import ChatMessage, TokenUsage
from memoryos_engine.tokens import default_counter
from tests.loopback import PATIENCE, Body, Cut, Endless, Held, Said, failing

ASKED = (ChatMessage(role="user", content="Tell me more."),)
SENT = {"model": "m", "messages": [{"role": "user", "content": "Tell me more."}], "stream": True}
COUNTED = {**SENT, "stream_options": {"include_usage": True}}


def taken(pieces):
    """What a stream yields before it fails, and the error."""
    found = []
    with pytest.raises(ChatModelError) as raised:
        for piece in pieces:
            found.append(piece)
    return found, raised.value


def test_the_answer_comes_in_pieces(model, server):
    server.replies.append("one two three")

    assert list(model.stream(ASKED)) == ["one", " two", " three"]
    assert server.requests == [COUNTED]
    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)


def test_nothing_is_asked_before_the_first_piece_is_wanted(model, server):
    model.stream(ASKED)

    assert server.requests == []


def test_a_piece_is_there_before_the_next_one_is_said(model, server):
    server.replies.append(Said(text="one two", held_after=1))
    pieces = model.stream(ASKED)

    assert next(pieces) == "one"
    server.release()
    assert list(pieces) == [" two"]


def test_closing_a_stream_ends_the_request(model, server):
    server.replies.append(Endless())
    pieces = model.stream(ASKED)

    assert [next(pieces), next(pieces)] == ["and on ", "and on "]
    pieces.close()
    assert server.disconnected.wait(PATIENCE)
    count = default_counter()
    assert model.usage == TokenUsage(
        calls=1, prompt_tokens=count("Tell me more."), completion_tokens=count("and on and on ")
    )


def test_an_error_of_the_readers_ends_the_request_and_stays_the_readers(model, server):
    server.replies.append(Endless())
    pieces = model.stream(ASKED)
    next(pieces)

    with pytest.raises(KeyError, match="mine"):
        pieces.throw(KeyError("mine"))
    assert server.disconnected.wait(PATIENCE)


def test_an_endpoint_that_refuses_to_count_is_asked_once(model, server):
    server.counts_streams = False
    for _ in range(2):
        assert list(model.stream(ASKED)) == ["ok"]

    count = default_counter()
    assert server.requests == [COUNTED, SENT, SENT]
    assert model.usage == TokenUsage(
        calls=2, prompt_tokens=2 * count("Tell me more."), completion_tokens=2 * count("ok")
    )


def test_a_request_that_fails_either_way_says_nothing_about_counting(model, server):
    server.faults.extend([failing(400)] * 2)

    with pytest.raises(ChatModelError, match="HTTP 400"):
        list(model.stream(ASKED))
    assert (list(model.stream(ASKED)), server.requests) == (["ok"], [COUNTED, SENT, COUNTED])


def test_a_server_that_ignores_the_wish_to_count_is_counted_for(model, server):
    server.replies.append(Said(text="one two", usage=None))
    list(model.stream(ASKED))

    assert model.usage.completion_tokens == default_counter()("one two")


@pytest.mark.parametrize("politely", [False, True], ids=["cut", "closed"])
def test_a_stream_that_breaks_off_is_an_error_after_its_pieces(model, server, politely):
    """Over HTTP a cut connection may look like one that was closed; only the reason of the end tells."""
    server.replies.append(Cut(events=2, politely=politely))

    pieces, error = taken(model.stream(ASKED))
    assert pieces == ["cut ", "cut "]
    assert type(error) is ChatModelError


@pytest.mark.parametrize("events", [None, 0])
def test_a_stream_that_never_begins_is_an_error(model, server, events):
    server.replies.append(Cut(events=events))

    assert taken(model.stream(ASKED))[0] == []


def test_a_refusal_is_an_error_of_its_own(model, server):
    server.replies.append(Said(refusal="I can't help with that."))

    with pytest.raises(ReplyRefused):
        list(model.stream(ASKED))


def test_an_answer_that_a_filter_ends_is_a_refusal(model, server):
    server.replies.append(Said(text="half an", finish_reason="content_filter"))

    pieces, error = taken(model.stream(ASKED))
    assert (pieces, type(error)) == (["half", " an"], ReplyRefused)


def test_an_answer_that_reached_its_limit_is_an_answer(model, server):
    server.replies.append(Said(text="Once upon", finish_reason="length"))

    assert list(model.stream(ASKED)) == ["Once", " upon"]


@pytest.mark.parametrize(
    "answer",
    [
        Said(text=""),
        Said(text=None),
        Body(text="<html>login</html>", content_type="text/html"),
        Body(text="{}"),
        Body(text="", content_type="text/event-stream"),
        Body(text="data: [DONE]\n\n", content_type="text/event-stream"),
        Body(text="data: null\n\ndata: [1]\n\ndata: {}\n\n", content_type="text/event-stream"),
        Body(text='data: {"choices": [{"delta": null}]}\n\n', content_type="text/event-stream"),
    ],
    ids=["", "null", "page", "object", "nothing", "done", "odd events", "no delta"],
)
def test_a_stream_that_says_nothing_is_an_error(model, server, answer):
    server.replies.append(answer)

    assert "".join(taken(model.stream(ASKED))[0]) == ""


@pytest.mark.parametrize("event", ["<html>", json.dumps({"error": {"message": "Tell me more. is too much"}})])
def test_an_event_that_is_an_error_ends_the_stream_without_being_quoted(model, server, event):
    said = 'data: {"choices": [{"delta": {"content": "one"}}]}\n\n'
    server.replies.append(Body(text=f"{said}data: {event}\n\n", content_type="text/event-stream"))

    pieces, error = taken(model.stream(ASKED))
    assert (pieces, "Tell me more" in str(error)) == (["one"], False)


def test_an_error_before_the_stream_tells_how_long_to_wait(model, server):
    server.faults.append(failing(429, retry_after="7"))

    pieces, error = taken(model.stream(ASKED))
    assert (pieces, error.retry_after) == ([], 7.0)


def test_a_busy_server_is_tried_again(connect, server):
    server.faults.extend([failing(503)] * 2)

    assert list(connect(max_retries=2).stream(ASKED)) == ["ok"]


@pytest.mark.parametrize("answer", [Held(), Said(text="one two", held_after=1)], ids=["the first", "the next"])
def test_a_piece_that_does_not_come_in_time_is_an_error(connect, server, answer):
    server.replies.append(answer)

    assert "Timeout" in str(taken(connect(timeout=0.1).stream(ASKED))[1])
