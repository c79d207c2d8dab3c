"""Calls of one session that overlap, and a conversation that is set, reset or purged while somebody is answering."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.chat_engine import SimpleChatEngine

from memoryos_engine import HashingEmbedder, InvalidInput, StoreError
from memoryos_integrations.llama_index import MemoryOSMemory
from tests.integrations.failing import broken_store

from .recording import RecordingLLM, agent, calling, told, user

QUESTIONS = ("What is 2 + 2?", "How is the weather in Rome?", "What is my name?")


@pytest.fixture
def owner(system):
    return system.memory("tom", session_id="monday")


@pytest.fixture
def memory(owner) -> MemoryOSMemory:
    return MemoryOSMemory(memory=owner)


def pages_of(memory) -> list[tuple[str, str]]:
    return [(page.user_input, page.agent_response) for page in memory.pages()]


def echoing(prompt) -> str:
    return f"Re: {prompt[-1].blocks[-1].text}"


def call() -> Context:
    """A call of its own, as a thread or task of a server is one."""
    return copy_context()


async def test_agents_that_start_together_are_each_asked_their_own_question(memory, owner):
    one = FunctionAgent(tools=[], llm=RecordingLLM(echoing))
    await asyncio.gather(*(one.run(question, memory=memory) for question in QUESTIONS))

    assert sorted(pages_of(owner)) == sorted((question, f"Re: {question}") for question in QUESTIONS)


def test_engines_in_threads_are_each_asked_their_own_question(memory, owner):
    """Both have put their question before either asks for its prompt."""
    both = threading.Barrier(2)
    get = MemoryOSMemory.get

    class Waiting(MemoryOSMemory):
        def get(self, *args, **kwargs):
            both.wait(30)
            return get(self, *args, **kwargs)

    engine = SimpleChatEngine.from_defaults(llm=RecordingLLM(echoing), memory=Waiting(memory=owner))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda question: str(engine.chat(question)), QUESTIONS[:2]))

    assert answers == [f"Re: {question}" for question in QUESTIONS[:2]]
    assert sorted(pages_of(owner)) == sorted((question, f"Re: {question}") for question in QUESTIONS[:2])


def test_an_answer_to_a_question_that_is_answered_already_goes_to_no_other(memory, owner):
    """A double click is one question; its second answer is not that of whoever asked meanwhile."""
    first, second, third = call(), call(), call()
    for each, text in ((first, "Hello"), (second, "Hello"), (third, "Delete my account?")):
        each.run(memory.put, user(text))
    for each, text in ((first, "Hi!"), (second, "Hi again!"), (third, "No, never.")):
        each.run(memory.put, agent(text))

    assert pages_of(owner) == [("Hello", "Hi!"), ("Delete my account?", "No, never."), ("", "Hi again!")]


def test_what_follows_a_question_that_could_not_be_stored_waits_behind_it(memory, owner):
    """And goes to no older question that the same call asked."""
    memory.put_messages([user("What is my balance?"), agent("100.")])
    with broken_store(owner.system), pytest.raises(StoreError):
        memory.put(user("And my rent?"))
    memory.put(agent("700."))

    assert pages_of(owner) == [("What is my balance?", "100."), ("And my rent?", "700.")]


@pytest.mark.parametrize("forget", ["purge", "reset", "forget page"])
def test_an_answer_to_what_was_deleted_meanwhile_is_not_stored(memory, owner, forget):
    memory.put(user("My PIN is 1234, repeat it."))
    if forget == "purge":
        owner.purge()
    elif forget == "reset":
        call().run(memory.reset, forget=True)
    else:
        owner.forget(owner.pages()[0].id)
    call().run(memory.put, user("How is the weather?"))
    memory.put(agent("Your PIN is 1234."))

    assert pages_of(owner) == [("How is the weather?", "")]


def test_a_turn_stays_whole_though_the_conversation_begins_anew_in_it(memory, owner):
    memory.put(user("Old question"))
    other = call()
    other.run(memory.reset)
    asked = told(memory.get())
    memory.put(agent("Old answer"))

    assert asked == [("user", "Old question")]
    assert pages_of(owner) == [("Old question", "Old answer")]
    assert told(memory.get_all()) == []


def test_a_turn_stays_whole_though_another_conversation_is_set_in_it(memory, owner):
    memory.put(user("Old question"))
    other = call()
    other.run(memory.set, [user("New question"), agent("New answer")])
    memory.put(agent("Old answer"))

    assert sorted(pages_of(owner)) == [("New question", "New answer"), ("Old question", "Old answer")]
    assert told(memory.get_all()) == [("user", "New question"), ("assistant", "New answer")]


def test_a_question_that_failed_before_is_not_recalled_beside_itself(memory, owner):
    memory.put_messages([user("Where is Oslo?")])
    memory.set([user("Hello"), agent("Hi")])
    memory.put(user("Where is Oslo?"))

    assert [text for _, text in told(memory.get()) if "Oslo" in text] == ["Where is Oslo?"]


def test_a_conversation_set_by_many_at_once_is_stored_once(memory, owner):
    history = [each for number in range(20) for each in (user(f"Q{number}"), agent(f"A{number}"))]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(memory.set, [history] * 4))

    assert pages_of(owner) == [(f"Q{number}", f"A{number}") for number in range(20)]


def test_questions_that_are_all_open_at_once_get_their_answers(memory, owner):
    """More of them than short-term memory holds."""
    calls = [call() for _ in range(16)]
    for number, each in enumerate(calls):
        each.run(memory.put, user(f"Q{number}"))
    for number, each in enumerate(calls):
        each.run(memory.put, agent(f"A{number}"))

    assert pages_of(owner) == [(f"Q{number}", f"A{number}") for number in range(16)]


def test_a_question_keeps_its_answer_though_ten_other_sessions_spoke_meanwhile(memory, owner):
    memory.put(user("Q"))
    for number in range(12):
        owner.in_session(f"other {number}").add_memory("Hi", "Hello")
    memory.put(agent("A"))

    assert pages_of(owner)[0] == ("Q", "A")


# -- calls that begin here and end there ------------------------------------------------------------------


def test_turns_whose_sides_come_from_different_threads_stay_whole(memory, owner):
    """Threads of a pool live on, and know what they asked long ago."""
    threads = [call() for _ in range(3)]
    for number in range(12):
        threads[number % 3].run(memory.put, user(f"Q{number}"))
        threads[number * 2 % 3].run(memory.put, agent(f"A{number}"))

    assert pages_of(owner) == [(f"Q{number}", f"A{number}") for number in range(12)]


def test_what_an_agent_says_after_a_turn_that_was_deleted_is_no_answer_to_it(memory, owner):
    """A stream is answered in a thread that its caller does not see."""
    engine = SimpleChatEngine.from_defaults(llm=RecordingLLM(["Hi"]), memory=memory)
    for _ in engine.stream_chat("Hello").response_gen:
        pass
    owner.purge()
    memory.put(agent("Welcome!"))

    assert pages_of(owner) == [("", "Welcome!")]


@pytest.mark.parametrize("forget", [True, False])
@pytest.mark.parametrize("answered", [True, False])
def test_what_an_agent_says_after_a_reset_begins_the_new_conversation(memory, forget, answered):
    memory.put_messages([user("Q")])
    if answered:
        memory.put(agent("A"))
    memory.reset(forget=forget)
    memory.put(agent("Welcome!"))

    assert told(memory.get_all()) == [("assistant", "Welcome!")]


def test_what_an_agent_says_after_another_conversation_was_set_belongs_to_that(memory):
    memory.put(user("Q"))
    memory.put(agent("A"))
    memory.set([user("X"), agent("Y")])
    memory.put(agent("Z"))

    assert [text for _, text in told(memory.get_all())] == ["X", "Y", "Z"]


async def test_a_tool_that_chats_on_the_same_memory_leaves_the_agent_its_question(memory, owner):
    engine = SimpleChatEngine.from_defaults(llm=RecordingLLM(["inner answer"]), memory=memory)

    def look() -> str:
        """Look."""
        return str(engine.chat("inner question"))

    llm = RecordingLLM([calling("look"), "outer answer"])
    await FunctionAgent(tools=[look], llm=llm).run("outer question", memory=memory)

    assert pages_of(owner) == [("outer question", "outer answer"), ("inner question", "inner answer")]
    asked = [each.content for each in llm.prompts[1] if each.role.value == "user"]
    assert len(asked) == 1
    assert asked[0].endswith("outer question")


def test_who_asks_what_another_asks_reads_the_question_not_the_others_answer(memory):
    first, second, third = call(), call(), call()
    first.run(memory.put, user("Hello"))
    second.run(memory.put, user("Hello"))
    first.run(memory.put, agent("Hi!"))
    third.run(memory.put, user("Delete my account?"))

    assert told(second.run(memory.get)) == [("user", "Hello")]


# -- failures in a turn -----------------------------------------------------------------------------------


def test_a_question_like_the_last_is_asked_though_the_last_answer_only_waits(memory, owner):
    memory.put(user("yes"))
    with broken_store(owner.system):
        memory.put(agent("one"))
    memory.put(user("yes"))
    asked = told(memory.get())[-1]
    memory.put(agent("two"))

    assert asked == ("user", "yes")
    assert pages_of(owner) == [("yes", "one"), ("yes", "two")]


def test_what_is_said_after_a_failed_turn_is_said_though_it_says_the_same(memory, owner):
    with broken_store(owner.system):
        with pytest.raises(StoreError):
            memory.put(user("next"))
        memory.put(agent("A"))
    memory.put(user("next"))
    memory.put(agent("B"))

    assert pages_of(owner) == [("next", "A"), ("next", "B")]


def test_what_is_said_while_the_store_cannot_be_read_waits(memory, owner, monkeypatch):
    memory.put_messages([user("old"), agent("x")])
    with monkeypatch.context() as patch:
        patch.setattr(type(owner), "session_pages", unreadable)
        patch.setattr(type(owner), "latest_memory", unreadable)
        with pytest.raises(StoreError):
            memory.put(user("My sister is called Ida."))
    memory.put(agent("I will remember Ida."))

    assert pages_of(owner) == [("old", "x"), ("My sister is called Ida.", "I will remember Ida.")]


def unreadable(*_, **__):
    raise StoreError("the disk cannot be read")


def test_what_is_said_again_after_a_purge_is_stored(memory, owner):
    with broken_store(owner.system), pytest.raises(StoreError):
        memory.put(user("Q"))
    owner.purge()
    memory.put(user("Q"))

    assert pages_of(owner) == [("Q", "")]


def test_a_question_that_is_refused_takes_no_other_calls_answer(open_system):
    owner = open_system(max_turn_bytes=300).memory("tom", session_id="monday")
    memory, other = MemoryOSMemory(memory=owner), call()
    memory.put(user("Q"))
    with pytest.raises(InvalidInput):
        other.run(memory.put, user("x" * 1000))
    memory.put(agent("A"))

    assert pages_of(owner) == [("Q", "A")]


def test_an_answer_that_is_embedded_while_its_question_is_deleted_is_not_stored(open_system):
    class Deleting(HashingEmbedder):
        def embed(self, texts):
            if "PIN is 1234" in texts[0]:
                owner.purge()
            return super().embed(texts)

    owner = open_system(embedder=Deleting()).memory("tom", session_id="monday")
    MemoryOSMemory(memory=owner).put(user("What is it?"))
    MemoryOSMemory(memory=owner).put(agent("Your PIN is 1234."))

    assert pages_of(owner) == []


def test_a_conversation_is_set_while_pages_of_it_are_deleted(memory, owner, monkeypatch):
    memory.set([user("Q1"), agent("A1"), user("Q2"), agent("A2")])
    move, left = type(owner).move_pages, [1]

    def moving(view, page_ids, session_id):
        if left and left.pop():
            owner.forget(owner.pages()[0].id)
        return move(view, page_ids, session_id)

    monkeypatch.setattr(type(owner), "move_pages", moving)
    memory.set([user("Q2"), agent("A2")])

    assert told(memory.get_all()) == [("user", "Q2"), ("assistant", "A2")]


# -- conversations that are set --------------------------------------------------------------------------


def messages_of(text: str) -> list:
    """ "Q/A" is an exchange, "Q/" a question without an answer."""
    turns = [turn.split("/") for turn in text.split()]
    return [each for asked, answer in turns for each in [user(asked), *([agent(answer)] if answer else [])]]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("go/sure A/a go/sure B/b", "go/sure A/a"),
        ("go/sure A/a go/sure B/b", "A/a go/sure"),
        ("go/sure go/sure go/sure", "go/sure go/sure"),
        ("B/ A/a", "A/a B/"),
    ],
)
def test_what_was_set_is_the_conversation_in_its_order(memory, owner, before, after):
    """Turns that are said again, and questions that are asked again after others."""
    memory.set(messages_of(before))
    memory.set(messages_of(after))

    assert told(memory.get_all()) == told(messages_of(after))


def test_an_answer_too_long_to_be_remembered_does_not_make_its_conversation_unusable(open_system):
    owner = open_system(max_turn_bytes=300).memory("tom", session_id="monday")
    memory = MemoryOSMemory(memory=owner)
    history = [user("Write a novel."), agent("x" * 1000)]
    for _ in range(3):
        memory.set([*history, user("Go on.")])

    assert pages_of(owner) == [("Write a novel.", ""), ("Go on.", "")]


def test_a_session_named_like_what_was_taken_out_of_another_is_left_alone(memory, owner):
    other = MemoryOSMemory(memory=owner.in_session("monday, earlier"))
    other.put_messages(messages_of("Mine/yes"))
    memory.put_messages(messages_of("Ours/no"))
    memory.reset()
    seen = told(other.get_all())
    memory.reset(forget=True)

    assert seen == [("user", "Mine"), ("assistant", "yes")]
    assert pages_of(owner) == [("Mine", "yes")]


def test_an_answer_that_only_looks_like_a_react_agents_is_kept_whole(memory, owner):
    """Outside of workflows nobody reasons into memory."""
    answer = "Thought: " + "step by step " * 300 + "\nAnswer: 42"
    memory.put_messages([user("Explain."), agent(answer)])

    assert pages_of(owner) == [("Explain.", answer)]
