"""Agents and workflows: contexts that are reused, written down and edited; tools, handoffs and structured answers."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.workflow import Context, JsonPickleSerializer
from pydantic import BaseModel

from memoryos_engine import MemoryOS
from memoryos_integrations.llama_index import MemoryOSMemory
from tests.conversation import CONVERSATION, FACT, QUESTION

from .recording import RecordingLLM, agent, calling, told, user
from .surfaces import weather

ROOT = str(Path(__file__).parent.parent.parent)


def function_agent(answers, **options) -> FunctionAgent:
    return FunctionAgent(tools=[weather], llm=RecordingLLM(answers), **options)


def written(context: Context) -> str:
    """Return a context as its host would write it to a file."""
    return json.dumps(context.to_dict())


def pages_of(memory) -> list[tuple[str, str]]:
    return [(page.user_input, page.agent_response) for page in memory.pages()]


@pytest.fixture
def owner(system):
    return system.memory("tom", session_id="monday")


@pytest.fixture(params=["memory", "system"])
def memory(request, system, owner) -> MemoryOSMemory:
    if request.param == "memory":
        return MemoryOSMemory(memory=owner)
    return MemoryOSMemory(system=system, user_id="tom", session_id="monday")


# -- contexts ---------------------------------------------------------------------------------------


async def test_a_context_that_is_used_again_has_the_memory_it_had(owner, memory):
    """LlamaIndex makes the memory anew out of JSON for each run."""
    one = function_agent(["How lovely.", "Reindeer."])
    context = Context(one)
    await one.run(FACT, memory=memory, ctx=context)
    await one.run(QUESTION, ctx=context)

    assert pages_of(owner) == [(FACT, "How lovely."), (QUESTION, "Reindeer.")]
    assert told(one.llm.prompts[-1]) == [("user", FACT), ("assistant", "How lovely."), ("user", QUESTION)]


@pytest.mark.parametrize("again", [True, False], ids=["with memory=", "without memory="])
async def test_a_context_that_was_written_down_has_the_memory_it_had(owner, memory, again):
    one = function_agent(["How lovely.", "Reindeer."])
    context = Context(one)
    await one.run(FACT, memory=memory, ctx=context)
    context = Context.from_dict(one, json.loads(written(context)))
    await one.run(QUESTION, ctx=context, **({"memory": memory} if again else {}))

    assert type(await context.store.get("memory")) is MemoryOSMemory
    assert pages_of(owner) == [(FACT, "How lovely."), (QUESTION, "Reindeer.")]


async def test_pickled_contexts_work_as_well(owner, memory):
    one = function_agent(["How lovely.", "Reindeer."])
    context = Context(one)
    await one.run(FACT, memory=memory, ctx=context)
    kept = json.dumps(context.to_dict(serializer=JsonPickleSerializer()))
    context = Context.from_dict(one, json.loads(kept), serializer=JsonPickleSerializer())
    await one.run(QUESTION, ctx=context)

    assert pages_of(owner) == [(FACT, "How lovely."), (QUESTION, "Reindeer.")]


async def test_what_a_context_is_written_down_as_holds_nothing_that_was_said(owner, memory):
    one = function_agent(["How lovely."])
    context = Context(one)
    await one.run(FACT, memory=memory, ctx=context)
    kept = json.loads(json.loads(written(context))["state"]["state_data"]["_data"]["memory"])

    assert FACT not in json.dumps(kept)
    assert kept["value"]["class_name"] == "MemoryOSMemory"


async def test_a_context_that_was_written_down_finds_the_store_in_another_process(tmp_path):
    """Path and settings are all it takes where the store has no parts that cannot travel."""
    with MemoryOS(tmp_path / "store") as system:
        one = function_agent(["How lovely."])
        context = Context(one)
        await one.run(FACT, memory=MemoryOSMemory(memory=system.memory("tom", session_id="monday")), ctx=context)
        kept = written(context)
    (tmp_path / "context.json").write_text(kept, encoding="utf-8")
    code = f"""
import asyncio, json, sys
sys.path.insert(0, {ROOT!r})
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.workflow import Context
from tests.llama_index.recording import RecordingLLM, told

async def main():
    agent = FunctionAgent(tools=[], llm=RecordingLLM(["Reindeer."]))
    context = Context.from_dict(agent, json.load(open({str(tmp_path / "context.json")!r})))
    await agent.run({QUESTION!r}, ctx=context)
    print(json.dumps(told(agent.llm.prompts[-1])))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [["user", FACT], ["assistant", "How lovely."], ["user", QUESTION]]


async def test_editing_the_state_of_a_run_leaves_the_memory_one(owner, memory):
    """`edit_state` copies what is in the state; a copy of a handle is the handle."""
    one = function_agent(["How lovely."])
    context = Context(one)
    await one.run(FACT, memory=memory, ctx=context)
    async with context.store.edit_state() as state:
        state["note"] = 1
        state["memory"].put(user("Still here?"))

    assert pages_of(owner) == [(FACT, "How lovely."), ("Still here?", "")]


