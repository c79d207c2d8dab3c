"""The awaited calls: the same results, and a loop that stays free."""

from __future__ import annotations

import asyncio
import threading

import pytest

from memoryos_engine import EmbeddingError, HashingEmbedder, InvalidInput, ScriptedChatModel
from memoryos_engine.analysis.extractive import ExtractiveAnalyst


class Waiting(HashingEmbedder):
    """An embedder that stands still until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.released = threading.Event()
        self.threads: set[str] = set()

    def embed(self, texts):
        self.threads.add(threading.current_thread().name)
        self.reached.set()
        if not self.released.wait(timeout=10):
            raise EmbeddingError("nobody let it go")
        return super().embed(texts)


def test_awaited_calls_do_what_the_plain_ones_do(open_system):
    """Design part 5: sync core; async at the edge by threads, without writing anything twice."""
    memory = open_system(
        llm=ScriptedChatModel(["You keep bees."]), analyst=ExtractiveAnalyst(), short_term_capacity=2
    ).memory("tom")

    async def conversation():
        page = await memory.aadd_memory("I keep bees.", agent_response="How many hives?", metadata={"n": 1})
        await memory.aadd_memory("Three.", "Noted.")
        answer = await memory.aget_response("What do I keep?", max_tokens=500)
        await memory.aflush()
        found = await memory.aretrieve_memory("bees", top_k=3, touch=False)
        return page, answer, found

    page, answer, found = asyncio.run(conversation())

    assert (page.user_input, page.agent_response, dict(page.metadata)) == ("I keep bees.", "How many hives?", {"n": 1})
    assert answer == "You keep bees."
    assert found.pages == memory.retrieve_memory("bees", top_k=3, touch=False).pages
    assert [one.user_input for one in memory.pages()] == ["I keep bees.", "Three.", "What do I keep?"]
    assert memory.status().pending == 0


def test_the_loop_is_free_while_a_page_is_added(open_system):
    """A server goes on serving while one request embeds."""
    embedder = Waiting()
    memory = open_system(embedder=embedder).memory("tom")

    async def serve():
        adding = asyncio.create_task(memory.aadd_memory("Hello", "Hi"))
        await asyncio.to_thread(embedder.reached.wait, 10)
        turns = 0
        for _ in range(100):
            await asyncio.sleep(0)
            turns += not adding.done()
        embedder.released.set()
        return turns, await adding

    turns, page = asyncio.run(serve())

    assert turns == 100
    assert memory.pages() == [page]
    assert threading.current_thread().name not in embedder.threads


def test_awaited_calls_run_side_by_side_and_lose_nothing(system):
    """Invariant 1 under concurrency: each page once, in an order of arrival without gaps."""
    memory = system.memory("tom")

    async def many():
        return await asyncio.gather(*(memory.aadd_memory(f"Text {n}", "Noted.") for n in range(40)))

    pages = asyncio.run(many())

    assert sorted(page.sequence for page in pages) == list(range(40))
    assert memory.pages() == sorted(pages, key=lambda page: page.sequence)


@pytest.mark.parametrize("call", ["aretrieve_memory", "aadd_memory"])
def test_errors_reach_the_one_who_awaits(system, call):
    """The same error tree on both sides."""
    with pytest.raises(InvalidInput):
        asyncio.run(getattr(system.memory("tom"), call)(""))
