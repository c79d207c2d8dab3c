"""The short form of the kill -9 soak, and that its audit sees what is wrong."""

from __future__ import annotations

from memoryos_engine.evaluation.soak.kills import kill_at_random
from memoryos_engine.evaluation.soak.ledger import Audit, Ledger, spoken


def test_three_killed_processes_lose_nothing_that_they_acknowledged(tmp_path):
    result = kill_at_random(tmp_path, rounds=3, seed=1, longest=0.5)

    assert result.faults() == {}
    assert result.rounds == 3
    assert result.acknowledged >= 3


def test_the_audit_counts_what_is_lost_doubled_and_came_back(system):
    memory = system.memory("tom")
    ledger = Ledger()
    pages = [memory.add_memory(*spoken(number)) for number in range(4)]
    for number, page in enumerate(pages):
        ledger.added("tom", page.id, spoken(number))
    assert ledger.audit(system) == Audit()

    memory.forget(pages[0].id)
    assert ledger.audit(system) == Audit(lost=1)

    memory.add_memory(*spoken(1))
    assert ledger.audit(system) == Audit(lost=1, doubled=1)

    ledger.forgetting("tom", pages[2].id)
    assert ledger.audit(system) == Audit(lost=1, doubled=1)  # it may be there or not
    ledger.forgot("tom", pages[2].id)
    assert ledger.audit(system) == Audit(lost=1, doubled=1, came_back=1)