def test_copies_are_the_same_memory(owner, memory):
    copies = [copy.deepcopy(memory), copy.copy(memory), copy.deepcopy({"memory": [memory]})["memory"][0]]
    for number, copied in enumerate(copies):
        assert copied == memory
        copied.put(user(f"Copy {number}"))

    assert pages_of(owner) == [(f"Copy {number}", "") for number in range(3)]


def test_a_copy_for_another_user_leaves_the_memory_whose_it_was(system):
    memory = MemoryOSMemory(system=system, user_id="tom")
    memory.model_copy(update={"user_id": "ann"}).put(user(FACT))

    assert [whose.user_id for whose in system.users()] == ["ann"]
    with pytest.raises(ValueError, match="frozen"):
        memory.user_id = "ann"


def test_a_pickled_memory_is_the_same_memory(owner, memory):
    pickle.loads(pickle.dumps(memory)).put(user(FACT))

    assert pages_of(owner) == [(FACT, "")]


# -- what hosts do to messages --------------------------------------------------------------------------


async def test_the_state_of_a_workflow_is_not_stored_with_the_question(owner, memory):
    """The workflow writes its state into the last message it is given; that one is not ours."""
    one = function_agent(["Hello, Tom!", "Still 3."])
    workflow = AgentWorkflow(agents=[one], initial_state={"apples": 3})
    context = Context(workflow)
    await workflow.run("I'm Tom.", memory=memory, ctx=context)
    await workflow.run("How many apples?", ctx=context)

    assert "{'apples': 3}" in str(told(one.llm.prompts[-1])[-1])
    assert told(one.llm.prompts[-1])[:-1] == [("user", "I'm Tom."), ("assistant", "Hello, Tom!")]
    assert pages_of(owner) == [("I'm Tom.", "Hello, Tom!"), ("How many apples?", "Still 3.")]


async def test_tools_leave_no_word_in_the_page_and_can_be_looked_up_beside_it(owner, memory):
    one = function_agent([calling("weather", place="Tromsø"), calling("weather", call_id="2", place="Oslo"), "Sunny."])
    await one.run("Where is it sunny?", memory=memory)

    assert pages_of(owner) == [("Where is it sunny?", "Sunny.")]
    assert owner.pages()[0].metadata["tool_calls"] == [
        {"name": "weather", "arguments": '{"place": "Tromsø"}', "result": "It is sunny in Tromsø."},
        {"name": "weather", "arguments": '{"place": "Oslo"}', "result": "It is sunny in Oslo."},
    ]
    assert [len(prompt) for prompt in one.llm.prompts] == [1, 3, 5]


async def test_the_answer_of_a_tool_that_ends_the_run_is_the_answer(owner, memory):
    from llama_index.core.tools import FunctionTool

    tool = FunctionTool.from_defaults(weather, return_direct=True)
    one = FunctionAgent(tools=[tool], llm=RecordingLLM([calling("weather", place="Oslo")]))
    await one.run("Is it sunny in Oslo?", memory=memory)

    assert pages_of(owner) == [("Is it sunny in Oslo?", "It is sunny in Oslo.")]


async def test_an_answer_after_a_handoff_is_one_page_with_the_question(owner, memory):
    reader = FunctionAgent(
        name="reader",
        description="Reads.",
        tools=[weather],
        llm=RecordingLLM([calling("weather", place="Oslo"), "Sunny."]),
    )
    greeter = FunctionAgent(
        name="greeter",
        description="Greets.",
        llm=RecordingLLM([calling("handoff", to_agent="reader", reason="weather")]),
    )
    workflow = AgentWorkflow(agents=[greeter, reader], root_agent="greeter")
    await workflow.run("Is it sunny in Oslo?", memory=memory)

    assert pages_of(owner) == [("Is it sunny in Oslo?", "Sunny.")]
    assert [call["name"] for call in owner.pages()[0].metadata["tool_calls"]] == ["handoff", "weather"]


async def test_a_react_agents_thoughts_are_kept_beside_its_answer(owner, memory):
    steps = ['Thought: I look.\nAction: weather\nAction Input: {"place": "Oslo"}', "Thought: I know.\nAnswer: Sunny."]
    one = ReActAgent(
        tools=[weather], llm=RecordingLLM([*steps, "Thought: Easy.\nAnswer: Yes."]), system_prompt="Be kind."
    )
    await one.run("Is it sunny in Oslo?", memory=memory)
    await one.run("Really?", memory=memory)

    assert pages_of(owner) == [("Is it sunny in Oslo?", "Sunny."), ("Really?", "Yes.")]
    assert "Observation: It is sunny in Oslo." in owner.pages()[0].metadata["reasoning"]
    assert told(one.llm.prompts[-1])[1:] == [
        ("user", "Is it sunny in Oslo?"),
        ("assistant", "Sunny."),
        ("user", "Really?"),
    ]


