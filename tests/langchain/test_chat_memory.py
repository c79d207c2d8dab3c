"""MemoryOSChatMemory in the chains and agents of langchain-classic."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_classic.agents import AgentExecutor, create_react_agent, create_tool_calling_agent
from langchain_classic.chains import ConversationalRetrievalChain, ConversationChain, LLMChain, RetrievalQA
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough
from langchain_core.tools import tool
from pydantic import BaseModel

from memoryos_engine import EmbeddingError, InvalidInput, MemoryOS, OpenAIChatModel
from memoryos_engine.tokens import default_counter
from memoryos_integrations.langchain import MemoryOSChatMemory
from memoryos_integrations.saving import waiting
from tests.langchain.conversation import CONVERSATION, FACT, QUESTION, RecordingChatModel, answers_to, calling, said
from tests.langchain.slow_and_broken import TroubledEmbedder, WaitingForTheLoop

Ask = Callable[[Runnable[Any, Any], dict[str, Any]], Any]
Made = tuple[Runnable[Any, Any], str]
"""A chain and the key of its input."""


class Recalls(BaseCallbackHandler):
    def __init__(self) -> None:
        self.runs: list[tuple[str, bool, list[str]]] = []
        """Query, whether it ran inside of another run, and the texts that were found."""
        self._asked: dict[Any, tuple[str, bool]] = {}

    def on_retriever_start(self, serialized, query, *, run_id, parent_run_id=None, **kwargs: Any) -> None:
        self._asked[run_id] = (query, parent_run_id is not None)

    def on_retriever_end(self, documents: list[Document], *, run_id, **kwargs: Any) -> None:
        self.runs.append((*self._asked[run_id], [each.metadata["user_input"] for each in documents]))


@contextmanager
def old_chains() -> Iterator[None]:
    """Let LangChain say of its own classes that they are old, and nothing else."""
    with warnings.catch_warnings():
        for name in ("ConversationChain", "LLMChain"):
            warnings.filterwarnings("ignore", message=f"The class `{name}` was deprecated")
        yield


@tool
def station(city: str) -> str:
    """Return the main station of a city."""
    return "Santa Apolónia"


# -- what takes memory=, each with a model that gives these answers ---------------------------


def conversation_chain(answers: list[str], **memory: Any) -> tuple[Made, RecordingChatModel]:
    model = RecordingChatModel(answers=answers)
    with old_chains():
        return (ConversationChain(llm=model, memory=MemoryOSChatMemory(**memory)), "input"), model


def llm_chain(answers: list[str], **memory: Any) -> tuple[Made, RecordingChatModel]:
    model = RecordingChatModel(answers=answers)
    prompt = PromptTemplate.from_template("Be {tone}.\n{memories}\nUser: {question}\nYou:").partial(tone="kind")
    with old_chains():
        chain = LLMChain(llm=model, prompt=prompt, memory=MemoryOSChatMemory(memory_key="memories", **memory))
    return (chain, "question"), model


def llm_chain_of_messages(answers: list[str], **memory: Any) -> tuple[Made, RecordingChatModel]:
    model = RecordingChatModel(answers=answers)
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("user", "{input}")])
    with old_chains():
        chain = LLMChain(llm=model, prompt=prompt, memory=MemoryOSChatMemory(return_messages=True, **memory))
    return (chain, "input"), model


def react_agent(answers: list[str], **memory: Any) -> tuple[Made, RecordingChatModel]:
    """It looks something up at its third turn."""
    replies = [f"Thought: I know this.\nFinal Answer: {answer}" for answer in answers]
    model = RecordingChatModel(
        answers=[*replies[:2], "Thought: look.\nAction: station\nAction Input: Lisbon", *replies[2:]]
    )
    prompt = PromptTemplate.from_template("{tools} {tool_names}\n{history}\nUser: {input}\n{agent_scratchpad}")
    agent = create_react_agent(model, [station], prompt)
    return (AgentExecutor(agent=agent, tools=[station], memory=MemoryOSChatMemory(**memory)), "input"), model


def tool_calling_agent(answers: list[str], **memory: Any) -> tuple[Made, RecordingChatModel]:
    """It calls a tool at its third turn, and gives its steps away."""
    model = RecordingChatModel(answers=[*answers[:2], calling("station", city="Lisbon"), *answers[2:]])
    prompt = ChatPromptTemplate.from_messages(
        [MessagesPlaceholder("history"), ("user", "{input}"), MessagesPlaceholder("agent_scratchpad")]
    )
    agent = create_tool_calling_agent(model, [station], prompt)
    remembering = MemoryOSChatMemory(return_messages=True, **memory)
    steps = AgentExecutor(agent=agent, tools=[station], memory=remembering, return_intermediate_steps=True)
    return (steps, "input"), model


def invoke(chain: Runnable[Any, Any], inputs: dict[str, Any]) -> Any:
    return chain.invoke(inputs)


def ainvoke(chain: Runnable[Any, Any], inputs: dict[str, Any]) -> Any:
    return asyncio.run(chain.ainvoke(inputs))


def stream(chain: Runnable[Any, Any], inputs: dict[str, Any]) -> Any:
    return list(chain.stream(inputs))


def astream(chain: Runnable[Any, Any], inputs: dict[str, Any]) -> Any:
    async def pieces() -> list[Any]:
        return [piece async for piece in chain.astream(inputs)]

    return asyncio.run(pieces())


KINDS = [conversation_chain, llm_chain, llm_chain_of_messages, react_agent, tool_calling_agent]
WAYS = [invoke, ainvoke, stream, astream]


# -- it remembers ----------------------------------------------------------------------------


@pytest.mark.parametrize("ask", WAYS)
@pytest.mark.parametrize("make", KINDS)
def test_the_fact_of_turn_2_is_in_the_prompt_after_32_turns_and_a_restart(open_system, make, ask: Ask):
    system = open_system()
    (chain, key), _ = make(answers_to(CONVERSATION), memory=system.memory("tom", session_id="monday"))
    for question, _ in CONVERSATION:
        ask(chain, {key: question})
    system.memory("tom").flush()
    pages = system.memory("tom").pages()
    system.close()

    system = open_system()
    (chain, key), model = make(["Reindeer."], memory=system.memory("tom", session_id="tuesday"))
    ask(chain, {key: QUESTION})

    assert [(page.user_input, page.agent_response) for page in pages] == CONVERSATION
    assert FACT in model.heard[0]
    (other, key), others = make(["I do not know."], memory=system.memory("ann", session_id="tuesday"))
    ask(other, {key: QUESTION})
    assert "reindeer" not in others.heard[0]


@pytest.mark.parametrize("make", KINDS)
def test_a_chain_stores_byte_for_byte_what_add_memory_does(open_system, tmp_path, make):
    by_hand = open_system(path=tmp_path / "by hand").memory("tom")
    for question, answer in CONVERSATION:
        by_hand.add_memory(question, answer)

    memory = open_system().memory("tom")
    (chain, key), _ = make(answers_to(CONVERSATION), memory=memory)
    for question, _ in CONVERSATION:
        chain.invoke({key: question})

    assert memory.pages() == by_hand.pages()


PROCESS = """
import sys
from memoryos_engine import MemoryOS
from tests.langchain.conversation import CONVERSATION, FACT, QUESTION
from tests.langchain.test_chat_memory import answers_to, conversation_chain
path, asked = sys.argv[1:]
with MemoryOS(path=path) as system:
    turns = [(QUESTION, "Reindeer.")] if asked == "asking" else CONVERSATION
    (chain, key), model = conversation_chain(answers_to(turns), memory=system.memory("tom", session_id=asked))
    for question, answer in turns:
        assert chain.invoke({key: question})["response"] == answer
    assert asked == "telling" or FACT in model.heard[0]
