"""One LangChain chain with three memories: what people had, and what they have with us.

The chain's model says what it is told to and keeps the prompts it received, so that all
that differs between the three is the memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import datetime
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
from memoryos_integrations.evaluation.overhead import MAX_TOKENS, PAGES, Remembering, Script
from memoryos_integrations.langchain import MemoryOSChatMemory

if TYPE_CHECKING:
    from langchain_classic.base_memory import BaseMemory
    from langchain_core.callbacks import CallbackManagerForLLMRun

OURS, BUFFER, VECTORS = "MemoryOS", "buffer", "vector store"
"""MemoryOSChatMemory, ConversationBufferMemory, and VectorStoreRetrieverMemory on Chroma, by short names."""
PROMPT = "The following is a conversation between a user and an assistant.\n\n{history}\n\nUser: {input}\nAssistant:"


class ScriptedLLM(LLM):
    """A model that answers as its script says."""

    _script: Script = PrivateAttr(default_factory=Script)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def script(self) -> Script:
        """What it says next and was asked last."""
        return self._script

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,  # noqa: ARG002 - the signature is LangChain's
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> str:
        return self._script.answer(prompt)


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


def open_chains(folder: Path, now: datetime, stack: ExitStack, *, embedder: Embedder) -> list[Remembering]:
    """Return the chain with each memory, kept under `folder` and closed with `stack`."""
    clock = ManualClock(now)
    system = stack.enter_context(closing(MemoryOS(folder / "memoryos", embedder=embedder, clock=clock)))
    ours = MemoryOSChatMemory(system=system, user_id="user", max_tokens=MAX_TOKENS, top_k=PAGES)
    memories = {OURS: ours, BUFFER: _buffer(), VECTORS: _vectors(folder / "vectors", embedder)}
    return [_chain(name, memory, clock) for name, memory in memories.items()]


def _chain(name: str, memory: BaseMemory, clock: ManualClock) -> Remembering:
    model = ScriptedLLM()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LangChain's own, about the chain
        chain = LLMChain(llm=model, prompt=PromptTemplate.from_template(PROMPT), memory=memory)
    return Remembering(
        name=name,
        script=model.script,
        clock=clock,
        chat=lambda text, session: chain.invoke({"input": text, "session_id": session}),
        remembered=lambda text: str(memory.load_memory_variables({"input": text, "session_id": "asking"})["history"]),
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
