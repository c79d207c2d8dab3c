"""Many calls at once, calls that are given up, and models that do not answer."""

from __future__ import annotations

import asyncio
from threading import Event

import anyio
import pytest
from mcp import MCPDeprecationWarning

from memoryos_engine import EmbeddingError
from memoryos_engine.embedding import HashingEmbedder
from memoryos_engine.llm.openai import OpenAIChatModel
from tests.loopback import chat_server, failing

from .servers import PATIENCE, called, client_of, refused


class Held(HashingEmbedder):
    """An embedder that takes its time over one text."""

    def __init__(self) -> None:
        super().__init__(64)
        self.reached, self.released = Event(), Event()

    def embed(self, texts):
        if any("slow" in text for text in texts):
            self.reached.set()
            assert self.released.wait(PATIENCE)
        return super().embed(texts)


async def test_fifty_memories_at_once_are_each_stored_once(system, mode):
    async with client_of(system, mode) as client:
        stored = await asyncio.gather(*(called(client, "add_memory", user_input=f"fact {n}") for n in range(50)))

    assert sorted(each["id"] for each in stored) == sorted(page.id for page in system.memory("tom").pages())
    assert {page.user_input for page in system.memory("tom").pages()} == {f"fact {n}" for n in range(50)}


async def test_a_call_that_takes_long_holds_up_no_other(open_system, mode):
    """M-9."""
    embedder = Held()
    system = open_system(embedder=embedder)
    async with client_of(system, mode) as client:
        slow = asyncio.create_task(called(client, "add_memory", user_input="slow"))
        await asyncio.to_thread(embedder.reached.wait, PATIENCE)
        if mode == "legacy":
            with pytest.warns(MCPDeprecationWarning, match="ping is removed"):
                await client.send_ping()
        assert len((await client.list_tools()).tools) == 7
        assert (await called(client, "list_memories"))["total"] == 0
        assert not slow.done()
        embedder.released.set()
        assert (await slow)["status"] == "stored"


async def test_a_call_that_is_given_up_harms_no_other_and_leaves_no_half(open_system):
    embedder = Held()
    system = open_system(embedder=embedder)
    async with client_of(system, "legacy") as client:
        with anyio.move_on_after(PATIENCE) as scope:
            async with anyio.create_task_group() as group:

                async def give_up() -> None:
                    await asyncio.to_thread(embedder.reached.wait, PATIENCE)
                    scope.cancel()

                group.start_soon(give_up)
                await client.call_tool("add_memory", {"user_input": "slow"})
        assert scope.cancelled_caught
        assert (await called(client, "list_memories"))["total"] == 0
        embedder.released.set()
        await called(client, "add_memory", user_input="next")
    assert {page.user_input for page in system.memory("tom").pages()} >= {"next"}
    assert system.check() == []


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with chat_server() as running:
        running.respond = lambda request: failing(500, "my secret key sk-123")
        yield running


@pytest.mark.parametrize("alive", [True, False])
async def test_a_model_that_does_not_answer_is_told_and_loses_nothing(open_system, server, mode, alive):
    """M-3: stored, pending and failed are three things, and none is called a success that is none."""
    url = server.url if alive else "http://127.0.0.1:9/v1"
    llm = OpenAIChatModel("gpt-4o-mini", api_key="sk-topsecret", base_url=url, max_retries=0)
    system = open_system(llm=llm, short_term_capacity=1, consolidation_delay=0.0, model_delay=0.0)
    keys = {"openai_api_key": "sk-topsecret", "openai_base_url": url}
    async with client_of(system, mode, **keys) as client:
        replies = [await called(client, "add_memory", user_input=f"I love tea {n}") for n in range(3)]
        with pytest.raises(Exception, match="gpt-4o-mini"):
            system.memory("tom").flush()
        status = await called(client, "memory_status")
        found = await called(client, "retrieve_memory", query="tea")

    assert [each["status"] for each in replies] == ["stored"] * 3
    assert replies[-1]["consolidation"]["pending"] >= 1
    told = status["consolidation"]
    assert (status["model"], status["pages"]) == ("gpt-4o-mini", 3)
    assert told["pending"] >= 1
    assert told["failed"] >= 1
    assert ("HTTP 500" if alive else "Connection") in told["why"]
    assert told["next_try"] is not None
    assert "secret" not in str(replies) + str(status)
    assert len(found["retrieved_pages"]) == 3


async def test_an_embedder_that_fails_stores_nothing_and_says_so(open_system, mode):
    class Broken(HashingEmbedder):
        def embed(self, texts):
            raise EmbeddingError("The embedder is out of memory.")

    system = open_system(embedder=Broken(64))
    async with client_of(system, mode) as client:
        why = await refused(client, "add_memory", user_input="I like tea.")
        assert why == "Nothing was done: The embedder is out of memory."
        assert (await called(client, "list_memories"))["total"] == 0
