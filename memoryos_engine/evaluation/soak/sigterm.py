"""SIGTERM while a model reads: what was acknowledged is there once, and what was being read is read again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from memoryos_engine.errors import StoreError
from memoryos_engine.evaluation.soak.children import ENDED, Nursery, nursery
from memoryos_engine.evaluation.soak.counts import Counts, fault
from memoryos_engine.evaluation.soak.kill_life import ADDED, BUSY, MOST_PAGES
from memoryos_engine.evaluation.soak.kills import note
from memoryos_engine.evaluation.soak.ledger import Audit, Ledger
from memoryos_engine.evaluation.soak.term_life import CLOSED, THINKING, USER
from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

CHILD = "memoryos_engine.evaluation.soak.term_life"
LATENCY = 0.3
"""Seconds of a call of the model; the signal falls into one."""
WAYS = ((False, False), (True, False), (False, True), (True, True))
"""Whether a handler closes the system, and whether the main thread is adding meanwhile: a round each, in turns."""


@dataclass(frozen=True, kw_only=True)
class SigtermResult(Counts):
    """What became of a store whose processes were told to end while they were reading."""

    rounds: int
    closed_by_the_handler: int
    pending_when_reopened: int
    """Pages that waited for consolidation at the openings, all rounds together."""
    acknowledged: int
    hung: int = fault()
    """Processes that did not end within the patience and were killed."""
    ended_badly: int = fault()
    """Processes that ended in another way than they were to."""
    left_pending: int = fault()
    """Pages that were not read by the next opening."""
    lost: int = fault()
    doubled: int = fault()
    findings: int = fault()


def terminate(
    folder: Path, *, rounds: int = 20, seed: int = 0, patience: float = 30.0, step: Callable[[], object] = lambda: None
) -> SigtermResult:
    """Send SIGTERM to `rounds` processes on one store, each while its model reads, and audit it after each.

    Args:
        folder: where the store is made.
        rounds: four ways to end take turns, so at least 4 try all of them.
        seed: of the moments.
        patience: seconds that a process may take to end.
        step: called after each round.

    Raises:
        StoreError: the store cannot be opened afterwards.
    """
    moment = random.Random(seed)  # noqa: S311 - made-up work, not a secret
    ledger, total, ends = Ledger(), Audit(), list[str]()
    pending = left = 0
    with nursery(CHILD) as processes:
        for number in range(rounds):
            ends.append(_life(processes, folder / "store", ledger, number, moment, patience))
            waited, still, audit = _reopened(folder / "store", ledger)
            pending, left, total = pending + waited, left + still, total + audit
            step()
    return SigtermResult(
        rounds=rounds,
        closed_by_the_handler=ends.count(CLOSED),
        pending_when_reopened=pending,
        acknowledged=ledger.acknowledged,
        hung=ends.count("hung"),
        ended_badly=ends.count("badly"),
        left_pending=left,
        lost=total.lost,
        doubled=total.doubled,
        findings=total.findings,
    )


def _life(processes: Nursery, path: Path, ledger: Ledger, number: int, moment: random.Random, patience: float) -> str:
    """Let one process read, tell it to end, and return how it did: as it was to, "hung" or "badly"."""
    handled, adding = WAYS[number % len(WAYS)]
    first = MOST_PAGES * number
    pid = processes.start(path=str(path), first=first, latency=LATENCY, handled=handled, adding=adding)
    told = []
    while (line := processes.told())[0] != THINKING:
        if line[0] == ENDED:
            raise StoreError("a child ended before its model was asked; see what it wrote to standard error")
        told.append(line)
    told += processes.told_until(time.monotonic() + moment.uniform(0.0, LATENCY))
    os.kill(pid, signal.SIGTERM)
    told += processes.told_until(time.monotonic() + patience)
    hung = told[-1][0] != ENDED
    if hung:
        os.kill(pid, signal.SIGKILL)
        told += processes.rest()[0]
    note(ledger, [line for line in told if line[0] == ADDED])
    if hung:
        return "hung"
    closed, status = any(line[0] == CLOSED for line in told), int(told[-1][1])
    if handled:
        return CLOSED if closed and status == 0 else "badly"
    return "ended" if status == -signal.SIGTERM else "badly"


def _reopened(path: Path, ledger: Ledger) -> tuple[int, int, Audit]:
    """Open the store as the next process would; return what was pending, what stayed so, and both audits."""
    with MemoryOS(path, llm=stand_in(), settings=MemorySettings(**BUSY)) as system:
        memory = system.memory(USER)
        waited = memory.status().pending
        first = ledger.audit(system)
        memory.flush()
        return waited, memory.status().pending, first + ledger.audit(system)
