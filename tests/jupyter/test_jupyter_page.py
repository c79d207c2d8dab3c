"""The page for users: its examples run as they stand, and what it says of magics and links is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import memoryos_integrations.jupyter as adapters
from memoryos_integrations.jupyter.magic_words import ACTIONS, VALUES
from tests.pages import dead_links, examples_of, run_quietly

FOLDER = Path(adapters.__file__).parent
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLES = examples_of({"README.md": PAGE})


def test_the_examples_are_found():
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("code", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_runs_as_it_stands(code: str, tmp_path: Path):
    run_quietly(code, tmp_path)


def test_every_word_of_the_magic_is_on_the_page():
    told = set(re.findall(r"[a-z]+", "".join(line for line in PAGE.splitlines() if "%memoryos" in line)))

    assert {*VALUES, *ACTIONS} - told == set()


def test_every_name_of_the_package_is_on_the_page():
    names = [name for name in adapters.__all__ if "ipython_extension" not in name and name != "Display"]

    assert [name for name in names if name not in PAGE] == []


def test_its_links_lead_somewhere():
    assert dead_links(PAGE, FOLDER) == []
