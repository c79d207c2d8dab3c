"""The examples of the two LangChain pages run as they stand, each in a process and a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import memoryos_integrations.langchain as adapters
from tests.pages import dead_links, examples_of, pages_of_tom, run_quietly

FOLDER = Path(adapters.__file__).parent
PAGES = {name: (FOLDER / name).read_text(encoding="utf-8") for name in ("README.md", "COMING_FROM.md")}
EXAMPLES = examples_of(PAGES)
MODEL = """
from tests.langchain.conversation import RecordingChatModel
model = RecordingChatModel(answers=lambda prompt: "I see.")
"""
OF_LANGCHAIN = "LangChainDeprecationWarning: (The class `LLMChain`|RunnableWithMessageHistory)"
"""What LangChain says of its own classes that two examples are about."""


def run(code: str, folder: Path) -> None:
    run_quietly(MODEL + code, folder, heard=OF_LANGCHAIN)


def test_the_examples_are_found():
    assert len(EXAMPLES) >= 12


@pytest.mark.parametrize("code", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_runs_without_a_word_on_stderr(code, tmp_path):
    run(code, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, code in EXAMPLES.items()
        if '"My sister Olga keeps reindeer."' in code and "invoke" in code and "Retriever" not in code
    ],
)
def test_what_was_said_in_an_example_is_remembered(name, tmp_path):
    run(EXAMPLES[name], tmp_path)

    assert pages_of_tom(tmp_path) == [("My sister Olga keeps reindeer.", "I see.")]


@pytest.mark.parametrize("place", [name for name, code in EXAMPLES.items() if "How do you like it?" in code])
def test_an_old_conversation_moves_over_as_it_was(place, tmp_path):
    run(EXAMPLES[place], tmp_path)

    assert pages_of_tom(tmp_path) == [("I moved to Lisbon.", "How do you like it?")]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_a_page_leads_somewhere(name):
    assert dead_links(PAGES[name], FOLDER) == []
