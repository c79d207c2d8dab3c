"""LangChainChatModel.complete_json: how a model is held to a schema, and what happens where it cannot be."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from openai import LengthFinishReasonError
from openai.types.chat import ChatCompletion
from pydantic import Field

from memoryos_engine import ChatMessage, ChatModelError, TokenUsage
from memoryos_engine.errors import ReplyRefused
from memoryos_engine.llm import OutputSchema
from memoryos_integrations.langchain.chat_model import LangChainChatModel
from tests.langchain.speaking import Speaker, ToolCaller, calling, saying

ASKED = (ChatMessage(role="user", content="What do you know?"),)
WANTED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
SCHEMA = OutputSchema(name="facts", schema=WANTED)
REPLY = '{"a": "Zoë"}'


class Refusal(Exception):
    """What an endpoint answers to what it does not know."""

    def __init__(self, status_code):
        super().__init__()
        self.status_code = status_code


class Formats(Speaker):
    """A model with every way of structured output, of which its endpoint takes some."""

    takes: tuple[str, ...] = ("strict", "schema", "json", "words")
    tried: list[str] = Field(default_factory=list)

    def with_structured_output(self, schema, *, include_raw=False, method="json_schema", strict=None, **kwargs):
        way = "json" if method == "json_mode" else "strict" if strict else "schema"
        return self.bind(way=way) | RunnableLambda(lambda raw: {"raw": raw, "parsed": None, "parsing_error": None})

    def _generate(self, messages, stop=None, run_manager=None, *, way="words", **kwargs):
        self.tried.append(way)
        if way not in self.takes:
            raise Refusal(400)
        return super()._generate(messages, stop, run_manager, **kwargs)


def asked_of(model, times=1):
    wrapped = LangChainChatModel(model)
    return [wrapped.complete_json(ASKED, SCHEMA) for _ in range(times)]


# -- models that call tools ---------------------------------------------------------------------


def test_a_model_with_tools_is_held_to_the_schema_by_one():
    model = ToolCaller(respond=saying(calling({"a": "Zoë"})))

    assert asked_of(model) == [REPLY]
    (tool,) = model.options[0]["tools"]
    assert (tool["function"]["name"], tool["function"]["parameters"]) == ("facts", WANTED)
    assert (len(model.options), model.options[0]["tool_choice"]) == (1, "any")


def test_the_schema_of_the_caller_is_left_as_it_was():
    class Careless(ToolCaller):
        def with_structured_output(self, schema, **kwargs):
            schema["properties"].clear()
            return super().with_structured_output(schema, **kwargs)

    before = json.dumps(SCHEMA.schema)
    asked_of(Careless(respond=saying(calling({}))))

    assert json.dumps(SCHEMA.schema) == before


TOOL_ANSWERS = {
    "a call": (calling({"a": "Zoë"}), REPLY),
    "words before the call": (calling({"a": "Zoë"}).model_copy(update={"content": "I will note:"}), REPLY),
    "the wrong tool": (AIMessage("", tool_calls=[{"name": "functions.facts", "args": {"a": "Zoë"}, "id": "1"}]), REPLY),
    "no call but the JSON in words": (REPLY, REPLY),
    "no call but prose": ("There is nothing to note.", "There is nothing to note."),
    "a call cut short": (
        AIMessage("", invalid_tool_calls=[{"name": "facts", "args": '{"a": "Zo', "id": "1", "error": None}]),
        '{"a": "Zo',
    ),
    "blocks": (AIMessage([{"type": "thinking", "thinking": "{}"}, {"type": "text", "text": REPLY}]), REPLY),
}


@pytest.mark.parametrize(("answer", "expected"), TOOL_ANSWERS.values(), ids=TOOL_ANSWERS)
def test_what_a_model_with_tools_says_is_returned_neither_parsed_nor_completed(answer, expected):
    model = ToolCaller(respond=saying(answer))

    assert asked_of(model) == [expected]
    assert len(model.asked) == 1


def test_a_tool_call_is_no_answer_to_a_user():
    with pytest.raises(ChatModelError, match="empty answer"):
        LangChainChatModel(ToolCaller(respond=saying(calling({"a": "Zoë"})))).complete(ASKED)


# -- models that know less ----------------------------------------------------------------------


def test_a_model_without_structured_output_is_asked_in_words():
    model = Speaker(respond=saying(REPLY))

    assert asked_of(model, times=2) == [REPLY] * 2
    assert model.options == [{}, {}]
    assert [each.content for each in model.asked[0]] == ["What do you know?\n\nAnswer with JSON only."]


@pytest.mark.parametrize(
    ("wrap", "options"),
    [(lambda model: model.with_retry(), {}), (lambda model: model.bind(temperature=0), {"temperature": 0})],
    ids=["with_retry", "bind"],
)
def test_a_runnable_around_a_model_is_asked_in_words_with_all_that_was_bound(wrap, options):
    """A binding lends its model's methods without what was bound."""
    model = ToolCaller(respond=saying(REPLY))

    assert asked_of(wrap(model)) == [REPLY]
    assert model.options == [options]


