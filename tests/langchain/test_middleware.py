"""MemoryOSMiddleware in agents of `create_agent`: what the model is told, and what is remembered."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, PIIMiddleware, dynamic_prompt, hook_config
from langchain.agents.middleware.types import ModelRequest
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from memoryos_engine import EmbeddingError, HashingEmbedder, InvalidInput
from memoryos_integrations.langchain import MemoryOSMiddleware
from tests.langchain.agents import (
    WAYS,
    agent,
    ainvoke,
    calls,
    config,
    in_another_process,
    invoke,
    said_in,
    system_text,
    without_ids,
)
from tests.langchain.conversation import CONVERSATION, FACT, QUESTION, RecordingChatModel, answers_to

BOTH = pytest.mark.parametrize("talk", [invoke, ainvoke])


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"Rain in {city}"


@tool(return_direct=True)
def time_of_day() -> str:
    """Tell the time."""
    return "Ten to four."


class Recipe(BaseModel):
    """A recipe."""

    dish: str
    minutes: int


@dataclass
class Caller:
    """A run's context that names all ids."""

    user_id: str | None = None
    session_id: str | None = None
    assistant_id: str | None = None


class Recalls(BaseCallbackHandler):
    """Counts the retriever runs of a trace, with their names and queries."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, str]] = []

    def on_retriever_start(self, serialized, query, *, name=None, parent_run_id=None, **_):
        self.seen.append((name, query))


def echo(prompt) -> str:
    """An answer that says to what."""
    return f"Answer to: {prompt[-1].content}"


# -- a long conversation --------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_conversation_makes_the_pages_that_add_memory_makes(system, clock, way):
    """Whatever way the agent is run: equal texts, times, order and session."""
    talker, _ = agent(answers_to(CONVERSATION), system)
    plain = system.memory("plain", session_id="monday")

    for said, answer in CONVERSATION:
        clock.advance(minutes=1)
        WAYS[way](talker, said, config())
        plain.add_memory(said, answer)

    assert without_ids(system.memory("tom", session_id="monday").pages()) == without_ids(plain.pages())


def test_a_host_that_sends_the_whole_history_each_time_stores_each_turn_once(system):
    talker, _ = agent(answers_to(CONVERSATION), system, checkpointer=None)
    history: list[Any] = []

    for said, _ in CONVERSATION:
        history = talker.invoke({"messages": [*history, HumanMessage(said)]}, config())["messages"]

    assert said_in(system.memory("tom", session_id="monday")) == CONVERSATION


def test_the_second_turn_of_many_is_known_in_another_thread_after_reopening(open_system):
    first = open_system()
    talker, _ = agent(answers_to(CONVERSATION), first)
    for said, _ in CONVERSATION:
        invoke(talker, said, config())
    first.close()

    talker, model = agent(["Reindeer."], open_system())
    invoke(talker, QUESTION, config(thread="tuesday"))

    assert FACT in system_text(model.prompts[-1])
    assert [message.content for message in model.prompts[-1][1:]] == [QUESTION]


IN_ANOTHER_PROCESS = """
import sys
from memoryos_engine import MemoryOS
from tests.langchain.agents import agent, ainvoke, config, system_text
with MemoryOS(sys.argv[1]) as system:
    talker, model = agent(["Reindeer."], system)
    ainvoke(talker, sys.argv[2], config(thread="tuesday"))
