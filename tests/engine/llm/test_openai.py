"""OpenAIChatModel: what it sends, what it returns and what it counts, through the official client."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from memoryos_engine.errors import InvalidInput, ReplyRefused
from memoryos_engine.llm import ChatMessage, OpenAIChatModel, OutputSchema, TokenUsage
from memoryos_engine.tokens import default_counter
from tests.loopback import Body, Said

KEY = "sk-hunter2"
SECRET = "my secret diary"
ASKED = (ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=SECRET))
SENT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SECRET}]
SCHEMA = OutputSchema(name="facts", schema={"type": "object"})


def test_the_answer_is_the_text_and_the_request_is_nothing_more_than_asked(model, server):
    server.replies.append("Hello!")

    assert model.complete(ASKED) == "Hello!"
    assert server.requests == [{"model": "m", "messages": SENT}]
    assert (server.paths, server.keys) == (["/v1/chat/completions"], [f"Bearer {KEY}"])


def test_options_are_fields_of_every_request(connect, server):
    """Those that only some servers know pass too."""
    options = {"temperature": 0, "top_k": 40, "chat_template_kwargs": {"enable_thinking": False}}
    model = connect(options=options)
    options["temperature"] = 1
    model.complete(ASKED)
    model.complete_json(ASKED, SCHEMA)
    list(model.stream(ASKED))

    expected = {"temperature": 0, "top_k": 40, "chat_template_kwargs": {"enable_thinking": False}}
    assert [{name: request[name] for name in expected} for request in server.requests] == [expected] * 3


@pytest.mark.parametrize(
    "options",
    [
        {"model": "x"},
        {"messages": []},
        {"stream": True},
        {"stream_options": {}},
        {"response_format": {}},
        {"extra_headers": {}},
        {"extra_body": {}},
        {"timeout": 1},
        {"stop": {1}},
    ],
    ids=str,
)
def test_an_option_that_is_not_the_callers_to_set_is_refused(connect, options):
    with pytest.raises(InvalidInput, match=r"^options "):
        connect(options=options)


def test_a_model_without_a_name_is_refused(server):
    with pytest.raises(InvalidInput, match="model"):
        OpenAIChatModel("", api_key=KEY)


def test_a_missing_key_names_the_fix(server):
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
        OpenAIChatModel("m", base_url=server.url)


def test_key_and_address_come_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)

    assert OpenAIChatModel("m", base_url="").complete(ASKED) == "ok"
    assert server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("variable", [None, ""])
def test_an_empty_address_is_openais_own(server, monkeypatch, variable):
    if variable is not None:
        monkeypatch.setenv("OPENAI_BASE_URL", variable)

    assert str(OpenAIChatModel("m", api_key=KEY, base_url="")._client.base_url) == "https://api.openai.com/v1/"


def test_a_client_of_the_callers_is_used_as_it_is(server):
    with openai.OpenAI(api_key="sk-other", base_url=server.url) as client:
        OpenAIChatModel("m", client=client).complete(ASKED)

    assert server.keys == ["Bearer sk-other"]


def test_a_lone_surrogate_is_replaced_not_refused(model, server):
    model.complete([ChatMessage(role="user", content="a\ud800b")])

    assert server.requests[0]["messages"] == [{"role": "user", "content": "a?b"}]


def test_usage_is_the_servers_count(model, server):
    server.replies.extend([Said(usage=(7, 3)), Said(usage=(20, 4))])
    model.complete(ASKED)
    model.complete_json(ASKED, SCHEMA)

    assert model.usage == TokenUsage(calls=2, prompt_tokens=27, completion_tokens=7)


@pytest.mark.parametrize("usage", ["missing", None, {}, {"prompt_tokens": None, "completion_tokens": 3}, 7], ids=str)
def test_usage_is_our_count_where_the_server_does_not_tell(model, server, usage):
    body = {"choices": [{"message": {"content": "Hello there!"}}], "usage": usage}
    if usage == "missing":
        del body["usage"]
    server.replies.append(Body(text=json.dumps(body)))
    model.complete(ASKED)

    count = default_counter()
    prompt = count("Be brief.") + count(SECRET)
    assert model.usage == TokenUsage(calls=1, prompt_tokens=prompt, completion_tokens=count("Hello there!"))


def test_an_answer_that_cannot_be_used_has_cost_its_tokens(model, server):
    server.replies.append(Said(text=None, refusal="no", usage=(7, 3)))

    with pytest.raises(ReplyRefused):
        model.complete(ASKED)
    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)


def test_threads_share_a_model(model, server):
    server.respond = lambda request: request["messages"][0]["content"].upper()
    texts = [f"text {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: model.complete([ChatMessage(role="user", content=text)]), texts))

    assert found == [text.upper() for text in texts]
    assert model.usage == TokenUsage(calls=40, prompt_tokens=280, completion_tokens=120)
