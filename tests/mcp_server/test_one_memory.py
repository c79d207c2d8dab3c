"""One memory behind the MCP server, a LangChain agent and a LlamaIndex engine."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from llama_index.core.chat_engine import SimpleChatEngine

from memoryos_integrations.langchain import MemoryOSMiddleware
from memoryos_integrations.llama_index import MemoryOSMemory
from tests.conversation import CONVERSATION, FACT, QUESTION
from tests.langchain.conversation import RecordingChatModel
from tests.llama_index.recording import RecordingLLM

from .servers import called, client_of

ANSWER = "She keeps reindeer."
FILLER = CONVERSATION[2:20]


async def tell_mcp(system, turns) -> None:
    async with client_of(system) as client:
        for asked, answer in turns:
            await called(client, "add_memory", user_input=asked, agent_response=answer)


async def tell_langchain(system, turns) -> str:
    model = RecordingChatModel(answers=[answer for _, answer in turns])
    agent = create_agent(model, tools=[], middleware=[MemoryOSMiddleware(system=system)])
    for asked, _ in turns:
        named = {"configurable": {"user_id": "tom", "thread_id": "langchain"}}
        await agent.ainvoke({"messages": [("user", asked)]}, named)
    return model.heard[-1]


async def tell_llama_index(system, turns) -> str:
    llm = RecordingLLM([answer for _, answer in turns])
    memory = MemoryOSMemory(system=system, user_id="tom", session_id="llama_index")
    engine = SimpleChatEngine.from_defaults(llm=llm, memory=memory)
    for asked, _ in turns:
        await engine.achat(asked)
    return llm.heard[-1]


TELL = {"MCP": tell_mcp, "LangChain": tell_langchain, "LlamaIndex": tell_llama_index}


@pytest.mark.parametrize("first", TELL)
async def test_what_one_host_is_told_the_others_know(system, first):
    for host, tell in TELL.items():
        await tell(system, [(FACT, "How lovely."), *FILLER] if host == first else FILLER[:2])

    async with client_of(system) as client:
        found = await called(client, "retrieve_memory", query=QUESTION)
    prompts = [await tell_langchain(system, [(QUESTION, ANSWER)]), await tell_llama_index(system, [(QUESTION, ANSWER)])]
    assert FACT in [page["user_input"] for page in found["retrieved_pages"]]
    assert [FACT in prompt for prompt in prompts] == [True, True]


async def test_all_hosts_see_one_list_and_what_one_forgets_is_gone_for_all(system):
    for tell in TELL.values():
        await tell(system, [(FACT, "How lovely.")])
    async with client_of(system) as client:
        listed = (await called(client, "list_memories"))["pages"]
        assert [(page["user_input"], page["session_id"]) for page in listed] == [
            (FACT, "llama_index"),
            (FACT, "langchain"),
            (FACT, "mcp"),
        ]
        for page in listed:
            await called(client, "forget_memory", memory_id=page["id"])

    assert FACT not in await tell_langchain(system, [(QUESTION, ANSWER)])
    assert FACT not in await tell_llama_index(system, [(QUESTION, ANSWER)])
