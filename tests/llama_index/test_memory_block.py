"""MemoryOSMemoryBlock behind LlamaIndex's own Memory."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import InsertMethod, Memory
from llama_index.core.memory.memory_blocks import StaticMemoryBlock
from llama_index_instrumentation.dispatcher import instrument_tags
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from memoryos_engine import EmbeddingError, InvalidInput, StoreError
from memoryos_engine.tokens import default_counter
from memoryos_integrations.llama_index import MemoryOSMemoryBlock
from tests.conversation import CONVERSATION, FACT, QUESTION

from .recording import RecordingLLM, agent, calling, said, told, user
from .surfaces import weather

LONG = [(f"Tell me about number {n}, please. " + "All of it. " * 20, f"It is {n}. " * 20) for n in range(30)]


@pytest.fixture
async def memory_of():
    """Make LlamaIndex's memories; they never close their own database."""
    engines = []

    def made(block: MemoryOSMemoryBlock, session_id: str = "monday", **options) -> Memory:
        engines.append(create_async_engine("sqlite+aiosqlite:///:memory:", poolclass=StaticPool))
        blocks = options.pop("memory_blocks", [block])
        return Memory.from_defaults(session_id=session_id, memory_blocks=blocks, async_engine=engines[-1], **options)

    yield made
    for engine in engines:
        await engine.dispose()


def pages_of(memory) -> list[tuple[str, str]]:
    return [(page.user_input, page.agent_response) for page in memory.pages()]


def messages_of(turns):
    return [message for asked, answer in turns for message in (user(asked), agent(answer))]


async def converse(engine, turns) -> None:
    for asked, _ in turns:
        await engine.achat(asked)


async def test_a_short_conversation_is_remembered_though_nothing_ever_leaves_the_queue(memory_of, open_system):
    """LlamaIndex hands a block what leaves the queue: by default after 21,000 tokens."""
    system = open_system()
    llm = RecordingLLM([answer for _, answer in CONVERSATION])
    engine = SimpleChatEngine.from_defaults(
        llm=llm, memory=memory_of(MemoryOSMemoryBlock(system=system, user_id="tom"))
    )
    await converse(engine, CONVERSATION)
    system.close()
    system = open_system()
    block = MemoryOSMemoryBlock(system=system, user_id="tom")
    llm = RecordingLLM(["Reindeer."])
    await SimpleChatEngine.from_defaults(llm=llm, memory=memory_of(block, "tuesday")).achat(QUESTION)

    assert pages_of(system.memory("tom")) == CONVERSATION[:-1]
    assert FACT in llm.heard[-1]


async def test_what_leaves_the_queue_is_stored_once(memory_of, system):
    """Most of it is stored already when it leaves."""
    answers = [answer for _, answer in LONG]
    memory = memory_of(MemoryOSMemoryBlock(system=system, user_id="tom", max_tokens=200), token_limit=1000)
    await converse(SimpleChatEngine.from_defaults(llm=RecordingLLM(answers), memory=memory), LONG)
    await memory.aget()

    assert len(await memory.aget()) < len(LONG)
    assert pages_of(system.memory("tom")) == [(asked, answer) for asked, answer in LONG]


async def test_what_a_block_is_told_directly_is_stored_once(system):
    block = MemoryOSMemoryBlock(system=system, user_id="tom")
    await block.aput(messages_of(CONVERSATION[:3]))
    await block.aput(messages_of(CONVERSATION[1:4]))

    assert pages_of(system.memory("tom")) == CONVERSATION[:4]


async def test_what_the_messages_say_already_is_not_recalled_as_well(memory_of, system):
    memory = memory_of(MemoryOSMemoryBlock(system=system, user_id="tom"))
    await memory.aput_messages(messages_of([(FACT, "How lovely.")]))
    await memory.aput(user(QUESTION))
    prompt = await memory.aget()

    assert said(prompt).count(FACT) == 1
    assert pages_of(system.memory("tom")) == [(FACT, "How lovely.")]