sys.stdout.buffer.write(system_text(model.prompts[-1]).encode())
"""


def test_the_second_turn_of_many_is_known_in_another_process(open_system, tmp_path):
    system = open_system(path=tmp_path / "store")
    talker, _ = agent(answers_to(CONVERSATION), system)
    for said, _ in CONVERSATION:
        ainvoke(talker, said, config())
    system.close()

    assert FACT in in_another_process(IN_ANOTHER_PROCESS, tmp_path / "store", QUESTION)


def test_two_users_who_take_turns_on_one_agent_never_meet(system):
    talker, model = agent(lambda prompt: f"To {prompt[-1].content}", system)
    secrets = {"ann": "amber", "bob": "basalt"}

    async def together() -> None:
        for number in range(8):
            said = {user: f"{user}'s secret {number} is {secret}." for user, secret in secrets.items()}
            runs = [talker.ainvoke({"messages": [("user", said[user])]}, config(user, user)) for user in said]
            await asyncio.gather(*runs)

    asyncio.run(together())

    for user, other in (("ann", "basalt"), ("bob", "amber")):
        prompts = [said for said in model.heard if f"{user}'s" in said.splitlines()[-1]]
        pages = system.memory(user).pages()
        assert [page.user_input for page in pages] == [f"{user}'s secret {n} is {secrets[user]}." for n in range(8)]
        assert len(prompts) == 8
        assert other not in "".join([*prompts, *(page.text for page in pages)])


# -- what the model is told -----------------------------------------------------------------


@BOTH
def test_memory_stands_after_the_agents_own_prompt_and_in_no_checkpoint(system, talk):
    system.memory("tom", session_id="before").add_memory(FACT, "How lovely.")
    saver = InMemorySaver()
    talker, model = agent(["Reindeer."], system, checkpointer=saver, system_prompt="Be brief.")

    talk(talker, QUESTION, config())

    told = system_text(model.prompts[0])
    assert told.startswith("Be brief.\n\n")
    assert told.count(FACT) == 1
    assert told.index("<memory>") < told.index(FACT) < told.index("</memory>")
    held = "".join(str(each) for each in saver.list(None))
    assert QUESTION in held
    assert FACT not in held
    assert "<memory>" not in held


@BOTH
def test_an_agent_without_a_prompt_is_told_what_is_remembered(system, talk):
    system.memory("tom").add_memory(FACT, "How lovely.")
    talker, model = agent(["Reindeer."], system)

    talk(talker, QUESTION, config())

    assert [message.type for message in model.prompts[0]] == ["system", "human"]
    assert FACT in system_text(model.prompts[0])


def test_a_prompt_that_other_middleware_makes_is_kept_if_memory_comes_after_it(system):
    system.memory("tom", session_id="before").add_memory(FACT, "How lovely.")
    model = RecordingChatModel(answers=["Reindeer."])
    prompt = dynamic_prompt(lambda request: "Be brief.")
    talker = create_agent(model, middleware=[prompt, MemoryOSMiddleware(system=system)])

    invoke(talker, QUESTION, config())

    assert system_text(model.prompts[0]).startswith("Be brief.\n\n")
    assert FACT in system_text(model.prompts[0])


@BOTH
def test_a_model_is_told_nothing_where_nothing_is_remembered(system, talk):
    bare, bare_model = agent(["Hello."], system)
    prompted, model = agent(["Hello."], system, system_prompt="Be brief.")

    talk(bare, "Hi", config("new"))
    talk(prompted, "Hi", config("newer"))

    assert [message.content for message in bare_model.prompts[0]] == ["Hi"]
    assert [message.content for message in model.prompts[0]] == ["Be brief.", "Hi"]


@pytest.mark.skipif("system_message" not in ModelRequest.__dataclass_fields__, reason="LangChain 1.0 prompts are text")
def test_a_prompt_of_cached_blocks_gets_a_block_more(system):
    """What a provider caches of a prompt must stay as it is, up to the mark."""
    system.memory("tom").add_memory(FACT, "How lovely.")
    cached = {"type": "text", "text": "A long instruction.", "cache_control": {"type": "ephemeral"}}
    prompt = SystemMessage(content=[cached], id="prompt")
    talker, model = agent(["Reindeer."], system, system_prompt=prompt)

    invoke(talker, QUESTION, config())

    told = model.prompts[0][0]
    assert (told.id, told.content[0]) == ("prompt", cached)
    assert [block["type"] for block in told.content] == ["text", "text"]
    assert FACT in told.content[1]["text"]
    assert prompt.content == [cached]


def test_memory_keeps_to_its_budget(system):
    memory = system.memory("tom")
    for number in range(30):
        memory.add_memory(f"Olga has animals of kind {number}.", "I see. " * 20)
    middleware = MemoryOSMiddleware(memory=system.memory("tom", session_id="new"), max_tokens=150)
    model = RecordingChatModel(answers=["Many."])
    told = create_agent(model, middleware=[middleware])

    told.invoke({"messages": [("user", QUESTION)]})

    assert 0 < len(system_text(model.prompts[0])) < 1500


def test_no_more_pages_are_found_than_asked_for(system):
    memory = system.memory("tom", session_id="old")
    for number in range(12):
        memory.add_memory(f"Olga has {number} goats.", "I see.")
    middleware = MemoryOSMiddleware(memory=system.memory("tom", session_id="new"), top_k=3)
    model = RecordingChatModel(answers=["Many."])

    create_agent(model, middleware=[middleware]).invoke({"messages": [("user", "How many goats has Olga?")]})

    assert system_text(model.prompts[0]).count("User: Olga has") == 3


def test_turns_that_stand_in_the_messages_are_not_said_twice(system):
    """With a checkpointer the thread's turns are in the messages; other sessions are in the prompt."""
    system.memory("tom", session_id="before").add_memory("I keep bees.", "How many hives?")
    talker, model = agent(echo, system)

    for number in range(12):
        invoke(talker, f"Hive {number} has honey for the bees.", config())

    last = model.heard[-1]
    assert "I keep bees." in last
    assert [last.count(f"Hive {number} has") for number in range(11)] == [2] * 11  # the message, and the echo of it


