"""Kill -9 at random moments under load: what was acknowledged is there once, what was forgotten stays so."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from memoryos_engine.errors import StoreError
from memoryos_engine.evaluation.soak.children import BORN, ENDED, Nursery, Told, nursery
from memoryos_engine.evaluation.soak.counts import Counts, fault
from memoryos_engine.evaluation.soak.kill_life import ADDED, BUSY, FORGETTING, FORGOT, MOST_PAGES
from memoryos_engine.evaluation.soak.ledger import Audit, Ledger, spoken
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

USERS = 4
ROUNDS_OF_A_USER = 10
"""Rounds after which others are added to, so that opening a user does not take ever longer."""
CHILD = "memoryos_engine.evaluation.soak.kill_life"


@dataclass(frozen=True, kw_only=True)
class KillsResult(Counts):
    """What became of a store whose processes were killed."""

    rounds: int
    """Processes that were killed."""
    acknowledged: int
    """Pages that must be there at the end."""
    forgotten: int
    """Pages whose forgetting was acknowledged."""
    pending_when_reopened: int
    """Pages that waited for consolidation at the openings, all rounds together."""
    lost: int = fault()
    doubled: int = fault()
    came_back: int = fault()
    findings: int = fault()


def kill_at_random(
    folder: Path, *, rounds: int, seed: int = 0, longest: float = 3.0, step: Callable[[], object] = lambda: None
) -> KillsResult:
    """Kill `rounds` processes on one store and audit it after each, before and after its background work.

    Args:
        folder: where the store is made; must not hold one.
        rounds: at least 1.
        seed: of the moments of death.
        longest: seconds from the first acknowledgement to the latest death.
        step: called after each round.

    Raises:
        StoreError: the store cannot be opened after a kill, or a child failed by itself.
    """
    moment = random.Random(seed)  # noqa: S311 - made-up work, not a secret
    ledger, total, pending = Ledger(), Audit(), 0
    with nursery(CHILD) as processes:
        for number in range(rounds):
            _life(processes, folder / "store", ledger, number, moment, longest)
            waited, audit = _reopened(folder / "store", ledger, number)
            total, pending = total + audit, pending + waited
            step()
    return KillsResult(
        rounds=rounds,
        acknowledged=ledger.acknowledged,
        forgotten=sum(map(len, ledger.forgotten.values())),
        pending_when_reopened=pending,
        lost=total.lost,
        doubled=total.doubled,
        came_back=total.came_back,
        findings=total.findings,
    )


def _users(number: int) -> list[str]:
    generation = number // ROUNDS_OF_A_USER
    return [f"user {generation}.{place}" for place in range(USERS)]


def _life(processes: Nursery, path: Path, ledger: Ledger, number: int, moment: random.Random, longest: float) -> None:
    """Let one process live, kill it, and note what it had acknowledged."""
    first = MOST_PAGES * number
    pid = processes.start(path=str(path), users=_users(number), first=first, seed=number, model=bool(number % 2))
    before: list[Told] = []
    if moment.random() < 0.8:  # else it may die while it opens the store or takes up what is pending
        before.append(processes.told())
    told = [*before, *processes.told_until(time.monotonic() + moment.uniform(0.0, longest))]
    os.kill(pid, signal.SIGKILL)
    late, status = processes.rest() if not told or told[-1][0] != ENDED else ([], int(told.pop()[1]))
    if status != -signal.SIGKILL:
        raise StoreError(f"a child ended by itself with status {status}; see what it wrote to standard error")
    note(ledger, [*told, *late])


def note(ledger: Ledger, told: Iterable[Told]) -> None:
    """Enter in the ledger what a child told."""
    for word, *rest in told:
        if word == ADDED:
            user, page_id, number = rest
            ledger.added(user, page_id, spoken(number))
        elif word == FORGETTING:
            ledger.forgetting(*rest)
        elif word == FORGOT:
            ledger.forgot(*rest)
        elif word != BORN:
            raise StoreError(f"a child told {word!r}, which nobody knows; run the soak from one version of the code")


def _reopened(path: Path, ledger: Ledger, number: int) -> tuple[int, Audit]:
    """Open the store as the next process would; return how much was pending, and both audits."""
    with MemoryOS(path, settings=MemorySettings(**BUSY)) as system:
        memories = [system.memory(user) for user in _users(number)]
        waited = sum(memory.status().pending for memory in memories)
        first = ledger.audit(system)
        for memory in memories:
            memory.flush()
        second = ledger.audit(system)
        unfinished = sum(memory.status().pending for memory in memories)
    return waited, first + second + Audit(findings=unfinished)
