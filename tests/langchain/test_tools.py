"""Memory tools: what a model is told, what it can change, and that it never chooses whose memory it is."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, ToolException
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.checkpoint.memory import InMemorySaver

from memoryos_engine import HashingEmbedder, InvalidInput, MemoryOS, NotFound, StoreError, UserMemory
from memoryos_integrations.langchain import MemoryOSRetriever, create_memory_tools
from memoryos_integrations.notes import NOTES_SESSION
from tests.engine.fakes import TagAnalyst, TagEmbedder

from .conversation import CONVERSATION, FACT, QUESTION, RecordingChatModel, calling

ANN: RunnableConfig = {"configurable": {"user_id": "ann"}}
BOB: RunnableConfig = {"configurable": {"user_id": "bob"}}


def called(tool: BaseTool, config: RunnableConfig | None = None, **arguments: Any) -> ToolMessage:
    """What an agent gets that calls the tool."""
    return tool.invoke({"name": tool.name, "args": arguments, "id": "1", "type": "tool_call"}, config)


def memories(answer: str | ToolMessage) -> list[dict[str, str]]:
    return json.loads(answer if isinstance(answer, str) else answer.content)["memories"]


@pytest.fixture
def ann(system: MemoryOS) -> UserMemory:
    memory = system.memory("ann", session_id="monday")
    for said, answered in CONVERSATION:
        memory.add_memory(said, answered)
    return memory


@pytest.fixture
def tools(ann: UserMemory) -> list[BaseTool]:
    return create_memory_tools(system=ann.system)


# -- what a model sees of them -----------------------------------------------------------


def test_a_model_sees_three_tools_and_no_argument_that_says_whose_memory(tools):
    seen = [convert_to_openai_tool(tool)["function"] for tool in tools]

    assert [(each["name"], sorted(each["parameters"]["properties"])) for each in seen] == [
        ("search_memory", ["limit", "query"]),
        ("save_memory", ["content"]),
        ("forget_memory", ["id"]),
    ]
    assert [each["parameters"]["required"] for each in seen] == [["query"], ["content"], ["id"]]
    assert all(each["description"] and "user" in each["description"] for each in seen)


# -- searching ---------------------------------------------------------------------------


def test_a_search_answers_in_short_json_with_ids_and_dates(tools, ann):
    page = ann.pages()[1]

    message = called(tools[0], ANN, query=QUESTION, limit=1)

    entry = {"id": page.id, "date": "2024-03-01 12:00", "user": FACT, "assistant": page.agent_response}
    assert (json.loads(message.content), message.status) == ({"memories": [entry]}, "success")
    assert "ø" in message.content


def test_the_artifact_of_a_search_holds_the_records(tools, ann):
    message = called(tools[0], ANN, query=QUESTION, limit=3)

    expected = MemoryOSRetriever(memory=ann, k=3).invoke(QUESTION)
    assert message.artifact == [document.metadata for document in expected]


def test_a_search_finds_as_many_as_asked_for_ten_by_default_and_never_more_than_k(ann):
    few, many = (create_memory_tools(ann, k=k)[0] for k in (3, 20))

    assert [len(memories(many.invoke({"query": "you", **limit}))) for limit in ({}, {"limit": 15}, {"limit": 99})] == [
        10, 15, 20,
    ]  # fmt: skip
    assert len(memories(few.invoke({"query": "you"}))) == 3


def test_a_search_takes_a_bare_string_and_a_blank_one(tools, ann):
    assert memories(tools[0].invoke(QUESTION, ANN))[0]["user"] == FACT
    assert memories(tools[0].invoke("", ANN))[0]["user"] == CONVERSATION[-1][0]


def test_a_query_that_cannot_be_searched_is_no_empty_list(tools):
    message = called(tools[0], ANN, query="\ud800")

    assert (message.status, message.content.startswith("Not searched: query contains")) == ("error", True)


def test_nothing_remembered_is_an_empty_list(system):
    assert memories(called(create_memory_tools(system.memory("new"))[0], query="tea")) == []


def test_a_fact_is_told_as_one(open_system):
    memory = open_system(
        embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=0.0
    ).memory("ann")
    for animal in ("owl #owl", "fox #fox", "bee #bee", "elk #elk", "cat #cat"):
        memory.add_memory(animal)
    memory.flush()
    for number in range(6):
        memory.in_session("den").add_memory(f"fox den {number} #fox")
    (fact,) = (each for each in memory.knowledge() if each.text == "fox #fox")

    found = memories(called(create_memory_tools(memory)[0], query="fox den #fox", limit=5))

    assert found[-1] == {"id": fact.id, "date": "2024-03-01 12:00", "fact": "fox #fox"}


def test_long_texts_share_the_length_of_a_result(system):
    memory = system.memory("ann")
    for drink in ("tea", "milk"):
        memory.add_memory(f"{drink} " * 20_000, f"{drink} " * 20_000)
    search = create_memory_tools(memory)[0]

    one, two = (memories(called(search, query="tea", limit=limit)) for limit in (1, 2))

    assert [[len(each[side]) for side in ("user", "assistant")] for each in one] == [[8_005, 8_005]]
    assert [[len(each[side]) for side in ("user", "assistant")] for each in two] == [[4_005, 4_005]] * 2
    assert two[0]["user"].endswith(" [...]")
    assert len(called(search, query="tea", limit=2).artifact[0]["user_input"]) == 80_000


def test_characters_that_nobody_sees_do_not_reach_the_model(system):
    memory = system.memory("ann")
    memory.add_memory("tea \U000e0041\u202e\u200bnow")

    assert memories(called(create_memory_tools(memory)[0], query="tea"))[0]["user"] == "tea now"


# -- saving ------------------------------------------------------------------------------


def test_a_saved_note_is_found_at_once_and_told_as_a_note(tools, ann):
    said = called(tools[1], ANN, content="Tom prefers oat milk.")

    saved = json.loads(said.content)
    assert (saved["status"], said.artifact["id"]) == ("saved", saved["id"])
    found = memories(called(tools[0], ANN, query="What milk?", limit=1))
    assert found == [{"id": saved["id"], "date": "2024-03-01 12:00", "note": "Tom prefers oat milk."}]


def test_a_note_says_who_took_it_and_where(ann):
    tools = create_memory_tools(ann)

    said = called(tools[1], content="Tom prefers oat milk.")

    (page,) = ann.in_session(NOTES_SESSION).session_pages()
    assert page.id == said.artifact["id"]
    assert (page.user_input, page.agent_response) == ("", "Tom prefers oat milk.")
    assert dict(page.metadata) == {"noted_by": "save_memory", "noted_in": "monday"}


def test_a_note_never_stands_between_the_turns_of_a_conversation(ann, tools):
    before, recent = ann.session_pages(), ann.latest_memory().short_term

    tools[1].invoke({"content": "Tom prefers oat milk."}, {"configurable": {"user_id": "ann", "thread_id": "monday"}})

    assert (ann.session_pages(), ann.latest_memory().short_term) == (before, recent)


def test_saving_the_same_again_keeps_one_note(tools, ann):
    first, second = (json.loads(called(tools[1], ANN, content="Tom likes tea.").content) for _ in range(2))

    assert second == {"status": "was saved before", "id": first["id"]}
    assert len(ann.in_session(NOTES_SESSION).session_pages()) == 1


def test_a_note_is_on_disk_when_the_tool_returns(open_system):
    system = open_system()
    saved = create_memory_tools(system=system)[1].invoke({"content": "Ann likes tea."}, ANN)
    system.close()

    found = memories(create_memory_tools(system=open_system())[0].invoke("tea", ANN))
    assert [each["id"] for each in found] == [json.loads(saved)["id"]]


@pytest.mark.parametrize("content", ["", "  \n", "x" * 2_000_000, "\ud800"])
def test_what_cannot_be_saved_the_model_is_told_without_its_text(tools, ann, content):
    pages = ann.pages()

    message = called(tools[1], ANN, content=content)

    assert (message.status, message.content.startswith("Not saved: content ")) == ("error", True)
    assert len(message.content) < 200
    assert ann.pages() == pages


# -- forgetting --------------------------------------------------------------------------


def test_a_found_memory_can_be_forgotten(tools, ann):
    (entry,) = memories(called(tools[0], ANN, query=QUESTION, limit=1))

    message = called(tools[2], ANN, id=entry["id"])

    assert json.loads(message.content) == {"status": "forgotten", "id": entry["id"]}
    assert FACT not in {page.user_input for page in ann.pages()}


def test_an_unknown_id_and_that_of_another_user_get_the_same_refusal(tools, ann):
    page = ann.pages()[1]

    stranger, unknown, blank = (called(tools[2], BOB, id=each) for each in (page.id, "page_0", ""))

    assert [each.status for each in (stranger, unknown, blank)] == ["error"] * 3
    assert stranger.content == unknown.content == blank.content
    assert stranger.content.startswith("Nothing was forgotten")
    assert page in ann.pages()


# -- what goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "arguments", "wrong"),
    [
        (0, {"query": "tea", "limit": 0}, "limit"),
        (0, {"query": "tea", "limit": "many secret"}, "limit"),
        (0, {}, "query"),
        (1, {"content": None}, "content"),
        (2, {"id": 17}, "id"),
    ],
)
def test_wrong_arguments_are_named_to_the_model_and_not_repeated(tools, place, arguments, wrong):
    message = called(tools[place], ANN, **arguments)

    assert message.status == "error"
    assert message.content.startswith(f"Wrong arguments. {wrong}: ")
    assert "secret" not in message.content


FAILING = [(0, "query", "embed", "could not be searched"), (1, "content", "embed", "Not saved")]


@pytest.mark.parametrize(("place", "argument", "part", "told"), FAILING)
def test_a_failure_is_told_as_an_error_and_logged_and_never_an_empty_list(
    tools, ann, monkeypatch, caplog, place, argument, part, told
):
    def failing(*args: Any, **options: Any) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(ann.system.embedder, part, failing)
    with caplog.at_level(logging.WARNING):
        message = called(tools[place], ANN, **{argument: "tea"})

    assert (message.status, told in message.content, message.artifact) == ("error", True, None)
    assert caplog.messages == [f"{tools[place].name} failed: the disk is gone"]


def test_a_failure_to_forget_is_told_as_an_error(tools, ann, monkeypatch, caplog):
    def failing(*args: Any) -> None:
        raise StoreError("the disk is gone")

    page = ann.pages()[0]
    monkeypatch.setattr(ann.system.updater, "forget", failing)

    message = called(tools[2], ANN, id=page.id)

    assert (message.status, message.content.startswith("Not forgotten")) == ("error", True)
    assert caplog.messages == ["forget_memory failed: the disk is gone"]


def test_who_wants_errors_raised_gets_them_with_their_cause(tools):
    tools[2].handle_tool_error = False

    with pytest.raises(ToolException) as raised:
        called(tools[2], ANN, id="page_0")

    assert isinstance(raised.value.__cause__, NotFound)


def test_a_run_that_names_nobody_is_an_error_that_no_model_can_answer(tools):
    for tool, argument in zip(tools, ("query", "content", "id"), strict=True):
        with pytest.raises(InvalidInput, match="user_id is missing"):
            called(tool, **{argument: "tea"})


@pytest.mark.parametrize("options", [{}, {"k": 0}, {"memory": "ann"}])
def test_tools_need_a_memory_and_room_for_an_answer(system, options):
    given = {"system": system, **options} if "k" in options else options
    with pytest.raises(InvalidInput):
        create_memory_tools(**given)


# -- whose memory --------------------------------------------------------------------------


def test_no_argument_of_a_model_changes_whose_memory_it_is(tools):
    asked = {"query": QUESTION, "user_id": "ann", "session_id": "monday", "config": ANN, "configurable": {}}
    call = {"name": "search_memory", "args": asked, "id": "1", "type": "tool_call"}

    assert memories(tools[0].invoke(call, BOB)) == []


def test_two_users_on_one_set_of_tools_never_meet(system):
    search, save, _ = create_memory_tools(system=system)
    colours = {"ann": "red", "bob": "blue"}

    async def use(number: int) -> tuple[str, set[str]]:
        user = ("ann", "bob")[number % 2]
        config: RunnableConfig = {"configurable": {"user_id": user}}
        await save.ainvoke({"content": f"{user} said {colours[user]} {number}"}, config)
        found = await search.ainvoke({"query": "What was said?", "limit": 20}, config)
        return user, {each["note"].split()[2] for each in memories(found)}

    async def all_of_them() -> list[tuple[str, set[str]]]:
        return await asyncio.gather(*map(use, range(100)))

    assert asyncio.run(all_of_them()) == [("ann", {"red"}), ("bob", {"blue"})] * 50


# -- in an agent ----------------------------------------------------------------------------


def answers(messages: list[BaseMessage]) -> AIMessage:
    """Search for what the user asks, then say what was found."""
    last = messages[-1]
    if isinstance(last, ToolMessage):
        return AIMessage(content=str(last.content))
    return calling("search_memory", query=last.content, limit=1, user_id="somebody else")


def test_an_agent_finds_what_an_earlier_process_was_told(open_system):
    system = open_system()
    for said, answered in CONVERSATION:
        system.memory("ann", session_id="monday").add_memory(said, answered)
    system.close()
    model = RecordingChatModel(answers=answers)
    agent = create_agent(model, tools=create_memory_tools(system=open_system()))

    ann, bob = (agent.invoke({"messages": [("user", QUESTION)]}, config) for config in (ANN, BOB))

    assert memories(ann["messages"][-1].content)[0]["user"] == FACT
    assert (FACT in model.heard[1], memories(bob["messages"][-1].content)) == (True, [])


def test_an_agent_of_many_users_at_once_keeps_them_apart(system):
    for user, colour in (("ann", "red"), ("bob", "blue")):
        system.memory(user).add_memory(f"My colour is {colour}.")
    agent = create_agent(RecordingChatModel(answers=answers), tools=create_memory_tools(system=system))

    async def ask() -> list[Any]:
        runs = (agent.ainvoke({"messages": [("user", "colour")]}, config) for config in [ANN, BOB] * 50)
        return await asyncio.gather(*runs)

    found = [memories(state["messages"][-1].content)[0]["user"] for state in asyncio.run(ask())]
    assert found == ["My colour is red.", "My colour is blue."] * 50


def test_a_checkpoint_gives_back_the_artifact_as_it_was(tools):
    agent = create_agent(RecordingChatModel(answers=answers), tools=tools, checkpointer=InMemorySaver())
    config: RunnableConfig = {"configurable": {"user_id": "ann", "thread_id": "tuesday"}}

    said = agent.invoke({"messages": [("user", QUESTION)]}, config)["messages"]

    kept = agent.get_state(config).values["messages"]
    assert [message.artifact for message in kept[2:3]] == [message.artifact for message in said[2:3]]
    assert kept[2].artifact[0]["user_input"] == FACT


@dataclass
class Context:
    user_id: str


@pytest.mark.parametrize("config", [None, BOB])
@pytest.mark.parametrize("awaited", [False, True])
def test_the_runtime_context_of_an_agent_names_the_user(tools, config, awaited):
    agent = create_agent(RecordingChatModel(answers=answers), tools=tools, context_schema=Context)
    asked = {"messages": [("user", QUESTION)]}

    if awaited:
        state = asyncio.run(agent.ainvoke(asked, config, context=Context("ann")))
    else:
        state = agent.invoke(asked, config, context=Context("ann"))

    assert memories(state["messages"][-1].content)[0]["user"] == FACT


def test_an_agent_goes_on_after_a_refusal(tools):
    model = RecordingChatModel(answers=[calling("forget_memory", id="page_0"), "There is none."])

    state = create_agent(model, tools=tools).invoke({"messages": [("user", "Forget it")]}, ANN)

    assert [state["messages"][2].status, state["messages"][-1].content] == ["error", "There is none."]


# -- threads, traces, travel ------------------------------------------------------------------


class Watched(HashingEmbedder):
    """Notes the threads it works in."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []

    def embed(self, texts: Any) -> Any:
        self.threads.append(threading.current_thread())
        return super().embed(texts)


