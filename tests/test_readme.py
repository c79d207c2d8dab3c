"""The README's examples run as they stand, in order, each in the state the ones before it left."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
COMMANDS = [
    line.partition("#")[0].strip()
    for language, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
    if line.startswith("memoryos ")
]


def run(code: str, folder: Path) -> str:
    """Run one example as a newcomer would: a fresh process in a folder of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


def test_what_is_said_in_one_process_is_found_in_the_next(folder: Path) -> None:
    """The first two examples: add, close, come back tomorrow."""
    head = "from memoryos_engine import MemoryOS\n"

    assert run(PYTHON[0], folder) == ""
    printed = run(head + PYTHON[1], folder)

    assert printed.splitlines()[0] == "I'm Tom, I work as a data scientist in San Francisco."
    assert "data scientist" in printed.partition("\n")[2]


@pytest.mark.parametrize("code", PYTHON[2:])
def test_every_further_example_runs_without_a_word_on_stderr(code: str, tmp_path: Path) -> None:
    run(code, tmp_path)


def test_the_seed_example_answers_in_persian_from_memory(tmp_path: Path) -> None:
    seed = next(code for code in PYTHON if "Memoryos(" in code)

    assert "دانشمند داده" in run(seed, tmp_path)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "LOCOMO" not in command and "FILE" not in command]
)
def test_every_command_of_the_readme_is_one_that_exists(command: str) -> None:
    words = command.split()
    name = words[1:3] if words[1] == "evaluate" else words[1:2]
    done = subprocess.run(
        [sys.executable, "-m", "memoryos_engine", *name, "--help"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert f"memoryos_engine {' '.join(name)}" in done.stdout
