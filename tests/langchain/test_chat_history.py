"""MemoryOSChatMessageHistory by itself, in RunnableWithMessageHistory, and around agents that hand over their state."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import pickle
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware, SummarizationMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    HumanMessageChunk,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.outputs import ChatGeneration
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.runnables import ConfigurableFieldSpec, Runnable, RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from memoryos_engine import (
    DialoguePage,
    EmbeddingError,
    InvalidInput,
    MemoryOS,
    StoreError,
    UserMemory,
)
from memoryos_engine.tokens import default_counter
from memoryos_integrations.langchain import MemoryOSChatMessageHistory
from memoryos_integrations.saving import waiting
from tests.langchain.conversation import CONVERSATION, FACT, QUESTION, RecordingChatModel, answers_to, calling, said
from tests.langchain.slow_and_broken import TroubledEmbedder, WaitingForTheLoop

Turns = list[tuple[str, str]]
Ask = Callable[[Runnable[Any, Any], Any, dict[str, Any]], Any]
Wrapped = tuple[Runnable[Any, Any], dict[str, str]]
"""A chain, and the keys that RunnableWithMessageHistory needs for it."""


def turns(pages: list[DialoguePage]) -> Turns:
    return [(page.user_input, page.agent_response) for page in pages]


def session(memory: UserMemory) -> Turns:
    return turns(memory.session_pages())


def remembering(chain: Runnable[Any, Any], factory: Callable[..., Any], **keys: Any) -> RunnableWithMessageHistory:
    """Wrap a chain; LangChain says in newer versions that it is old to do so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RunnableWithMessageHistory is deprecated")
        return RunnableWithMessageHistory(chain, factory, **keys)


@tool
def station(city: str) -> str:
    """Return the main station of a city."""
    return "Santa Apolónia"


# -- chains -----------------------------------------------------------------------------------


def prompt_with_history(model: RecordingChatModel) -> Wrapped:
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("past"), ("user", "{question}")])
    return prompt | model, {"input_messages_key": "question", "history_messages_key": "past"}


def text_prompt(model: RecordingChatModel) -> Wrapped:
    prompt = PromptTemplate.from_template("{history}\nUser: {question}")
    spoken = prompt | model | (lambda answer: answer.content)
    return spoken, {"input_messages_key": "question", "history_messages_key": "history"}


def prompt_of_messages(model: RecordingChatModel) -> Wrapped:
    prompt = ChatPromptTemplate.from_messages([("system", "Be kind."), MessagesPlaceholder("question")])
    return prompt | model | (lambda answer: {"output": answer}), {"input_messages_key": "question"}


def bare_model(model: RecordingChatModel) -> Wrapped:
    return model, {}


def agent(model: RecordingChatModel) -> Wrapped:
    keys = {"input_messages_key": "messages", "output_messages_key": "messages"}
    return create_agent(model, tools=[station]), keys


CHAINS = [prompt_with_history, text_prompt, prompt_of_messages, bare_model, agent]


def input_of(keys: dict[str, str], text: str) -> Any:
    """What the chain takes: text for a prompt with history, messages for all others."""
    if "history_messages_key" in keys:
        return {keys["input_messages_key"]: text}
    messages = [HumanMessage(text)]
    return {keys["input_messages_key"]: messages} if keys else messages


def invoke(chain: Runnable[Any, Any], value: Any, config: dict[str, Any]) -> None:
    chain.invoke(value, config)


def stream(chain: Runnable[Any, Any], value: Any, config: dict[str, Any]) -> None:
    list(chain.stream(value, config))


def ainvoke(chain: Runnable[Any, Any], value: Any, config: dict[str, Any]) -> None:
    asyncio.run(chain.ainvoke(value, config))


def astream(chain: Runnable[Any, Any], value: Any, config: dict[str, Any]) -> None:
    async def pieces() -> list[Any]:
        return [piece async for piece in chain.astream(value, config)]

    asyncio.run(pieces())


WAYS = [invoke, stream, ainvoke, astream]
MONDAY = {"configurable": {"session_id": "monday"}}