def test_turns_that_stand_in_the_messages_take_no_room_from_those_that_do_not(system):
    system.memory("tom", session_id="before").add_memory("My first goat was called Heidi.", "A good name for a goat.")
    model = RecordingChatModel(answers=echo)
    memory = MemoryOSMiddleware(system=system, top_k=1)
    talker = create_agent(model, middleware=[memory], checkpointer=InMemorySaver())

    for number in range(20):
        invoke(talker, f"What about goat {number}, my goat?", config())

    assert "Heidi" in system_text(model.prompts[-1])


def test_an_agent_without_a_checkpointer_knows_the_last_turns(system):
    talker, model = agent(echo, system, checkpointer=None)

    invoke(talker, "My cat is called Anton.", config())
    invoke(talker, "What did I just say?", config())

    assert [message.type for message in model.prompts[1]] == ["system", "human"]
    assert "User: My cat is called Anton.\nAssistant: Answer to: My cat" in system_text(model.prompts[1])


def test_the_loop_is_free_while_memory_works(open_system):
    """The embedder returns only if the loop goes on meanwhile."""

    class Patient(HashingEmbedder):
        reached, released = threading.Event(), threading.Event()

        def embed(self, texts):
            self.reached.set()
            if not self.released.wait(timeout=10):
                raise EmbeddingError("the loop stood still")
            return super().embed(texts)

    embedder = Patient()
    system = open_system(embedder=embedder)
    talker, _ = agent(["Hello."], system)

    async def serve() -> None:
        run = asyncio.create_task(talker.ainvoke({"messages": [("user", "Hi")]}, config()))
        while not embedder.reached.is_set():
            await asyncio.sleep(0)
        embedder.released.set()
        await run

    asyncio.run(serve())

    assert said_in(system.memory("tom", session_id="monday")) == [("Hi", "Hello.")]


# -- tools, and other middleware --------------------------------------------------------------


@BOTH
def test_a_turn_with_parallel_tools_and_several_rounds_is_one_page_and_one_recall(system, talk):
    system.memory("tom", session_id="before").add_memory(FACT, "How lovely.")
    rounds = [
        calls(("weather", {"city": "Oslo"}), ("weather", {"city": "Tromsø"}), text="Let me see."),
        calls(("weather", {"city": "Bergen"})),
        "It rains everywhere.",
    ]
    talker, model = agent(rounds, system, tools=[weather])
    traced = Recalls()

    talk(talker, "How is the weather at Olga's?", {**config(), "callbacks": [traced]})

    assert said_in(system.memory("tom", session_id="monday")) == [
        ("How is the weather at Olga's?", "It rains everywhere.")
    ]
    told = [system_text(prompt) for prompt in model.prompts]
    assert told == [told[0]] * 3
    assert FACT in told[0]
    if talk is invoke or sys.version_info >= (3, 11):  # before, a coroutine does not know the run it is in
        assert traced.seen == [("MemoryOS recall", "How is the weather at Olga's?")]


