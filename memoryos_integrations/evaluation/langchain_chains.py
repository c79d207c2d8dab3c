"""One LangChain chain with three memories: what people had, and what they have with us.

The chain's model says what it is told to and keeps the prompts it received, so that all
that differs between the three is the memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chromadb
from chromadb.config import Settings
from langchain_classic.chains.llm import LLMChain
from langchain_classic.memory import ConversationBufferMemory, VectorStoreRetrieverMemory
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.llms import LLM
from langchain_core.prompts import PromptTemplate
from pydantic import PrivateAttr

from memoryos_engine import Embedder, ManualClock, MemoryOS
from memoryos_engine.evaluation.locomo import Turn
from memoryos_integrations.langchain import MemoryOSChatMemory

if TYPE_CHECKING:
    from langchain_classic.base_memory import BaseMemory
    from langchain_core.callbacks import CallbackManagerForLLMRun

OURS, BUFFER, VECTORS = "MemoryOS", "buffer", "vector store"
"""MemoryOSChatMemory, ConversationBufferMemory, and VectorStoreRetrieverMemory on Chroma, by short names."""
PROMPT = "The following is a conversation between a user and an assistant.\n\n{history}\n\nUser: {input}\nAssistant:"
MAX_TOKENS, PAGES = 2000, 10
"""Budget of our context, and how many documents the vector store returns, as many as we find pages."""


class ScriptedLLM(LLM):
    """A model that says `reply` and keeps the last prompt."""

    _reply: str = PrivateAttr(default="")
    _prompt: str = PrivateAttr(default="")

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def prompt(self) -> str:
        """The prompt it was asked with last."""
        return self._prompt

    def will_say(self, reply: str) -> None:
        """Set what it says next."""
        self._reply = reply

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,  # noqa: ARG002 - the signature is LangChain's
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> str:
        self._prompt = prompt
        return self._reply


class EngineEmbeddings(Embeddings):
    """The engine's embedder for LangChain's vector store, so that both search with the same vectors."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one row for each text."""
        rows: list[list[float]] = self._embedder.embed(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """Return the row of one text."""
        return self.embed_documents([text])[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class RememberingChain:
    """A chain with one of the memories."""

    name: str
    chain: LLMChain
    memory: BaseMemory
    model: ScriptedLLM
    clock: ManualClock

    def say(self, turn: Turn) -> str:
        """Have one turn through the chain and return the prompt its model received."""
        self.clock.advance(seconds=(turn.timestamp - self.clock()).total_seconds())
        self.model.will_say(turn.agent_response or "...")
        self.chain.invoke({"input": turn.user_input or "...", "session_id": turn.session_id})
        return self.model.prompt

    def remembered(self, question: str) -> str:
        """Return what the memory would put into the prompt for a question."""
        history: str = self.memory.load_memory_variables({"input": question, "session_id": "asking"})["history"]
        return history


def open_chains(folder: Path, embedder: Embedder, stack: ExitStack) -> list[RememberingChain]:
    """Return the chain with each memory, kept under `folder` and closed with `stack`."""
    clock = ManualClock("2023-01-01T00:00:00+00:00")
    system = stack.enter_context(closing(MemoryOS(folder / "memoryos", embedder=embedder, clock=clock)))
    ours = MemoryOSChatMemory(system=system, user_id="user", max_tokens=MAX_TOKENS, top_k=PAGES)
    memories = {OURS: ours, BUFFER: _buffer(), VECTORS: _vectors(folder / "vectors", embedder)}
    return [_chain(name, memory, clock) for name, memory in memories.items()]


def _chain(name: str, memory: BaseMemory, clock: ManualClock) -> RememberingChain:
    model = ScriptedLLM()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's own, about the chain
        prompt = PromptTemplate.from_template(PROMPT)
        return RememberingChain(
            name=name,
            chain=LLMChain(llm=model, prompt=prompt, memory=memory),
            memory=memory,
            model=model,
            clock=clock,
        )


def _buffer() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's own, about its memories
        return ConversationBufferMemory(input_key="input")


def _vectors(folder: Path, embedder: Embedder) -> Any:
    from langchain_chroma import Chroma

    client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    cosine: Mapping[str, Any] = {"hnsw:space": "cosine"}
    store = Chroma("turns", EngineEmbeddings(embedder), client=client, collection_metadata=dict(cosine))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's own, about its memories
        return VectorStoreRetrieverMemory(
            retriever=store.as_retriever(search_kwargs={"k": PAGES}),
            memory_key="history",
            input_key="input",
            exclude_input_keys=["session_id"],
        )
