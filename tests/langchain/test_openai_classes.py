"""langchain-openai's own classes against a server on loopback: what the engine sends, reads and counts through them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from memoryos_engine import ChatMessage, ChatModelError, TokenUsage
from memoryos_engine.embedding import HashingEmbedder
from memoryos_engine.errors import ReplyRefused
from memoryos_engine.evaluation.stand_in import reply
from memoryos_engine.llm import OutputSchema
from memoryos_engine.status import MemoryStatus
from memoryos_integrations.langchain.chat_model import LangChainChatModel
from memoryos_integrations.langchain.embedder import LangChainEmbedder
from tests.loopback import FORMATS, Body, ChatServer, Cut, Endless, Said, chat_server, failing

TIMEOUT = 10.0
SECRET = "my secret diary"
ASKED = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=SECRET))
WANTED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
SCHEMA = OutputSchema(name="facts", schema=WANTED)
ONE_TOPIC = {"short_term_capacity": 1, "similarity_threshold": -1.0, "heat_threshold": 0.0, "model_delay": 0.0}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    with chat_server() as running:
        yield running


@pytest.fixture
def connect(server: ChatServer) -> Callable[..., LangChainChatModel]:
    def connecting(**options):
        return LangChainChatModel(
            ChatOpenAI(model="m", base_url=server.url, api_key="sk-hunter2", max_retries=0, **options)
        )

    return connecting


@pytest.fixture
def model(connect: Callable[..., LangChainChatModel]) -> LangChainChatModel:
    return connect()


def test_an_answer_and_what_it_cost(model, server):
    server.replies.append("Hello!")

    assert (model.name, model.complete(ASKED)) == ("m", "Hello!")
    (request,) = server.requests
    assert [(each["role"], each["content"]) for each in request["messages"]] == [
        ("system", "Be brief."),
        ("user", SECRET),
    ]
    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)


def test_a_strict_schema_is_what_is_asked_for(model, server):
    server.replies.append('{"a": "b"}')

    assert model.complete_json(ASKED, SCHEMA) == '{"a": "b"}'
    assert server.requests[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "facts", "strict": True, "schema": WANTED},
    }


STRICT_AND_NOT = ["json_schema", "json_schema"]
ENDPOINTS = {
    "knows schemas": (FORMATS, ["json_schema", "json_schema"]),
    "knows JSON mode": (frozenset({"json_object"}), [*STRICT_AND_NOT, "json_object", "json_object"]),
    "knows neither": (frozenset(), [*STRICT_AND_NOT, "json_object", None, None]),
}


@pytest.mark.parametrize(("formats", "asked"), ENDPOINTS.values(), ids=ENDPOINTS)
def test_what_an_endpoint_knows_is_found_out_once(model, server, formats, asked):
    server.formats, server.respond = formats, lambda request: '{"a": "b"}'

    assert [model.complete_json(ASKED, SCHEMA) for _ in range(2)] == ['{"a": "b"}'] * 2
    assert server.formats_asked() == asked
    assert model.usage == TokenUsage(calls=2, prompt_tokens=14, completion_tokens=6)


def test_a_stream_comes_as_it_is_said_and_closing_it_ends_the_request(model, server):
    server.replies.extend([Said(pieces=("<think>Hm.</think>", "Hello ", "you.")), Endless()])

    assert list(model.stream(ASKED)) == ["Hello ", "you."]
    pieces = model.stream(ASKED)
    assert next(pieces) == "and on "
    pieces.close()
    assert server.disconnected.wait(TIMEOUT)


def test_a_stream_is_counted_by_the_server_where_it_is_asked_to(connect, server):
    server.replies.append(Said(text="Hello you.", usage=(70, 30)))
    model = connect(stream_usage=True)
    list(model.stream(ASKED))

    assert model.usage == TokenUsage(calls=1, prompt_tokens=70, completion_tokens=30)


@pytest.mark.parametrize("events", [Cut(events=2), Cut(events=2, politely=True)], ids=["cut", "politely cut"])
def test_a_stream_that_is_cut_broke_off(model, server, events):
    server.replies.append(events)
    pieces = model.stream(ASKED)
    assert [next(pieces), next(pieces)] == ["cut ", "cut "]
    with pytest.raises(ChatModelError):
        next(pieces)


@pytest.mark.parametrize(
    "answer", [Said(text=None, refusal="no"), Said(text="", finish_reason="content_filter")], ids=str
)
def test_what_was_declined_is_a_refusal(model, server, answer):
    for ask in (lambda: model.complete(ASKED), lambda: model.complete_json(ASKED, SCHEMA)):
        server.replies.append(answer)
        with pytest.raises(ReplyRefused):
            ask()
    assert server.formats_asked() == [None, "json_schema"]


def test_json_that_was_cut_is_an_error_and_has_cost_its_tokens(model, server):
    server.replies.append(Said(text='{"a": "b', finish_reason="length"))
    with pytest.raises(ChatModelError, match="was cut at its limit of tokens"):
        model.complete_json(ASKED, SCHEMA)

    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)
    assert server.formats_asked() == ["json_schema"]


FAILURES = {
    "a limit": (failing(429, SECRET, retry_after="7"), "HTTP 429", 7.0),
    "the server": (failing(500, SECRET, retry_after="2"), "HTTP 500", 2.0),
    "the key": (failing(401, SECRET, retry_after=""), "HTTP 401", None),
    "the connection": (Cut(), "ConnectionError", None),
    "half a body": (Cut(in_body=True), "", None),
    "no JSON": (Body(text=SECRET, headers={}), "", None),
    "no completion": (Body(headers={}), "", None),
}


@pytest.mark.parametrize(("answer", "kind", "seconds"), FAILURES.values(), ids=FAILURES)
def test_what_goes_wrong_is_an_error_of_ours_that_quotes_nothing(model, server, answer, kind, seconds):
    for ask in (lambda: model.complete(ASKED), lambda: list(model.stream(ASKED))):
        server.faults.append(answer)
        with pytest.raises(ChatModelError) as caught:
            ask()

        assert kind in str(caught.value)
        assert (SECRET in str(caught.value), caught.value.retry_after, caught.value.__cause__) == (False, seconds, None)
    assert model.usage.calls <= 1


# -- in a memory --------------------------------------------------------------------------------


def stand_in(request):
    """The chat completions and the embeddings of a good service."""
    if "input" in request:
        vectors = HashingEmbedder(16).embed(request["input"]).tolist()
        data = [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(vectors)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        body = {"object": "list", "model": "e", "data": data, "usage": usage}
        return Body(text=json.dumps(body), headers={})
    return reply([ChatMessage(role=each["role"], content=each["content"]) for each in request["messages"]])


def test_a_memory_lives_on_them(open_system, connect, server):
    server.respond = stand_in
    embeddings = OpenAIEmbeddings(
        model="e", base_url=server.url, api_key="sk-hunter2", dimensions=16, check_embedding_ctx_length=False
    )
    embedder = LangChainEmbedder(embeddings)
    system = open_system(llm=connect(), embedder=embedder, **ONE_TOPIC)
    memory = system.memory("tom")
    said = [f"I love my canoe number {number}." for number in range(5)]
    for text in said:
        memory.add_memory(text, "Fine.")
    memory.flush()

    assert embedder.name == "langchain:OpenAIEmbeddings(e, dimensions=16)"
    assert [entry.text for entry in memory.knowledge()] == said
    assert memory.status() == MemoryStatus(pending=0)
    assert memory.get_response("Which canoe?") == "I answer from what I remember."
    assert "".join(memory.stream_response("And where?")) == "I answer from what I remember."
    assert [each for each in server.formats_asked() if each] == ["json_schema", "json_schema"]
    assert system.check() == []
