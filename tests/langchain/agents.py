"""Agents with memory, ways to talk to them, and checkpoints that survive their process."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from memoryos_engine import DialoguePage, MemoryOS, UserMemory
from memoryos_integrations.langchain import MemoryOSMiddleware
from tests.langchain.conversation import RecordingChatModel

ROOT = Path(__file__).parents[2]

Talk = Callable[..., None]
"""Says a text to an agent, with a config, and takes in all it answers."""


def config(user: str = "tom", thread: str = "monday", **more: Any) -> dict[str, Any]:
    return {"configurable": {"user_id": user, "thread_id": thread, **more}}


def agent(
    answers: Any, system: MemoryOS | None = None, *others: AgentMiddleware, **options: Any
) -> tuple[Any, RecordingChatModel]:
    """An agent whose memory comes first among its middleware, and the model it asks."""
    model = RecordingChatModel(answers=answers)
    memory = {"memory": options.pop("memory")} if "memory" in options else {"system": system}
    options = {"tools": [], "checkpointer": InMemorySaver(), **options}
    return create_agent(model, middleware=[MemoryOSMiddleware(**memory), *others], **options), model


def invoke(agent: Any, text: str, config: Any) -> None:
    agent.invoke({"messages": [("user", text)]}, config)


def ainvoke(agent: Any, text: str, config: Any) -> None:
    asyncio.run(agent.ainvoke({"messages": [("user", text)]}, config))


def _streaming(mode: Any) -> Talk:
    def talk(agent: Any, text: str, config: Any) -> None:
        assert list(agent.stream({"messages": [("user", text)]}, config, stream_mode=mode))

    return talk


def _astreaming(mode: Any) -> Talk:
    def talk(agent: Any, text: str, config: Any) -> None:
        async def read() -> list[Any]:
            return [each async for each in agent.astream({"messages": [("user", text)]}, config, stream_mode=mode)]

        assert asyncio.run(read())

    return talk


def _events(agent: Any, text: str, config: Any) -> None:
    async def read() -> list[Any]:
        return [each async for each in agent.astream_events({"messages": [("user", text)]}, config, version="v2")]

    assert asyncio.run(read())


SEVERAL = ["updates", "messages", "custom"]
WAYS: dict[str, Talk] = {
    "invoke": invoke,
    "ainvoke": ainvoke,
    **{f"stream {mode}": _streaming(mode) for mode in ("values", "updates", "messages", "debug")},
    **{f"astream {mode}": _astreaming(mode) for mode in ("values", SEVERAL)},
    "astream_events": _events,
}
"""Every way to run an agent, by name."""


def said_in(memory: UserMemory) -> list[tuple[str, str]]:
    """What a memory holds of its session, in order."""
    return [(page.user_input, page.agent_response) for page in memory.session_pages()]


def without_ids(pages: Iterable[DialoguePage]) -> list[dict[str, Any]]:
    """Pages as they are but for the ids that tell two stores apart."""
    fields = ("session_id", "user_input", "agent_response", "timestamp", "sequence", "sessions_since", "metadata")
    return [{name: getattr(page, name) for name in fields} for page in pages]


def system_text(prompt: Sequence[Any]) -> str:
    """The text of a prompt's system message; empty if it has none."""
    return str(prompt[0].content) if prompt[0].type == "system" else ""


def calls(*asked: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    """A message that asks for tools, each with an id of its own."""
    tool_calls = [
        {"name": name, "args": args, "id": f"call-{place}-{name}"} for place, (name, args) in enumerate(asked)
    ]
    return AIMessage(content=text, tool_calls=tool_calls)


def frozen(saver: InMemorySaver) -> bytes:
    """All that a checkpointer holds, as it would lie in a file."""
    storage = {thread: {ns: dict(each) for ns, each in spaces.items()} for thread, spaces in saver.storage.items()}
    return pickle.dumps((storage, dict(saver.writes), dict(saver.blobs)))


def thawed(data: bytes) -> InMemorySaver:
    """A checkpointer that holds what `frozen` wrote."""
    storage, writes, blobs = pickle.loads(data)
    saver = InMemorySaver()
    for thread, spaces in storage.items():
        saver.storage[thread].update(spaces)
    saver.writes.update(writes)
    saver.blobs.update(blobs)
    return saver


def in_another_process(script: str, *arguments: object) -> str:
    """What a script prints that runs in a process of its own, from the root of the repository."""
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, capture_output=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout.decode()