async def test_words_said_again_much_later_are_another_turn(memory_of, system):
    thanks = [("Thanks!", "You are welcome.")]
    memory = memory_of(MemoryOSMemoryBlock(system=system, user_id="tom"))
    await memory.aput_messages(messages_of([*thanks, *CONVERSATION[:2]]))
    await memory.aget()
    await memory.aput_messages(messages_of(thanks))
    await memory.aget()

    assert pages_of(system.memory("tom")) == [*thanks, *CONVERSATION[:2], *thanks]


async def test_two_users_of_one_block_never_meet(memory_of, system):
    """LlamaIndex's own block keeps the filter of whoever asked first."""
    block = MemoryOSMemoryBlock(system=system)
    llm = RecordingLLM(lambda prompt: "Noted.")

    async def chat(name: str) -> None:
        engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory_of(block, f"{name}'s chat"))
        for number in range(5):
            with instrument_tags({"user_id": name}):
                await engine.achat(f"{name}'s secret {number} is {name}-{number}.")

    await asyncio.gather(chat("tom"), chat("ann"))

    for name, other in (("tom", "ann"), ("ann", "tom")):
        assert [page.user_input for page in system.memory(name).pages()] == [
            f"{name}'s secret {number} is {name}-{number}." for number in range(4)
        ]
        assert not [text for text in llm.heard if f"{name}-" in text and f"{other}-" in text]


async def test_two_sessions_of_one_block_are_two_sessions_here(memory_of, system):
    block = MemoryOSMemoryBlock(memory=system.memory("tom"))
    for session in ("monday", "tuesday"):
        memory = memory_of(block, session)
        await memory.aput_messages(messages_of([(f"It is {session}.", "Indeed.")]))
        await memory.aget()

    assert [page.session_id for page in system.memory("tom").pages()] == ["monday", "tuesday"]


async def test_a_block_that_nothing_names_a_user_for_says_how(memory_of, system):
    memory = memory_of(MemoryOSMemoryBlock(system=system))
    with pytest.raises(InvalidInput, match="whose memory"):
        await memory.aget(QUESTION)


async def test_an_outage_stores_each_turn_once_when_it_is_over(memory_of, system, monkeypatch):
    memory = memory_of(MemoryOSMemoryBlock(system=system, user_id="tom"))
    embed = type(system.embedder).embed

    def broken(*_):
        raise EmbeddingError("no embedder today")

    for count in range(1, 4):
        await memory.aput_messages(messages_of(CONVERSATION[count - 1 : count]))
        monkeypatch.setattr(type(system.embedder), "embed", broken)
        with pytest.raises(EmbeddingError):
            await memory.aget(QUESTION)
        monkeypatch.setattr(type(system.embedder), "embed", embed)
        if count < 3:
            monkeypatch.setattr(type(system.embedder), "embed", broken)
    await memory.aget(QUESTION)

    assert pages_of(system.memory("tom")) == CONVERSATION[:3]


async def test_a_turn_that_is_too_long_is_told_and_breaks_nothing(memory_of, open_system, caplog):
    system = open_system(max_turn_bytes=200)
    memory = memory_of(MemoryOSMemoryBlock(system=system, user_id="tom"))
    await memory.aput_messages(messages_of([("x" * 500, "How many?"), *CONVERSATION[:1]]))
    for _ in range(3):
        await memory.aget(QUESTION)

    assert pages_of(system.memory("tom")) == [("", "How many?"), *CONVERSATION[:1]]
    assert len(caplog.records) == 1


async def test_profile_facts_and_pages_share_one_budget(open_system):
    system = open_system(heat_threshold=0.0, short_term_capacity=2)
    owner = system.memory("tom", session_id="sunday")
    for turn in [*CONVERSATION, ("My name is Tom.", "Hello!")]:
        owner.add_memory(*turn)
    owner.flush()
    text = await MemoryOSMemoryBlock(memory=owner, max_tokens=300)._aget([user(QUESTION)])

    assert "name: Tom" in text
    assert FACT in text
    assert 200 < default_counter()(text) <= 300