def of_tom(system: MemoryOS) -> Callable[[str], MemoryOSChatMessageHistory]:
    return lambda session_id: MemoryOSChatMessageHistory(system=system, user_id="tom", session_id=session_id)


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("wrapped", CHAINS)
def test_the_fact_of_turn_2_is_in_the_prompt_after_32_turns_and_a_restart(open_system, wrapped, ask: Ask):
    system = open_system()
    talking, keys = wrapped(RecordingChatModel(answers=answers_to(CONVERSATION)))
    chain = remembering(talking, of_tom(system), **keys)
    for question, _ in CONVERSATION:
        ask(chain, input_of(keys, question), MONDAY)
    pages = system.memory("tom", session_id="monday").session_pages()
    system.memory("tom").flush()
    system.close()

    system = open_system()
    model = RecordingChatModel(answers=["Reindeer."] * 2)
    talking, keys = wrapped(model)
    chain = remembering(talking, of_tom(system), **keys)
    ask(chain, input_of(keys, QUESTION), MONDAY)
    ask(chain, input_of(keys, QUESTION), {"configurable": {"session_id": "tuesday"}})

    assert turns(pages) == CONVERSATION
    assert (FACT in model.heard[0], "reindeer" in model.heard[1]) == (True, False)
    assert session(system.memory("tom", session_id="monday")) == [*CONVERSATION, (QUESTION, "Reindeer.")]


@pytest.mark.parametrize("wrapped", [prompt_with_history, prompt_of_messages, agent])
def test_a_chain_stores_byte_for_byte_what_add_memory_does(open_system, tmp_path, wrapped):
    by_hand = open_system(path=tmp_path / "by hand").memory("tom", session_id="monday")
    for question, answer in CONVERSATION:
        by_hand.add_memory(question, answer)

    system = open_system()
    talking, keys = wrapped(RecordingChatModel(answers=answers_to(CONVERSATION)))
    chain = remembering(talking, of_tom(system), **keys)
    for question, _ in CONVERSATION:
        chain.invoke(input_of(keys, question), MONDAY)

    assert system.memory("tom", session_id="monday").pages() == by_hand.pages()


def _speaks_meanwhile(memory: UserMemory) -> Callable[[list[BaseMessage]], str]:
    """Answer; while this is thought over, the user says something else on another device."""

    def answer(prompt: list[BaseMessage]) -> str:
        memory.add_memory(f"Meanwhile {len(prompt)}", "Yes?")
        return f"To: {prompt[-1].content}"

    return answer


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("wrapped", [bare_model, prompt_of_messages, agent])
def test_nothing_is_lost_or_doubled_when_somebody_else_speaks_during_the_run(system, wrapped, ask: Ask, shared):
    memory = system.memory("tom", session_id="monday")
    one = of_tom(system)("monday")
    talking, keys = wrapped(RecordingChatModel(answers=_speaks_meanwhile(memory)))
    chain = remembering(talking, (lambda session_id: one) if shared else of_tom(system), **keys)

    for text in ("one", "two", "three"):
        ask(chain, input_of(keys, text), MONDAY)

    said_to = [turn for turn in session(memory) if not turn[0].startswith("Meanwhile")]
    assert said_to == [("one", "To: one"), ("two", "To: two"), ("three", "To: three")]
    assert len(session(memory)) == 6


@pytest.mark.parametrize("ask", ["batch", "abatch"])
def test_runs_at_the_same_time_on_one_instance_lose_nothing(system, ask):
    memory, together = system.memory("tom", session_id="monday"), threading.Barrier(4, timeout=20)
    memory.add_memory("earlier", "yes")

    def answer(prompt: list[BaseMessage]) -> str:
        together.wait()
        return f"To: {prompt[-1].content}"

    one = of_tom(system)("monday")
    chain = remembering(RecordingChatModel(answers=answer), lambda session_id: one)
    inputs = [[HumanMessage(f"text {number}")] for number in range(4)]
    if ask == "batch":
        chain.batch(inputs, MONDAY)
    else:
        asyncio.run(chain.abatch(inputs, MONDAY))

    told = sorted(session(memory)[1:])
    assert told == [(f"text {number}", f"To: text {number}") for number in range(4)]


