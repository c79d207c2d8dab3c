"""A LoCoMo file small enough to reckon with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from memoryos_engine.evaluation.locomo import load_locomo
from memoryos_engine.terminal import progress
from memoryos_integrations.evaluation.overhead import Comparison, Measured, measure

TURNS = 12


def sample(turns: int = TURNS) -> list[dict[str, Any]]:
    """One conversation with one question, about the turn of place 3."""
    return [
        {
            "sample_id": "small",
            "conversation": {
                "speaker_a": "Tom",
                "speaker_b": "Eve",
                "session_1_date_time": "1:56 pm on 8 May, 2023",
                "session_1": [
                    {"speaker": speaker, "dia_id": f"D1:{2 * place + (speaker == 'Eve') + 1}", "text": text}
                    for place in range(turns)
                    for speaker, text in (
                        ("Tom", f"My cousin number {place} lives in city{place}."),
                        ("Eve", f"Noted about {place}."),
                    )
                ],
            },
            "qa": [{"question": "Who lives in city3?", "evidence": ["D1:7"], "category": 4}],
        }
    ]


def written(folder: Path, turns: int = TURNS) -> Path:
    """The conversation as a file."""
    file = folder / "locomo.json"
    file.write_text(json.dumps(sample(turns)), encoding="utf-8")
    return file


def measured(comparison: Comparison, folder: Path, turns: int = TURNS) -> dict[str, Measured]:
    """What is measured of each memory over the conversation."""
    results = {name: Measured() for name in comparison.names}
    with progress(quiet=True) as bars:
        measure(load_locomo(written(folder, turns))[0], comparison, results, bars)
    return results