def test_what_a_tool_makes_forgotten_is_not_told_in_the_next_round(system):
    secret = system.memory("tom", session_id="before").add_memory("My PIN is 4711.", "Noted.")
    rounds = [calls(("forget_memory", {"id": secret.id})), "Forgotten."]
    model = RecordingChatModel(answers=rounds)
    told = create_agent(model, middleware=[MemoryOSMiddleware(system=system, tools=True)])

    told.invoke({"messages": [("user", "Please forget my PIN.")]}, config())

    assert ["4711" in system_text(prompt) for prompt in model.prompts] == [True, False]


def test_an_agent_gets_the_memory_tools_where_it_shall(system):
    assert [each.name for each in MemoryOSMiddleware(system=system, tools=True).tools] == [
        "search_memory",
        "save_memory",
        "forget_memory",
    ]
    assert list(MemoryOSMiddleware(system=system).tools) == []


def test_the_tools_work_on_the_memory_of_the_runs_user(system):
    model = RecordingChatModel(answers=[calls(("save_memory", {"content": "Tom keeps bees."})), "Noted."])
    told = create_agent(model, middleware=[MemoryOSMiddleware(system=system, tools=True)], context_schema=Caller)

    told.invoke({"messages": [("user", "I keep bees. Remember it.")]}, context=Caller(user_id="tom"))

    assert {owner.user_id for owner in system.users()} == {"tom"}
    assert any("Tom keeps bees." in page.text for page in system.memory("tom").pages())


@BOTH
@pytest.mark.parametrize("beside", ["", "Here you are:"])
def test_a_structured_answer_by_a_tool_is_remembered_as_json(system, talk, beside):
    """ToolStrategy ends in a tool message; there is no last word of the agent's."""
    answer = calls(("Recipe", {"dish": "Soup", "minutes": 20}), text=beside)
    talker, _ = agent([answer], system, response_format=ToolStrategy(Recipe))

    talk(talker, "What can I cook?", config())

    assert said_in(system.memory("tom", session_id="monday")) == [("What can I cook?", '{"dish":"Soup","minutes":20}')]


def test_a_structured_answer_of_the_provider_is_remembered_as_it_was_said(system):
    answer = '{"dish": "Soup", "minutes": 20}'
    talker, _ = agent([answer], system, response_format=ProviderStrategy(Recipe))

    invoke(talker, "What can I cook?", config())

    assert said_in(system.memory("tom", session_id="monday")) == [("What can I cook?", answer)]


def test_each_structured_answer_of_a_thread_is_remembered_with_its_own_question(system):
    answers = [calls(("Recipe", {"dish": dish, "minutes": 9})) for dish in ("Soup", "Soup", "Salad")]
    talker, _ = agent(answers, system, response_format=ToolStrategy(Recipe))

    for said in ("Something warm?", "Something else?", "Something cold?"):
        invoke(talker, said, config())

    assert said_in(system.memory("tom", session_id="monday")) == [
        ("Something warm?", '{"dish":"Soup","minutes":9}'),
        ("Something else?", '{"dish":"Soup","minutes":9}'),
        ("Something cold?", '{"dish":"Salad","minutes":9}'),
    ]


@pytest.mark.parametrize(("beside", "answer"), [("", "Ten to four."), ("It is late.", "It is late.")])
def test_what_a_tool_returns_to_the_user_is_the_answer_where_the_agent_says_none(system, beside, answer):
    talker, _ = agent([calls(("time_of_day", {}), text=beside)], system, tools=[time_of_day])

    invoke(talker, "How late is it?", config())

    assert said_in(system.memory("tom", session_id="monday")) == [("How late is it?", answer)]


