"""`memoryos import` for other people's files: what was made, what was known, what was left out and why."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memoryos_engine import MemoryOS
from memoryos_engine.cli import app
from tests.engine.importers.reading import DATA, local


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMORYOS_PATH", str(tmp_path / "store"))
    return tmp_path / "store"


def run(*arguments: str, status: int = 0) -> Any:
    result = CliRunner().invoke(app, ["import", *arguments])
    assert result.exit_code == status, result.output
    return result


def pages(store: Path, *names: str) -> list[tuple[str, str, str]]:
    with MemoryOS(store) as system:
        return [(page.session_id, page.user_input, page.agent_response) for page in system.memory(*names).pages()]


def test_a_file_of_another_program_is_guessed_and_counted(store: Path) -> None:
    result = run(str(DATA / "mem0.json"), "--user", "tom")

    assert result.output == (
        "Made 3 pages of tom with assistant\nRead as: mem0\nLeft out: 1 relations of a graph, 1 memories without text\n"
    )
    assert pages(store, "tom") == [
        ("onboarding", "Name is Tom", ""),
        ("mem0", "Works as a lighthouse keeper", ""),
        ("mem0", "", "Recommended a warmer coat"),
    ]


def test_a_second_import_says_what_was_known(store: Path) -> None:
    for made, known in (("2", ""), ("0", "Known already: 2\n")):
        assert run(str(DATA / "messages.json")).output == (
            f"Made {made} pages of user with assistant\n"
            f"Read as: openai\n{known}"
            "Left out: 2 tool traffic, 1 system and hidden messages\n"
            "Without a date in the file, dated now: 2\n"
        )
    assert len(pages(store, "user")) == 2


def test_whose_memory_and_which_session_are_options(store: Path) -> None:
    options = (
        "--user",
        "tom",
        "--assistant",
        "coach",
        "--session",
        "phone",
        "--user-name",
        "Tom",
        "--from",
        "chat-log",
    )
    result = run(str(DATA / "plain.txt"), *options)

    assert result.output == "Made 2 pages of tom with coach\nRead as: chat-log\n"
    expected = [("phone", "Where is the lamp?", "In the attic."), ("phone", "Thanks.", "Any time.")]
    assert pages(store, "tom", "coach") == expected


def test_a_folder_of_the_reference_is_imported_and_consolidated(store: Path) -> None:
    result = run(str(DATA / "reference" / "users" / "tom"), "--from", "reference")

    assert result.output.startswith("Made 6 pages of user with assistant\nRead as: reference\nLeft out: 3 knowledge")
    with MemoryOS(store) as system:
        assert system.memory("user").status().pending == 0


@pytest.mark.parametrize(("option", "moment"), [("--day-first", "2024-05-04"), ("--month-first", "2024-04-05")])
def test_the_order_of_day_and_month_is_an_option(store: Path, tmp_path: Path, option: str, moment: str) -> None:
    file = tmp_path / "chat.txt"
    file.write_text("04/05/2024, 18:30 - Tom: Hello\n", encoding="utf-8")
    problem = run(str(file), "--user-name", "Tom", status=2).stderr
    run(str(file), "--user-name", "Tom", option)

    assert problem.startswith("file has dates that can be read both ways, as in line 1. Pass day_first=True")
    with MemoryOS(store) as system:
        assert [page.timestamp for page in system.memory("user").pages()] == [local(f"{moment} 18:30:00")]


def test_exports_of_our_own_stay_what_import_reads_by_default(store: Path, tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl"
    with MemoryOS(tmp_path / "elsewhere") as system:
        system.memory("ann").add_memory("I grow beans.", "Which ones?")
        system.memory("ann").export(export)

    assert run(str(export)).output == "Read 1 pages of ann with assistant\n"
    assert pages(store, "ann") == [("default", "I grow beans.", "Which ones?")]
    for option in ("--user", "--assistant", "--session"):
        problem = run(str(export), option, "tom", "--from", "memoryos", status=2).stderr
        assert problem.startswith(f"{option} has no use here: an export of MemoryOS names its own user")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere.json",), "FILE does not exist"),
        ((str(DATA / "mem0.json"), "--from", "secret"), "--from names no format. Pass one of: memoryos, reference"),
        ((str(DATA / "plain.txt"),), "user_name is missing: a chat log does not say who the user is. Pass user_name="),
        ((str(DATA / "reference"),), "file is in no format that can be told"),
        ((str(DATA / "plain.txt"), "--user-name", "Ann"), "user_name says nothing in this file"),
        ((str(DATA / "mem0.json"), "--from", "openai"), "line 1.role is none of user"),
    ],
)
def test_a_fault_is_one_line_and_status_2(store: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments, status=2)

    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_a_damaged_file_is_mended_and_imported_again(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tom"
    shutil.copytree(DATA / "reference" / "users" / "tom", folder)
    (folder / "mid_term.json").write_text('{"sessions": {', encoding="utf-8")

    assert run(str(folder), status=2).stderr.startswith("file is not valid JSON at line 1")
    shutil.copy(DATA / "reference" / "users" / "tom" / "mid_term.json", folder)
    assert run(str(folder)).output.startswith("Made 6 pages")


README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
THEIRS = {
    "data/users/tom": DATA / "reference" / "users" / "tom",
    "mem0.json": DATA / "mem0.json",
    "conversations.json": DATA / "conversations.json",
    "chat.txt": DATA / "plain.txt",
}


def test_the_commands_of_the_readme_import_what_they_say(store: Path) -> None:
    """Its table of formats, with our files in place of the reader's."""
    commands = re.findall(r"^\|.*\| `memoryos import ([^`]+)` \|$", README, flags=re.MULTILINE)
    outputs = [run(str(THEIRS[words[0]]), *words[1:]).output for words in map(str.split, commands)]

    assert [output.splitlines()[:2] for output in outputs] == [
        [f"Made {made} pages of tom with assistant", f"Read as: {name}"]
        for made, name in ((6, "reference"), (3, "mem0"), (3, "openai"), (2, "chat-log"))
    ]
