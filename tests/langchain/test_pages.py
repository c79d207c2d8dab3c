"""The examples of the two LangChain pages run as they stand, each in a process and a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import memoryos_integrations.langchain as adapters
from memoryos_engine import MemoryOS

FOLDER = Path(adapters.__file__).parent
PAGES = {name: (FOLDER / name).read_text(encoding="utf-8") for name in ("README.md", "COMING_FROM.md")}
EXAMPLES = {
    f"{name} {place}": code
    for name, text in PAGES.items()
    for place, code in enumerate(re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL), start=1)
}
MODEL = """
import sys
sys.path.insert(0, {root!r})
from tests.langchain.conversation import RecordingChatModel
model = RecordingChatModel(answers=lambda prompt: "I see.")
"""
OF_LANGCHAIN = re.compile("LangChainDeprecationWarning: (The class `LLMChain`|RunnableWithMessageHistory)")
"""What LangChain says of its own classes that two examples are about."""
ROOT = str(Path(__file__).parent.parent.parent)


def run(code: str, folder: Path) -> None:
    whole = MODEL.format(root=ROOT) + code
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", whole],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if not OF_LANGCHAIN.search(line)]) == (0, [])


def pages_of_tom(folder: Path) -> list[tuple[str, str]]:
    with MemoryOS(path=folder / "memoryos_data") as system:
        return [(page.user_input, page.agent_response) for page in system.memory("tom").pages()]


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
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", PAGES[name], re.M)
    }
    links = re.findall(r"\]\(([^)]+)\)", PAGES[name])

    assert [link for link in links if link.startswith("#") and link[1:] not in headings] == []
    assert [link for link in links if not link.startswith(("#", "http")) and not (FOLDER / link).exists()] == []
