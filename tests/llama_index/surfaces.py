"""Every place where LlamaIndex takes a memory, as one coroutine: say something, get the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine, SimpleChatEngine
from llama_index.core.llms.llm import LLM
from llama_index.core.memory import BaseMemory
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

Say = Callable[[str], Awaitable[str]]


class OneNode(BaseRetriever):
    """Finds the same node whatever it is asked."""

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="Reindeer eat lichen."), score=1.0)]


def weather(place: str) -> str:
    """Tell the weather of a place."""
    return f"It is sunny in {place}."


@dataclass(frozen=True)
class Surface:
    """One way to hold a conversation."""

    name: str
    open: Callable[[LLM, BaseMemory], Any]
    ask: Callable[[Any, str, BaseMemory], Awaitable[str]]

    def say(self, llm: LLM, memory: BaseMemory) -> Say:
        """Return what holds the conversation."""
        host = self.open(llm, memory)
        return lambda text: self.ask(host, text, memory)


def simple(llm: LLM, memory: BaseMemory) -> SimpleChatEngine:
    return SimpleChatEngine.from_defaults(llm=llm, memory=memory, system_prompt="Be kind.")


def context(llm: LLM, memory: BaseMemory) -> ContextChatEngine:
    return ContextChatEngine.from_defaults(OneNode(), llm=llm, memory=memory, system_prompt="Be kind.")


def condense_plus(llm: LLM, memory: BaseMemory) -> CondensePlusContextChatEngine:
    return CondensePlusContextChatEngine.from_defaults(OneNode(), llm=llm, memory=memory)


async def chat(engine: Any, text: str, _: BaseMemory) -> str:
    return str(engine.chat(text))


async def achat(engine: Any, text: str, _: BaseMemory) -> str:
    return str(await engine.achat(text))


async def stream_chat(engine: Any, text: str, _: BaseMemory) -> str:
    return "".join(engine.stream_chat(text).response_gen)


async def astream_chat(engine: Any, text: str, _: BaseMemory) -> str:
    response = await engine.astream_chat(text)
    return "".join([piece async for piece in response.async_response_gen()])


async def run(agent: Any, text: str, memory: BaseMemory) -> str:
    return str(await agent.run(text, memory=memory))


def function_agent(llm: LLM, _: BaseMemory, **options: Any) -> FunctionAgent:
    return FunctionAgent(tools=[weather], llm=llm, system_prompt="Be kind.", **options)


def react_agent(llm: LLM, _: BaseMemory, system_prompt: str | None = "Be kind.", **options: Any) -> ReActAgent:
    return ReActAgent(tools=[weather], llm=llm, system_prompt=system_prompt, **options)


def agent_workflow(llm: LLM, memory: BaseMemory) -> AgentWorkflow:
    return AgentWorkflow(agents=[function_agent(llm, memory)], initial_state={"turns": 0})


CHATS = {"chat": chat, "achat": achat, "stream_chat": stream_chat, "astream_chat": astream_chat}
ENGINES = {"simple": simple, "context": context, "condense plus context": condense_plus}
AGENTS: dict[str, Callable[[LLM, BaseMemory], Any]] = {
    "function agent": function_agent,
    "function agent, not streaming": lambda llm, memory: function_agent(llm, memory, streaming=False),
    "ReAct agent": react_agent,
    "ReAct agent, not streaming": lambda llm, memory: react_agent(llm, memory, streaming=False),
    "ReAct agent without a prompt of its own": lambda llm, memory: react_agent(llm, memory, system_prompt=None),
    "agent workflow": agent_workflow,
}
SURFACES = [
    *(Surface(f"{name}, {way}", make, ask) for name, make in ENGINES.items() for way, ask in CHATS.items()),
    *(Surface(name, make, run) for name, make in AGENTS.items()),
]
IDS = [surface.name for surface in SURFACES]
