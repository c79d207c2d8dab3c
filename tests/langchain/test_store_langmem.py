"""LangMem's own tools and memory manager on a MemoryOSStore."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from memoryos_engine import InvalidInput, MemoryOS, UserMemory
from memoryos_integrations.langchain import MemoryOSStore
from tests.langchain.speaking import ToolCaller

pytestmark = [pytest.mark.newest]

TOM = {"configurable": {"langgraph_user_id": "tom"}}
ANN = {"configurable": {"langgraph_user_id": "ann"}}
SPACE = ("memories", "{langgraph_user_id}")
NOTES = ("memories", "tom")


def tools(**options: Any) -> list[Any]:
    from langmem import create_manage_memory_tool, create_search_memory_tool

    return [create_manage_memory_tool(SPACE, **options), create_search_memory_tool(SPACE, **options)]


def call(name: str, **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": "1"}])


def doing(*steps: AIMessage | Callable[[list[BaseMessage]], AIMessage]) -> ToolCaller:
    """A model that takes these steps, one in each answer; a function makes its step of what it was told."""
    waiting = [*steps, AIMessage("done")]

    def respond(messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
        step = waiting.pop(0)
        return step(messages) if callable(step) else step

    return ToolCaller(respond=respond)


def told(messages: list[BaseMessage]) -> str:
    return [str(message.content) for message in messages if isinstance(message, ToolMessage)][-1]


def found_ids(messages: list[BaseMessage]) -> list[str]:
    return [item["key"] for item in json.loads(told(messages))]


def agent_run(store: MemoryOSStore, *steps: Any, config: dict[str, Any], awaited: bool) -> list[str]:
    """Have an agent of LangMem's tools take steps, and return what the tools told it."""
    agent = create_agent(doing(*steps), tools(), store=store)
    asked = {"messages": [("user", "Mind your memory.")]}
    answer = asyncio.run(agent.ainvoke(asked, config)) if awaited else agent.invoke(asked, config)
    return [str(message.content) for message in answer["messages"] if isinstance(message, ToolMessage)]


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("options", [{}, {"user_label": 1}], ids=["user of the run", "user of the label"])
def test_an_agent_creates_finds_updates_and_deletes_memories(
    open_system: Callable[..., MemoryOS], awaited: bool, options: dict[str, Any]
) -> None:
    first = open_system()
    store = MemoryOSStore(system=first, **options)
    agent_run(
        store,
        call("manage_memory", content="The user has a cat called Felix."),
        call("manage_memory", content="The user drinks green tea."),
        config=TOM,
        awaited=awaited,
    )
    first.close()

    store = MemoryOSStore(system=open_system(), **options)
    heard = agent_run(
        store,
        call("search_memory", query="What is the cat called?"),
        lambda messages: call("manage_memory", action="update", id=found_ids(messages)[0], content="The cat is Tiger."),
        call("search_memory", query="What is the cat called?"),
        lambda messages: call("manage_memory", action="delete", id=found_ids(messages)[0]),
        call("search_memory", query="What is the cat called?"),
        config=TOM,
        awaited=awaited,
    )

    contents = [[item["value"]["content"] for item in json.loads(heard[place])] for place in (0, 2, 4)]
    assert contents == [
        ["The user has a cat called Felix.", "The user drinks green tea."],
        ["The cat is Tiger.", "The user drinks green tea."],
        ["The user drinks green tea."],
    ]
    assert heard[1].startswith("updated memory ")
    assert heard[3].startswith("Deleted memory ")
    assert agent_run(store, call("search_memory", query="tea"), config=ANN, awaited=awaited) == ["[]"]


def test_an_agent_corrects_and_deletes_what_the_engine_learnt(open_system: Callable[..., MemoryOS]) -> None:
    memory = learnt(open_system)

    heard = agent_run(
        MemoryOSStore(system=memory.system),
        call("search_memory", query="Which sister keeps reindeer?", filter={"kind": "user_knowledge"}),
        lambda messages: call("manage_memory", action="update", id=found_ids(messages)[0], content="Olga keeps elks."),
        call("search_memory", query="Where is home?", filter={"kind": "user_profile"}),
        lambda messages: call("manage_memory", action="delete", id=found_ids(messages)[0]),
        call("search_memory", query="Olga"),
        config=TOM,
        awaited=False,
    )

    contents = [item["value"]["content"] for item in json.loads(heard[4])]
    assert contents == ["Olga keeps elks.", "I live in Lisbon."]
    assert [entry.text for entry in memory.knowledge()] == ["I live in Lisbon."]


def learnt(open_system: Callable[..., MemoryOS]) -> UserMemory:
    memory = open_system(short_term_capacity=1, heat_threshold=0.0).memory("tom")
    memory.add_memory("I live in Lisbon. My sister Olga keeps reindeer.")
    memory.flush()
    return memory