"""


def test_another_process_finds_what_one_was_told(tmp_path: Path):
    for asked in ("telling", "asking"):
        command = [sys.executable, "-W", "error", "-c", PROCESS, str(tmp_path / "store"), asked]
        done = subprocess.run(
            command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False
        )

        assert (done.returncode, done.stderr) == (0, "")


# -- whose memory ----------------------------------------------------------------------------


def _interleaved(system: MemoryOS, ask: Callable[[Runnable[Any, Any], str, str], Any]) -> list[tuple[str, str]]:
    """Hold 16 turns with each of two users on one chain; return who said what, in the order the model heard it."""
    (chain, _), model = llm_chain_of_messages(["Noted."] * 32, system=system)
    for turn in range(16):
        for user in ("ann", "bob"):
            ask(chain, f"{user} likes dish {turn}.", user)
    for user, other in (("ann", "bob"), ("bob", "ann")):
        assert [page.user_input for page in system.memory(user, session_id="s").session_pages()] == [
            f"{user} likes dish {turn}." for turn in range(16)
        ]
        assert not [heard for heard in model.heard if f"{user} likes dish" in heard and other in heard]
    return [(prompt[-1].content.split()[0], said(prompt)) for prompt in model.prompts]


def test_two_users_named_in_the_inputs_never_meet(system):
    _interleaved(
        system,
        lambda chain, text, user: chain.invoke({"input": text, "user_id": user, "session_id": "s", "stop": None}),
    )


def test_two_users_named_in_the_config_around_the_chain_never_meet(system):
    def ask(chain: Runnable[Any, Any], text: str, user: str) -> None:
        config = {"configurable": {"user_id": user, "thread_id": "s"}}
        (RunnablePassthrough() | chain).invoke({"input": text}, config)

    heard = _interleaved(system, ask)

    assert "ann likes dish 0." in heard[2][1]


def test_two_users_at_once_on_one_event_loop_never_meet(system):
    (chain, _), model = llm_chain(["Noted."] * 40, system=system)

    async def talk(user: str) -> None:
        for turn in range(20):
            await chain.ainvoke({"question": f"{user} likes dish {turn}.", "user_id": user})

    async def both() -> None:
        await asyncio.gather(talk("ann"), talk("bob"))

    asyncio.run(both())

    assert [page.user_input for page in system.memory("bob").pages()] == [f"bob likes dish {n}." for n in range(20)]
    assert not [heard for heard in model.heard if "ann likes" in heard and "bob likes" in heard]


def test_the_config_around_wins_over_the_inputs_and_those_over_what_was_given(system):
    memory = MemoryOSChatMemory(system=system, user_id="given", assistant_id="bot", session_id="home")
    (chain, _), _ = conversation_chain(["1", "2", "3"], system=system, user_id="given", session_id="home")
    config = {"configurable": {"user_id": "named"}}

    chain.invoke({"input": "first"})
    chain.invoke({"input": "second", "user_id": "said", "session_id": "work"})
    (RunnablePassthrough() | chain).invoke({"input": "third", "user_id": "said"}, config)
    memory.save_context({"input": "fourth"}, {"output": "4"})

    homes = {"given": "assistant", "said": "assistant", "named": "assistant"}
    told = {
        user: [(page.session_id, page.user_input) for page in system.memory(user, bot).pages()]
        for user, bot in homes.items()
    }
    assert told == {"given": [("home", "first")], "said": [("work", "second")], "named": [("home", "third")]}
    assert [page.user_input for page in system.memory("given", "bot", "home").pages()] == ["fourth"]


def test_a_chain_called_by_itself_does_not_show_its_config_and_nobodys_memory_is_used(system):
    (chain, key), model = conversation_chain(["never"], system=system)

    with pytest.raises(InvalidInput, match=r"^user_id is missing"):
        chain.invoke({key: "hi"}, {"configurable": {"user_id": "ann"}})

    assert (model.prompts, system.users()) == ([], [])


# -- what is said among inputs and outputs -----------------------------------------------------

OUT = {"output": "a"}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"anything": "q"}, "q"),
        ({"anything": "q", "history": "h", "stop": ["x"], "user_id": "tom", "thread_id": "t"}, "q"),
        ({"input": "q", "question": "other"}, "q"),
        ({"language": "German", "question": "q"}, "q"),
        ({"topic": "q", "documents": ["d"], "level": 3}, "q"),
        ({"input": "q", "agent_scratchpad": "s", "intermediate_steps": [], "chat_history": [HumanMessage("x")]}, "q"),
        ({"messages": [HumanMessage("q0"), AIMessage("a0"), HumanMessage("q")]}, "q"),
        ({"input": HumanMessage([{"type": "text", "text": "q"}, {"type": "image", "url": "data:x"}])}, "q\n[image]"),
        ({"input": [{"type": "text", "text": "q"}, {"type": "image", "base64": "AAAA"}]}, "q\n[image]"),
        ({"input": [HumanMessage("q0"), AIMessage("a0"), HumanMessage("q"), SystemMessage("be kind")]}, "q"),
        ({"input": ChatPromptTemplate.from_messages([("user", "q")]).invoke({})}, "q"),
        ({"input": {"city": "Tromsø", "days": 3}}, '{"city":"Tromsø","days":3}'),
        ({"input": ["one", "two"]}, "one\ntwo"),
        ({"input": 42}, "42"),
        ({"input": "half a pair \ud83d"}, "half a pair \ufffd"),
    ],
)  # fmt: skip
def test_what_the_user_says_is_found_among_the_inputs(system, inputs, expected):
    chat = MemoryOSChatMemory(memory=system.memory("tom"))

    chat.load_memory_variables(inputs)
    chat.save_context(inputs, OUT)

    assert [(page.user_input, page.agent_response) for page in system.memory("tom").pages()] == [(expected, "a")]


class Verdict(BaseModel):
    guilty: bool
    why: str


@dataclasses.dataclass
class Score:
    points: int


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"anything": "a"}, "a"),
        ({"output": "a", "answer": "other", "messages": [AIMessage("x")], "intermediate_steps": [()]}, "a"),
        ({"answer": "a", "source_documents": [Document("d")], "generated_question": "g"}, "a"),
        ({"result": "a", "source_documents": []}, "a"),
        ({"text": "a", "full_generation": [object()]}, "a"),
        ({"poem": "a", "lines": 4}, "a"),
        ({"messages": [HumanMessage("q"), AIMessage("a"), AIMessage("")]}, "a"),
        ({"output": [{"type": "text", "text": "a ", "index": 0}, {"type": "text", "text": "b", "index": 1}]}, "a b"),
        ({"output": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]}, "a"),
        ({"output": Verdict(guilty=False, why="no proof")}, '{"guilty":false,"why":"no proof"}'),
        ({"output": {"guilty": False}}, '{"guilty":false}'),
        ({"output": [{"guilty": False}]}, '[{"guilty":false}]'),
        ({"output": Score(points=3)}, '{"points":3}'),
        ({"output": None}, ""),
    ],
)
def test_the_answer_is_found_among_the_outputs(system, outputs, expected):
    MemoryOSChatMemory(memory=system.memory("tom")).save_context({"input": "q"}, outputs)

    assert [(page.user_input, page.agent_response) for page in system.memory("tom").pages()] == [("q", expected)]


def test_explicit_keys_win_over_the_usual_names(system):
    chat = MemoryOSChatMemory(memory=system.memory("tom"), input_key="topic", output_key="messages")

    chat.save_context({"input": "x", "topic": "q"}, {"output": "y", "messages": [AIMessage("a")]})

    assert [(page.user_input, page.agent_response) for page in system.memory("tom").pages()] == [("q", "a")]


def test_keys_that_cannot_be_told_apart_are_named_and_their_values_are_not(system):
    chat = MemoryOSChatMemory(memory=system.memory("tom"))
    secret = {"left": "my secret", "right": "my secret"}
    settle = "Pass {}_key= with the one to remember, at construction."

    with pytest.raises(InvalidInput) as of_input:
        chat.load_memory_variables(secret)
    with pytest.raises(InvalidInput) as of_output:
        chat.save_context({"input": "q"}, secret)
    with pytest.raises(InvalidInput) as of_key:
        MemoryOSChatMemory(memory=system.memory("tom"), output_key="answer").save_context({"input": "q"}, secret)

    assert [str(error.value) for error in (of_input, of_output, of_key)] == [
        f"input_key is needed: the chain has several inputs: left, right. {settle.format('input')}",
        f"output_key is needed: the chain has several outputs: left, right. {settle.format('output')}",
        "output_key 'answer' is not among the outputs: left, right. Pass the key under which the chain has its output.",
    ]
    assert system.memory("tom").pages() == []


def test_the_variable_of_the_memory_is_no_input(system):
    chat = MemoryOSChatMemory(memory=system.memory("tom"), memory_key="memories")

    chat.save_context({"memories": "m", "anything": "q"}, {"memories": "m", "else": "a"})

    assert [(page.user_input, page.agent_response) for page in system.memory("tom").pages()] == [("q", "a")]


def test_a_chain_without_inputs_stores_its_answer_and_one_that_says_nothing_stores_nothing(system):
    chat = MemoryOSChatMemory(memory=system.memory("tom"), input_key="input")

    assert chat.load_memory_variables({}) == {"history": ""}
    MemoryOSChatMemory(memory=system.memory("tom")).save_context({"history": ""}, {"text": "A joke."})
    chat.save_context({"input": "  "}, {"output": " \n"})

    assert [(page.user_input, page.agent_response) for page in system.memory("tom").pages()] == [("", "A joke.")]


class OneDocument(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document("The moon is made of rock.")]


def test_chains_that_answer_from_documents_remember_question_and_answer(system):
    memory, model = system.memory("tom"), RecordingChatModel(answers=lambda prompt: "Of rock.")
    talking = MemoryOSChatMemory(memory=memory, memory_key="chat_history", return_messages=True)
    chains = [
        ConversationalRetrievalChain.from_llm(
            model, OneDocument(), memory=talking, return_source_documents=True, return_generated_question=True
        ),
        RetrievalQA.from_chain_type(
            model, retriever=OneDocument(), memory=MemoryOSChatMemory(memory=memory), return_source_documents=True
        ),
    ]
    for chain, key in zip(chains, ("question", "query"), strict=True):
        for question in ("What is the moon made of?", "Really?"):
            chain.invoke({key: question})

    expected = [(question, "Of rock.") for question in ("What is the moon made of?", "Really?")] * 2
    assert [(page.user_input, page.agent_response) for page in memory.pages()] == expected


# -- what the prompt gets -----------------------------------------------------------------------


@pytest.mark.parametrize("max_tokens", [1, 40, 150, 2000])
def test_the_variable_keeps_to_its_budget_as_text_and_as_messages(system, max_tokens):
    memory, count = system.memory("tom"), default_counter()
    for question, answer in CONVERSATION:
        memory.add_memory(question, answer)
    text, messages = (
        MemoryOSChatMemory(memory=memory, max_tokens=max_tokens, return_messages=messages)
        .load_memory_variables({"input": QUESTION})["history"]
        for messages in (False, True)
    )  # fmt: skip

    cost = sum(count(message.content) + (0 if isinstance(message, SystemMessage) else 4) for message in messages)
    assert (count(text) <= max_tokens, cost <= max_tokens) == (True, True)
    assert (FACT in text, FACT in said(messages)) == (max_tokens >= 150, max_tokens == 2000)


def test_messages_are_what_is_remembered_and_then_the_latest_turns(system):
    memory = system.memory("tom")
    for question, answer in CONVERSATION:
        memory.add_memory(question, answer)
    chat = MemoryOSChatMemory(memory=memory, return_messages=True)

    first, *recent = chat.load_memory_variables({"input": QUESTION})["history"]

    turns = list(zip(recent[::2], recent[1::2], strict=True))
    assert (type(first), FACT in first.content) == (SystemMessage, True)
    assert [(type(human), type(agent)) for human, agent in turns] == [(HumanMessage, AIMessage)] * len(turns)
    assert [(human.content, agent.content) for human, agent in turns] == CONVERSATION[-len(turns) :]
    assert not [human for human, _ in turns if human.content in first.content]


def test_nothing_remembered_is_an_empty_text_or_no_message(system):
    memory = system.memory("tom")

    assert MemoryOSChatMemory(memory=memory).load_memory_variables({"input": "hi"}) == {"history": ""}
    assert MemoryOSChatMemory(memory=memory, return_messages=True).load_memory_variables({}) == {"history": []}


def test_a_recall_is_a_retriever_run_inside_of_the_run_around_the_chain(system):
    around, own = Recalls(), Recalls()
    system.memory("tom").add_memory(FACT, "Nice.")
    (chain, _), _ = conversation_chain(["Reindeer."], memory=system.memory("tom", session_id="s"), callbacks=[own])

    (RunnablePassthrough() | chain).invoke({"input": QUESTION}, {"callbacks": [around]})

    assert around.runs == own.runs == [(QUESTION, True, [FACT])]


@pytest.mark.parametrize("ask", [invoke, ainvoke])
def test_callbacks_of_the_memory_are_told_where_a_chain_runs_by_itself(system, ask: Ask):
    own = Recalls()
    (chain, key), _ = conversation_chain(["Hello."], memory=system.memory("tom"), callbacks=[own])

    ask(chain, {key: "hi"})

    assert own.runs == [("hi", False, [])]


def test_the_event_loop_goes_on_while_memory_works(open_system):
    embedder = WaitingForTheLoop()
    memory = open_system(embedder=embedder).memory("tom")

    async def use(chat: MemoryOSChatMemory) -> dict[str, Any]:
        await embedder.beside(chat.asave_context({"input": FACT}, {"output": "Nice."}))
        found: dict[str, Any] = await embedder.beside(chat.aload_memory_variables({"input": QUESTION}))
        await chat.aclear()
        return found

    assert FACT in asyncio.run(use(MemoryOSChatMemory(memory=memory)))["history"]
    assert memory.pages() == []


# -- failures, and the object itself --------------------------------------------------------------


@pytest.mark.parametrize("ask", [invoke, ainvoke])
def test_a_turn_that_cannot_be_stored_is_raised_and_stored_with_the_next(open_system, ask: Ask):
    embedder = TroubledEmbedder()
    memory = open_system(embedder=embedder).memory("tom")
    (chain, key), model = conversation_chain([], memory=memory)

    def fails_while_answering(prompt: Any) -> str:
        embedder.error = EmbeddingError("the embedder is away")
        return "Nice."

    model.answers = fails_while_answering
    with pytest.raises(EmbeddingError, match=r"^the embedder is away$"):
        ask(chain, {key: FACT})
    assert [turn.user_input for turn in waiting(memory)] == [FACT]

    embedder.error, model.answers = None, lambda prompt: "Reindeer."
    ask(chain, {key: QUESTION})

    assert FACT in model.heard[-1]
    assert [(p.user_input, p.agent_response) for p in memory.pages()] == [(FACT, "Nice."), (QUESTION, "Reindeer.")]


def test_nothing_is_stored_when_the_chain_fails(system):
    (chain, key), _ = conversation_chain([RuntimeError("no answer")], memory=system.memory("tom"))

    with pytest.raises(RuntimeError, match="no answer"):
        chain.invoke({key: "hi"})

    assert system.memory("tom").pages() == []


def test_chat_memory_shows_the_session_of_the_call_and_clear_forgets_it(system):
    chat = MemoryOSChatMemory(system=system, user_id="tom", session_id="monday")
    system.memory("tom", session_id="tuesday").add_memory("elsewhere", "ok")
    chat.save_context({"input": "hi"}, {"output": "hello"})
    chat.chat_memory.add_user_message("and now?")
    chat.chat_memory.add_ai_message("We will see.")
    shown = [(type(each), each.content) for each in chat.chat_memory.messages]

    chat.clear()

    assert shown == [
        (HumanMessage, "hi"),
        (AIMessage, "hello"),
        (HumanMessage, "and now?"),
        (AIMessage, "We will see."),
    ]
    assert chat.chat_memory.messages == []
    assert [page.user_input for page in system.memory("tom").pages()] == ["elsewhere"]


def test_chat_memory_follows_the_run_around_it(system):
    chat = MemoryOSChatMemory(system=system)
    system.memory("ann").add_memory("I am Ann.", "Hi Ann.")
    read = RunnablePassthrough() | (lambda _: [each.content for each in chat.chat_memory.messages])

    assert read.invoke({}, {"configurable": {"user_id": "ann"}}) == ["I am Ann.", "Hi Ann."]
    with pytest.raises(InvalidInput, match=r"^user_id is missing"):
        read.invoke({})


@pytest.fixture
def with_a_key(open_system) -> MemoryOSChatMemory:
    system = open_system(llm=OpenAIChatModel("gpt-4o-mini", api_key="sk-secret-key"))
    return MemoryOSChatMemory(system=system, user_id="tom", session_id="s", max_tokens=500, return_messages=True)


@pytest.mark.parametrize("again", [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy, copy.copy])
def test_a_copy_uses_the_same_memory(with_a_key, again):
    again(with_a_key).save_context({"input": "hi"}, {"output": "hello"})

    assert again(with_a_key).chat_memory.messages == with_a_key.chat_memory.messages != []
    assert repr(again(with_a_key)) == repr(with_a_key)


def test_no_form_of_it_holds_a_key_or_what_was_said(with_a_key):
    with_a_key.save_context({"input": "my secret"}, {"output": "hello"})
    with old_chains():
        chain = ConversationChain(
            llm=RecordingChatModel(answers=[]),
            memory=with_a_key,
            prompt=ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("user", "{input}")]),
        )
    forms = [
        repr(with_a_key), str(with_a_key), pickle.dumps(with_a_key).decode("latin-1"), with_a_key.model_dump_json(),
        json.dumps(with_a_key.to_json()), repr(with_a_key.chat_memory),
        chain.model_dump_json(exclude={"llm", "prompt"}),
    ]  # fmt: skip

    assert not [form for form in forms if "secret" in form]
    assert forms[0] == "MemoryOSChatMemory(user_id='tom', session_id='s', memory_key='history')"
    assert forms[5].endswith("(user_id='tom', session_id='s')")
    assert with_a_key.model_dump() == {
        "user_id": "tom", "assistant_id": None, "session_id": "s", "max_tokens": 500, "top_k": 10,
        "memory_key": "history", "input_key": None, "output_key": None, "return_messages": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "tom"}, "user is no argument of MemoryOSChatMemory. Pass user_id."),
        ({"sesion_id": "x"}, "sesion_id is no argument of MemoryOSChatMemory. Pass session_id."),
        ({"k": 5}, "k is no argument of MemoryOSChatMemory. Pass top_k."),
        ({"max_token_limit": 5}, "max_token_limit is no argument of MemoryOSChatMemory. Pass max_tokens."),
        ({"max_tokens": 0}, "max_tokens is 0. Pass an int of 1 or more."),
        ({"top_k": "5"}, "top_k is a str, not a whole number. Pass an int of 1 or more."),
        ({"memory_key": ""}, "memory_key is empty. Pass any non-empty text; ids are opaque and never parsed."),
        ({"system": "store"}, "system is a str, not a MemoryOS. Pass MemoryOS(path=...)."),
    ],
)
def test_a_wrong_argument_is_named_with_the_right_one(system, options, message):
    with pytest.raises(InvalidInput) as raised:
        MemoryOSChatMemory(**{"system": system, **options})

    assert str(raised.value) == message


def test_a_value_of_the_wrong_type_is_not_quoted(system):
    with pytest.raises(
        InvalidInput, match=r"^return_messages is not accepted: Input should be a valid boolean"
    ) as raised:
        MemoryOSChatMemory(system=system, return_messages="my secret")

    assert "my secret" not in str(raised.value)


def test_exactly_one_of_memory_and_system_is_needed_and_its_ids_stay(system):
    for options in ({}, {"memory": system.memory("tom"), "system": system}):
        with pytest.raises(InvalidInput, match=r"^memory and system: exactly one of them is needed"):
            MemoryOSChatMemory(**options)
    with pytest.raises(InvalidInput, match=r"^memory already says whose it is"):
        MemoryOSChatMemory(memory=system.memory("tom"), user_id="ann")
    with pytest.raises(ValueError, match="frozen"):
        MemoryOSChatMemory(system=system, user_id="tom").user_id = "ann"
