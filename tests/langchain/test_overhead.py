"""The command that compares memories prints what it measured: here on a conversation small enough to reckon."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from memoryos_engine import HashingEmbedder
from memoryos_engine.evaluation.locomo import load_locomo
from memoryos_engine.terminal import progress
from memoryos_integrations.evaluation.langchain_chains import BUFFER, OURS, VECTORS
from memoryos_integrations.evaluation.langchain_overhead import Measured, measure, rows

TURNS = 12
SAMPLE = [
    {
        "sample_id": "small",
        "conversation": {
            "speaker_a": "Tom",
            "speaker_b": "Eve",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                {"speaker": speaker, "dia_id": f"D1:{2 * place + (speaker == 'Eve') + 1}", "text": text}
                for place in range(TURNS)
                for speaker, text in (
                    ("Tom", f"My cousin number {place} lives in city{place}."),
                    ("Eve", f"Noted about {place}."),
                )
            ],
        },
        "qa": [{"question": "Who lives in city3?", "evidence": ["D1:7"], "category": 4}],
    }
]


def sample(folder: Path) -> Path:
    file = folder / "locomo.json"
    file.write_text(json.dumps(SAMPLE), encoding="utf-8")
    return file


def measured(folder: Path) -> dict[str, Measured]:
    results = {name: Measured() for name in (OURS, BUFFER, VECTORS)}
    with progress(quiet=True) as bars:
        measure(load_locomo(sample(folder))[0], HashingEmbedder(), results, bars)
    return results


def test_every_memory_had_every_turn_and_every_question(tmp_path):
    results = measured(tmp_path)

    assert {name: (len(one.seconds), one.found) for name, one in results.items()} == dict.fromkeys(
        (OURS, BUFFER, VECTORS), (TURNS, [1.0])
    )


def test_a_row_has_a_cell_for_each_memory_also_where_no_conversation_was_long_enough(tmp_path):
    shown = dict(rows(measured(tmp_path)))

    assert shown["tokens sent at turn 300"] == ["-", "-", "-"]
    assert shown["evidence found"] == ["1.000", "1.000", "1.000"]


def test_the_command_prints_a_table(tmp_path):
    command = [sys.executable, "-m", "memoryos_integrations.evaluation.langchain_overhead", str(sample(tmp_path))]

    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert all(name in done.stdout for name in (OURS, BUFFER, VECTORS, "evidence found"))