def test_content_blocks_are_remembered_as_text(system):
    said = [{"type": "text", "text": "Who is this?"}, {"type": "image_url", "image_url": {"url": "data:image/png,x"}}]
    answer = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "A reindeer."}]
    talker, _ = agent([AIMessage(content=answer)], system)

    talker.invoke({"messages": [HumanMessage(content=said)]}, config())

    assert said_in(system.memory("tom", session_id="monday")) == [("Who is this?\n[image]", "A reindeer.")]


def test_several_messages_of_one_run_are_a_page_each_and_the_last_has_the_answer(system):
    talker, _ = agent(["Both are fine."], system)

    talker.invoke({"messages": [("user", "I like tea."), ("user", "And coffee.")]}, config())

    assert said_in(system.memory("tom", session_id="monday")) == [
        ("I like tea.", ""),
        ("And coffee.", "Both are fine."),
    ]


def test_what_other_middleware_takes_out_of_a_message_is_not_remembered(system):
    talker, _ = agent(["Noted."], system, PIIMiddleware("email"))

    invoke(talker, "Write to tom@example.org.", config())

    assert said_in(system.memory("tom", session_id="monday")) == [("Write to [REDACTED_EMAIL].", "Noted.")]


def test_a_message_that_middleware_adds_is_not_taken_for_the_users(system):
    class Nudge(AgentMiddleware):
        """Asks once more."""

        def before_model(self, state, runtime):
            done = any(message.content == "Shorter!" for message in state["messages"])
            return None if done or len(state["messages"]) == 1 else {"messages": [HumanMessage("Shorter!")]}

        @hook_config(can_jump_to=["model"])
        def after_model(self, state, runtime):
            return None if len(state["messages"]) > 2 else {"jump_to": "model"}

    talker, _ = agent(["A long answer.", "Short."], system, Nudge())

    invoke(talker, "Tell me.", config())

    assert said_in(system.memory("tom", session_id="monday")) == [("Tell me.", "Short.")]


def test_two_memories_of_one_agent_are_told_and_remember_apart(system):
    own, team = system.memory("tom", session_id="now"), system.memory("team", session_id="now")
    system.memory("tom", session_id="before").add_memory("My desk is by the window.", "Nice.")
    system.memory("team", session_id="before").add_memory("The team's desk is in Lisbon.", "Noted.")
    model = RecordingChatModel(answers=["There.", "Yes."])
    memories = [MemoryOSMiddleware(memory=own), MemoryOSMiddleware(memory=team, name="team")]
    told = create_agent(model, middleware=memories, checkpointer=InMemorySaver())

    told.invoke({"messages": [("user", "Where is the desk?")]}, config())
    told.invoke({"messages": [("user", "Really?")]}, config())

    assert "by the window" in system_text(model.prompts[0])
    assert "in Lisbon" in system_text(model.prompts[0])
    assert said_in(own) == said_in(team) == [("Where is the desk?", "There."), ("Really?", "Yes.")]
    assert told.get_state(config()).values["memoryos_turns"].keys() == {"MemoryOSMiddleware", "team"}


@BOTH
def test_an_agent_that_a_tool_runs_does_not_mix_its_turns_with_the_outer_ones(system, talk):
    memory = MemoryOSMiddleware(system=system)
    inner = create_agent(RecordingChatModel(answers=["42"] * 4), middleware=[memory], name="inner")

    @tool
    def research(task: str) -> str:
        """Find something out."""
        run = {"configurable": {"session_id": "research"}}
        return inner.invoke({"messages": [("user", task)]}, run)["messages"][-1].content

    asked = [("research", {"task": "first"}), ("research", {"task": "second"})]
    outer_model = RecordingChatModel(answers=[calls(*asked), "It is 42."])
    outer = create_agent(outer_model, [research], middleware=[memory], checkpointer=InMemorySaver(), name="outer")

    talk(outer, "What is the answer?", config(session_id="outer"))

    assert said_in(system.memory("tom", session_id="outer")) == [("What is the answer?", "It is 42.")]
    assert sorted(said_in(system.memory("tom", session_id="research"))) == [("first", "42"), ("second", "42")]


