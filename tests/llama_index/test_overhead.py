"""The command that compares memories prints what it measured: here on a conversation small enough to reckon."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime, timezone

from memoryos_engine import HashingEmbedder
from memoryos_engine.evaluation.locomo import Turn
from memoryos_integrations.evaluation.llama_index_engines import BLOCK, BUFFER, OURS, open_engines
from memoryos_integrations.evaluation.llama_index_overhead import COMPARISON
from memoryos_integrations.evaluation.overhead import rows
from tests.small_locomo import TURNS, measured, written

NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)
LONG = 80
"""Turns that are more than fit into the queue in front of the block."""


def test_every_memory_had_every_turn_and_every_question(tmp_path):
    results = measured(COMPARISON, tmp_path)

    assert {name: (len(one.seconds), one.found) for name, one in results.items()} == dict.fromkeys(
        (OURS, BLOCK, BUFFER), (TURNS, [1.0])
    )


def test_after_a_restart_ours_finds_what_it_found(tmp_path):
    """LlamaIndex keeps the buffer, and the queue in front of the block, in memory."""
    shown = dict(rows(measured(COMPARISON, tmp_path)))

    assert shown["evidence found after a restart"] == ["1.000", "0.000", "0.000"]


def test_what_the_block_was_handed_is_there_after_a_restart(tmp_path):
    """Else the figure would be about how the block was opened, not about its queue."""
    results = measured(COMPARISON, tmp_path, turns=LONG)

    assert (results[BLOCK].found, results[BLOCK].found_again) == ([1.0], [1.0])


def test_a_model_reads_what_the_memory_gives_and_the_turn(tmp_path):
    turn = Turn(session_id="monday", timestamp=NOW, user_input="My cousin lives in Oslo.", agent_response="Noted.")
    with ExitStack() as stack:
        engines = open_engines(tmp_path, NOW, stack, embedder=HashingEmbedder())
        first, second = ([each.say(turn) for each in engines] for _ in range(2))

    assert [prompt.count("cousin") for prompt in first] == [1, 1, 1]
    assert all("Noted." in prompt for prompt in second)


def test_a_question_is_not_stored(tmp_path):
    turn = Turn(session_id="monday", timestamp=NOW, user_input="My cousin lives in Oslo.", agent_response="Noted.")
    with ExitStack() as stack:
        engines = open_engines(tmp_path, NOW, stack, embedder=HashingEmbedder())
        for each in engines:
            each.say(turn)
        asked = [[each.remembered("Who lives in city3?") for each in engines] for _ in range(2)]

    assert asked[0] == asked[1]
    assert all("city3" not in given and "Oslo" in given for given in asked[0])


def test_the_command_prints_a_table(tmp_path):
    command = [sys.executable, "-m", "memoryos_integrations.evaluation.llama_index_overhead", str(written(tmp_path))]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in (OURS, BLOCK, BUFFER, "after a restart"))
