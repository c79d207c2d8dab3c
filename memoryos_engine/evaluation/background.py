"""What a slow language model does to adding: nothing, if thinking stays in the background."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console

from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.memory import UserMemory
from memoryos_engine.system import MemoryOS
from memoryos_engine.terminal import table

ADDS = 100
"""Turns of one block. Blocks with and without a model take turns, and each waits for the other's work to end."""
USERS = 8
"""Users with a thread each."""
AIM = 1.5
MOST_TURNS = 1_000_000
"""More than are ever added."""

Step = Callable[[], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class BackgroundResult:
    """What was measured."""

    latency: float
    """Seconds of a call."""
    plain: tuple[float, ...]
    """Seconds of each `add_memory` without a model."""
    with_model: tuple[float, ...]
    calls: int
    """Calls of the model while turns were added."""
    added: int
    """Turns that eight users added at once from eight threads."""
    found: int
    """How many of them are remembered, verbatim, in one segment or STM each."""


def measure_background(folder: Path, *, latency: float, rounds: int, step: Step) -> BackgroundResult:
    """Add turns with and without a model, in alternating blocks, then for eight users at once.

    Raises:
        MemoryOSError: the memory failed.
    """
    model = stand_in(latency=latency)
    with MemoryOS(folder / "plain") as plain, MemoryOS(folder / "model", llm=model) as thinking:
        sides = [(plain.memory("user"), list[float]()), (thinking.memory("user"), list[float]())]
        talk, calls = _talk(1), 0
        for turn in range(rounds):
            for memory, seconds in sides if turn % 2 else reversed(sides):
                before = len(model.requests)
                seconds += _timed(memory, list(islice(talk, ADDS)), step)
                calls += len(model.requests) - before
                memory.flush()
        added = _crowd(thinking)
        found = sum(_found(thinking.memory(user), said) for user, said in added.items())
    return BackgroundResult(
        latency=latency,
        plain=tuple(sides[0][1]),
        with_model=tuple(sides[1][1]),
        calls=calls,
        added=sum(map(len, added.values())),
        found=found,
    )


def show_background(result: BackgroundResult, *, screen: Console) -> None:
    """Print the times, their ratio, and what was lost."""
    made = table("Adding while a model thinks", ("", "adds", "median ms", "p95 ms"), left=("",))
    rows = (("without a model", result.plain), (f"model of {1000 * result.latency:.0f} ms", result.with_model))
    for name, seconds in rows:
        made.add_row(name, str(len(seconds)), *(f"{1000 * np.percentile(seconds, share):.1f}" for share in (50, 95)))
    screen.print(made)
    ratio = np.percentile(result.with_model, 95) / np.percentile(result.plain, 95)
    screen.print(f"p95 with a model is {ratio:.2f} of that without (aim {AIM}); {result.calls} calls meanwhile.")
    lost = result.added - result.found
    screen.print(f"{USERS} users adding at once: {result.added} turns acknowledged, {result.found} found, {lost} lost.")


def _talk(seed: int) -> Iterator[tuple[str, str]]:
    return ((turn["user_input"], turn["agent_response"]) for turn in SyntheticTalk(seed).turns(MOST_TURNS))


def _timed(memory: UserMemory, turns: list[tuple[str, str]], step: Step) -> list[float]:
    seconds: list[float] = []
    for turn in turns:
        start = time.perf_counter()
        memory.add_memory(*turn)
        seconds.append(time.perf_counter() - start)
        step()
    return seconds


def _crowd(system: MemoryOS) -> dict[str, list[tuple[str, str]]]:
    said = {f"user {number}": list(islice(_talk(100 + number), ADDS)) for number in range(USERS)}

    def speak(user: str) -> None:
        memory = system.memory(user)
        for turn in said[user]:
            memory.add_memory(*turn)
        memory.flush()

    with ThreadPoolExecutor(USERS) as threads:
        list(threads.map(speak, said))
    return said


def _found(memory: UserMemory, said: list[tuple[str, str]]) -> int:
    """Return how many turns are there, each in one place."""
    tiers = memory.tiers()
    there = [(page.user_input, page.agent_response) for pages in tiers.values() for page in pages]
    return sum(there.count(turn) == said.count(turn) for turn in said)