@pytest.mark.parametrize("limit", [1000, 500, 250])
async def test_a_block_gives_way_gracefully_where_there_is_no_room(memory_of, system, limit):
    """The least valuable goes first: what fits the question stays."""
    owner = system.memory("tom", session_id="sunday")
    for turn in [*LONG[:20], (FACT, "How lovely.")]:
        owner.add_memory(*turn)
    memory = memory_of(MemoryOSMemoryBlock(memory=owner, max_tokens=2000), token_limit=limit)
    await memory.aput(user(QUESTION))
    prompt = await memory.aget()

    assert FACT in said(prompt)
    assert memory._estimate_token_count(prompt) <= limit + 40  # what the template puts around blocks is not counted


async def test_a_block_that_finds_no_room_at_all_is_left_out(memory_of, system):
    owner = system.memory("tom", session_id="sunday")
    owner.add_memory(FACT, "How lovely.")
    memory = memory_of(MemoryOSMemoryBlock(memory=owner), token_limit=20)
    await memory.aput(user(QUESTION))

    assert told(await memory.aget()) == [("user", QUESTION)]


async def test_a_block_of_priority_zero_is_never_cut(memory_of, system):
    owner = system.memory("tom", session_id="sunday")
    owner.add_memory(FACT, "How lovely.")
    memory = memory_of(MemoryOSMemoryBlock(memory=owner, priority=0), token_limit=20)
    await memory.aput(user(QUESTION))

    assert FACT in said(await memory.aget())


async def test_text_that_is_not_its_own_is_dropped_rather_than_cut(system):
    assert await MemoryOSMemoryBlock(memory=system.memory("tom")).atruncate("some text", 1) is None


async def test_it_goes_with_other_blocks_and_into_the_users_message(memory_of, system):
    system.memory("tom", session_id="sunday").add_memory(FACT, "How lovely.")
    block = MemoryOSMemoryBlock(system=system, user_id="tom")
    static = StaticMemoryBlock(name="rules", static_content="Be kind.")
    memory = memory_of(block, memory_blocks=[static, block], insert_method=InsertMethod.USER)
    await memory.aput(user(QUESTION))
    prompt = await memory.aget()

    assert [message.role.value for message in prompt] == ["user"]
    assert "Be kind." in said(prompt)
    assert FACT in said(prompt)


async def test_an_agent_remembers_by_it_without_its_tools(memory_of, system):
    llm = RecordingLLM([calling("weather", place="Oslo"), "Sunny."])
    memory = memory_of(MemoryOSMemoryBlock(system=system, user_id="tom"))
    await FunctionAgent(tools=[weather], llm=llm).run("Is it sunny in Oslo?", memory=memory)

    assert pages_of(system.memory("tom")) == [("Is it sunny in Oslo?", "Sunny.")]


async def test_the_callers_messages_are_left_as_they_are_and_no_session_is_stored(system):
    """LlamaIndex writes the session into the messages it hands over."""
    block = MemoryOSMemoryBlock(system=system, user_id="tom")
    await block.aput(messages_of(CONVERSATION[:1]), from_short_term_memory=True, session_id="monday")
    page = system.memory("tom").pages()[0]

    assert (page.session_id, dict(page.metadata)) == ("monday", {})


async def test_a_broken_store_is_an_error(memory_of, system, monkeypatch):
    owner = system.memory("tom")

    def broken(*_, **__):
        raise StoreError("the disk is gone")

    monkeypatch.setattr(type(owner), "retrieve_memory", broken)
    with pytest.raises(StoreError, match="the disk is gone"):
        await memory_of(MemoryOSMemoryBlock(memory=owner)).aget(QUESTION)


async def test_a_new_user_adds_nothing_to_the_prompt(memory_of, system):
    memory = memory_of(MemoryOSMemoryBlock(system=system, user_id="tom"))
    await memory.aput(user("Hello"))

    assert told(await memory.aget()) == [("user", "Hello")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"user_id": "tom"}, "ids cannot be given beside it"),
        ({"similarity_top_k": 3}, "similarity_top_k is no argument of MemoryOSMemoryBlock. Pass top_k."),
        ({"name": 5}, "name is not accepted"),
    ],
)
def test_an_argument_that_cannot_be_used_is_an_error_that_names_the_right_one(system, options, message):
    with pytest.raises(InvalidInput, match=message):
        MemoryOSMemoryBlock(**{"memory": system.memory("tom"), **options})