def test_a_long_lived_instance_shows_what_others_wrote_after_a_run_that_failed(system):
    one, memory = of_tom(system)("monday"), system.memory("tom", session_id="monday")
    model = RecordingChatModel(answers=[RuntimeError("no answer"), "Yes."])
    chain = remembering(model, lambda session_id: one)

    with pytest.raises(RuntimeError, match="no answer"):
        chain.invoke([HumanMessage("one")], MONDAY)
    memory.add_memory("elsewhere", "ok")
    chain.invoke([HumanMessage("two")], MONDAY)

    assert [message.content for message in model.prompts[1]] == ["elsewhere", "ok", "two"]
    assert session(memory) == [("elsewhere", "ok"), ("two", "Yes.")]


def test_a_window_keeps_the_latest_whole_turns_and_loses_no_new_one(system):
    memory, count = system.memory("tom", session_id="monday"), default_counter()
    model = RecordingChatModel(answers=answers_to(CONVERSATION))
    short = lambda session_id: MemoryOSChatMessageHistory(  # noqa: E731
        system=system, user_id="tom", session_id=session_id, max_tokens=60
    )
    chain = remembering(model, short)
    for question, _ in CONVERSATION:
        chain.invoke([HumanMessage(question)], MONDAY)

    shown = short("monday").messages
    assert session(memory) == CONVERSATION
    assert [message.content for message in shown] == [
        side for turn in CONVERSATION[-len(shown) // 2 :] for side in turn
    ]
    assert 30 < sum(count(message.content) + 4 for message in shown) <= 60
    assert len(model.prompts[-1]) < 12


# -- whose -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", WAYS)
def test_two_users_interleaved_on_one_chain_never_meet(system, ask: Ask):
    model = RecordingChatModel(answers=lambda prompt: "Noted.")
    fields = [
        ConfigurableFieldSpec(id=name, annotation=str, name=name, description="", default="", is_shared=True)
        for name in ("user_id", "session_id")
    ]
    chain = remembering(
        model,
        lambda user_id, session_id: MemoryOSChatMessageHistory(system=system, user_id=user_id, session_id=session_id),
        history_factory_config=fields,
    )
    for turn in range(16):
        for user in ("ann", "bob"):
            config = {"configurable": {"user_id": user, "session_id": "s"}}
            ask(chain, [HumanMessage(f"{user} likes dish {turn}.")], config)

    for user, other in (("ann", "bob"), ("bob", "ann")):
        expected = [(f"{user} likes dish {turn}.", "Noted.") for turn in range(16)]
        assert session(system.memory(user, session_id="s")) == expected
        assert not [heard for heard in model.heard if f"{user} likes" in heard and other in heard]


def test_the_config_names_the_user_where_the_factory_does_not(system):
    chain = remembering(
        RecordingChatModel(answers=lambda prompt: "Noted."),
        lambda session_id: MemoryOSChatMessageHistory(system=system, session_id=session_id),
    )

    chain.invoke([HumanMessage("I am Ann.")], {"configurable": {"session_id": "s", "user_id": "ann"}})

    assert session(system.memory("ann", session_id="s")) == [("I am Ann.", "Noted.")]
    with pytest.raises(InvalidInput, match=r"^user_id is missing"):
        chain.invoke([HumanMessage("I am nobody.")], {"configurable": {"session_id": "s"}})


def test_the_ids_of_the_factory_win_over_those_of_the_config(system):
    """The thread of the graph inside and a user id of tracing are not the session and the user."""
    chain = remembering(
        RecordingChatModel(answers=lambda prompt: "Noted."),
        lambda session_id: MemoryOSChatMessageHistory(system=system, user_id="acme/ann", session_id=session_id),
    )

    chain.invoke([HumanMessage("hi")], {"configurable": {"session_id": "s", "thread_id": "t", "user_id": "ann"}})

    assert session(system.memory("acme/ann", session_id="s")) == [("hi", "Noted.")]
    assert [owner.user_id for owner in system.users()] == ["acme/ann"]


def test_neither_or_both_of_memory_and_system_is_an_error(system):
    for options in ({}, {"memory": system.memory("tom"), "system": system}):
        with pytest.raises(InvalidInput, match=r"^memory and system: exactly one"):
            MemoryOSChatMessageHistory(**options)
    with pytest.raises(InvalidInput, match=r"^max_tokens is 0"):
        MemoryOSChatMessageHistory(system=system, max_tokens=0)


# -- agents hand over all their state --------------------------------------------------------------


def state_of(conversation: Turns) -> list[BaseMessage]:
    """The messages of a graph, each with an id, and a tool in every third turn."""
    messages: list[BaseMessage] = [SystemMessage("Be kind.", id="system")]
    for place, (question, answer) in enumerate(conversation):
        messages.append(HumanMessage(question, id=f"user-{place}"))
        if place % 3 == 0:
            asking = calling("station", city="Lisbon")
            messages += [asking.model_copy(update={"id": f"asks-{place}", "content": "Let me see."})]
            messages += [ToolMessage("Santa Apolónia", tool_call_id="call-station", id=f"tool-{place}")]
        messages.append(AIMessage(answer, id=f"agent-{place}"))
    return messages


def _length_after(turn: int) -> int:
    return len(state_of(CONVERSATION[: turn + 1]))


@pytest.mark.parametrize("restarts", ["never", "after every turn"])
def test_a_whole_state_handed_over_after_every_turn_is_stored_once_and_as_add_memory_does(
    open_system, tmp_path, restarts
):
    by_hand = open_system(path=tmp_path / "by hand").memory("tom", session_id="monday")
    for question, answer in CONVERSATION:
        by_hand.add_memory(question, answer)
    state = state_of(CONVERSATION)

    system = open_system()
    for turn in range(len(CONVERSATION)):
        if restarts == "after every turn":
            system.close()
            system = open_system()
        of_tom(system)("monday").add_messages(state[: _length_after(turn)])

    stored = system.memory("tom", session_id="monday").pages()
    assert [_as_it_arrived(page) for page in stored] == [_as_it_arrived(page) for page in by_hand.pages()]


def _as_it_arrived(page: DialoguePage) -> DialoguePage:
    """A page without what the background makes of it, which begins anew with each opening."""
    derived = {"segment_id": None, "chain_id": None, "meta_chain": "", "keywords": (), "promoted": False}
    return dataclasses.replace(page, **derived)


def test_the_same_state_twice_is_stored_once_however_short(system):
    history, state = of_tom(system)("monday"), state_of(CONVERSATION[:1])

    history.add_messages(state)
    of_tom(system)("monday").add_messages(state)
    history.add_messages([HumanMessage(CONVERSATION[0][0], id="again"), AIMessage(CONVERSATION[0][1], id="too")])

    assert session(system.memory("tom", session_id="monday")) == [CONVERSATION[0]] * 2


def test_ids_that_a_host_counts_anew_for_each_turn_hide_nothing(system):
    history = of_tom(system)("monday")

    for question, answer in CONVERSATION:
        history.add_messages([HumanMessage(question, id="1"), AIMessage(answer, id="2")])

    assert session(system.memory("tom", session_id="monday")) == CONVERSATION


def test_a_message_that_the_state_has_rewritten_since_is_not_said_again(system):
    history = of_tom(system)("monday")
    history.add_messages([HumanMessage("My pin is 1234.", id="u0"), AIMessage("Ok.", id="a0")])

    rewritten = [HumanMessage("My pin is [hidden].", id="u0"), AIMessage("Ok.", id="a0")]
    history.add_messages([*rewritten, HumanMessage("Bye.", id="u1"), AIMessage("Bye!", id="a1")])

    assert session(system.memory("tom", session_id="monday")) == [("My pin is 1234.", "Ok."), ("Bye.", "Bye!")]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("ask", [invoke, ainvoke])
def test_an_agent_with_a_checkpointer_of_its_own_is_stored_once(open_system, ask: Ask, restarts):
    kept = InMemorySaver()
    model = RecordingChatModel(answers=answers_to(CONVERSATION))
    talking = create_agent(model, tools=[station], checkpointer=kept)
    config = {"configurable": {"session_id": "monday", "thread_id": "t"}}
    system = open_system()
    for question, _ in CONVERSATION[:8]:
        if restarts:
            system.close()
            system = open_system()
        chain = remembering(talking, of_tom(system), input_messages_key="messages", output_messages_key="messages")
        ask(chain, {"messages": [HumanMessage(question)]}, config)

    assert session(system.memory("tom", session_id="monday")) == CONVERSATION[:8]


def test_the_input_is_known_again_when_the_host_gave_it_an_id(system):
    talking, keys = agent(RecordingChatModel(answers=answers_to(CONVERSATION)))
    chain = remembering(talking, of_tom(system), **keys)

    for place, (question, _) in enumerate(CONVERSATION[:5]):
        chain.invoke({"messages": [HumanMessage(question, id=f"mine-{place}")]}, MONDAY)

    assert session(system.memory("tom", session_id="monday")) == CONVERSATION[:5]


def test_an_agent_that_uses_tools_is_remembered_by_what_was_said_and_answered(system):
    answers = ["Hello.", calling("station", city="Lisbon"), "Santa Apolónia it is.", "You are welcome."]
    talking, keys = agent(RecordingChatModel(answers=answers))
    chain = remembering(talking, of_tom(system), **keys)

    for text in ("Hi.", "Which station?", "Thanks."):
        chain.invoke({"messages": [HumanMessage(text)]}, MONDAY)

    assert session(system.memory("tom", session_id="monday")) == [
        ("Hi.", "Hello."),
        ("Which station?", "Santa Apolónia it is."),
        ("Thanks.", "You are welcome."),
    ]


class Weather(BaseModel):
    """The weather."""

    degrees: int


def test_where_a_run_ends_with_a_tool_its_result_is_the_answer(system):
    model = RecordingChatModel(answers=[calling("Weather", degrees=3), calling("Weather", degrees=4)])
    talking = create_agent(model, tools=[], response_format=ToolStrategy(Weather))
    chain = remembering(talking, of_tom(system), input_messages_key="messages", output_messages_key="messages")

    for text in ("How cold is it?", "And now?"):
        chain.invoke({"messages": [HumanMessage(text)]}, MONDAY)

    (first, one), (second, other) = session(system.memory("tom", session_id="monday"))
    assert (first, "3" in one, second, "4" in other) == ("How cold is it?", True, "And now?", True)


def test_what_summarises_the_state_adds_nothing_and_hides_nothing(system):
    def answer(prompt: list[BaseMessage]) -> str:
        return "a summary" if "summar" in said(prompt[-1:]).casefold()[:2000] and len(prompt) == 1 else "Noted."

    model = RecordingChatModel(answers=answer)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*deprecated.*", category=DeprecationWarning)
        shorter = _summarising(model)
    talking = create_agent(model, tools=[], middleware=[shorter])
    chain = remembering(talking, of_tom(system), input_messages_key="messages", output_messages_key="messages")
    for turn in range(12):
        chain.invoke({"messages": [HumanMessage(f"Fact {turn}.")]}, MONDAY)

    assert session(system.memory("tom", session_id="monday")) == [(f"Fact {turn}.", "Noted.") for turn in range(12)]
    assert [heard for heard in model.heard if "Here is a summary of the conversation to date" in heard]


def _summarising(model: RecordingChatModel) -> SummarizationMiddleware:
    try:
        return SummarizationMiddleware(model=model, trigger=("messages", 6), keep=("messages", 2))
    except TypeError:  # LangChain 1.0
        return SummarizationMiddleware(model=model, max_tokens_before_summary=6, messages_to_keep=2, token_counter=len)


@pytest.mark.parametrize("restarts", [False, True])
def test_an_agent_that_stopped_for_a_human_is_completed_when_it_went_on(open_system, restarts):
    system, kept = open_system(), InMemorySaver()
    model = RecordingChatModel(answers=[calling("station", city="Lisbon"), "Santa Apolónia.", "Bye."])
    asking = HumanInTheLoopMiddleware(interrupt_on={"station": True})
    talking = create_agent(model, tools=[station], middleware=[asking], checkpointer=kept)
    thread = {"configurable": {"thread_id": "t"}}

    stopped = talking.invoke({"messages": [HumanMessage("Which station?")]}, thread)
    of_tom(system)("monday").add_messages(stopped["messages"])
    before = session(system.memory("tom", session_id="monday"))
    if restarts:
        system.close()
        system = open_system()
    went_on = talking.invoke(Command(resume={"decisions": [{"type": "approve"}]}), thread)
    if restarts:
        went_on = talking.invoke({"messages": [HumanMessage("Thanks.")]}, thread)
    of_tom(system)("monday").add_messages(went_on["messages"])

    assert before == [("Which station?", "")]
    expected = [("Which station?", "Santa Apolónia."), *([("Thanks.", "Bye.")] if restarts else [])]
    assert session(system.memory("tom", session_id="monday")) == expected


# -- what was forgotten ----------------------------------------------------------------------------


def test_what_is_forgotten_during_a_run_does_not_come_back_with_the_state(system):
    memory = system.memory("tom", session_id="monday")
    memory.add_memory("My secret.", "I will keep it.")

    @tool
    def forget() -> str:
        """Forget everything."""
        for page in memory.session_pages():
            memory.forget(page.id)
        return "Done."

    model = RecordingChatModel(answers=[calling("forget"), "Forgotten."])
    talking = create_agent(model, tools=[forget])
    chain = remembering(talking, of_tom(system), input_messages_key="messages", output_messages_key="messages")
    chain.invoke({"messages": [HumanMessage("Forget it.")]}, MONDAY)

    assert "My secret." in model.heard[0]
    assert session(memory) == [("Forget it.", "Forgotten.")]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("ids", ["ours", "the host's"])
def test_a_page_that_is_forgotten_later_does_not_come_back_with_the_state(open_system, ids, restarts):
    system = open_system()
    state = state_of(CONVERSATION[:6])
    of_tom(system)("monday").add_messages(state)
    memory = system.memory("tom", session_id="monday")
    state = of_tom(system)("monday").messages if ids == "ours" else state
    memory.forget(memory.pages()[1].id)
    if restarts:
        system.close()
        system = open_system()

    news = [HumanMessage("What else?", id="new"), AIMessage("Nothing.", id="newer")]
    of_tom(system)("monday").add_messages([*state, *news])

    expected = [CONVERSATION[0], *CONVERSATION[2:6], ("What else?", "Nothing.")]
    assert session(system.memory("tom", session_id="monday")) == expected


def test_a_session_that_is_cleared_can_be_told_again_what_is_to_stay(system):
    """As LangChain's guides trim a history: clear it, and add the last messages again."""
    history, memory = of_tom(system)("monday"), system.memory("tom", session_id="monday")
    state = state_of(CONVERSATION[:6])
    history.add_messages(state)

    for kept in (history.messages[-4:], state[-4:]):
        history.clear()
        emptied = session(memory)
        for message in kept:
            history.add_message(message)

        assert (emptied, session(memory)) == ([], CONVERSATION[4:6])


def test_a_memory_that_was_purged_can_be_told_everything_again(system):
    of_tom(system)("monday").add_messages(state_of(CONVERSATION[:6]))
    system.memory("tom").purge()

    of_tom(system)("monday").add_messages(state_of(CONVERSATION[:6]))

    assert session(system.memory("tom", session_id="monday")) == CONVERSATION[:6]


def test_the_messages_of_one_session_are_new_to_another_and_to_another_user(system):
    of_tom(system)("monday").add_messages(state_of(CONVERSATION[:3]))
    messages = of_tom(system)("monday").messages

    of_tom(system)("tuesday").add_messages(messages)
    MemoryOSChatMessageHistory(system=system, user_id="ann").add_messages(messages)

    assert session(system.memory("tom", session_id="tuesday")) == CONVERSATION[:3]
    assert session(system.memory("ann")) == CONVERSATION[:3]
    assert session(system.memory("tom", session_id="monday")) == CONVERSATION[:3]


def test_clear_forgets_this_session_and_no_other(system):
    for name in ("monday", "tuesday"):
        of_tom(system)(name).add_messages([HumanMessage(f"It is {name}.", id="u"), AIMessage("Yes.", id="a")])

    of_tom(system)("monday").clear()

    assert (of_tom(system)("monday").messages, session(system.memory("tom", session_id="tuesday"))) == (
        [],
        [("It is tuesday.", "Yes.")],
    )


# -- one side at a time, and messages of every kind -----------------------------------------------


def test_the_users_side_is_stored_at_once_and_the_answer_completes_it(system):
    history, memory = of_tom(system)("monday"), system.memory("tom", session_id="monday")

    history.add_user_message("hi")
    half = session(memory)
    history.add_ai_message("hello")
    history.add_user_message("bye")
    history.add_user_message("really")
    history.add_ai_message("see you")
    history.add_ai_message("take care")

    assert half == [("hi", "")]
    assert session(memory) == [("hi", "hello"), ("bye", ""), ("really", "see you"), ("", "take care")]
    assert str(history) == "Human: hi\nAI: hello\nHuman: bye\nHuman: really\nAI: see you\nAI: take care"


def test_what_tools_say_one_message_at_a_time_is_no_answer(system):
    history = of_tom(system)("monday")

    for message in state_of(CONVERSATION[:4])[1:]:
        history.add_message(message)

    assert session(system.memory("tom", session_id="monday")) == CONVERSATION[:4]


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
TOOL_USE = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
CALL = {"name": "f", "args": {}, "id": "1"}
BAD_CALL = {"name": "f", "args": "{", "id": "1", "error": "e", "type": "invalid_tool_call"}
CALL_CHUNK = {"name": "f", "args": "{}", "id": "1", "index": 0}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], []),
        ([SystemMessage("s"), ToolMessage("t", tool_call_id="1"), FunctionMessage("f", name="f")], []),
        ([RemoveMessage(id="x"), HumanMessage("q"), AIMessage("a"), RemoveMessage(id="__remove_all__")], [("q", "a")]),
        ([HumanMessageChunk("q"), AIMessageChunk("a")], [("q", "a")]),
        ([ChatMessage("q", role="User"), ChatMessage("x", role="narrator")], [("q", "")]),
        ([ChatMessage("q", role="human"), ChatMessage("a", role="assistant")], [("q", "a")]),
        ([HumanMessage([{"type": "text", "text": "q"}, IMAGE]), AIMessage("a")], [("q\n[image]", "a")]),
        ([HumanMessage("q"), AIMessage([{"type": "text", "text": "a"}, TOOL_USE])], [("q", "a")]),
        ([HumanMessage(""), AIMessage("")], []),
        ([("user", "q"), {"role": "assistant", "content": "a"}], [("q", "a")]),
        ([HumanMessage("q"), ChatGeneration(message=AIMessage("a"))], [("q", "a")]),
        ([HumanMessage("q"), AIMessage("aside", tool_calls=[CALL])], [("q", "")]),
        ([HumanMessage("q"), AIMessage("", tool_calls=[CALL]), ToolMessage("t", tool_call_id="1")], [("q", "t")]),
        ([HumanMessage("q"), AIMessage("", invalid_tool_calls=[BAD_CALL]), AIMessage("a")], [("q", "a")]),
        ([HumanMessage("q"), AIMessageChunk("", tool_call_chunks=[CALL_CHUNK]), AIMessage("a")], [("q", "a")]),
        ([HumanMessage("half a pair \ud83d"), AIMessage("a")], [("half a pair \ufffd", "a")]),
    ],
)  # fmt: skip
def test_messages_of_every_kind_are_taken(system, messages, expected):
    history = of_tom(system)("monday")

    history.add_messages(messages)

    assert session(system.memory("tom", session_id="monday")) == expected
    assert history.messages == of_tom(system)("monday").messages


