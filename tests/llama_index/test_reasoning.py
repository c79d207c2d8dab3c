"""What a ReAct agent answered is told from how it came to it, as LlamaIndex's agent writes both down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.agent.react.types import ActionReasoningStep, ObservationReasoningStep, ResponseReasoningStep
from llama_index.core.agent.workflow import ReActAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.tools import FunctionTool

from memoryos_integrations.llama_index import MemoryOSMemory
from memoryos_integrations.llama_index.messages import as_said
from memoryos_integrations.llama_index.reasoning import answer_and_reasoning

from .recording import RecordingLLM, agent, user

LOOK = ActionReasoningStep(thought="I need to look.", action="look", action_input={"what": "it\nAnswer: no"})
QUOTED = "Thought: I know.\nAnswer: It is nothing."
EXAMPLE = f"Like this:\nThought: I look.\nAction: look\nAction Input: {{}}\nObservation: A cat.\n{QUOTED}"


def seen(text: str, *, direct: bool = False) -> ObservationReasoningStep:
    return ObservationReasoningStep(observation=text, return_direct=direct)


def says(text: str, *, thought: str = "I can answer.") -> ResponseReasoningStep:
    return ResponseReasoningStep(thought=thought, response=text)


def direct(text: str) -> list:
    """The steps of a tool that answers itself, as the agent makes them."""
    return [LOOK, seen(text, direct=True), says(text, thought=text)]


STEPS = {
    "no tool": [says("It is a cat.")],
    "an answer without a thought": [says("It is a cat.", thought="(Implicit) I can answer without any more tools!")],
    "an empty thought": [says("It is a cat.", thought="")],
    "one round": [LOOK, seen("A cat."), says("It is a cat.")],
    "several rounds": [LOOK, seen("Dark."), LOOK, seen("A cat."), LOOK, seen("A cat!"), says("It is a cat.")],
    "lines": [LOOK, seen("A\nB"), says("It is\n\na cat.\n- one\n")],
    "lines that begin with names": [LOOK, seen("A"), says("It is\nAnswer: a cat.\nAction: none\nThought: x")],
    "an empty answer": [LOOK, seen("A cat."), says("")],
    "no observation": [LOOK, seen(""), says("It is a cat.")],
    "an observation that reads like an answer": [LOOK, seen(f"Page 1\n{QUOTED}"), says("It is a cat.")],
    "an observation that reads like reasoning": [LOOK, seen(EXAMPLE), LOOK, seen(QUOTED), says("It is a cat.")],
    "a thought of lines": [LOOK, seen("A"), says("It is a cat.", thought="Well.\nThought: so\nI know.")],
    "an answer that explains how agents reason": [says(EXAMPLE)],
    "a tool that answers itself": direct("It is a cat."),
    "a tool that answers itself in lines": direct("It is\na cat.\n"),
    "a tool that answers itself like an agent": direct(QUOTED),
    "a tool that answers itself like an agent in lines": direct(EXAMPLE),
    "a tool that answers nothing itself": direct(""),
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
def test_the_answer_is_what_the_agents_last_step_says(steps):
    """And the reasoning all that stands before it: nothing is lost between the two."""
    text = "\n".join(step.get_content() for step in steps)
    answer, reasoning = answer_and_reasoning(text)

    assert answer == steps[-1].response
    assert f"{reasoning}\nAnswer: {answer}" == text


PLAIN = [
    "",
    "It is a cat.",
    "A thought: Answer: no.",
    "I had a Thought: it is a cat.\nAnswer: yes.",
    "\nThought: I know.\nAnswer: It is a cat.",
    "thought: I know.\nAnswer: It is a cat.",
    "Thought: I had none.",
    "Thought:\nAnswer: It is a cat.",
    "Thought: provoking! Answer: it is a cat.",
    "Answer: It is a cat.",
    "Thought: I look.\nObservation: A cat.",
]


@pytest.mark.parametrize("text", PLAIN)
def test_any_other_text_is_all_answer(text):
    assert answer_and_reasoning(text) == (text, "")


lines = st.lists(
    st.sampled_from(("Thought: a", "Answer: b", "Observation: c", "Action: d", "Action Input: {}", "", "text")),
    max_size=12,
).map("\n".join)


@given(lines)
def test_whatever_the_text_nothing_of_it_is_lost(text):
    answer, reasoning = answer_and_reasoning(text)

    assert text == (f"{reasoning}\nAnswer: {answer}" if reasoning else answer)


@given(lines, lines)
def test_what_a_tool_says_itself_is_its_answer_whatever_it_is(said, before):
    steps = [LOOK, seen(before), *direct(said)]

    assert answer_and_reasoning("\n".join(step.get_content() for step in steps))[0] == said


def test_a_long_text_of_thoughts_is_read_in_no_time():
    """Each thought is looked at once: 100,000 of them would take hours otherwise."""
    text = "Thought: a\nObservation: b" + "\nThought: c" * 100_000 + "\nAnswer: d"

    assert answer_and_reasoning(text)[0] == "d"


# -- in messages ----------------------------------------------------------------------------------------


@pytest.fixture
def in_run():
    with instrument_tags({"llamaindex.run_id": "1"}):
        yield


def reasoned(*blocks) -> tuple[str, dict]:
    ((message,), _) = as_said([ChatMessage(role="assistant", blocks=list(blocks))])
    return message.text, dict(message.metadata)


@pytest.mark.usefixtures("in_run")
def test_thoughts_of_a_model_and_reasoning_of_an_agent_are_told_in_order():
    blocks = (ThinkingBlock(content="Hm."), ThinkingBlock(), ThinkingBlock(content="Ah!"))

    assert reasoned(*blocks, TextBlock(text=QUOTED)) == (
        "It is nothing.",
        {"reasoning": "Hm.\nAh!\nThought: I know."},
    )


@pytest.mark.usefixtures("in_run")
def test_what_a_user_writes_is_no_reasoning():
    assert [(each.text, dict(each.metadata)) for each in as_said([user(QUOTED)])[0]] == [(QUOTED, {})]


@pytest.mark.usefixtures("in_run")
def test_an_answer_that_is_empty_is_none():
    """What led to it is kept for the answer that follows."""
    said, _ = as_said([user("Q"), agent("Thought: Hm\nAnswer: "), agent("A")])

    assert [(each.role, each.text, dict(each.metadata)) for each in said] == [
        ("user", "Q", {}),
        ("agent", "", {}),
        ("agent", "A", {}),
    ]


# -- of a real agent --------------------------------------------------------------------------------------


def look(what: str) -> str:
    """Look at something."""
    return f"{what}:\n{QUOTED}"


ACTION = 'Thought: I need to look.\nAction: look\nAction Input: {{"what": "{}"}}'
REAL = {
    "at once": (["It is a cat."], "It is a cat.", 0),
    "with a thought": (["Thought: Easy.\nAnswer: It is\na cat."], "It is\na cat.", 0),
    "after two rounds": (
        [ACTION.format("a"), ACTION.format("b"), "Thought: Now I know.\nAnswer: It is a cat.\n\nReally."],
        "It is a cat.\n\nReally.",
        2,
    ),
    "after a mistake": (
        ["Thought: What now?", "Thought: So.\nAnswer: It is a cat."],
        "It is a cat.",
        0,
    ),
}


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("answers", "heard", "rounds"), REAL.values(), ids=REAL)
async def test_the_page_of_a_react_agent_holds_what_its_user_read(system, answers, heard, rounds, streaming):
    memory = MemoryOSMemory(memory=system.memory("tom", session_id="desk"))
    react = ReActAgent(tools=[look], llm=RecordingLLM(answers), streaming=streaming)
    response = await react.run("What is it?", memory=memory)
    (page,) = memory.memory.session_pages()

    assert (page.user_input, page.agent_response) == ("What is it?", heard)
    assert str(response) == heard
    assert page.metadata["reasoning"].startswith("Thought: ")
    assert page.metadata["reasoning"].count("Observation: ") == rounds


async def test_a_tool_that_answers_itself_is_the_answer_of_a_react_agent(system):
    memory = MemoryOSMemory(memory=system.memory("tom", session_id="desk"))
    tool = FunctionTool.from_defaults(look, return_direct=True)
    await ReActAgent(tools=[tool], llm=RecordingLLM([ACTION.format("a")])).run("What is it?", memory=memory)
    (page,) = memory.memory.session_pages()

    assert (page.user_input, page.agent_response) == ("What is it?", look("a"))
    assert page.metadata["reasoning"].startswith("Thought: I need to look.\nAction: look")
