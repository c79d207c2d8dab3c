"""A memory moved twice: exported and imported, then given another embedder by processes that are killed.

    python -m memoryos_engine.evaluation.moving --pages 10000 --queries 100

What comes out is compared, record by record, vector by vector and answer by answer, with
what an undisturbed import gives. Status 1 if anything differs.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from memoryos_engine.clock import ManualClock
from memoryos_engine.embedding.by_name import embedder_by_name
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.memory import UserMemory
from memoryos_engine.settings import MemorySettings
from memoryos_engine.storage.whole_rows import BATCH
from memoryos_engine.system import MemoryOS
from memoryos_engine.terminal import console, table

OLD, NEW = "hashing-v1-512", "hashing-v1-256"
KILLS = 2
SLACK = 0.02
"""Most seconds between a batch's embedding and the kill."""
NOW = "2026-01-01T12:00:00+00:00"
QUIET = MemorySettings(consolidation_delay=3600.0)
"""Background work waits for flush()."""

CHILD = """
import sys
from memoryos_engine import EmbedderMismatch, MemoryOS
from memoryos_engine.embedding.by_name import embedder_by_name

def tell(count):
    sys.stdout.write(f"{count}\\n")
    sys.stdout.flush()

class Telling:
    def __init__(self, embedder):
        self.name, self.dimension, self._embedder = embedder.name, embedder.dimension, embedder
    def embed(self, texts):
        rows = self._embedder.embed(texts)
        tell(len(texts))
        return rows

path, old, new = sys.argv[1:]
try:
    with MemoryOS(path, embedder=embedder_by_name(old)) as system:
        tell(0)
        system.reindex(embedder=Telling(embedder_by_name(new)))
except EmbedderMismatch:  # the one before was killed when all was done
    MemoryOS(path, embedder=embedder_by_name(new)).close()
"""
"""Re-embeds a store and tells when it begins and after each batch, which is when it may be killed."""