async def test_a_structured_answer_is_made_of_messages_that_end_with_the_answer(owner, memory):
    class Sky(BaseModel):
        colour: str

    seen: list[list[tuple[str, str | None]]] = []

    def structured(messages):
        seen.append(told(messages))
        return Sky(colour="blue").model_dump()

    one = function_agent(["It is blue."], structured_output_fn=structured)
    result = await one.run("What colour is the sky?", memory=memory)

    assert result.structured_response == {"colour": "blue"}
    assert seen == [[("user", "What colour is the sky?"), ("assistant", "It is blue.")]]


@pytest.mark.newest
async def test_a_run_that_is_stopped_early_ends_with_its_last_words(owner, memory):
    one = function_agent([calling("weather", place="Oslo"), calling("weather", place="Bergen"), "I give up."])
    await one.run("Where is it sunny?", memory=memory, max_iterations=2, early_stopping_method="generate")

    assert pages_of(owner) == [("Where is it sunny?", "I give up.")]


async def test_a_run_on_a_conversation_alone_answers_its_last_question(owner, memory):
    one = function_agent(["Reindeer."])
    history = [user(FACT), agent("How lovely."), user(QUESTION)]
    await one.run(chat_history=history, memory=memory)

    assert pages_of(owner) == [(FACT, "How lovely."), (QUESTION, "Reindeer.")]
    assert told(one.llm.prompts[-1]) == told(history)


async def test_a_conversation_handed_to_each_run_is_stored_once(owner, memory):
    one = function_agent([answer for _, answer in CONVERSATION[:6]])
    history = []
    for asked, answer in CONVERSATION[:6]:
        await one.run(asked, chat_history=history, memory=memory)
        history += [user(asked), agent(answer)]

    assert pages_of(owner) == CONVERSATION[:6]


async def test_a_model_that_fails_leaves_the_question_and_the_next_run_goes_on(owner, memory):
    one = function_agent([RuntimeError("no model today"), "Reindeer."])
    with pytest.raises(Exception, match="no model today"):
        await one.run(FACT, memory=memory)
    await one.run(QUESTION, memory=memory)

    assert pages_of(owner) == [(FACT, ""), (QUESTION, "Reindeer.")]


async def test_two_runs_of_one_session_at_once_keep_their_answers_apart(owner, memory):
    """Each run is answered where it was asked, whichever ends first."""
    import asyncio

    gate = asyncio.Event()

    async def slow() -> str:
        """Wait for the other run."""
        await gate.wait()
        return "done"

    def answer(prompt):
        asked = told(prompt)[-1]
        if asked == ("user", "slow question"):
            return calling("slow")
        return "fast answer" if asked[0] == "user" else "slow answer"

    one = FunctionAgent(tools=[slow], llm=RecordingLLM(answer))
    first = one.run("slow question", memory=memory)
    while len(owner.pages()) < 1 or len(one.llm.prompts) < 1:
        await asyncio.sleep(0)
    await one.run("fast question", memory=memory)
    gate.set()
    await first

    assert pages_of(owner) == [("slow question", "slow answer"), ("fast question", "fast answer")]


async def test_tools_of_two_runs_at_once_stand_beside_their_own_answers(owner, memory):
    """A handoff ends a part of a run without an answer; the other run speaks in between."""
    import asyncio

    gate = asyncio.Event()

    async def slow() -> str:
        """Wait for the other run."""
        await gate.wait()
        return "done"

    def reading(prompt):
        return calling("slow") if told(prompt)[-1][0] == "user" else "slow answer"

    reader = FunctionAgent(name="reader", description="Reads.", tools=[slow], llm=RecordingLLM(reading))
    handoff = calling("handoff", to_agent="reader", reason="why")
    greeter = FunctionAgent(name="greeter", description="Greets.", llm=RecordingLLM([handoff]))
    first = AgentWorkflow(agents=[greeter, reader], root_agent="greeter").run("slow question", memory=memory)
    while not reader.llm.prompts:
        await asyncio.sleep(0)
    await function_agent([calling("weather", place="Oslo"), "Sunny."]).run("fast question", memory=memory)
    gate.set()
    await first

    called = {page.user_input: [call["name"] for call in page.metadata["tool_calls"]] for page in owner.pages()}
    assert called == {"slow question": ["handoff", "slow"], "fast question": ["weather"]}


async def test_an_agent_without_memory_has_its_own_as_before(system):
    one = function_agent(["Hello."])
    context = Context(one)
    await one.run("Hi", ctx=context)

    assert type(await context.store.get("memory")) is ChatMemoryBuffer