def test_the_tools_work_outside_a_graph(system: MemoryOS) -> None:
    manage, search = tools(store=MemoryOSStore(system=system, user_label=1))

    created = manage.invoke({"content": "Tom drinks tea."}, TOM)
    key = created.removeprefix("created memory ")

    assert json.loads(search.invoke({"query": "tea"}, TOM))[0]["key"] == key
    assert json.loads(asyncio.run(search.ainvoke({"query": "tea", "limit": 1}, TOM)))[0]["key"] == key
    assert search.invoke({"query": "tea"}, ANN) == "[]"
    with pytest.raises(ValueError, match="must provide a MEMORY ID"):
        manage.invoke({"action": "delete"}, TOM)


def test_structured_memories_keep_their_fields(system: MemoryOS) -> None:
    from langmem import create_manage_memory_tool
    from pydantic import BaseModel

    class Preference(BaseModel):
        category: str
        preferences: dict[str, str]

    memory = system.memory("tom")
    store = MemoryOSStore(memory=memory)
    manage = create_manage_memory_tool(NOTES, schema=Preference, store=store)

    manage.invoke({"content": {"category": "ui", "preferences": {"theme": "dark"}}})

    (item,) = store.search(NOTES, query="dark theme")
    assert item.value == {"content": {"category": "ui", "preferences": {"theme": "dark"}}}
    assert [page.agent_response for page in memory.pages()] == ["category: ui\npreferences theme: dark"]


# -- LangMem's memory manager ---------------------------------------------------------------


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_the_memory_manager_keeps_its_memories(open_system: Callable[..., MemoryOS], awaited: bool) -> None:
    store = MemoryOSStore(memory=open_system().memory("tom"))
    said = {"messages": [{"role": "user", "content": "I prefer dark mode."}]}
    invoke(manager(store, call("Memory", content="Tom prefers dark mode.")), said, awaited)

    again = {"messages": [{"role": "user", "content": "Dark mode hurts my eyes now."}]}
    patching = manager(store, patch("Tom prefers light mode."))
    (found,) = patching.search(query="mode", config=TOM)
    assert found.value.content == "Tom prefers dark mode."
    invoke(patching, again, awaited)

    (item,) = store.search(NOTES)
    assert item.value == {"kind": "Memory", "content": {"content": "Tom prefers light mode."}}


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_the_memory_manager_can_remove_what_the_engine_learnt(
    open_system: Callable[..., MemoryOS], awaited: bool
) -> None:
    memory = learnt(open_system)
    store = MemoryOSStore(memory=memory)
    said = {"messages": [{"role": "user", "content": "Olga sold her reindeer."}]}

    invoke(manager(store, remove("reindeer"), enable_deletes=True), said, awaited)

    assert sorted(item.value["content"] for item in store.search(NOTES)) == ["I live in Lisbon.", "home: Lisbon"]


def manager(store: MemoryOSStore, *steps: Any, **options: Any) -> Any:
    from langmem import create_memory_store_manager

    return create_memory_store_manager(doing(*steps), namespace=SPACE, store=store, **options)


def invoke(runnable: Any, said: dict[str, Any], awaited: bool) -> None:
    if awaited:
        asyncio.run(runnable.ainvoke(said, TOM))
    else:
        runnable.invoke(said, TOM)


def patch(content: str) -> Callable[[list[BaseMessage]], AIMessage]:
    """Have the one memory that the model is shown say something else."""

    def step(messages: list[BaseMessage]) -> AIMessage:
        shown = str(messages[0].content).split("<instance id=")[1]
        patches = [{"op": "replace", "path": "/content", "value": content}]
        return call("PatchDoc", json_doc_id=shown.split(" ")[0], planned_edits="", patches=patches)

    return step


def remove(word: str) -> Callable[[list[BaseMessage]], AIMessage]:
    def step(messages: list[BaseMessage]) -> AIMessage:
        shown = next(each for each in str(messages[0].content).split("<instance id=") if word in each)
        return call("RemoveDoc", json_doc_id=shown.split(" ")[0])

    return step


def test_the_memory_manager_needs_a_label_for_the_user_outside_a_graph(system: MemoryOS) -> None:
    said = {"messages": [{"role": "user", "content": "I prefer dark mode."}]}
    steps = [call("Memory", content="Tom prefers dark mode.")]

    with pytest.raises(InvalidInput, match="user_id is missing"):
        invoke(manager(MemoryOSStore(system=system), *steps), said, awaited=False)
    invoke(manager(MemoryOSStore(system=system, user_label=1), *steps), said, awaited=False)

    assert [owner.user_id for owner in system.users()] == ["tom"]