def test_what_is_no_message_is_named_and_not_quoted(system):
    history = of_tom(system)("monday")

    for wrong in ([object()], [{"secret": "x"}], [None], "my secret", HumanMessage("my secret")):
        with pytest.raises(InvalidInput, match=r"^messages (hold a|is one message)") as raised:
            history.add_messages(wrong)
        assert "secret" not in str(raised.value)
    assert system.users() == []


# -- failures, and the object itself ------------------------------------------------------------------


@pytest.mark.parametrize("ask", [invoke, ainvoke])
@pytest.mark.parametrize("wrapped", [prompt_with_history, bare_model, agent])
def test_a_turn_that_could_not_be_stored_waits_and_comes_with_the_next_use(open_system, caplog, wrapped, ask: Ask):
    """LangChain only logs what `add_messages` raises."""
    embedder = TroubledEmbedder()
    system = open_system(embedder=embedder)
    memory = system.memory("tom", session_id="monday")

    def answer(prompt: list[BaseMessage]) -> str:
        embedder.error = EmbeddingError("the embedder is away") if prompt[-1].content == FACT else None
        return "Noted."

    model = RecordingChatModel(answers=answer)
    talking, keys = wrapped(model)
    chain = remembering(talking, of_tom(system), **keys)
    for text in ("Hello.", FACT):
        ask(chain, input_of(keys, text), MONDAY)
    waited, stored = [turn.user_input for turn in waiting(memory)], session(memory)
    embedder.error = None
    ask(chain, input_of(keys, QUESTION), MONDAY)

    assert (waited, stored) == ([FACT], [("Hello.", "Noted.")])
    assert FACT in model.heard[-1]
    assert session(memory) == [("Hello.", "Noted."), (FACT, "Noted."), (QUESTION, "Noted.")]
    assert "the embedder is away" in caplog.text


