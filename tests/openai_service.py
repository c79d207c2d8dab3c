"""What every framework's OpenAI classes do with a service on loopback: good, failing, or knowing less than OpenAI's."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from typing import ClassVar

import pytest

from memoryos_engine import ChatMessage, ChatModelError, TokenUsage
from memoryos_engine.embedding import HashingEmbedder
from memoryos_engine.errors import ReplyRefused
from memoryos_engine.evaluation.stand_in import reply
from memoryos_engine.llm import OutputSchema
from memoryos_engine.status import MemoryStatus
from tests.loopback import FORMATS, Body, ChatServer, Cut, Endless, Said, chat_server, failing
from tests.one_topic import ONE_TOPIC, SENTENCE, love, say

TIMEOUT = 10.0
MODEL = "gpt-4o-mini"
SECRET = "my secret diary"
ASKED = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=SECRET))
WANTED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
SCHEMA = OutputSchema(name="facts", schema=WANTED)


FAILURES = {
    "a limit": (failing(429, SECRET, retry_after="7"), "HTTP 429", 7.0),
    "the server": (failing(500, SECRET, retry_after="2"), "HTTP 500", 2.0),
    "the key": (failing(401, SECRET, retry_after=""), "HTTP 401", None),
    "the connection": (Cut(), "ConnectionError", None),
    "half a body": (Cut(in_body=True), "", None),
    "no JSON": (Body(text=SECRET, headers={}), "", None),
    "no completion": (Body(headers={}), "", None),
}
"""What goes wrong, what of it is in the message, and the seconds to wait."""


def stand_in(request):
    """The chat completions and the embeddings of a good service."""
    if "input" in request:
        vectors = HashingEmbedder(16).embed(request["input"]).tolist()
        data = [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        body = {"object": "list", "model": "e", "data": data, "usage": usage}
        return Body(text=json.dumps(body), headers={})
    return reply([ChatMessage(role=each["role"], content=each["content"]) for each in request["messages"]])


class OpenAIClasses:
    """The tests; a subclass makes the models, and says what of them is its framework's own."""

    tried: ClassVar[tuple[str, ...]] = ("json_schema",)
    """The response formats with a schema that are asked for before any other, in turn."""
    counting: ClassVar[dict[str, object]]
    """Options of a model that asks for the usage of streams."""

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "127.0.0.1")
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
            monkeypatch.delenv(name, raising=False)
        with chat_server() as running:
            yield running

    @pytest.fixture
    def model(self, connect):
        return connect()

    def test_an_answer_and_what_it_cost(self, model, server):
        server.replies.append("Hello!")

        assert (model.name, model.complete(ASKED)) == (MODEL, "Hello!")
        (request,) = server.requests
        said = [(each["role"], each["content"]) for each in request["messages"]]
        assert said == [("system", "Be brief."), ("user", SECRET)]
        assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)

    def test_a_strict_schema_is_what_is_asked_for(self, model, server):
        server.replies.append('{"a": "b"}')

        assert model.complete_json(ASKED, SCHEMA) == '{"a": "b"}'
        assert server.requests[0]["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "facts", "strict": True, "schema": WANTED},
        }

    def test_a_stream_comes_as_it_is_said_and_closing_it_ends_the_request(self, model, server):
        server.replies.extend([Said(pieces=("<think>Hm.</think>", "Hello ", "you.")), Endless()])

        assert list(model.stream(ASKED)) == ["Hello ", "you."]
        pieces = model.stream(ASKED)
        assert next(pieces) == "and on "
        pieces.close()
        gc.collect()  # some frameworks let go of the client's stream, a cycle, without closing it
        assert server.disconnected.wait(TIMEOUT)

    def test_a_stream_is_counted_by_the_server_where_it_is_asked_to(self, connect, server):
        server.replies.append(Said(text="Hello you.", usage=(70, 30)))
        model = connect(**self.counting)
        list(model.stream(ASKED))

        assert model.usage == TokenUsage(calls=1, prompt_tokens=70, completion_tokens=30)

    @pytest.mark.parametrize("events", [Cut(events=2), Cut(events=2, politely=True)], ids=["cut", "politely cut"])
    def test_a_stream_that_is_cut_broke_off(self, model, server, events):
        server.replies.append(events)
        pieces = model.stream(ASKED)
        assert [next(pieces), next(pieces)] == ["cut ", "cut "]
        with pytest.raises(ChatModelError):
            next(pieces)

    @pytest.mark.parametrize(
        "answer", [Said(text=None, refusal="no"), Said(text="", finish_reason="content_filter")], ids=str
    )
    def test_what_was_declined_is_a_refusal(self, model, server, answer):
        for ask in (lambda: model.complete(ASKED), lambda: model.complete_json(ASKED, SCHEMA)):
            server.replies.append(answer)
            with pytest.raises(ReplyRefused):
                ask()
        assert server.formats_asked() == [None, "json_schema"]

    def test_json_that_was_cut_is_an_error_and_has_cost_its_tokens(self, model, server):
        server.replies.append(Said(text='{"a": "b', finish_reason="length"))
        with pytest.raises(ChatModelError, match="was cut at its limit of tokens"):
            model.complete_json(ASKED, SCHEMA)

        assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)
        assert server.formats_asked() == ["json_schema"]

    @pytest.mark.parametrize(("answer", "kind", "seconds"), FAILURES.values(), ids=FAILURES)
    def test_what_goes_wrong_is_an_error_of_ours_that_quotes_nothing(self, model, server, answer, kind, seconds):
        for ask in (lambda: model.complete(ASKED), lambda: list(model.stream(ASKED))):
            server.faults.append(answer)
            with pytest.raises(ChatModelError) as caught:
                ask()

            told = str(caught.value)
            assert (kind in told, SECRET in told) == (True, False)
            assert (caught.value.retry_after, caught.value.__cause__) == (seconds, None)
        assert model.usage.calls <= 1

    @pytest.mark.parametrize(
        ("formats", "taken"),
        [(FORMATS, "json_schema"), (frozenset({"json_object"}), "json_object"), (frozenset(), None)],
        ids=["knows schemas", "knows JSON mode", "knows neither"],
    )
    def test_what_an_endpoint_knows_is_found_out_once(self, model, server, formats, taken):
        server.formats, server.respond = formats, lambda request: '{"a": "b"}'
        refused = [each for each in (*self.tried, "json_object") if each not in formats]

        assert [model.complete_json(ASKED, SCHEMA) for _ in range(2)] == ['{"a": "b"}'] * 2
        assert server.formats_asked() == [*refused, taken, taken]
        assert model.usage == TokenUsage(calls=2, prompt_tokens=14, completion_tokens=6)

    def test_a_memory_lives_on_them(self, open_system, connect, server, embedder):
        server.respond = stand_in
        system = open_system(llm=connect(), embedder=embedder, **ONE_TOPIC)
        memory = system.memory("tom")
        say(memory, *range(5))
        memory.flush()

        assert [entry.text for entry in memory.knowledge()] == love(*range(5))
        assert memory.status() == MemoryStatus(pending=0)
        assert memory.get_response("Which canoe?") == SENTENCE
        assert "".join(memory.stream_response("And where?")) == SENTENCE
        assert [each for each in server.formats_asked() if each] == ["json_schema", "json_schema"]
        assert system.check() == []
