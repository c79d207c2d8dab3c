"""A clock that jumps: nothing is raised, lost or doubled, the order of arrival stays, heat is finite."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from memoryos_engine.evaluation.soak.counts import Counts, fault
from memoryos_engine.evaluation.soak.ledger import SUBJECTS, Ledger, spoken
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import KnowledgeKind
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

USER = "traveller"
OPERATIONS = 20
"""Of each round."""
REOPENED_AFTER = 5
"""Rounds."""
SETTINGS = MemorySettings(
    consolidation_delay=3600.0, short_term_capacity=3, mid_term_capacity=4, heat_threshold=2.5, knowledge_capacity=20
)
_START = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)


class JumpingClock:
    """Jumps up to a year either way, between readings too.

    Args:
        chance: where the jumps come from.
        share: of the readings that come after a jump.
    """

    def __init__(self, chance: random.Random, *, share: float = 0.2) -> None:
        self._chance = chance
        self._share = share
        self._now = _START
        self.jumps = 0

    def __call__(self) -> datetime:
        """Return the time after the jump, if there is one now."""
        if self._chance.random() < self._share:
            self._now = _START + timedelta(days=self._chance.uniform(-365.0, 365.0))
            self.jumps += 1
        return self._now


@dataclass(frozen=True, kw_only=True)
class ClockResult(Counts):
    """What became of a store whose clock jumped."""

    rounds: int
    jumps: int
    acknowledged: int
    corrections: int
    facts: int
    """Knowledge entries at the end, history too."""
    raised: int = fault()
    """Operations that raised anything."""
    out_of_order: int = fault()
    """Pages that are not where their arrival puts them."""
    heats_not_finite: int = fault()
    lost: int = fault()
    doubled: int = fault()
    came_back: int = fault()
    findings: int = fault()


@dataclass(slots=True)
class _Story:
    chance: random.Random
    clock: JumpingClock
    ledger: Ledger = field(default_factory=Ledger)
    arrived: list[str] = field(default_factory=list)
    corrections: int = 0
    raised: int = 0
    out_of_order: int = 0
    not_finite: int = 0

    def operation(self, memory: UserMemory) -> None:
        """Do one of the things that read the clock, whatever it says."""
        acts = (self._add, self._add, self._add, self._retrieve, self._retrieve, self._flush, self._correct)
        try:
            self.chance.choice(acts)(memory)
        except Exception:  # noqa: BLE001 - whatever it is, it is what is counted here
            self.raised += 1

    def _flush(self, memory: UserMemory) -> None:
        memory.flush()

    def _add(self, memory: UserMemory) -> None:
        said = spoken(len(self.arrived))
        page = memory.in_session(f"session {self.chance.randrange(3)}").add_memory(*said)
        self.ledger.added(USER, page.id, said)
        self.arrived.append(page.id)

    def _retrieve(self, memory: UserMemory) -> None:
        memory.retrieve_memory(self.chance.choice(SUBJECTS)).to_prompt(500)
        self.not_finite += sum(not (math.isfinite(heat) and heat >= 0.0) for heat in memory.heats().values())

    def _correct(self, memory: UserMemory) -> None:
        entries = [entry for entry in memory.knowledge() if entry.kind is not KnowledgeKind.USER_TRAIT]
        if entries:
            memory.correct(self.chance.choice(entries).id, f"correction {self.corrections}")
            self.corrections += 1
            self.arrived.append(memory.pages()[-1].id)

    def look(self, memory: UserMemory) -> None:
        """Count what is not in the order of its arrival."""
        there = [page.id for page in memory.pages()]
        self.out_of_order += sum(one != other for one, other in zip(there, self.arrived, strict=False))
        self.out_of_order += abs(len(there) - len(self.arrived))


def jump(folder: Path, *, rounds: int = 50, seed: int = 0, step: Callable[[], object] = lambda: None) -> ClockResult:
    """Use a memory whose clock jumps a year both ways, close and open it on the way, and audit it.

    Args:
        folder: where the store is made.
        rounds: of twenty operations each.
        seed: of the jumps and operations.
        step: called after each round.

    Raises:
        StoreError: the store does not open.
    """
    chance = random.Random(seed)  # noqa: S311 - made-up work, not a secret
    story = _Story(chance, JumpingClock(chance))
    done = 0
    while True:
        with MemoryOS(folder / "store", settings=SETTINGS, clock=story.clock) as system:
            memory = system.memory(USER)
            for _ in range(min(REOPENED_AFTER, rounds - done)):
                for _ in range(OPERATIONS):
                    story.operation(memory)
                story.look(memory)
                done += 1
                step()
            if done == rounds:
                memory.flush()
                return _result(story, system, rounds)


def _result(story: _Story, system: MemoryOS, rounds: int) -> ClockResult:
    audit = story.ledger.audit(system)
    return ClockResult(
        rounds=rounds,
        jumps=story.clock.jumps,
        acknowledged=story.ledger.acknowledged,
        corrections=story.corrections,
        facts=len(system.memory(USER).knowledge(history=True)),
        raised=story.raised,
        out_of_order=story.out_of_order,
        heats_not_finite=story.not_finite,
        lost=audit.lost,
        doubled=audit.doubled,
        came_back=audit.came_back,
        findings=audit.findings,
    )
