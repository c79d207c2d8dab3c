"""`memoryos check` and `memoryos stats`: lines for people, JSON and exit statuses for scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memoryos_engine import MemoryOS, Owner
from memoryos_engine.cli import app

from .damage import ASIDE, CUT, NEXT, SEGMENT, row, write

HOSTILE = Owner(user_id="\x1b[31mred\x07\u202e", assistant_id="[bold]x[/bold]")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "store"
    monkeypatch.setenv("MEMORYOS_PATH", str(path))
    monkeypatch.setenv("COLUMNS", "120")
    return path


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == status, result.output
    return str(result.output)


def damaged(store: Path) -> None:
    with MemoryOS(store) as system:
        write(system, [CUT, row(NEXT), row(SEGMENT)])


def finding(record_id: str, problem: str, repair: str, state: str) -> dict[str, Any]:
    whose = {"user_id": "tom", "assistant_id": "assistant"}
    return {**whose, "record_id": record_id, "problem": problem, "repair": repair, "state": state}


def test_a_check_says_what_a_repair_would_do_and_ends_with_1(store: Path) -> None:
    damaged(store)

    assert run("check", status=1).splitlines() == [
        f"tom: page_1 does not decode as page (JSONDecodeError) (--repair: {ASIDE})",
        "tom: segment_1 is a segment without pages (--repair: delete the segment)",
        "2 records break an invariant",
    ]


def test_a_repair_says_what_it_did_and_ends_with_0(store: Path) -> None:
    damaged(store)

    assert run("check", "--repair").splitlines() == [
        f"tom: page_1 does not decode as page (JSONDecodeError) (done: {ASIDE})",
        "tom: segment_1 is a segment without pages (done: delete the segment)",
        "2 records were mended. The store is sound.",
    ]
    assert run("check").splitlines() == [
        "tom: page_1 was set aside by an earlier repair; purging its owner deletes it",
        "The store is sound.",
    ]


def test_a_check_as_json_is_for_scripts(store: Path) -> None:
    damaged(store)
    problem = "does not decode as page (JSONDecodeError)"
    rest = ("segment_1", "is a segment without pages", "delete the segment")

    assert json.loads(run("check", "--json", status=1)) == {
        "sound": False,
        "findings": [finding("page_1", problem, ASIDE, "broken"), finding(*rest, "broken")],
    }
    assert json.loads(run("check", "--repair", "--json")) == {
        "sound": True,
        "findings": [finding("page_1", problem, ASIDE, "mended"), finding(*rest, "mended")],
    }
    aside = "was set aside by an earlier repair; purging its owner deletes it"
    assert json.loads(run("check", "--json")) == {
        "sound": True,
        "findings": [finding("page_1", aside, "", "set aside")],
    }


def test_a_sound_store_as_json(store: Path) -> None:
    with MemoryOS(store) as system:
        system.memory("tom").add_memory("Hello")

    assert json.loads(run("check", "--json")) == {"sound": True, "findings": []}


@pytest.mark.parametrize("command", [("check", "--wrong"), ("stats", "--wrong"), ("check", "extra")])
def test_usage_that_is_wrong_ends_with_2(store: Path, command: tuple[str, ...]) -> None:
    damaged(store)
    run(*command, status=2)


@pytest.mark.parametrize("command", ["check", "stats"])
def test_a_store_that_is_not_there_ends_with_2(store: Path, command: str) -> None:
    assert run(command, status=2).startswith("--path holds no memory")
    assert not store.exists()


@pytest.mark.parametrize("command", [("check",), ("check", "--json")])
def test_a_hostile_name_cannot_turn_the_terminal(store: Path, command: tuple[str, ...]) -> None:
    with MemoryOS(store) as system:
        write(system, [row(SEGMENT)], HOSTILE)
    output = run(*command, status=1)

    assert [sign for sign in "\x1b\x07\u202e" if sign in output] == []
    if "--json" in command:
        assert json.loads(output)["findings"][0]["user_id"] == HOSTILE.user_id


def test_stats_are_a_table_for_people(store: Path) -> None:
    with MemoryOS(store) as system:
        write(system, [row(NEXT)])
    lines = {" ".join(line.split()) for line in run("stats").splitlines()}

    assert {
        "users 1",
        "memories (user with assistant) 1",
        "pages 1",
        "in short-term memory or pending 1",
        "background jobs 0 due, 0 running, 0 failing",
        "embedder hashing-v1-512 (512 dimensions)",
        "collection memoryos (schema 2)",
    } <= lines


def test_stats_as_json_are_the_figures(store: Path) -> None:
    damaged(store)
    printed = json.loads(run("stats", "--json"))
    with MemoryOS(store) as system:
        figures = system.stats().as_dict()

    assert printed.keys() == figures.keys()
    changing = ("disk_bytes",)
    assert {key: printed[key] for key in printed if key not in changing} == {
        key: figures[key] for key in figures if key not in changing
    }
    assert printed["disk_bytes"] > 0


def test_a_long_check_shows_a_bar(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One step for each memory; only where somebody looks."""
    with MemoryOS(store) as system:
        for user in ("ann", "tom"):
            system.memory(user).add_memory("Hello")
        assert system.check(progress=True) == []
        shown = capsys.readouterr().err
        assert system.check() == []

    assert "checking: 100%" in shown
    assert "2/2" in shown
    assert capsys.readouterr().err == ""
