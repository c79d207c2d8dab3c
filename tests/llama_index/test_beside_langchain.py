"""One user's memory is the same memory in LangChain and in LlamaIndex."""

from __future__ import annotations

import pytest
from langchain.agents import create_agent
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.chat_engine import SimpleChatEngine

from memoryos_integrations.langchain import MemoryOSChatMessageHistory, MemoryOSMiddleware
from memoryos_integrations.langchain import MemoryOSRetriever as LangChainRetriever
from memoryos_integrations.llama_index import MemoryOSMemory, MemoryOSRetriever
from tests.conversation import CONVERSATION, FACT, QUESTION, answers_to
from tests.langchain.conversation import RecordingChatModel
from tests.langchain.conversation import said as langchain_said

from .recording import RecordingLLM, said

ANSWER = "She keeps reindeer."


async def in_langchain(system, turns, session: str) -> RecordingChatModel:
    model = RecordingChatModel(answers=answers_to(turns))
    agent = create_agent(model, tools=[], middleware=[MemoryOSMiddleware(system=system)])
    named = {"configurable": {"user_id": "tom", "thread_id": session}}
    for asked, _ in turns:
        await agent.ainvoke({"messages": [("user", asked)]}, named)
    return model


async def in_llama_index(system, turns, session: str) -> RecordingLLM:
    llm = RecordingLLM(answers_to(turns))
    memory = MemoryOSMemory(system=system, user_id="tom", session_id=session)
    for asked, _ in turns:
        await FunctionAgent(tools=[], llm=llm).run(asked, memory=memory)
    return llm


def texts(prompt) -> str:
    return said(prompt) if hasattr(prompt[0], "blocks") else langchain_said(prompt)


SIDES = {"LangChain": in_langchain, "LlamaIndex": in_llama_index}


@pytest.mark.parametrize(("written", "read"), [("LangChain", "LlamaIndex"), ("LlamaIndex", "LangChain")])
async def test_what_one_wrote_the_other_reads(open_system, written, read):
    system = open_system()
    await SIDES[written](system, CONVERSATION, "monday")
    system.close()
    system = open_system()
    model = await SIDES[read](system, [(QUESTION, ANSWER)], "tuesday")

    assert FACT in texts(model.prompts[-1])
    assert [(page.user_input, page.agent_response) for page in system.memory("tom").pages()] == [
        *CONVERSATION,
        (QUESTION, ANSWER),
    ]


async def test_both_store_the_same_pages(open_system, tmp_path):
    """As `add_memory` makes them; where a host hands over the question first, only the id is another."""
    stores = {}
    for name, side in SIDES.items():
        system = open_system(path=tmp_path / name)
        await side(system, CONVERSATION[:12], "monday")
        stores[name] = system.memory("tom").pages()
    plain = open_system(path=tmp_path / "plain").memory("tom", session_id="monday")
    for turn in CONVERSATION[:12]:
        plain.add_memory(*turn)

    said_alike = [(page.session_id, page.user_input, page.agent_response, page.timestamp) for page in plain.pages()]
    assert stores["LangChain"] == plain.pages()
    for pages in stores.values():
        assert [(each.session_id, each.user_input, each.agent_response, each.timestamp) for each in pages] == said_alike
        assert all(dict(page.metadata) == {} for page in pages)


async def test_a_session_goes_on_in_the_other_one(system):
    await in_langchain(system, CONVERSATION[:2], "monday")
    llm = await in_llama_index(system, CONVERSATION[2:4], "monday")
    history = MemoryOSChatMessageHistory(system=system, user_id="tom", session_id="monday")

    assert said(llm.prompts[0]).splitlines()[:2] == list(CONVERSATION[0])
    assert [message.content for message in history.messages] == [side for turn in CONVERSATION[:4] for side in turn]


async def test_both_retrievers_find_the_same_pages_with_the_same_scores(system):
    await in_langchain(system, CONVERSATION, "monday")
    documents = LangChainRetriever(system=system, user_id="tom", k=5).invoke(QUESTION)
    nodes = MemoryOSRetriever(system=system, user_id="tom", similarity_top_k=5).retrieve(QUESTION)

    assert FACT in documents[0].page_content
    assert [(node.node.node_id, node.node.text, node.score) for node in nodes] == [
        (document.id, document.page_content, document.metadata["score"]) for document in documents
    ]


async def test_what_one_forgets_is_gone_from_the_other(system):
    await in_langchain(system, CONVERSATION[:3], "monday")
    memory = MemoryOSMemory(system=system, user_id="tom", session_id="tuesday")
    engine = SimpleChatEngine.from_defaults(llm=RecordingLLM(["I do not know."]), memory=memory)
    owner = system.memory("tom")
    owner.forget(next(page.id for page in owner.pages() if page.user_input == FACT))
    engine.chat(QUESTION)

    assert FACT not in said(engine._llm.prompts[-1])
