"""Children of the growth soak: one fills a store with the engine, two write the same with bare Chroma.

One of these writes each row that there is in the end once, as another child read it; one repeats
all that the engine wrote. So none of them holds what another needs.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from memoryos_engine.embedding.hashing import HashingEmbedder
from memoryos_engine.evaluation.interleaved import Operation, interleaved
from memoryos_engine.evaluation.soak.children import Tell
from memoryos_engine.evaluation.soak.noted_writes import noted_writes, repeat_writes
from memoryos_engine.evaluation.speed_operations import addition, bare_collection, retrieval, stored_collection
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.memory import UserMemory
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

ENGINE, ROWS, COPY, REPEAT = "engine", "rows", "copy", "repeat"
"""What a child does."""
FILLED, FIGURES = "filled", "figures"
"""What a child tells: that one more user is stored, and at the end what it measured."""
FEW = 10
"""Users of the small store, and active users of the large one."""
SINGLE = 5
"""Pages of each user that are added one by one."""
COLD = 20
"""Users whose first touch is timed."""
AT_ONCE = 100
"""Rows that are read and written together; the engine writes about as many."""
FILES_OF_ROWS = "rows.jsonl", "vectors.npy"
"""Ids, texts and metadata, a batch a line; and arrays of the batches, one after the other."""


def live(tell: Tell, *, act: str, folder: str, files: int, **options: Any) -> None:
    """Fill a store as `act` says, under a limit of open files and tell the figures."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(files, hard) if hard >= 0 else files, hard))
    start = peak_bytes()
    acts: dict[str, Callable[..., dict[str, Any]]] = {
        ENGINE: partial(_engine, filled=lambda: tell(FILLED)),
        ROWS: _read,
        COPY: partial(_bare, name=COPY, write=_write_rows),
        REPEAT: partial(_bare, name=REPEAT, write=repeat_writes),
    }
    figures = acts[act](Path(folder), **options)
    tell(FIGURES, {**figures, "start": start})


def peak_bytes() -> int:
    """Return the most memory this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _engine(
    folder: Path, *, users: int, pages: int, budget: int, rounds: int, filled: Callable[[], None]
) -> dict[str, Any]:
    """Fill the large store and the small one, then time adding and finding in both, in turns."""
    settings = MemorySettings(resident_bytes=budget)
    with MemoryOS(folder / "large", settings=settings) as large:
        started = time.perf_counter()
        stored = 0
        with noted_writes(folder):
            for place in range(users):
                stored += _fill(large.memory(name(place)), place, pages)
                filled()
        seconds, peak = time.perf_counter() - started, peak_bytes()
        with stored_collection(folder / "large") as collection:
            rows = collection.count()
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
        "rows": rows,
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


def _read(folder: Path) -> dict[str, Any]:
    """Copy every row of the large store into two files, a batch at a time."""
    texts, vectors = (folder / name for name in FILES_OF_ROWS)
    with stored_collection(folder / "large") as collection, texts.open("w") as lines, vectors.open("wb") as arrays:
        ids = collection.get(include=[])["ids"]
        for start in range(0, len(ids), AT_ONCE):
            found = collection.get(ids[start : start + AT_ONCE], include=["documents", "metadatas", "embeddings"])
            columns = {"ids": found["ids"], "documents": found["documents"], "metadatas": found["metadatas"]}
            lines.write(json.dumps(columns) + "\n")
            np.save(arrays, found["embeddings"])  # type: ignore[arg-type]
        return {"rows": len(ids)}


def _bare(folder: Path, *, name: str, write: Callable[[Path, Collection], None]) -> dict[str, Any]:
    """Fill a bare collection; return how many rows it has and what that took."""
    with bare_collection(folder / name, HashingEmbedder(), records=0) as collection:
        write(folder, collection)
        return {"rows": collection.count(), "peak": peak_bytes()}


def _write_rows(folder: Path, collection: Collection) -> None:
    """Write the rows that were copied."""
    texts, vectors = (folder / name for name in FILES_OF_ROWS)
    with texts.open() as lines, vectors.open("rb") as arrays:
        for line in lines:
            collection.upsert(embeddings=np.load(arrays), **json.loads(line))
