"""Many users in one process at the ordinary limit of open files: no failure, bounded memory, and no slower.

The engine fills a store in one child. Two others do with bare Chroma what it did: one writes
each row of that store once, one repeats all writes in their order, since a row is written again
when it joins a segment and Chroma's memory grows with that too. What the engine takes beyond
the latter is its resident users, which the budget bounds, and itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memoryos_engine.evaluation.soak.children import ENDED, Nursery, nursery
from memoryos_engine.evaluation.soak.counts import Counts, fault
from memoryos_engine.evaluation.soak.growth_life import COPY, ENGINE, FIGURES, FILLED, REPEAT, ROWS

CHILD = "memoryos_engine.evaluation.soak.growth_life"
FILES = 1024
"""Open files that a process may have, as usual."""
CODE = 64 << 20
"""Bytes that the engine itself may take: code, word tables, threads, the users in use."""
MEGABYTE = 1 << 20
LIMIT = 4 * 3600.0
"""Seconds after which the soak is ended."""


@dataclass(frozen=True, kw_only=True)
class GrowthResult(Counts):
    """What many users cost. Seconds are medians; ratios are of the large store to one of ten users."""

    users: int
    pages_stored: int
    minutes_to_store: float
    """With what noting the writes for the comparison takes."""
    budget_mb: int
    resident_mb: float
    """What the resident users take by the engine's own reckoning."""
    peak_mb: float
    """Most memory that the process had, less what it had when it began."""
    records: int
    """Rows in the store, its heads and audit log too."""
    bare_chroma_once_mb: float
    """The peak of a process that wrote each of the same records once, with Chroma alone."""
    bare_chroma_mb: float
    """The peak of one that wrote them as often as the engine did."""
    add_ms: float
    add_ratio: float
    retrieve_ms: float
    retrieve_ratio: float
    first_touch_ms: float
    """First retrieval of a user who is not resident."""
    second_touch_ms: float
    failures: int = fault()
    """Processes that ended with an error, and a copy that is not whole."""
    pages_missing: int = fault()
    mb_over_budget: int = fault()
    """By which the peak exceeds bare Chroma's for the same writes with the budget and 64 MB for the engine itself."""
    findings: int = fault()


def grow(
    folder: Path,
    *,
    users: int = 2000,
    pages: int = 100,
    budget_mb: int = 128,
    rounds: int = 100,
    step: Callable[[], object] = lambda: None,
) -> GrowthResult:
    """Store `pages` pages for each of `users` users in one process and measure what they cost.

    Args:
        folder: where the stores are made.
        users: at least 11, so that some are neither active nor in the small store.
        pages: of each user, at least 1.
        budget_mb: `MemorySettings.resident_bytes`, in MB.
        rounds: how often each operation is timed.
        step: called after each user and after each of four parts.
    """
    with nursery(CHILD, limit=LIMIT) as processes:
        sizes = {"users": users, "pages": pages, "budget": budget_mb * MEGABYTE, "rounds": rounds}
        engine = _figures(processes, step, act=ENGINE, folder=folder, **sizes)
        rows, copied, repeated = (_figures(processes, step, act=act, folder=folder) for act in (ROWS, COPY, REPEAT))
    return _result(engine, rows, copied, repeated, users=users, pages=pages, budget_mb=budget_mb)


def _figures(processes: Nursery, step: Callable[[], object], *, folder: Path, **options: Any) -> dict[str, Any]:
    """Return what a child measured; empty if it failed."""
    processes.start(folder=str(folder), files=FILES, **options)
    figures: dict[str, Any] = {}
    while (line := processes.told())[0] != ENDED:
        figures = line[1] if line[0] == FIGURES else figures
        if line[0] == FILLED:
            step()
    step()
    return figures if line[1] == 0 else {}


def _result(
    engine: dict[str, Any],
    rows: dict[str, Any],
    copied: dict[str, Any],
    repeated: dict[str, Any],
    *,
    users: int,
    pages: int,
    budget_mb: int,
) -> GrowthResult:
    failures = [engine, rows, copied, repeated].count({})
    failures += sum(done.get("rows") != again.get("rows") for done, again in ((rows, copied), (engine, repeated)))
    peak, once, bare = (each.get("peak", 0) - each.get("start", 0) for each in (engine, copied, repeated))
    over = peak - bare - budget_mb * MEGABYTE - CODE
    return GrowthResult(
        users=users,
        pages_stored=engine.get("stored", 0),
        minutes_to_store=engine.get("seconds", 0.0) / 60,
        budget_mb=budget_mb,
        resident_mb=engine.get("resident", 0) / MEGABYTE,
        peak_mb=peak / MEGABYTE,
        records=engine.get("rows", 0),
        bare_chroma_once_mb=once / MEGABYTE,
        bare_chroma_mb=bare / MEGABYTE,
        add_ms=1000 * engine.get("add_large", 0.0),
        add_ratio=_ratio(engine, "add"),
        retrieve_ms=1000 * engine.get("retrieve_large", 0.0),
        retrieve_ratio=_ratio(engine, "retrieve"),
        first_touch_ms=1000 * engine.get("first_touch", 0.0),
        second_touch_ms=1000 * engine.get("second_touch", 0.0),
        failures=failures,
        pages_missing=users * pages - engine.get("stored", 0),
        mb_over_budget=0 if failures else max(0, -(-over // MEGABYTE)),
        findings=engine.get("findings", 0),
    )


def _ratio(engine: dict[str, Any], operation: str) -> float:
    small = engine.get(f"{operation}_small", 0.0)
    return float(engine[f"{operation}_large"] / small) if small else 0.0
