"""Several processes on one served directory, its server killed meanwhile; and openers that must be refused."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from memoryos_engine.errors import StoreError, StoreLocked
from memoryos_engine.evaluation.soak.children import ENDED, Nursery, Told, nursery
from memoryos_engine.evaluation.soak.counts import Counts, fault
from memoryos_engine.evaluation.soak.kill_life import ADDED, BUSY
from memoryos_engine.evaluation.soak.ledger import Audit, Ledger, spoken
from memoryos_engine.evaluation.soak.served import Served
from memoryos_engine.evaluation.soak.server_life import REFUSED
from memoryos_engine.settings import MemorySettings
from memoryos_engine.storage.lock import PathLock
from memoryos_engine.system import MemoryOS

CHILD = "memoryos_engine.evaluation.soak.server_life"
MOST_SECONDS = 2.0
"""In which an opener is to be told that it cannot have the directory."""


@dataclass(frozen=True, kw_only=True)
class ServerResult(Counts):
    """What became of the turns of several processes."""

    processes: int
    turns: int
    users: int
    restarts: int
    """Times that the server was killed and started again."""
    acknowledged: int
    refused: int
    """Turns that were answered by an error; they may be there or not."""
    first_refusal: str
    """What the first of them was told; "" if there is none."""
    seconds: float
    lost: int = fault()
    doubled: int = fault()
    findings: int = fault()
    pending: int = fault()
    """Pages that nobody consolidated in the end."""


def share_a_server(
    folder: Path,
    *,
    processes: int = 6,
    turns: int = 200,
    users: int = 20,
    restarts: int = 3,
    seed: int = 0,
    step: Callable[[], object] = lambda: None,
) -> ServerResult:
    """Have processes add turns to shared users while their server is killed, and audit what is there.

    Args:
        folder: where the store is made; must not hold one.
        processes: that add at the same time.
        turns: of each process.
        users: that all of them add to.
        restarts: times that the server is killed -9 and started again, spread over the turns.
        seed: of who adds to whom.
        step: called after each turn.

    Raises:
        StoreError: the server did not come up, or a process failed by itself.
    """
    path, names, ledger = folder / "store", [f"user {n}" for n in range(users)], Ledger()
    began = time.monotonic()
    server = Served(path)
    try:
        with ExitStack() as stack:
            children = [stack.enter_context(nursery(CHILD)) for _ in range(processes)]
            for place, child in enumerate(children):
                child.start(path=str(path), users=names, first=place * turns, turns=turns, seed=seed + place)
            refused = _watched(children, server, ledger, _moments(processes * turns, restarts, seed), step)
        audit, pending = _audited(path, ledger, names)
    finally:
        server.close()
    return ServerResult(
        processes=processes,
        turns=turns,
        users=users,
        restarts=restarts,
        acknowledged=ledger.acknowledged,
        refused=len(refused),
        first_refusal=next(iter(refused), ""),
        seconds=time.monotonic() - began,
        lost=audit.lost,
        doubled=audit.doubled,
        findings=audit.findings,
        pending=pending,
    )


def _moments(total: int, restarts: int, seed: int) -> list[int]:
    """Return after how many turns the server is killed each time, the last first."""
    chance = random.Random(seed)  # noqa: S311 - made-up work, not a secret
    part = total // (restarts + 1)
    return sorted((chance.randrange(n * part, (n + 1) * part) + part // 2 for n in range(restarts)), reverse=True)


def _watched(
    children: Sequence[Nursery], server: Served, ledger: Ledger, moments: list[int], step: Callable[[], object]
) -> list[str]:
    """Note what children tell until all have ended, and kill the server at its moments; return what was refused."""
    living, told, refused = list(children), 0, list[str]()
    while living:
        for child in list(living):
            for line in child.told_until(time.monotonic() + 0.02):
                if line[0] == ENDED:
                    _require_success(line)
                    living.remove(child)
                    continue
                refused += line[2:] if line[0] == REFUSED else []
                _note(ledger, line)
                told += 1
                step()
            if moments and told >= moments[-1]:
                moments.pop()
                server.restart()
    return refused


def _note(ledger: Ledger, line: Told) -> None:
    if line[0] == ADDED:
        _, user, page_id, number = line
        ledger.added(user, page_id, spoken(number))


def _require_success(line: Told) -> None:
    if line[1] != 0:
        raise StoreError(f"a child ended with status {line[1]}; see what it wrote to standard error")


def _audited(path: Path, ledger: Ledger, users: Sequence[str]) -> tuple[Audit, int]:
    with MemoryOS(path, settings=MemorySettings(**BUSY)) as system:
        before = ledger.audit(system)
        memories = [system.memory(user) for user in users]
        for memory in memories:
            memory.flush()
        return before + ledger.audit(system), sum(memory.status().pending for memory in memories)


@dataclass(frozen=True, kw_only=True)
class RefusalResult(Counts):
    """How openers of a directory that another process has were refused."""

    tries: int
    slowest: float
    """Seconds until the slowest of them knew."""
    opened: int = fault()
    """Openers that were let in."""
    late: int = fault()
    """Openers that were told after more than two seconds."""


def refuse_openers(folder: Path, *, tries: int = 50, step: Callable[[], object] = lambda: None) -> RefusalResult:
    """Try to open a directory that another process owns, and time each refusal."""
    path = folder / "owned"
    seconds: list[float] = []
    opened = 0
    with nursery("memoryos_engine.evaluation.soak.owner_life") as processes:
        processes.start(path=str(path))
        processes.told()
        for number in range(tries):
            began = time.monotonic()
            try:
                _open(path, served=bool(number % 2))
                opened += 1
            except StoreLocked:
                seconds.append(time.monotonic() - began)
            step()
    late = sum(each > MOST_SECONDS for each in seconds)
    return RefusalResult(tries=tries, slowest=max(seconds, default=0.0), opened=opened, late=late)


def _open(path: Path, *, served: bool) -> None:
    """Open it as an embedded store, or as one who would serve it."""
    if served:
        PathLock(path, server="http://127.0.0.1:1").release()
    else:
        MemoryOS(path).close()
