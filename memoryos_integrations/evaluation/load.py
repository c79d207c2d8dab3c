"""Many users of one agent on one event loop: what memory does to the loop, and whether each turn is remembered once.

    python -m memoryos_integrations.evaluation.load

The same agent without memory is measured in the same run, before and after. The loop's stalls are
what a task that asks to be woken every millisecond waits beyond that.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import typer
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import Field

from memoryos_engine import MemoryOS
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.terminal import console, table
from memoryos_integrations.langchain import MemoryOSMiddleware

TICK = 0.001
"""Seconds between two looks at the loop."""
SESSION, EARLIER = "load", "earlier"
_NAME = re.compile(r"user-\d+-\d+:")
_OTHER_SEEDS = 1_000_000
WITHOUT, FIRST, AGAIN = "without memory", "with memory, at first", "with memory"

_EXPLAINED = (
    "Stored: turns that are in their user's memory once, in order, and alone. Strange: prompts and pages in which "
    "another user's words stand. Longest and p95: how late the loop was, looked at every millisecond. "
    "Embedded Chroma holds the interpreter while it writes, in whatever thread; behind a server it does not."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadPlan:
    """How much is asked of the loop."""

    users: int = 50
    """Who all talk at the same time, each in a thread of their own."""
    turns: int = 6
    """Of each user, one after the other."""
    history: int = 20
    """Turns of each user in an earlier session."""
    latency: float = 0.05
    """Seconds that the model takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadResult:
    """What was measured in one go of all users."""

    title: str
    held: int
    """Turns that the users held."""
    stored: int | None
    """How many of them stand in their user's memory, once, in order, and alone; None without memory."""
    strange: int
    """Prompts and pages in which another user's words stand."""
    stalls: tuple[float, ...]
    """Seconds that the loop was late, for each time it was looked at."""
    seconds: tuple[float, ...]
    """Of each turn."""

    @property
    def longest_stall(self) -> float:
        """Return the longest time the loop was late, in seconds."""
        return max(self.stalls, default=0.0)


class WaitingChatModel(BaseChatModel):
    """Answers the last message after a while without blocking the loop, and notes every prompt."""

    latency: float
    prompts: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "waiting"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        self.prompts.append("\n".join(str(message.content) for message in messages))
        answer = AIMessage(_answer(str(messages[-1].content)))
        return ChatResult(generations=[ChatGeneration(message=answer)])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        await asyncio.sleep(self.latency)
        return self._generate(messages)


async def measure_load(plan: LoadPlan, folder: Path) -> list[LoadResult]:
    """Have all users talk to an agent without memory, with it for the first time, with it again, and without.

    The first time includes whatever is loaded at first use.

    Args:
        plan: how much.
        folder: where the store is made.

    Raises:
        MemoryOSError: the memory failed.
    """
    results = []
    with MemoryOS(folder) as system:
        for go, title in enumerate((WITHOUT, FIRST, AGAIN, WITHOUT)):
            names = [f"user-{go}-{number}:" for number in range(plan.users)]
            users = {name: _talk(name, number, plan.turns) for number, name in enumerate(names)}
            memory = None if title == WITHOUT else system
            if memory is not None:
                await asyncio.to_thread(_remember_earlier, memory, users, plan.history)
            results.append(await _go(title, users, memory, plan))
    return results


def show_load(results: Sequence[LoadResult], plan: LoadPlan) -> None:
    """Print a line for each go."""
    columns = ("", "turns", "stored", "strange", "longest ms", "p95 ms", "turn ms")
    shown = table(f"{plan.users} users of one agent on one event loop, {plan.turns} turns each", columns, left=("",))
    for each in results:
        counts = (each.held, "-" if each.stored is None else each.stored, each.strange)
        seconds = (each.longest_stall, float(np.percentile(each.stalls, 95)), median(each.seconds))
        shown.add_row(each.title, *map(str, counts), *(f"{1000 * each:.1f}" for each in seconds))
    screen = console()
    screen.print(shown)
    screen.print(_EXPLAINED)


def main(
    users: Annotated[int, typer.Option(min=1, help="Who talk at the same time.")] = 50,
    turns: Annotated[int, typer.Option(min=1, help="Of each user.")] = 6,
    history: Annotated[int, typer.Option(min=0, help="Turns of each user in an earlier session.")] = 20,
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds the model takes.")] = 0.05,
) -> None:
    """Print how long an event loop stalls under many users with and without memory, and what is remembered."""
    plan = LoadPlan(users=users, turns=turns, history=history, latency=latency)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        results = asyncio.run(measure_load(plan, Path(folder)))
    show_load(results, plan)


async def _go(title: str, users: dict[str, list[str]], system: MemoryOS | None, plan: LoadPlan) -> LoadResult:
    model = WaitingChatModel(latency=plan.latency)
    memory = [] if system is None else [MemoryOSMiddleware(system=system)]
    agent = create_agent(model, middleware=memory, checkpointer=InMemorySaver())
    seconds: list[float] = []
    async with _watched() as stalls:
        await asyncio.gather(*(_converse(agent, user, texts, seconds) for user, texts in users.items()))
    pages = {} if system is None else {user: _pages(system, user) for user in users}
    return LoadResult(
        title=title,
        held=sum(map(len, users.values())),
        stored=None if system is None else sum(_stored(users[user], pages[user]) for user in users),
        strange=sum(map(_is_strange, model.prompts)) + sum(_is_strange(f"{user} {pages[user]}") for user in pages),
        stalls=tuple(stalls),
        seconds=tuple(seconds),
    )


async def _converse(agent: Any, user: str, texts: Iterable[str], seconds: list[float]) -> None:
    run = {"configurable": {"user_id": user, "thread_id": user, "session_id": SESSION}}
    for text in texts:
        start = perf_counter()
        await agent.ainvoke({"messages": [("user", text)]}, run)
        seconds.append(perf_counter() - start)


@asynccontextmanager
async def _watched() -> AsyncIterator[list[float]]:
    stalls: list[float] = []

    async def tick() -> None:
        while True:
            start = perf_counter()
            await asyncio.sleep(TICK)
            stalls.append(perf_counter() - start - TICK)

    watch = asyncio.create_task(tick())
    try:
        yield stalls
    finally:
        watch.cancel()


def _talk(name: str, seed: int, turns: int) -> list[str]:
    return [f"{name} {turn['user_input']}" for turn in SyntheticTalk(seed).turns(turns)]


def _remember_earlier(system: MemoryOS, users: Iterable[str], history: int) -> None:
    for number, user in enumerate(users):
        texts = _talk(user, _OTHER_SEEDS + number, history)
        turns = [{"user_input": text, "agent_response": _answer(text)} for text in texts]
        memory = system.memory(user, session_id=EARLIER)
        memory.import_turns(turns)
        memory.flush()


def _answer(text: str) -> str:
    return f"Noted: {text}"


def _pages(system: MemoryOS, user: str) -> list[tuple[str, str]]:
    return [(page.user_input, page.agent_response) for page in system.memory(user, session_id=SESSION).session_pages()]


def _stored(texts: Sequence[str], pages: Sequence[tuple[str, str]]) -> int:
    """Return how many turns are there as often as they were held; 0 if they are not in order or not alone."""
    turns = [(text, _answer(text)) for text in texts]
    in_order = [page for page in turns if page in pages] == list(pages)
    return sum(pages.count(turn) == turns.count(turn) for turn in turns) if in_order else 0


def _is_strange(text: str) -> bool:
    """Return whether the names of more users than one stand in a text."""
    return len(set(_NAME.findall(text))) > 1


if __name__ == "__main__":
    typer.run(main)