TAKEN = {
    "a strict schema": (("strict", "words"), ["strict", "strict"]),
    "a schema": (("schema", "words"), ["strict", "schema", "schema"]),
    "JSON mode": (("json", "words"), ["strict", "schema", "json", "json"]),
    "words alone": (("words",), ["strict", "schema", "json", "words", "words"]),
}


@pytest.mark.parametrize(("takes", "tried"), TAKEN.values(), ids=TAKEN)
def test_what_an_endpoint_takes_is_found_out_once(takes, tried):
    model = Formats(respond=saying(REPLY), takes=takes)

    assert asked_of(model, times=2) == [REPLY] * 2
    assert model.tried == tried


@pytest.mark.parametrize(
    "error", [Refusal(500), Refusal(429), ConnectionError(), json.JSONDecodeError("", "", 0)], ids=repr
)
def test_a_failure_that_is_not_about_the_way_of_asking_gives_none_up(error):
    model = Formats(respond=saying(error, REPLY))
    wrapped = LangChainChatModel(model)
    with pytest.raises(ChatModelError):
        wrapped.complete_json(ASKED, SCHEMA)

    assert wrapped.complete_json(ASKED, SCHEMA) == REPLY
    assert model.tried == ["strict", "strict"]


def test_a_request_that_is_refused_in_every_way_gives_none_up():
    model = Formats(respond=saying(*[Refusal(400)] * 4, REPLY))
    wrapped = LangChainChatModel(model)
    with pytest.raises(ChatModelError, match="HTTP 400"):
        wrapped.complete_json(ASKED, SCHEMA)

    assert wrapped.complete_json(ASKED, SCHEMA) == REPLY
    assert model.tried == ["strict", "schema", "json", "words", "strict"]


def test_a_way_in_which_a_model_says_nothing_is_not_its_own():
    """Some servers take a tool or a schema and return nothing at all."""
    model = Formats(respond=saying("", "", REPLY))
    wrapped = LangChainChatModel(model)

    assert [wrapped.complete_json(ASKED, SCHEMA) for _ in range(2)] == [REPLY] * 2
    assert model.tried == ["strict", "schema", "json", "json"]
    assert wrapped.usage.calls == 4


@pytest.mark.parametrize(("reason", "error"), [("content_filter", ReplyRefused), ("length", ChatModelError)])
def test_an_answer_that_was_withheld_or_cut_says_nothing_about_the_way_it_was_asked_in(reason, error):
    model = Formats(respond=saying(AIMessage("", response_metadata={"finish_reason": reason}), REPLY))
    wrapped = LangChainChatModel(model)
    with pytest.raises(error):
        wrapped.complete_json(ASKED, SCHEMA)

    assert wrapped.complete_json(ASKED, SCHEMA) == REPLY
    assert model.tried == ["strict", "strict"]


# -- models with a mind of their own ------------------------------------------------------------


def having(structured):
    class Own(Speaker):
        def with_structured_output(self, schema, **kwargs):
            return structured(self, schema, **kwargs)

    return Own(respond=saying(REPLY))


def unable(model, schema, **kwargs):
    raise NotImplementedError("no tools here")


def picky(model, schema, *, method):
    raise AssertionError("not reached")


def without_a_schema_as_a_dict(model, schema, **kwargs):
    raise ValueError("pass a class")


def parsed_only(model, schema, **kwargs):
    return model | RunnableLambda(lambda message: json.loads(message.content))


def of_raw_text(model, schema, **kwargs):
    return model | RunnableLambda(lambda message: {"raw": message.content, "parsed": None})


@pytest.mark.parametrize("structured", [unable, picky, without_a_schema_as_a_dict, parsed_only, of_raw_text])
def test_structured_output_of_any_make_is_used_or_done_without(structured):
    model = having(structured)

    assert asked_of(model, times=2) == [REPLY] * 2
    assert len(model.asked) == 2


def test_an_answer_cut_short_within_an_error_of_the_client_is_one_that_was_cut():
    """openai raises it when it parses; the answer was received and has cost its tokens."""
    completion = ChatCompletion.model_validate(
        {
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": '{"a'}}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        }
    )  # fmt: skip
    model = LangChainChatModel(ToolCaller(respond=saying(LengthFinishReasonError(completion=completion))))

    with pytest.raises(ChatModelError, match="was cut at its limit of tokens"):
        model.complete_json(ASKED, SCHEMA)
    assert model.usage == TokenUsage(calls=1, prompt_tokens=7, completion_tokens=3)
