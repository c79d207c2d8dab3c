"""The command that compares memories prints what it measured: here on a conversation small enough to reckon."""

from __future__ import annotations

import subprocess
import sys

from memoryos_integrations.evaluation.langchain_chains import BUFFER, OURS, VECTORS
from memoryos_integrations.evaluation.langchain_overhead import COMPARISON
from memoryos_integrations.evaluation.overhead import rows
from tests.small_locomo import TURNS, measured, written


def test_every_memory_had_every_turn_and_every_question(tmp_path):
    results = measured(COMPARISON, tmp_path)

    assert {name: (len(one.seconds), one.found) for name, one in results.items()} == dict.fromkeys(
        (OURS, BUFFER, VECTORS), (TURNS, [1.0])
    )


def test_a_row_has_a_cell_for_each_memory_also_where_no_conversation_was_long_enough(tmp_path):
    shown = dict(rows(measured(COMPARISON, tmp_path)))

    assert shown["tokens sent at turn 300"] == ["-", "-", "-"]
    assert shown["evidence found"] == ["1.000", "1.000", "1.000"]
    assert "evidence found after a restart" not in shown


def test_the_command_prints_a_table(tmp_path):
    command = [sys.executable, "-m", "memoryos_integrations.evaluation.langchain_overhead", str(written(tmp_path))]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in (OURS, BUFFER, VECTORS, "evidence found"))
