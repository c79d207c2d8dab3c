"""LlamaIndexChatModel.complete_json: how a model is held to a schema, and what happens where it cannot be."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from llama_index.core.base.llms.types import ChatMessage as Message

from memoryos_engine import ChatMessage, ChatModelError
from memoryos_engine.errors import ReplyRefused
from memoryos_engine.llm import OutputSchema
from memoryos_integrations.llama_index.chat_model import LlamaIndexChatModel
from tests.llama_index.speaking import (
    Completer,
    Speaker,
    ToolCaller,
    answered,
    calling,
    saying,
    saying_of,
    text,
    thought,
)

ASKED = (ChatMessage(role="user", content="What do you know?"),)
WANTED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
SCHEMA = OutputSchema(name="facts", schema=WANTED)
REPLY = '{"a": "Zoë"}'


class Refusal(Exception):
    """What an endpoint answers to what it does not know."""

    def __init__(self, status_code):
        super().__init__()
        self.status_code = status_code


class Picky(ToolCaller):
    """A model whose endpoint takes tools only if it is told to."""

    takes_tools: bool = False

    def chat(self, messages, **options):
        if options.get("tools") and not self.takes_tools:
            self.options.append(options)
            raise Refusal(400)
        return answered(self, messages, options)


def asked_of(model, times=1):
    wrapped = LlamaIndexChatModel(model)
    return [wrapped.complete_json(ASKED, SCHEMA) for _ in range(times)]


def tried(model):
    return ["tool" if options.get("tools") else "words" for options in model.options]


# -- models that call functions -----------------------------------------------------------------


def test_a_model_that_calls_functions_is_held_to_the_schema_by_one():
    model = ToolCaller(respond=saying([calling({"a": "Zoë"})]))

    assert asked_of(model) == [REPLY]
    (options,) = model.options
    (tool,) = options["tools"]
    told_of = {key: value for key, value in WANTED.items() if key != "additionalProperties"}
    assert (tool["function"]["name"], tool["function"]["parameters"]) == ("facts", told_of)
    assert options["required"]


def test_the_schema_of_the_caller_is_left_as_it_was():
    class Careless(ToolCaller):
        def _prepare_chat_with_tools(self, tools, **options):
            for tool in tools:
                tool.metadata.get_parameters_dict()["properties"].clear()
            return super()._prepare_chat_with_tools(tools, **options)

    before = json.dumps(SCHEMA.schema)
    asked_of(Careless(respond=saying([calling({})])))

    assert json.dumps(SCHEMA.schema) == before


def older(**call):
    return Message(role="assistant", content="", additional_kwargs={"tool_calls": [call]})


TOOL_ANSWERS = {
    "a call": ([calling({"a": "Zoë"})], REPLY),
    "a call in JSON": ([calling(REPLY)], REPLY),
    "a call of nothing": ([calling({})], "{}"),
    "words before the call": ([text("I will note:"), calling({"a": "Zoë"})], REPLY),
    "the first of two calls": ([calling({"a": "Zoë"}), calling({"a": "Tom"})], REPLY),
    "no call but the JSON in words": (REPLY, REPLY),
    "no call but prose": ("There is nothing to note.", "There is nothing to note."),
    "a call cut short": ([calling('{"a": "Zo')], '{"a": "Zo'),
    "thinking": ([thought("{}"), text(REPLY)], REPLY),
    "thinking aloud": (f"<think>Hm.</think>{REPLY}", REPLY),
    "thinking begun by the template": (f"Hm.</think>{REPLY}", REPLY),
    "what was said about thinking": ([calling('{"a": "</think> is a tag"}')], '{"a": "</think> is a tag"}'),
    "OpenAI's older form": (older(function={"name": "facts", "arguments": REPLY}), REPLY),
    "OpenAI's older objects": (older(function=SimpleNamespace(arguments=REPLY)), REPLY),
    "Anthropic's older form": (older(name="facts", input={"a": "Zoë"}), REPLY),
}


@pytest.mark.parametrize(("answer", "expected"), TOOL_ANSWERS.values(), ids=TOOL_ANSWERS)
def test_what_a_model_with_tools_says_is_returned_neither_parsed_nor_completed(answer, expected):
    model = ToolCaller(respond=saying(answer))

    assert asked_of(model) == [expected]
    assert len(model.asked) == 1


def test_a_tool_call_is_no_answer_to_a_user():
    with pytest.raises(ChatModelError, match="empty answer"):
        LlamaIndexChatModel(ToolCaller(respond=saying([calling({"a": "Zoë"})]))).complete(ASKED)


# -- models that know less ----------------------------------------------------------------------


def test_a_model_that_calls_no_functions_is_asked_in_words():
    speaker = Speaker(respond=saying(REPLY))
    unable = ToolCaller(respond=saying(REPLY), calls_functions=False)
    for model in (speaker, unable):
        assert asked_of(model, times=2) == [REPLY] * 2
        assert model.options == [{}, {}]
        assert [each.content for each in model.asked[0]] == ["What do you know?\n\nAnswer with JSON only."]


def test_a_model_that_only_completes_is_asked_in_words():
    model = Completer(answer=REPLY)

    assert asked_of(model) == [REPLY]
    assert model.prompts == ["user: What do you know?\n\nAnswer with JSON only.\nassistant: "]


@pytest.mark.parametrize(
    ("takes_tools", "expected"), [(True, ["tool", "tool"]), (False, ["tool", "words", "words"])], ids=str
)
def test_what_an_endpoint_takes_is_found_out_once(takes_tools, expected):
    model = Picky(respond=saying(REPLY), takes_tools=takes_tools)

    assert asked_of(model, times=2) == [REPLY] * 2
    assert tried(model) == expected


def test_a_class_that_cannot_prepare_its_tools_is_asked_in_words():
    class Unprepared(ToolCaller):
        def _prepare_chat_with_tools(self, tools, **options):
            raise NotImplementedError

    model = Unprepared(respond=saying(REPLY))

    assert asked_of(model, times=2) == [REPLY] * 2
    assert tried(model) == ["words", "words"]


def test_a_class_that_cannot_be_told_to_require_a_tool_is_offered_it():
    class Older(ToolCaller):
        def _prepare_chat_with_tools(self, tools, user_msg=None, chat_history=None, verbose=False, **options):
            return {"messages": chat_history, "tools": list(tools), "given": sorted(options)}

    model = Older(respond=saying([calling({"a": "Zoë"})]))

    assert asked_of(model) == [REPLY]
    assert model.options[0]["given"] == ["allow_parallel_tool_calls"]


@pytest.mark.parametrize(
    "error", [Refusal(500), Refusal(429), ConnectionError(), json.JSONDecodeError("", "", 0)], ids=repr
)
def test_a_failure_that_is_not_about_the_way_of_asking_gives_none_up(error):
    model = ToolCaller(respond=saying(error, REPLY))
    wrapped = LlamaIndexChatModel(model)
    with pytest.raises(ChatModelError):
        wrapped.complete_json(ASKED, SCHEMA)

    assert wrapped.complete_json(ASKED, SCHEMA) == REPLY
    assert tried(model) == ["tool", "tool"]


def test_a_request_that_is_refused_in_every_way_gives_none_up():
    model = ToolCaller(respond=saying(Refusal(400), Refusal(400), REPLY))
    wrapped = LlamaIndexChatModel(model)
    with pytest.raises(ChatModelError, match="HTTP 400"):
        wrapped.complete_json(ASKED, SCHEMA)

    assert wrapped.complete_json(ASKED, SCHEMA) == REPLY
    assert tried(model) == ["tool", "words", "tool"]


@pytest.mark.parametrize("nothing", ["", [thought("Hm.")], "<think>Hm.</think>"], ids=str)
def test_a_way_in_which_a_model_says_nothing_is_not_its_own(nothing):
    """Some servers take a tool and return nothing at all."""
    model = ToolCaller(respond=saying(nothing, REPLY))
    wrapped = LlamaIndexChatModel(model)

    assert [wrapped.complete_json(ASKED, SCHEMA) for _ in range(2)] == [REPLY] * 2
    assert tried(model) == ["tool", "words", "words"]
    assert wrapped.usage.calls == 3


@pytest.mark.parametrize(("reason", "error"), [("content_filter", ReplyRefused), ("length", ChatModelError)])
def test_an_answer_that_was_withheld_or_cut_says_nothing_about_the_way_it_was_asked_in(reason, error):
    model = ToolCaller(respond=saying(saying_of("", raw={"finish_reason": reason}), REPLY))
    wrapped = LlamaIndexChatModel(model)
    with pytest.raises(error):
        wrapped.complete_json(ASKED, SCHEMA)

    assert wrapped.complete_json(ASKED, SCHEMA) == REPLY
    assert tried(model) == ["tool", "tool"]