def test_a_session_that_cannot_be_read_keeps_no_turn_from_waiting(system, monkeypatch):
    def unreadable(self: UserMemory) -> None:
        raise StoreError("the disk is away")

    memory, history = system.memory("tom", session_id="monday"), of_tom(system)("monday")
    memory.add_memory("earlier", "yes")
    earlier = history.messages
    with monkeypatch.context() as broken:
        for name in ("session_pages", "add_contents"):
            broken.setattr(UserMemory, name, lambda self, *_, **__: unreadable(self))
        with pytest.raises(StoreError, match="the disk is away"):
            of_tom(system)("monday").add_messages([*earlier, *state_of(CONVERSATION[:2])])

    assert [message.content for message in history.messages] == [
        "earlier", "yes", *(side for turn in CONVERSATION[:2] for side in turn)
    ]  # fmt: skip


def test_what_waits_is_cleared_with_the_session(open_system):
    embedder = TroubledEmbedder()
    system = open_system(embedder=embedder)
    history = of_tom(system)("monday")
    history.add_messages([HumanMessage("one"), AIMessage("1")])
    embedder.error = EmbeddingError("the embedder is away")
    with pytest.raises(EmbeddingError):
        history.add_messages([HumanMessage("two"), AIMessage("2")])

    history.clear()
    embedder.error = None

    assert history.messages == []
    assert session(system.memory("tom", session_id="monday")) == []