@dataclass(kw_only=True, slots=True)
class MovingResult:
    """What was compared and how long it took."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What was compared, to how many were equal and how many different."""
    seconds: dict[str, float] = field(default_factory=dict)
    kills: int = 0
    """Processes that were killed before they had ended."""

    @property
    def different(self) -> int:
        """How much differs in all."""
        return sum(different for _, different in self.counts.values())

    def compare(self, what: str, left: Sequence[object], right: Sequence[object]) -> None:
        """Count what is equal in two sequences, place by place."""
        same = [one == other for one, other in zip_longest(left, right, fillvalue=...)]
        self.counts[what] = (sum(same), len(same) - sum(same))

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how long something takes."""
        start = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - start


def measure_moving(folder: Path, *, pages: int, queries: int, seed: int) -> MovingResult:
    """Make a memory, move it, re-embed it in processes that are killed, and compare.

    Args:
        folder: an empty one, for three stores and their exports.
        pages: of the memory.
        queries: asked of each store.
        seed: of the talk and of the moments of death.

    Raises:
        MemoryOSError: the memory failed.
        RuntimeError: a child process failed by itself.
    """
    result, talk = MovingResult(), SyntheticTalk(seed)
    asked = [talk.query() for _ in range(queries)]
    files = [folder / name for name in ("first.jsonl", "second.jsonl", "reindexed.jsonl", "fresh.jsonl")]
    with _opened(folder / "first", OLD) as system:
        memory = system.memory("user")
        with result.timed("making the memory"):
            memory.import_turns(talk.turns(pages))
            memory.flush()
        with result.timed("export"):
            memory.export(files[0])
        answers = _answers(memory, asked)
    with _opened(folder / "second", OLD) as system:
        with result.timed("import"):
            memory = system.import_memory(files[0])
        memory.export(files[1])
        result.compare("records after export and import", _lines(files[0]), _lines(files[1]))
        result.compare("answers after export and import", answers, _answers(memory, asked))
    with result.timed(f"re-embedding, killed {KILLS} times"):
        result.kills = _reindexed_under_fire(folder / "second", pages, random.Random(seed))  # noqa: S311 - moments, not secrets
    with _opened(folder / "fresh", NEW) as fresh, _opened(folder / "second", NEW) as system:
        with result.timed("import with the new embedder"):
            imported = fresh.import_memory(files[0])
        memory = system.memory("user")
        memory.export(files[2])
        imported.export(files[3])
        result.compare("records after re-embedding", _lines(files[3]), _lines(files[2]))
        result.compare("answers after re-embedding", _answers(imported, asked), _answers(memory, asked))
        result.counts["vectors after re-embedding"] = _same_vectors(_vectors(fresh, imported), _vectors(system, memory))
        result.counts["broken invariants"] = (0, len(system.check()))
    return result


def show_moving(result: MovingResult, *, screen: Console) -> None:
    """Print what is equal and what is not, and the seconds."""
    made = table("A memory moved and re-embedded", ("", "equal", "different"), left=("",))
    for what, counts in result.counts.items():
        made.add_row(what, *(f"{count:,}" for count in counts))
    screen.print(made)
    times = table("", ("", "seconds"), left=("",))
    for what, seconds in result.seconds.items():
        times.add_row(what, f"{seconds:.1f}")
    screen.print(times)
    screen.print(f"{result.kills} processes were killed while they re-embedded.")


def _opened(path: Path, embedder: str) -> MemoryOS:
    return MemoryOS(path, embedder=embedder_by_name(embedder), settings=QUIET, clock=ManualClock(NOW))


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().splitlines()


def _answers(memory: UserMemory, queries: Sequence[str]) -> list[object]:
    """Return everything that is found for each query; scores as far as vectors read from a store are exact."""
    return [_answer(memory.retrieve_memory(query, touch=False)) for query in queries]


def _answer(found: Any) -> object:
    records = (*found.pages, *found.user_knowledge, *found.assistant_knowledge)
    scored = [(record.id, round(record.score or 0.0, 4)) for record in records]
    return scored, [page.id for page in found.short_term], repr(found.user_profile)


def _vectors(system: MemoryOS, memory: UserMemory) -> dict[str, Any]:
    """Return the vectors of pages and facts, and the directions of segments."""
    with system.resident(memory.owner) as resident:
        records = resident.records
        directions = {key: records.state(key).centroid for key in records.segments}
        return {**resident.vectors(records.pages), **records.knowledge_vectors, **directions}


def _same_vectors(left: Mapping[str, Any], right: Mapping[str, Any]) -> tuple[int, int]:
    same = [key in left and key in right and np.allclose(left[key], right[key], atol=1e-6) for key in {**left, **right}]
    return sum(same), len(same) - sum(same)


def _reindexed_under_fire(path: Path, texts: int, moment: random.Random) -> int:
    """Re-embed the store in one process after the other, the first ones killed; return how many were."""
    kills, left = 0, texts
    for more in reversed(range(KILLS)):
        killed, embedded = _life(path, moment.randint(0, left // BATCH // (1 + more)), moment.uniform(0.0, SLACK))
        kills, left = kills + killed, max(0, left - embedded)
    _life(path, None, 0.0)
    return kills


def _life(path: Path, batches: int | None, slack: float) -> tuple[bool, int]:
    """Let a process re-embed the store, and kill it after so many batches, if any.

    Returns:
        Whether it died of that, and how many texts it told of.
    """
    command = [sys.executable, "-c", CHILD, str(path), OLD, NEW]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:  # noqa: S603
        told: list[int] = []
        for line in child.stdout or ():
            told.append(int(line))
            if len(told) - 1 == batches:
                time.sleep(slack)
                child.kill()
        status = child.wait()
    if status not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a process that re-embedded the store ended with status {status}")
    return status == -signal.SIGKILL, sum(told)


def run(
    pages: Annotated[int, typer.Option("--pages", min=10, help="Pages of the memory.")] = 10_000,
    queries: Annotated[int, typer.Option("--queries", min=1, help="Questions asked of each store.")] = 100,
    seed: Annotated[int, typer.Option("--seed", help="Of the talk and of the moments of death.")] = 1,
) -> None:
    """Move a memory, re-embed it in processes that are killed, and compare; status 1 if anything differs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        result = measure_moving(Path(folder), pages=pages, queries=queries, seed=seed)
    show_moving(result, screen=console())
    raise typer.Exit(1 if result.different or result.kills != KILLS else 0)


if __name__ == "__main__":
    typer.run(run)
