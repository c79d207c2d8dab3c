"""LlamaIndex's own memories as they are compared with ours: set up to do well within the same budget."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import chromadb
from chromadb.config import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.memory import ChatMemoryBuffer, Memory, VectorMemoryBlock
from llama_index.vector_stores.chroma import ChromaVectorStore
from pydantic import PrivateAttr
from sqlalchemy.ext.asyncio import create_async_engine

from memoryos_engine import Embedder
from memoryos_integrations.evaluation.overhead import MAX_TOKENS

QUEUE_SHARE = 0.5
"""Of the budget, what the latest messages may take, as much as with us."""
FLUSHED = MAX_TOKENS // 10
"""Tokens that leave the queue at a time, for one entry of the block: the share is LlamaIndex's default."""
BATCHES = 5
"""Entries the block returns: as many as fill the other half of the budget."""
SEARCHED_WITH = 2
"""Latest messages the block searches with, the question among them. With 1 it would take them all."""
_EVERYTHING = 1_000_000_000
_IN_MEMORY = "sqlite+aiosqlite:///:memory:"
"""Where `Memory` keeps its queue unless it is told otherwise."""


class EngineEmbedding(BaseEmbedding):
    """The engine's embedder for LlamaIndex's vector store, so that both search with the same vectors."""

    _embedder: Embedder = PrivateAttr()

    def __init__(self, embedder: Embedder) -> None:
        super().__init__(model_name=embedder.name)
        self._embedder = embedder

    def _get_text_embedding(self, text: str) -> list[float]:
        row: list[float] = self._embedder.embed([text])[0].tolist()
        return row

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


def open_buffer() -> ChatMemoryBuffer:
    """Return a buffer that holds whatever is said."""
    return ChatMemoryBuffer.from_defaults(token_limit=_EVERYTHING)


def open_vectors(folder: Path, embedder: Embedder, stack: ExitStack) -> Memory:
    """Return a `Memory` whose block keeps its vectors in `folder`, closed with `stack`."""
    loop = stack.enter_context(_event_loop())
    queue = create_async_engine(_IN_MEMORY)
    stack.callback(lambda: loop.run_until_complete(queue.dispose()))
    block = VectorMemoryBlock(
        vector_store=_vector_store(folder, stack),
        embed_model=EngineEmbedding(embedder),
        similarity_top_k=BATCHES,
        retrieval_context_window=SEARCHED_WITH,
    )
    return Memory.from_defaults(
        session_id="talk",
        token_limit=MAX_TOKENS,
        token_flush_size=FLUSHED,
        chat_history_token_ratio=QUEUE_SHARE,
        memory_blocks=[block],
        async_engine=queue,
    )


def _vector_store(folder: Path, stack: ExitStack) -> ChromaVectorStore:
    # What Chroma says it returns knows no close().
    client: Any = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
    stack.callback(client.close)
    collection = client.get_or_create_collection("turns", metadata={"hnsw:space": "cosine"})
    return ChromaVectorStore(chroma_collection=collection)


@contextmanager
def _event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Set the loop that `Memory` runs its calls on: the connection of its queue belongs to one."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()
