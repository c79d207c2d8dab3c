"""Dialogue files are read, asked from a fresh session, and refused when they are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memoryos_engine.cli import app
from memoryos_engine.errors import InvalidInput
from memoryos_engine.evaluation.dialogues import DialogueResult, load_dialogues, measure_dialogue

DIALOGUE = {
    "language": "fa",
    "name": "Two turns",
    "turns": [
        {
            "session": "s1",
            "timestamp": "2024-03-28T17:10:00+00:00",
            "user_input": "اسم گربه‌ام پنبه است.",
            "agent_response": "چه اسم قشنگی!",
        },
        {
            "session": "s2",
            "timestamp": "2024-03-29T17:10:00Z",
            "user_input": "دیروز ماشینم خراب شد.",
            "agent_response": "امیدوارم زود درست شود.",
        },
    ],
    "questions": [
        {"question": "اسم گربه‌ام چیست؟", "pages": [0], "answer": "پنبه"},
        {"question": "ماشینم کی خراب شد؟", "pages": [0, 1], "answer": "دیروز"},
    ],
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "cat.json", DIALOGUE)


def written(file: Path, data: Any) -> Path:
    file.write_text(json.dumps(data), encoding="utf-8")
    return file


def test_first_page_hits_and_recall_are_means_over_questions(file: Path) -> None:
    assert measure_dialogue(load_dialogues(file)[0]) == DialogueResult(
        name="cat",
        language="fa",
        pages=2,
        questions=2,
        first_page_hits=1.0,
        recall_at_5=1.0,
        recall_at_10=1.0,
    )


def test_a_folder_stands_for_its_json_files_by_name(file: Path) -> None:
    written(file.with_name("aaa.json"), DIALOGUE)
    file.with_name("notes.txt").write_text("not a dialogue", encoding="utf-8")
    assert [dialogue.name for dialogue in load_dialogues(file.parent)] == ["aaa", "cat"]


@pytest.mark.parametrize(
    "change",
    [
        {"turns": []},
        {"questions": []},
        {"questions": [{"question": "?", "pages": [2]}]},
        {"questions": [{"question": "?", "pages": []}]},
        {"turns": [{"session": "s1"}]},
        {"turns": None},
    ],
)
def test_a_file_that_is_no_dialogue_is_refused_by_name(file: Path, change: dict[str, Any]) -> None:
    written(file, {**DIALOGUE, **change})
    with pytest.raises(InvalidInput, match=r"cat\.json"):
        load_dialogues(file)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"holds no \.json file"):
        load_dialogues(tmp_path)


def test_strict_fails_when_a_file_misses_the_rate_and_passes_when_all_reach_it(file: Path) -> None:
    wrong = [{"question": "اسم گربه‌ام چیست؟", "pages": [1]}]
    assert CliRunner().invoke(app, ["evaluate", "dialogues", str(file), "--strict", "1.0"]).exit_code == 0
    written(file.with_name("wrong.json"), {**DIALOGUE, "questions": wrong})
    assert CliRunner().invoke(app, ["evaluate", "dialogues", str(file.parent)]).exit_code == 0
    assert CliRunner().invoke(app, ["evaluate", "dialogues", str(file.parent), "--strict", "0.5"]).exit_code == 1


def test_the_table_has_one_row_a_file_and_one_for_all(file: Path) -> None:
    output = CliRunner().invoke(app, ["evaluate", "dialogues", str(file)]).output
    rows = [line.split() for line in output.splitlines()]
    assert ["cat", "fa", "2", "2", "1.000", "1.000", "1.000"] in rows
    assert ["all,", "mean", "of", "files", "2", "2", "1.000", "1.000", "1.000"] in rows
