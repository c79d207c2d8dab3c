"""Dialogues with questions, in any language: does the right page come first?

A file is {language, name, turns, questions}: turns are {session, timestamp, user_input,
agent_response}, and a question names, by their places from 0, the turns that answer it
(`pages`). Questions are asked from a fresh session, so that STM covers nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.progress import Progress

from memoryos_engine.clock import ManualClock, as_utc
from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import InvalidInput
from memoryos_engine.memory import UserMemory
from memoryos_engine.settings import MemorySettings, RetrievalMode
from memoryos_engine.system import MemoryOS
from memoryos_engine.terminal import stored, table

FRESH_SESSION = "asked afterwards"
_FIX = (
    "Pass {language, name, turns: [{session, timestamp, user_input, agent_response}], "
    "questions: [{question, pages}]} as JSON."
)
_DEFINITIONS = (
    "first: share of questions whose first page found is one of their evidence pages.",
    "@k: share of a question's evidence pages among the first k found, mean over questions.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialogue:
    """One file: turns for `import_turns`, and questions with the places of their evidence."""

    name: str
    language: str
    turns: tuple[Mapping[str, Any], ...]
    questions: tuple[tuple[str, frozenset[int]], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DialogueResult:
    """The figures of one file, each 0 to 1."""

    name: str
    language: str
    pages: int
    questions: int
    first_page_hits: float
    recall_at_5: float
    recall_at_10: float


def load_dialogues(path: str | Path) -> list[Dialogue]:
    """Return the dialogue in a file, or those of all .json files of a folder by name.

    Raises:
        InvalidInput: there is none, or a file is not one.
    """
    place = Path(path)
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        raise InvalidInput("path", "holds no .json file", "Pass a dialogue file or a folder of them.")
    return [_dialogue(file) for file in files]


def measure_dialogue(
    dialogue: Dialogue, *, embedder: Embedder | None = None, retrieval: RetrievalMode = "hierarchical"
) -> DialogueResult:
    """Remember the dialogue in a store of its own and ask its questions from a fresh session.

    Raises:
        MemoryOSError: the memory failed.
    """
    last = max(turn["timestamp"] for turn in dialogue.turns)
    settings = MemorySettings(retrieval=retrieval)
    clock = ManualClock(last + timedelta(minutes=1))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        MemoryOS(folder, embedder=embedder, settings=settings, clock=clock) as system,
    ):
        memory = system.memory("user")
        memory.import_turns(dialogue.turns)
        memory.flush()
        ids = [page.id for page in memory.pages()]
        fresh = memory.in_session(FRESH_SESSION)
        asked = [_ask(fresh, text, {ids[each] for each in evidence}) for text, evidence in dialogue.questions]
    first, at_5, at_10 = map(fmean, zip(*asked, strict=True))
    return DialogueResult(
        name=dialogue.name,
        language=dialogue.language,
        pages=len(ids),
        questions=len(asked),
        first_page_hits=first,
        recall_at_5=at_5,
        recall_at_10=at_10,
    )


def measure_dialogues(
    dialogues: Sequence[Dialogue], *, embedder: Embedder, retrieval: RetrievalMode, bars: Progress
) -> list[DialogueResult]:
    """Measure the dialogues one by one while `bars` shows how far it is."""
    return [
        measure_dialogue(dialogue, embedder=embedder, retrieval=retrieval)
        for dialogue in bars.track(dialogues, description="dialogues")
    ]


def show_dialogues(results: Sequence[DialogueResult], *, screen: Console) -> None:
    """Print one row a file and the means over all."""
    columns = ("file", "language", "pages", "questions", "first", "@5", "@10")
    made = table("First page and recall by language", columns, left=("file", "language"))
    for result in results:
        counts = (str(result.pages), str(result.questions))
        made.add_row(stored(result.name, limit=30), stored(result.language, limit=12), *counts, *_figures([result]))
    made.add_section()
    totals = (sum(result.pages for result in results), sum(result.questions for result in results))
    made.add_row("all, mean of files", "", *map(str, totals), *_figures(results), style="bold")
    screen.print(made)
    for line in _DEFINITIONS:
        screen.print(line, style="dim")


def _figures(results: Sequence[DialogueResult]) -> list[str]:
    rows = [(result.first_page_hits, result.recall_at_5, result.recall_at_10) for result in results]
    return [f"{fmean(column):.3f}" for column in zip(*rows, strict=True)]


def _ask(memory: UserMemory, question: str, evidence: set[str]) -> tuple[float, float, float]:
    found = [page.id for page in memory.retrieve_memory(question, top_k=10, touch=False).pages]
    recall = [len(evidence.intersection(found[:cut])) / len(evidence) for cut in (5, 10)]
    return float(bool(found) and found[0] in evidence), recall[0], recall[1]


def _dialogue(file: Path) -> Dialogue:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        turns = tuple(map(_turn, data["turns"]))
        questions = tuple(_questions(data["questions"], len(turns)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput("path", f"holds {file.name!r}, which is no dialogue ({error!r})", _FIX) from error
    if not turns or not questions:
        raise InvalidInput("path", f"holds {file.name!r}, which has no turns or no questions", _FIX)
    return Dialogue(name=file.stem, language=str(data.get("language", "")), turns=turns, questions=questions)


def _turn(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "session_id": str(entry["session"]),
        "timestamp": as_utc(entry["timestamp"]),
        "user_input": entry["user_input"],
        "agent_response": entry["agent_response"],
    }


def _questions(entries: Sequence[Mapping[str, Any]], turns: int) -> Iterator[tuple[str, frozenset[int]]]:
    for entry in entries:
        evidence = frozenset(entry["pages"])
        if not evidence or not evidence <= set(range(turns)):
            raise ValueError(f"pages of {entry['question']!r} name no turns")
        yield entry["question"], evidence
