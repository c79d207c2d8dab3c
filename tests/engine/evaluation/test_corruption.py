"""Damaged exports and rows: refused in plain words and nothing changed, or as good as any."""

from __future__ import annotations

import random

import pytest
from rich.console import Console

from memoryos_engine.evaluation import damage
from memoryos_engine.evaluation.corruption import REFUSED, SOUND, measure_corruption, show_corruption
from memoryos_engine.transfer.inventory import Inventory

CASES = 200


def test_damage_is_refused_and_changes_nothing_or_leaves_a_sound_memory(tmp_path):
    """Design part 2 and invariant 3; `python -m memoryos_engine.evaluation.corruption` tries more."""
    steps: list[int] = []
    result = measure_corruption(tmp_path, cases=CASES, seed=1, step=steps.append)

    assert dict(result.faults) == {}
    assert result.exports.total() == result.rows.total() == CASES
    assert sum(steps) == 2 * CASES
    for outcomes in (result.exports, result.rows):
        assert {outcome for _, outcome in outcomes} == {REFUSED, SOUND}
    screen = Console(width=120)
    with screen.capture() as shown:
        show_corruption(result, screen=screen)
    assert shown.get().count(f"{CASES} cases: ") == shown.get().count(", 0 faults.") == 2


def test_what_a_broken_engine_lets_through_is_counted(tmp_path, monkeypatch):
    """A command that finds nothing wrong with an engine that checks nothing would be worth nothing."""
    note = Inventory.note

    def believing(self, record):
        note(self, record)
        return ""

    monkeypatch.setattr(Inventory, "note", believing)
    monkeypatch.setattr(Inventory, "missing", lambda _: "")
    result = measure_corruption(tmp_path, cases=80, seed=4, step=lambda _: None)

    outcomes = {outcome for _, outcome in result.faults}
    assert "raised StoreError, and the store was changed" in outcomes
    assert "was taken and is not sound" in outcomes


@pytest.mark.parametrize("kind", sorted(damage._RAW) + sorted(damage._SIGNED))
def test_each_kind_of_damage_changes_the_file(kind):
    lines = [
        {"memoryos_export": 1, "user_id": "tom", "assistant_id": "a", "time": "2024-01-01T00:00:00+00:00"},
        *(
            {"id": f"page_{n}", "kind": "page", "document": "x", "data": {"sequence": n, "metadata": {"n": n}}}
            for n in (7, 8)
        ),
    ]
    data, chance = damage.signed(lines), random.Random(3)
    if kind in damage._RAW:
        assert damage._RAW[kind](data, chance) != data
    else:
        changed = damage._SIGNED[kind](lines, chance)
        assert (changed if isinstance(changed, bytes) else damage.signed(lines)) != data
