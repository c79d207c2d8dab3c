"""The examples of the LlamaIndex page run as they stand, each in a process and a folder of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import memoryos_integrations.llama_index as adapters
from tests.pages import dead_links, examples_of, pages_of_tom, run_quietly

FOLDER = Path(adapters.__file__).parent
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLES = examples_of({"README.md": PAGE})
MODEL = """
from tests.llama_index.recording import RecordingLLM
llm = RecordingLLM(lambda prompt: "I see.")
"""


def run(code: str, folder: Path) -> None:
    # Not with warnings as errors: LlamaIndex's workflows warn of themselves.
    run_quietly(MODEL + code, folder, options=("-W", "ignore:::inspect"))


def test_the_examples_are_found():
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("code", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_runs_without_a_word_on_stderr(code, tmp_path):
    run(code, tmp_path)


@pytest.mark.parametrize(
    "name", [name for name, code in EXAMPLES.items() if re.search(r'(engine.chat|agent.run)\("My sister', code)]
)
def test_what_was_said_in_an_example_is_remembered(name, tmp_path):
    run(EXAMPLES[name], tmp_path)

    assert pages_of_tom(tmp_path) == [("My sister Olga keeps reindeer.", "I see.")]


def test_every_link_of_the_page_leads_somewhere():
    assert dead_links(PAGE, FOLDER) == []