def test_awaiting_leaves_the_event_loop_free(open_system):
    embedder = Watched()
    search, save, forget = create_memory_tools(open_system(embedder=embedder).memory("ann"))

    async def use() -> threading.Thread:
        saved = json.loads(await save.ainvoke({"content": "Ann likes tea."}))
        await search.ainvoke({"query": "tea"})
        await forget.ainvoke({"id": saved["id"]})
        return threading.current_thread()

    loop_thread = asyncio.run(use())
    assert len(embedder.threads) >= 2
    assert loop_thread not in embedder.threads


class Traced(BaseCallbackHandler):
    """Notes which runs began inside which."""

    def __init__(self) -> None:
        self.runs: dict[Any, tuple[str, Any]] = {}

    def on_tool_start(self, serialized: Any, *args: Any, run_id: Any, parent_run_id: Any = None, **about: Any) -> None:
        self.runs[run_id] = (serialized["name"], parent_run_id)

    def on_retriever_start(self, *args: Any, run_id: Any, parent_run_id: Any = None, **about: Any) -> None:
        self.runs[run_id] = ("retriever", parent_run_id)


@pytest.mark.parametrize("awaited", [False, True])
def test_a_search_is_a_retriever_run_inside_that_of_the_tool(tools, awaited):
    traced = Traced()
    config: RunnableConfig = {**ANN, "callbacks": [traced]}

    if awaited:
        asyncio.run(tools[0].ainvoke({"query": "tea"}, config))
    else:
        tools[0].invoke({"query": "tea"}, config)

    (outer, inner) = traced.runs
    assert traced.runs == {outer: ("search_memory", None), inner: ("retriever", outer)}


def test_tools_can_be_pickled_and_copied(tools):
    expected = tools[0].invoke(QUESTION, ANN)
    assert [tool.tool_call_schema for tool in tools]

    for twins in (pickle.loads(pickle.dumps(tools)), copy.deepcopy(tools), [tool.model_copy() for tool in tools]):
        assert twins[0].invoke(QUESTION, ANN) == expected
        assert [tool.name for tool in twins] == [tool.name for tool in tools]


def test_neither_repr_nor_serialised_form_says_whose_memory_it_is(system):
    for tool in create_memory_tools(system.memory("ann@example.org")):
        assert "example.org" not in repr(tool) + dumps(tool)
