"""The awaited twins of what a memory does: each runs the same call in a thread, so nothing is written twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, Protocol

from memoryos_engine.conversing import awaited

if TYPE_CHECKING:
    from memoryos_engine.records import DialoguePage, KnowledgeEntry
    from memoryos_engine.retrieved import RetrievedMemory


class _Blocking(Protocol):
    """The calls that block, as `UserMemory` documents them."""

    def add_memory(self, user_input: str = "", agent_response: str = "", **options: Any) -> DialoguePage: ...
    def add_response(self, agent_response: str, **options: Any) -> DialoguePage: ...
    def retrieve_memory(self, query: str, **options: Any) -> RetrievedMemory: ...
    def latest_memory(self) -> RetrievedMemory: ...
    def get_response(self, query: str, **options: Any) -> str: ...
    def stream_response(self, query: str, **options: Any) -> Generator[str, None, None]: ...
    def correct(self, entry_id: str, text: str, **options: Any) -> KnowledgeEntry: ...
    def flush(self, *, progress: bool = False) -> None: ...


class AwaitedMemory:
    """What `UserMemory` offers to code that runs on an event loop."""

    async def aadd_memory(self: _Blocking, *args: Any, **options: Any) -> DialoguePage:
        """Await `add_memory`."""
        return await asyncio.to_thread(self.add_memory, *args, **options)

    async def aadd_response(self: _Blocking, agent_response: str, **options: Any) -> DialoguePage:
        """Await `add_response`."""
        return await asyncio.to_thread(self.add_response, agent_response, **options)

    async def aretrieve_memory(self: _Blocking, query: str, **options: Any) -> RetrievedMemory:
        """Await `retrieve_memory`."""
        return await asyncio.to_thread(self.retrieve_memory, query, **options)

    async def alatest_memory(self: _Blocking) -> RetrievedMemory:
        """Await `latest_memory`."""
        return await asyncio.to_thread(self.latest_memory)

    async def aget_response(self: _Blocking, query: str, **options: Any) -> str:
        """Await `get_response`."""
        return await asyncio.to_thread(self.get_response, query, **options)

    def astream_response(self: _Blocking, query: str, **options: Any) -> AsyncGenerator[str, None]:
        """Do what `stream_response` does, for `async for`; closing it early closes that."""
        return awaited(self.stream_response(query, **options))

    async def acorrect(self: _Blocking, entry_id: str, text: str, **options: Any) -> KnowledgeEntry:
        """Await `correct`."""
        return await asyncio.to_thread(self.correct, entry_id, text, **options)

    async def aflush(self: _Blocking, *, progress: bool = False) -> None:
        """Await `flush`."""
        await asyncio.to_thread(self.flush, progress=progress)