# -- whose memory -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "context", [Caller("ann", "s", "tutor"), {"user_id": "ann", "session_id": "s", "assistant_id": "tutor"}]
)
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_the_context_of_a_run_names_the_user_before_its_config_does(system, context, way):
    talker, _ = agent(["Hello."], system, context_schema=type(context))

    if way == "invoke":
        talker.invoke({"messages": [("user", "Hi")]}, config(), context=context)
    else:
        asyncio.run(talker.ainvoke({"messages": [("user", "Hi")]}, config(), context=context))

    (page,) = system.memory("ann", "tutor", "s").session_pages()
    assert (page.user_input, page.agent_response) == ("Hi", "Hello.")
    assert len(system.users()) == 1


@BOTH
@pytest.mark.parametrize(
    ("run", "whose"),
    [
        ({"configurable": {"user_id": "ann", "session_id": "s", "thread_id": "t"}}, ("ann", "s")),
        ({"configurable": {"user_id": "ann", "thread_id": "t"}}, ("ann", "t")),
        ({"configurable": {"thread_id": "t"}, "metadata": {"user_id": "ann", "session_id": "s"}}, ("ann", "t")),
        ({"configurable": {"thread_id": "t", "user_id": "ann"}, "metadata": {"user_id": "bob"}}, ("ann", "t")),
        ({"configurable": {"thread_id": "t"}}, ("default user", "t")),
        ({}, ("default user", "default session")),
    ],
)
def test_a_run_names_user_and_session_before_the_constructor_does(system, talk, run, whose):
    memory = MemoryOSMiddleware(system=system, user_id="default user", session_id="default session")
    checkpointer = InMemorySaver() if "thread_id" in run.get("configurable", {}) else None
    talker = create_agent(RecordingChatModel(answers=["Hello."]), middleware=[memory], checkpointer=checkpointer)

    talk(talker, "Hi", run)

    assert said_in(system.memory(whose[0], session_id=whose[1])) == [("Hi", "Hello.")]


def test_one_memory_serves_every_run_whatever_it_names(system):
    memory = system.memory("tom", "tutor", "s")
    talker, _ = agent(["Hello."], memory=memory)

    invoke(talker, "Hi", config("ann"))

    assert said_in(memory) == [("Hi", "Hello.")]
    assert len(system.users()) == 1


@BOTH
def test_a_run_that_names_no_user_is_an_error_before_the_model_is_asked(system, talk):
    talker, model = agent(["Hello."], system)

    with pytest.raises(InvalidInput, match="user_id is missing"):
        talk(talker, "Hi", {"configurable": {"thread_id": "t"}})

    assert model.prompts == []


@pytest.mark.parametrize(
    "wrong", [{}, {"max_tokens": 0}, {"top_k": 0}, {"name": ""}, {"memory": "tom"}, {"user_id": "tom"}]
)
def test_a_wrong_argument_is_refused_at_construction(system, wrong):
    good = {"memory": system.memory("tom")} if wrong else {}

    with pytest.raises(InvalidInput):
        MemoryOSMiddleware(**{**good, **wrong})


@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("tools", [False, True])
def test_the_middleware_can_be_copied_and_pickled(system, travel, tools):
    there = travel(MemoryOSMiddleware(system=system, user_id="tom", session_id="s", name="memory", tools=tools))

    create_agent(RecordingChatModel(answers=["Hello."]), middleware=[there]).invoke({"messages": [("user", "Hi")]})

    assert repr(there) == "MemoryOSMiddleware(name='memory')"
    assert said_in(system.memory("tom", session_id="s")) == [("Hi", "Hello.")]


def test_messages_of_tools_alone_are_no_turn(system):
    """A run that carries nothing new of the user's."""
    talker, _ = agent(["It rains."], system, checkpointer=None)
    asked = calls(("weather", {"city": "Oslo"}))

    talker.invoke(
        {"messages": [("user", "Weather?"), asked, ToolMessage("Rain", tool_call_id="call-0-weather")]}, config()
    )

    assert said_in(system.memory("tom", session_id="monday")) == []
