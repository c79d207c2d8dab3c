"""Timing that survives a noisy machine: what is compared takes turns, and medians are kept."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Operation = Callable[[], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """One line of the report: an operation against its yardstick."""

    title: str
    seconds: float
    """Median of the operation."""
    yardstick: str
    yardstick_seconds: float
    target: float
    """Ratio that is aimed at, at most."""

    @property
    def ratio(self) -> float:
        """How many times the yardstick the operation takes."""
        return self.seconds / self.yardstick_seconds


def interleaved(operations: Mapping[str, Operation], *, rounds: int, step: Operation) -> dict[str, float]:
    """Return the median seconds of each operation over `rounds` in which each runs once.

    The order within a round is drawn anew: after a write the machine is slower for a while, and none must always
    come after one.

    Args:
        operations: name to what is timed.
        rounds: at least 1.
        step: called after every round, outside the clock.
    """
    chance = random.Random(0)  # noqa: S311 - an order, not a secret
    seconds: dict[str, list[float]] = {name: [] for name in operations}
    for _ in range(rounds):
        for name in chance.sample(list(operations), len(operations)):
            start = time.perf_counter()
            operations[name]()
            seconds[name].append(time.perf_counter() - start)
        step()
    return {name: median(values) for name, values in seconds.items()}
