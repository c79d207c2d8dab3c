"""Tool traffic is told beside a page, bounded and plain whatever it holds, and never in the page's words."""

from __future__ import annotations

import json
import logging

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import (
    ChatMessage,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.tools import FunctionTool
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from openai.types.chat.chat_completion_message_custom_tool_call import ChatCompletionMessageCustomToolCall

from memoryos_integrations.llama_index import MemoryOSMemory
from memoryos_integrations.llama_index.messages import as_said
from memoryos_integrations.llama_index.tool_traffic import (
    MOST_CALLS,
    MOST_CHARACTERS,
    asks_tools,
    calls_in,
    cut,
    is_result,
    result_in,
    traffic_metadata,
)
from memoryos_integrations.turns import Message

from .recording import RecordingLLM, agent, calling, user


class Broken:
    """Cannot even say what it is."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


CYCLE: dict = {}
CYCLE["me"] = CYCLE
DEEP: dict = {}
for _ in range(10_000):
    DEEP = {"x": DEEP}


def result(text: str, *, call_id: str = "", role: str = "tool", **more) -> ChatMessage:
    told = {"tool_call_id": call_id} if call_id else {}
    return ChatMessage(content=text, role=role, additional_kwargs={**told, **more})


def asking(*blocks, text: str = "", **more) -> ChatMessage:
    words = [TextBlock(text=text)] if text else []
    return ChatMessage(role="assistant", blocks=[*words, *blocks], additional_kwargs=more)


def call(call_id: str, name: str, arguments: str) -> dict[str, str]:
    return {"id": call_id, "name": name, "arguments": arguments}


FUNCTION = {"name": "look", "arguments": '{"x": 1}'}
OPENAI = ChatCompletionMessageFunctionToolCall(id="1", type="function", function=FUNCTION)
CUSTOM = ChatCompletionMessageCustomToolCall(id="1", type="custom", custom={"name": "look", "input": "at it"})
LOOK = call("1", "look", '{"x": 1}')
CALLS = {
    "a block": (asking(ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={"x": 1})), [LOOK]),
    "a block with arguments as text": (
        asking(ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs='{"x": 1}')),
        [LOOK],
    ),
    "a block without id": (asking(ToolCallBlock(tool_name="look")), [call("", "look", "{}")]),
    "blocks": (
        asking(ToolCallBlock(tool_name="a"), ToolCallBlock(tool_name="b"), text="Wait."),
        [call("", "a", "{}"), call("", "b", "{}")],
    ),
    "an object of OpenAI": (asking(tool_calls=[OPENAI]), [LOOK]),
    "a custom tool of OpenAI": (asking(tool_calls=[CUSTOM]), [call("1", "look", "at it")]),
    "a dict": (asking(tool_calls=[{"id": "1", "type": "function", "function": FUNCTION}]), [LOOK]),
    "a flat dict": (asking(tool_calls=[{"id": "1", "name": "look", "args": {"x": 1}}]), [LOOK]),
    "a flat dict with input": (asking(tool_calls=({"id": "1", "name": "look", "input": {"x": 1}},)), [LOOK]),
    "a call that is told twice": (
        asking(ToolCallBlock(tool_call_id="1", tool_name="look", tool_kwargs={"x": 1}), tool_calls=[OPENAI]),
        [LOOK],
    ),
    "a function call of old": (asking(function_call=FUNCTION), [call("", "look", '{"x": 1}')]),
    "no arguments": (asking(tool_calls=[{"id": "1", "function": {"name": "look"}}]), [call("1", "look", "")]),
    "nothing": (asking(text="Hello"), []),
    "empty lists": (asking(tool_calls=[], function_call=None), []),
    "no list": (asking(tool_calls=5), []),
    "a text for a list": (asking(tool_calls="look"), []),
    "strangers in the list": (asking(tool_calls=[None, 5]), [call("", "", ""), call("", "", "")]),
}


@pytest.mark.parametrize(("message", "calls"), CALLS.values(), ids=CALLS)
def test_calls_are_read_however_a_provider_tells_them(message, calls):
    assert calls_in(message) == calls
    assert asks_tools(message) is bool(calls)


ARGUMENTS = {
    "plain": ({"a": [1, None, "ü"]}, '{"a": [1, null, "ü"]}'),
    "an object": ({"a": ValueError("x")}, '{"a": "x"}'),
    "bytes": ({"a": b"x"}, """{"a": "b'x'"}"""),
    "an object that cannot be shown": ({"a": Broken()}, '{"a": "Broken"}'),
    "a cycle": (CYCLE, "{'me': {...}}"),
    "keys that are no text": ({"a": {(1, 2): 3}}, "{'a': {(1, 2): 3}}"),
    "keys that cannot be shown": ({"a": {Broken(): 3}}, "dict"),
    "half a character": ({"a": "\ud83d"}, '{"a": "\ufffd"}'),
    "no number": ({"a": float("nan")}, '{"a": NaN}'),
    "no JSON": ("{not json", "{not json"),
}


@pytest.mark.parametrize(("arguments", "text"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_are_text_whatever_they_are(arguments, text):
    block = ToolCallBlock.model_construct(tool_call_id="1", tool_name="look", tool_kwargs=arguments)
    message = asking()
    message.blocks.append(block)

    assert calls_in(message) == [call("1", "look", text)]
    assert json.loads(json.dumps(traffic_metadata(calls_in(message)), allow_nan=False)) == {
        "tool_calls": [{"name": "look", "arguments": text}]
    }


def test_arguments_that_are_nested_too_deep_are_named():
    message = asking()
    message.blocks.append(ToolCallBlock.model_construct(tool_call_id="1", tool_name="look", tool_kwargs=DEEP))

    assert calls_in(message) == [call("1", "look", "dict")]


RESULTS = {
    "a tool's": (result("Sunny", call_id="1"), {"id": "1", "name": "", "result": "Sunny"}),
    "a function's": (
        result("Sunny", role="function", name="look"),
        {"id": "", "name": "look", "result": "Sunny"},
    ),
    "nothing": (result(""), {"id": "", "name": "", "result": ""}),
    "a picture": (
        ChatMessage(role="tool", blocks=[ImageBlock(image=b"secret"), TextBlock(text="a cat")]),
        {"id": "", "name": "", "result": "[image]\na cat"},
    ),
    "an id that is no text": (result("Sunny", tool_call_id=7), {"id": "7", "name": "", "result": "Sunny"}),
    "an id that cannot be shown": (
        result("Sunny", tool_call_id=Broken()),
        {"id": "Broken", "name": "", "result": "Sunny"},
    ),
    "half a character": (result("\ud83d"), {"id": "", "name": "", "result": "\ufffd"}),
}


@pytest.mark.parametrize(("message", "told"), RESULTS.values(), ids=RESULTS)
def test_results_are_read_as_text(message, told):
    assert is_result(message)
    assert result_in(message) == told


# -- what is kept --------------------------------------------------------------------------------------


def test_a_text_is_kept_up_to_a_length_that_is_told():
    whole = "x" * MOST_CHARACTERS

    assert cut(whole) == whole
    assert cut(whole + "yy") == f"{whole}… [{MOST_CHARACTERS + 2:,} characters]"
    assert (
        cut("\ud83d" * (MOST_CHARACTERS + 1)) == "\ufffd" * MOST_CHARACTERS + f"… [{MOST_CHARACTERS + 1:,} characters]"
    )


def test_of_many_calls_the_latest_are_kept():
    calls = [call(str(n), f"tool {n}", "{}") for n in range(MOST_CALLS + 5)]

    assert [each["name"] for each in traffic_metadata(calls)["tool_calls"]] == [
        f"tool {n}" for n in range(5, MOST_CALLS + 5)
    ]


def test_whatever_came_a_page_keeps_no_more_than_its_bound():
    """Names, arguments and results alike; nothing grows with what tools return."""
    huge = "x" * 100_000
    block = ToolCallBlock(tool_call_id="1", tool_name=huge, tool_kwargs={huge: huge})
    messages = [asking(block), result(huge, call_id="1"), result(huge, role="function", name=huge)] * 50
    said, _ = as_said(
        [*messages, ChatMessage(role="assistant", blocks=[ThinkingBlock(content=huge), TextBlock(text="A")])]
    )
    metadata = said[-1].metadata

    texts = [text for each in metadata["tool_calls"] for text in each.values()]
    assert len(metadata["tool_calls"]) == MOST_CALLS
    assert max(map(len, [*texts, metadata["reasoning"]])) <= MOST_CHARACTERS + 30


JOINED = {
    "a result under its call": (
        [call("1", "look", "{}"), {"id": "1", "name": "", "result": "Sunny"}],
        [{"name": "look", "arguments": "{}", "result": "Sunny"}],
    ),
    "results in another order": (
        [
            call("1", "a", "{}"),
            call("2", "b", "{}"),
            {"id": "2", "name": "", "result": "B"},
            {"id": "1", "name": "", "result": "A"},
        ],
        [{"name": "a", "arguments": "{}", "result": "A"}, {"name": "b", "arguments": "{}", "result": "B"}],
    ),
    "one id used again": (
        [
            call("1", "a", "{}"),
            {"id": "1", "name": "", "result": "A"},
            call("1", "b", "{}"),
            {"id": "1", "name": "", "result": "B"},
        ],
        [{"name": "a", "arguments": "{}", "result": "A"}, {"name": "b", "arguments": "{}", "result": "B"}],
    ),
    "a result of no call": ([{"id": "9", "name": "look", "result": "Sunny"}], [{"name": "look", "result": "Sunny"}]),
    "calls without ids": (
        [call("", "a", "{}"), {"id": "", "name": "", "result": "A"}],
        [{"name": "a", "arguments": "{}"}, {"result": "A"}],
    ),
    "a call without a result": ([call("1", "a", "{}")], [{"name": "a", "arguments": "{}"}]),
}


@pytest.mark.parametrize(("calls", "kept"), JOINED.values(), ids=JOINED)
def test_each_call_is_kept_with_what_came_of_it(calls, kept):
    before = [dict(each) for each in calls]

    assert traffic_metadata(calls) == {"tool_calls": kept}
    assert calls == before


def test_without_traffic_and_reasoning_there_is_no_metadata():
    assert traffic_metadata([], " \n") == {}
    assert traffic_metadata([], "Hm") == {"reasoning": "Hm"}


# -- which answer it belongs to ---------------------------------------------------------------------------

SUNNY = {"tool_calls": [{"name": "weather", "arguments": "{}", "result": "Sunny"}]}
ROUND = [calling("weather"), result("Sunny", call_id="call-weather")]


def metadata_of(messages, before=()) -> list[tuple[str, dict]]:
    return [(each.text, dict(each.metadata)) for each in as_said(messages, before)[0] if each.metadata]


TRAFFIC = {
    "an answer": ([user("Q"), *ROUND, agent("A")], [("A", SUNNY)]),
    "the next answer has none of it": ([user("Q"), *ROUND, agent("A"), user("R"), agent("B")], [("A", SUNNY)]),
    "a question without an answer takes it along": ([user("Q"), *ROUND, user("R"), agent("B")], []),
    "an empty answer after a word beside the call": (
        [user("Q"), asking(ToolCallBlock(tool_name="f"), text="It is 42."), agent("")],
        [("", {"tool_calls": [{"name": "f", "arguments": "{}"}]})],
    ),
    "an empty answer after nothing said": ([user("Q"), *ROUND, agent(""), agent("A")], [("A", SUNNY)]),
    "thoughts": (
        [user("Q"), ChatMessage(role="assistant", blocks=[ThinkingBlock(content="Hm"), TextBlock(text="A")])],
        [("A", {"reasoning": "Hm"})],
    ),
    "a tool that answers itself": ([user("Q"), *ROUND, agent("Sunny")], [("Sunny", SUNNY)]),
}


@pytest.mark.parametrize(("messages", "kept"), TRAFFIC.values(), ids=TRAFFIC)
def test_traffic_belongs_to_the_answer_that_follows_it(messages, kept):
    assert metadata_of(messages) == kept


def test_traffic_without_an_answer_yet_is_handed_on():
    said, traffic = as_said([user("Q"), *ROUND])

    assert said == [
        Message(role="user", text="Q"),
        Message(role="agent", asks_tools=True),
        Message(role="other", text="Sunny"),
    ]
    assert metadata_of([agent("A")], traffic) == [("A", SUNNY)]
    assert as_said([agent("A")], traffic)[1] == []


# -- in a memory --------------------------------------------------------------------------------------------


@pytest.fixture
def memory(system):
    return MemoryOSMemory(memory=system.memory("tom", session_id="desk"))


def kept(memory) -> list[tuple[str, str, dict]]:
    return [(page.user_input, page.agent_response, dict(page.metadata)) for page in memory.memory.session_pages()]


@pytest.mark.parametrize("whole", [True, False], ids=["in one list", "one by one"])
def test_traffic_is_metadata_of_the_page_and_not_in_its_words(system, memory, whole):
    messages = [user("Weather?"), *ROUND, agent("It is nice.")]
    if whole:
        memory.put_messages(messages)
    else:
        for message in messages:
            memory.put(message)

    assert kept(memory) == [("Weather?", "It is nice.", SUNNY)]
    assert memory.memory.pages()[0].text == "Weather?\nIt is nice."
    assert "Sunny" not in repr(memory.get())


def test_what_tools_were_given_and_said_is_stored_whatever_it_is(memory, caplog):
    """The answer is not lost for the sake of its metadata."""
    strange = [arguments for arguments, _ in ARGUMENTS.values()]
    blocks = [ToolCallBlock.model_construct(tool_call_id="1", tool_name="f", tool_kwargs=each) for each in strange]
    message = asking()
    message.blocks.extend(blocks)
    with caplog.at_level(logging.WARNING):
        memory.put_messages([user("Q"), message, result("\ud83d" * 5000, call_id="1"), agent("A")])
    ((said, heard, metadata),) = kept(memory)

    assert (said, heard, len(metadata["tool_calls"])) == ("Q", "A", len(strange))
    assert caplog.records == []


async def test_the_traffic_of_a_handoff_reaches_the_page_of_the_answer(memory):
    """Two agents, a tool of each, one page."""

    def weather(place: str) -> str:
        """Tell the weather."""
        return f"Sunny in {place}."

    llm = RecordingLLM(
        [
            calling("weather", place="Oslo"),
            calling("handoff", to_agent="second", reason="You know better."),
            calling("weather", call_id="again", place="Rome"),
            "Nice everywhere.",
        ]
    )
    agents = [
        FunctionAgent(name=name, description=name, tools=[weather], llm=llm, can_handoff_to=other)
        for name, other in (("first", ["second"]), ("second", []))
    ]
    answer = await AgentWorkflow(agents=agents, root_agent="first").run("Weather?", memory=memory)
    ((said, heard, metadata),) = kept(memory)

    assert (str(answer), said, heard) == ("Nice everywhere.", "Weather?", "Nice everywhere.")
    assert [(each["name"], each.get("result", "")[:14]) for each in metadata["tool_calls"]] == [
        ("weather", "Sunny in Oslo."),
        ("handoff", metadata["tool_calls"][1]["result"][:14]),
        ("weather", "Sunny in Rome."),
    ]
    assert "second" in metadata["tool_calls"][1]["result"]


async def test_a_tool_that_answers_itself_leaves_its_answer_and_its_call(memory):
    def weather(place: str) -> str:
        """Tell the weather."""
        return f"Sunny in {place}."

    tool = FunctionTool.from_defaults(weather, return_direct=True)
    llm = RecordingLLM([calling("weather", place="Oslo")])
    await FunctionAgent(tools=[tool], llm=llm).run("Weather?", memory=memory)

    called = {"name": "weather", "arguments": '{"place": "Oslo"}', "result": "Sunny in Oslo."}
    assert kept(memory) == [("Weather?", "Sunny in Oslo.", {"tool_calls": [called]})]


def test_a_role_of_a_tool_that_was_assigned_is_a_tools():
    message = result("Sunny")
    message.role = MessageRole.TOOL.value

    assert is_result(message)