def test_what_is_said_again_after_clearing_is_said_anew(open_system):
    embedder = TroubledEmbedder()
    system = open_system(embedder=embedder)
    history = of_tom(system)("monday")
    embedder.error = EmbeddingError("the embedder is away")
    with pytest.raises(EmbeddingError):
        history.add_messages([HumanMessage("two"), AIMessage("2")])
    embedder.error = None
    history.clear()

    history.add_messages([HumanMessage("two"), AIMessage("2")])

    assert [message.content for message in history.messages] == ["two", "2"]


def test_the_event_loop_goes_on_while_memory_works(open_system):
    embedder = WaitingForTheLoop()
    system = open_system(embedder=embedder)

    async def use(history: MemoryOSChatMessageHistory) -> list[BaseMessage]:
        await embedder.beside(history.aadd_messages([HumanMessage("hi"), AIMessage("hello")]))
        messages = await history.aget_messages()
        await history.aclear()
        return messages

    assert [message.content for message in asyncio.run(use(of_tom(system)("monday")))] == ["hi", "hello"]
    assert system.memory("tom").pages() == []


@pytest.mark.parametrize("again", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy, copy.copy])
def test_a_copy_is_the_same_session(system, again):
    history = MemoryOSChatMessageHistory(memory=system.memory("tom", session_id="monday"), max_tokens=50)
    history.add_messages([HumanMessage("my secret"), AIMessage("ok")])

    assert [message.content for message in again(history).messages] == ["my secret", "ok"]
    assert repr(again(history)) == (
        "MemoryOSChatMessageHistory(user_id='tom', assistant_id='assistant', session_id='monday')"
    )
    assert b"secret" not in pickle.dumps(history)


def test_messages_lead_back_to_their_pages(system):
    page = system.memory("tom", session_id="monday").add_memory("hi", "hello")

    assert of_tom(system)("monday").messages == [
        HumanMessage("hi", id=f"{page.id}:user"),
        AIMessage("hello", id=f"{page.id}:agent"),
    ]


def test_a_history_can_be_read_in_the_middle_of_a_run(system):
    """Only RunnableWithMessageHistory itself is given nothing at its end."""
    history = of_tom(system)("monday")
    history.add_messages([HumanMessage("one"), AIMessage("1")])
    read: list[int] = []
    chain = remembering(RunnableLambda(lambda _: read.append(len(history.messages)) or "2"), lambda session_id: history)

    chain.invoke([HumanMessage("two")], MONDAY)

    assert read == [2]
    assert session(system.memory("tom", session_id="monday")) == [("one", "1"), ("two", "2")]
