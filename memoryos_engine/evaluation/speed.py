"""Speed as ratios: what an operation costs beside the Chroma call it is built on.

A ratio measured in one run says the same on a laptop and on a server; a time does not.
Two copies of one store are open at once, one with other users' pages added, so that
"before" and "after" can take turns.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import Progress, TaskID
from rich.text import Text

from memoryos_engine.evaluation.interleaved import Comparison, Operation, interleaved
from memoryos_engine.evaluation.speed_operations import (
    addition,
    bare_collection,
    chroma_query,
    retrieval,
    stored_collection,
    upsertion,
)
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import Tier
from memoryos_engine.system import MemoryOS
from memoryos_engine.terminal import table

ALONE, CROWDED = "alone", "crowded"
"""The stores, by their folders."""
LARGE, SMALL = "large", "small"
FIRST_QUERY = "What did we say about this the last time?"
SMALL_PAGES = 100
OTHER_PAGES = 1000
"""Pages of each of the other users."""
CHUNK = 250
"""Pages that are imported and consolidated between two movements of the progress bar."""
IMPORTS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedPlan:
    """How much is stored and how often each operation is timed."""

    pages: int = 10_000
    """Pages of the large user."""
    others: int = 40_000
    """Pages of other users, a thousand each."""
    rounds: int = 150

    @property
    def other_users(self) -> int:
        """How many other users there are, at least one."""
        return max(1, round(self.others / OTHER_PAGES))

    @property
    def stored(self) -> int:
        """Pages stored in all."""
        return self.pages + SMALL_PAGES + self.other_users * OTHER_PAGES


QUICK = SpeedPlan(pages=1000, others=4000, rounds=40)


def measure_speed(plan: SpeedPlan, *, folder: Path, bars: Progress) -> list[Comparison]:
    """Fill two stores under `folder`, time what is compared, and return the lines of the report.

    Raises:
        StoreError: a store failed.
    """
    alone, crowded = folder / ALONE, folder / CROWDED
    _fill(plan, alone=alone, crowded=crowded, bars=bars)
    with ExitStack() as stack:
        quiet, busy = stack.enter_context(MemoryOS(alone)), stack.enter_context(MemoryOS(crowded))
        task = bars.add_task("timing", total=2 * plan.rounds + plan.other_users)
        run = _Run(plan=plan, alone=quiet, crowded=busy, folder=folder, step=lambda: bars.advance(task))
        found, opened = run.finding(), run.opening()
        return [*run.adding(), *found, opened]


def import_seconds() -> float:
    """Return the median time of `import memoryos_engine` in a fresh process."""
    code = "import time; t = time.perf_counter(); import memoryos_engine; print(time.perf_counter() - t)"
    runs = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
        for _ in range(IMPORTS)
    )
    return median(float(run.stdout) for run in runs)


def show_speed(comparisons: Sequence[Comparison], *, import_time: float, screen: Console) -> None:
    """Print each operation with its yardstick, their medians, the ratio and the target."""
    made = table("Speed", ("operation", "median", "beside", "median", "ratio", "target"), left=("operation", "beside"))
    for one in comparisons:
        within = "green" if one.ratio <= one.target else "yellow"
        ratio = Text(f"{one.ratio:.2f}", style=within)
        made.add_row(one.title, _ms(one.seconds), one.yardstick, _ms(one.yardstick_seconds), ratio, f"{one.target:g}")
    screen.print(made)
    screen.print(f"import memoryos_engine, in a fresh process: {_ms(import_time)}", style="dim")
    screen.print(
        "Medians of one run in which the two sides of each line took turns; targets are upper bounds.", style="dim"
    )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """The comparisons, over two open stores: with the large user's pages alone, and with others'."""

    plan: SpeedPlan
    alone: MemoryOS
    crowded: MemoryOS
    folder: Path
    step: Operation

    def finding(self) -> list[Comparison]:
        """Compare finding pages with Chroma's own query, and with other users' pages beside them."""
        memory = self.alone.memory(LARGE)
        with stored_collection(self.folder / ALONE) as collection:
            operations = {
                "before": retrieval(memory),
                "after": retrieval(self.crowded.memory(LARGE)),
                "chroma": chroma_query(collection, memory, self.alone.embedder),
            }
            _warm(operations)
            times = interleaved(operations, rounds=self.plan.rounds, step=self.step)
        archived = len(memory.pages(Tier.ARCHIVE))
        own = Comparison(
            title=f"retrieve_memory, {self.plan.pages:,} own pages, {archived:,} of them archived",
            seconds=times["before"],
            yardstick="Chroma's query, same store and owner",
            yardstick_seconds=times["chroma"],
            target=1.0,
        )
        after = Comparison(
            title=f"same, {self.plan.other_users * OTHER_PAGES:,} pages of others added",
            seconds=times["after"],
            yardstick="before they were added",
            yardstick_seconds=times["before"],
            target=1.3,
        )
        return [own, after]

    def opening(self) -> Comparison:
        """Compare the first answer of a memory that is not resident with Chroma's query."""
        unopened = (self.crowded.memory(_other(place)) for place in range(self.plan.other_users))
        with stored_collection(self.folder / CROWDED) as collection:
            operations: dict[str, Operation] = {
                "open": lambda: next(unopened).retrieve_memory(FIRST_QUERY, touch=False),
                "chroma": chroma_query(collection, self.crowded.memory(LARGE), self.crowded.embedder),
            }
            times = interleaved(operations, rounds=self.plan.other_users, step=self.step)
        return Comparison(
            title=f"opening a memory of {OTHER_PAGES:,} pages and asking it",
            seconds=times["open"],
            yardstick=f"Chroma's query among {self.plan.stored:,} pages",
            yardstick_seconds=times["chroma"],
            target=20.0,
        )

    def adding(self) -> list[Comparison]:
        """Compare adding a page with one bare upsert, and to a large memory with to a small one."""
        stored = self.plan.pages + SMALL_PAGES
        with bare_collection(self.folder / "bare", self.alone.embedder, records=stored) as collection:
            operations = {
                "small": addition(self.alone.memory(SMALL), 1),
                "large": addition(self.alone.memory(LARGE), 2),
                "chroma": upsertion(collection, self.alone.embedder),
            }
            _warm(operations)
            times = interleaved(operations, rounds=self.plan.rounds, step=self.step)
        bare = Comparison(
            title=f"add_memory, {SMALL_PAGES} own pages",
            seconds=times["small"],
            yardstick="Chroma upsert of one record among as many",
            yardstick_seconds=times["chroma"],
            target=2.0,
        )
        large = Comparison(
            title=f"add_memory, {self.plan.pages:,} own pages",
            seconds=times["large"],
            yardstick=f"with {SMALL_PAGES} own pages",
            yardstick_seconds=times["small"],
            target=1.3,
        )
        return [bare, large]


def _fill(plan: SpeedPlan, *, alone: Path, crowded: Path, bars: Progress) -> None:
    task = bars.add_task("storing pages", total=plan.stored)
    with MemoryOS(alone) as system:
        _remember(system.memory(LARGE), plan.pages, bars, task)
        _remember(system.memory(SMALL), SMALL_PAGES, bars, task)
    shutil.copytree(alone, crowded)
    with MemoryOS(crowded) as system:
        for place in range(plan.other_users):
            _remember(system.memory(_other(place)), OTHER_PAGES, bars, task)


def _remember(memory: UserMemory, pages: int, bars: Progress, task: TaskID) -> None:
    turns = SyntheticTalk(len(memory.owner.user_id) + pages).turns(pages)
    while added := memory.import_turns(islice(turns, CHUNK)):
        memory.flush()
        bars.advance(task, added)


def _other(place: int) -> str:
    return f"other user {place}"


def _warm(operations: Mapping[str, Operation]) -> None:
    """Run each once before the clock starts: the first call opens what the others use."""
    for operation in operations.values():
        operation()
