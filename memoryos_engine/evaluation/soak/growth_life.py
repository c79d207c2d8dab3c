"""Children of the growth soak: one fills a store with the engine, one writes the same rows with bare Chroma."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.embedding.hashing import HashingEmbedder
from memoryos_engine.evaluation.interleaved import Operation, interleaved
from memoryos_engine.evaluation.soak.children import Tell
from memoryos_engine.evaluation.speed_operations import addition, bare_collection, retrieval
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.intake import Content, arrived
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import Owner
from memoryos_engine.settings import ASSISTANT, MemorySettings
from memoryos_engine.storage.codec import Row, encode_page, owner_metadata
from memoryos_engine.system import MemoryOS

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

ENGINE, BARE = "engine", "bare"
"""What a child does."""
FEW = 10
"""Users of the small store, and active users of the large one."""
SINGLE = 5
"""Pages of each user that are added one by one."""
COLD = 20
"""Users whose first touch is timed."""


def live(tell: Tell, *, act: str, folder: str, files: int, **options: Any) -> None:
    """Fill a store as `act` says, under a limit of open files and tell the figures."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard) if hard >= 0 else files, hard))
    start = peak_bytes()
    figures = _engine(Path(folder), **options) if act == ENGINE else _bare(Path(folder), **options)
    tell("figures", {**figures, "start": start})


def peak_bytes() -> int:
    """Return the most memory this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _engine(folder: Path, *, users: int, pages: int, budget: int, rounds: int) -> dict[str, Any]:
    """Fill the large store and the small one, then time adding and finding in both, in turns."""
    settings = MemorySettings(resident_bytes=budget)
    with MemoryOS(folder / "large", settings=settings) as large:
        started = time.perf_counter()
        stored = sum(_fill(large.memory(name(place)), place, pages) for place in range(users))
        seconds, peak = time.perf_counter() - started, peak_bytes()
        resident = large._storage.residents.nbytes  # noqa: SLF001 - what the budget bounds is measured here
        findings = len(large.check())
        with MemoryOS(folder / "small", settings=settings) as small:
            for place in range(FEW):
                _fill(small.memory(name(place)), place, pages)
            times = _timed({"large": large, "small": small}, rounds)
        cold = [_seconds(lambda place=place: _touch(large, place)) for place in range(FEW, min(FEW + COLD, users))]  # type: ignore[misc]
        warm = [_seconds(lambda place=place: _touch(large, place)) for place in range(FEW, min(FEW + COLD, users))]  # type: ignore[misc]
    return {
        "stored": stored,
        "seconds": seconds,
        "peak": peak,
        "resident": resident,
        "findings": findings,
        "first_touch": median(cold),
        "second_touch": median(warm),
        **times,
    }


def name(place: int) -> str:
    """Return the id of a user."""
    return f"user {place}"


def _fill(memory: UserMemory, seed: int, pages: int) -> int:
    """Add pages, most in one batch and some one by one; return how many are there."""
    turns = SyntheticTalk(seed).turns(pages)
    memory.import_turns(islice(turns, max(0, pages - SINGLE)))
    for turn in turns:
        memory.add_memory(turn["user_input"], turn["agent_response"], timestamp=turn["timestamp"])
    memory.flush()
    return len(memory.pages())


def _timed(systems: dict[str, MemoryOS], rounds: int) -> dict[str, float]:
    """Return the median seconds of adding and of finding in each store, for the same active users."""
    operations: dict[str, Operation] = {}
    for kind, make in (("retrieve", retrieval), ("add", lambda memory: addition(memory, 1))):
        for store, system in systems.items():
            operations[f"{kind}_{store}"] = _taking_turns([make(system.memory(name(place))) for place in range(FEW)])
    for operation in operations.values():
        for _ in range(FEW):
            operation()
    return interleaved(operations, rounds=rounds, step=lambda: None)


def _taking_turns(operations: list[Operation]) -> Operation:
    order: Iterator[Operation] = iter(())

    def act() -> None:
        nonlocal order
        following = next(order, None)
        if following is None:
            order = iter(operations)
            following = next(order)
        following()

    return act


def _touch(system: MemoryOS, place: int) -> None:
    system.memory(name(place)).retrieve_memory("What did we say about this?", touch=False)


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _bare(folder: Path, *, users: int, pages: int) -> dict[str, Any]:
    """Write the page rows of the large store into a bare collection, in batches as the engine does."""
    embedder = HashingEmbedder()
    with bare_collection(folder / "bare", embedder, records=0) as collection:
        for place in range(users):
            rows = _rows(place, pages, embedder)
            first = max(0, pages - SINGLE)
            for batch in (rows[:first], *([row] for row in rows[first:])):
                if batch:
                    _upsert(collection, batch)
        return {"stored": collection.count(), "peak": peak_bytes()}


def _rows(place: int, pages: int, embedder: Embedder) -> list[tuple[Owner, Row]]:
    owner = Owner(user_id=name(place), assistant_id=ASSISTANT)
    turns = [Content(**turn, metadata={}) for turn in SyntheticTalk(place).turns(pages)]
    vectors = embedder.embed([turn.text for turn in turns])
    found = arrived(turns, owner, 0, {})
    return [(owner, encode_page(page, vector)) for page, vector in zip(found, vectors, strict=True)]


def _upsert(collection: Collection, rows: list[tuple[Owner, Row]]) -> None:
    collection.upsert(
        ids=[row.id for _, row in rows],
        embeddings=np.stack([row.vector for _, row in rows if row.vector is not None]),
        documents=[row.document for _, row in rows],
        metadatas=[{**owner_metadata(owner), "kind": row.kind, "data": row.data} for owner, row in rows],
    )
