"""Many users of one agent on one event loop: nothing is lost, doubled or mixed up. Times are printed, not asserted."""

from __future__ import annotations

import asyncio

from memoryos_integrations.evaluation.load import (
    AGAIN,
    FIRST,
    WITHOUT,
    LoadPlan,
    LoadResult,
    measure_load,
    show_load,
)
from memoryos_integrations.langchain import MemoryOSMiddleware
from tests.langchain.agents import in_another_process


def test_fifty_users_at_once_are_each_remembered_once_and_never_meet(tmp_path):
    """Run pytest with -s to see how long the loop stalled."""
    plan = LoadPlan(users=50, turns=3, history=1, latency=0.01)

    results = asyncio.run(measure_load(plan, tmp_path / "store"))

    show_load(results, plan)
    assert [(each.title, each.held, each.stored, each.strange) for each in results] == [
        (WITHOUT, 150, None, 0),
        (FIRST, 150, 150, 0),
        (AGAIN, 150, 150, 0),
        (WITHOUT, 150, None, 0),
    ]
    assert all(len(each.seconds) == 150 and each.stalls for each in results)


def test_a_table_shows_stalls_in_milliseconds(capsys):
    result = LoadResult(title=AGAIN, held=4, stored=3, strange=1, stalls=(0.001, 0.25), seconds=(0.5,))

    show_load([result], LoadPlan(users=2, turns=2))

    shown = capsys.readouterr().out
    assert "2 users of one agent on one event loop, 2 turns each" in shown
    assert shown.splitlines()[4].split() == ["with", "memory", "4", "3", "1", "250.0", "237.5", "500.0"]


def test_a_mixed_up_memory_is_counted(tmp_path, monkeypatch):
    """Else the first test could not fail."""
    everybody = MemoryOSMiddleware.__init__
    monkeypatch.setattr(
        MemoryOSMiddleware,
        "__init__",
        lambda self, *, system: everybody(self, memory=system.memory("user-1-0:", session_id="load")),
    )

    results = asyncio.run(measure_load(LoadPlan(users=3, turns=2, history=1, latency=0.0), tmp_path / "store"))

    assert [each.stored for each in results] == [None, 0, 0, None]
    assert [each.strange > 0 for each in results] == [False, True, True, False]


def test_the_figures_are_printed_by_one_command():
    command = "import sys, typer; sys.argv[1:] = ['--users=2', '--turns=1', '--history=1', '--latency=0']; "
    shown = in_another_process(command + "from memoryos_integrations.evaluation.load import main; typer.run(main)")

    assert "2 users of one agent on one event loop, 1 turns each" in shown
    assert shown.count("with memory") == 2
