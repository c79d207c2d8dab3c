"""A full disk: adding is refused, nothing acknowledged is lost, and all is well once there is room.

What writes there is a child: Chroma may wait for a quarter of an hour for a lock that its own
failed write left, and cannot be interrupted. Such a child is killed, as its user would.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from memoryos_engine.errors import StoreError
from memoryos_engine.evaluation.soak.children import ENDED, Nursery, Told, nursery
from memoryos_engine.evaluation.soak.counts import Counts, Skipped, fault
from memoryos_engine.evaluation.soak.disk_life import (
    BUSY,
    DELETED,
    FEW,
    FOREIGN,
    OPENED,
    PURGED,
    PURGING,
    REFUSED,
    USER,
)
from memoryos_engine.evaluation.soak.kills import note
from memoryos_engine.evaluation.soak.ledger import Audit, Ledger, spoken
from memoryos_engine.evaluation.soak.small_disk import small_disk
from memoryos_engine.system import MemoryOS

CHILD = "memoryos_engine.evaluation.soak.disk_life"
LATER = 1_000_000
"""Number of the first page of the second life; those of the third are after twice as many."""


@dataclass(frozen=True, kw_only=True)
class DiskResult(Counts):
    """What became of a store on a disk that was full."""

    acknowledged: int
    """Pages that must be there at the end."""
    forgotten: int
    """Pages whose forgetting or purge was acknowledged, on the full disk too."""
    refused: int
    """Calls that raised StoreError while the disk was full."""
    opened_on_the_full_disk: int
    stalled: int
    """Processes that did not go on within the patience and were killed."""
    never_refused: int = fault()
    """1 if the disk never was full."""
    foreign_errors: int = fault()
    """Other errors than StoreError."""
    lost: int = fault()
    doubled: int = fault()
    came_back: int = fault()
    findings: int = fault()


def fill_the_disk(
    folder: Path, *, megabytes: int = 12, patience: float = 30.0, step: Callable[[], object] = lambda: None
) -> DiskResult | Skipped:
    """Fill a small disk by adding, delete and open there, make room, audit, add again.

    Args:
        folder: where the disk is mounted.
        megabytes: its size, at least 8; an empty store takes about one.
        patience: seconds in which a process on the full disk has to go on.
        step: called after each of three parts.

    Raises:
        StoreError: the store does not open or work once there is room.
    """
    with small_disk(folder, megabytes=megabytes) as place, nursery(CHILD) as processes:
        if isinstance(place, Skipped):
            return place
        ledger, seen = Ledger(), Counter[str]()
        ballasts = [place / "ballast", place / "more ballast"]
        ballasts[0].write_bytes(b"\0" * (megabytes << 18))
        for life in range(2):
            told = _life(processes, place / "store", ballasts[1], first=LATER * life, patience=patience)
            seen.update(line[0] if line[0] != OPENED else f"{OPENED} {life}" for line in told)
            _note(ledger, told)
            step()
        for ballast in ballasts:
            ballast.unlink(missing_ok=True)
        audit = _with_room(place / "store", ledger)
        step()
    return _result(ledger, seen, audit)


STALLED = "stalled"


def _life(processes: Nursery, path: Path, ballast: Path, *, first: int, patience: float) -> list[Told]:
    """Let a process fill the disk; kill it if it does not go on."""
    pid = processes.start(path=str(path), ballast=str(ballast), first=first)
    told: list[Told] = []
    while True:
        heard = next(processes.told_until(time.monotonic() + patience), None)
        if heard is None:
            os.kill(pid, signal.SIGKILL)
            return [*told, *processes.rest()[0], [STALLED]]
        if heard[0] == ENDED:
            return told if heard[1] == 0 else [*told, [FOREIGN]]
        told.append(heard)


def _note(ledger: Ledger, told: list[Told]) -> None:
    """Enter in the ledger what was acknowledged; what was refused half-way may be there or not."""
    for word, *rest in told:
        if word == PURGING:
            ledger.purging(DELETED)
        elif word == PURGED:
            ledger.purged(DELETED)
        elif word not in (REFUSED, FOREIGN, OPENED, STALLED):
            note(ledger, [[word, *rest]])


def _with_room(path: Path, ledger: Ledger) -> Audit:
    """Open the store as its user would after making room, and use it."""
    with MemoryOS(path, settings=BUSY) as system:
        memory = system.memory(USER)
        first = ledger.audit(system)
        memory.flush()
        for number in range(2 * LATER, 2 * LATER + FEW):
            ledger.added(USER, memory.add_memory(*spoken(number)).id, spoken(number))
        memory.flush()
        return first + ledger.audit(system)


def _result(ledger: Ledger, seen: Counter[str], audit: Audit) -> DiskResult:
    if seen[f"{OPENED} 0"] == 0:
        raise StoreError("the store could not be made on the small disk; pass more megabytes")
    return DiskResult(
        acknowledged=ledger.acknowledged,
        forgotten=sum(map(len, ledger.forgotten.values())),
        refused=seen[REFUSED],
        opened_on_the_full_disk=seen[f"{OPENED} 1"],
        stalled=seen[STALLED],
        never_refused=int(not seen[REFUSED]),
        foreign_errors=seen[FOREIGN],
        lost=audit.lost,
        doubled=audit.doubled,
        came_back=audit.came_back,
        findings=audit.findings,
    )
