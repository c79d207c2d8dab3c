"""What the memory of a framework's chat costs and brings, for several memories that take turns in one run.

Each conversation of a LoCoMo file is had with each memory, turn by turn in changing order; then
each memory is asked every question, and the share of the evidence that stands in what it would put
into the prompt is taken. It knows no framework.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Annotated

import typer
from rich.progress import Progress

from memoryos_engine import ManualClock
from memoryos_engine.evaluation.locomo import Conversation, Turn, load_locomo
from memoryos_engine.prompt_format import neutralise
from memoryos_engine.terminal import console, progress, table
from memoryos_engine.tokens import default_counter

MARKS = (30, 100, 200, 300)
"""Turns at which the length of the prompt is shown."""
LATE = 200
MAX_TOKENS, PAGES = 2000, 10
"""Budget of our context, and how many pages we find: what others return is set to be about as much."""

LoCoMoFile = Annotated[Path, typer.Argument(help="A LoCoMo file.")]
Limit = Annotated[int, typer.Option(help="Only the first so many conversations; all by default.")]


@dataclass(kw_only=True, slots=True)
class Script:
    """What a model says whatever it is asked, and what it was asked last."""

    reply: str = ""
    prompt: str = ""

    def answer(self, prompt: str) -> str:
        """Keep the prompt and return the reply."""
        self.prompt = prompt
        return self.reply


@dataclass(frozen=True, kw_only=True, slots=True)
class Remembering:
    """Something one talks to, with one of the memories."""

    name: str
    """Which memory it has."""
    script: Script
    """Of its model."""
    clock: ManualClock
    chat: Callable[[str, str], object]
    """Says a text in a session."""
    remembered: Callable[[str], str]
    """Returns what the memory would put into the prompt for a question, without storing the question."""

    def say(self, turn: Turn) -> str:
        """Have one turn and return the prompt the model received."""
        self.clock.advance(seconds=(turn.timestamp - self.clock()).total_seconds())
        self.script.reply = turn.agent_response or "..."
        self.chat(turn.user_input or "...", turn.session_id)
        return self.script.prompt


Opening = Callable[[Path, datetime, ExitStack], Sequence[Remembering]]
"""Opens what is kept in a folder, as it is at a time, one for each memory, to be closed with the stack."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Which memories are compared, and what is said about it."""

    title: str
    names: Sequence[str]
    opening: Opening
    explained: str
    restarts: bool = False
    """Whether everything is closed, opened again and asked once more."""


@dataclass(kw_only=True, slots=True)
class Measured:
    """What one memory took and found, over all conversations."""

    seconds: list[float] = field(default_factory=list)
    """Of each turn, the model's part next to nothing."""
    late_seconds: list[float] = field(default_factory=list)
    """Of the turns from the 200th on."""
    tokens: dict[int, list[int]] = field(default_factory=dict)
    """Of the prompts, by the number of the turn."""
    found: list[float] = field(default_factory=list)
    """For each question the share of its evidence in what the memory gave for it."""
    given_tokens: list[int] = field(default_factory=list)
    """Of what was given for each question."""
    found_again: list[float] = field(default_factory=list)
    """As `found`, after a restart; empty if there was none."""


Results = dict[str, Measured]


def measure(conversation: Conversation, comparison: Comparison, results: Results, bars: Progress) -> None:
    """Have one conversation with each memory, then ask each the questions, and add to the results."""
    asked = len(conversation.questions) * (1 + comparison.restarts)
    task = bars.add_task(conversation.name, total=len(conversation.turns) + asked)
    advance = partial(bars.advance, task)
    first, last = conversation.turns[0].timestamp, conversation.turns[-1].timestamp
    with tempfile.TemporaryDirectory() as folder:
        with ExitStack() as stack:
            memories = comparison.opening(Path(folder), first, stack)
            _talk(conversation, memories, results, advance)
            for name, share, tokens in _answers(conversation, memories, advance):
                results[name].found.append(share)
                results[name].given_tokens.append(tokens)
        if comparison.restarts:
            with ExitStack() as stack:
                memories = comparison.opening(Path(folder), last, stack)
                for name, share, _ in _answers(conversation, memories, advance):
                    results[name].found_again.append(share)


def _talk(
    conversation: Conversation, memories: Sequence[Remembering], results: Results, advance: Callable[[], None]
) -> None:
    for number, turn in enumerate(conversation.turns, start=1):
        for each in islice(cycle(memories), number % len(memories), number % len(memories) + len(memories)):
            started = perf_counter()
            prompt = each.say(turn)
            _note(perf_counter() - started, prompt, number, results[each.name])
        advance()


def _note(taken: float, prompt: str, number: int, measured: Measured) -> None:
    measured.seconds.append(taken)
    if number >= LATE:
        measured.late_seconds.append(taken)
    if number in MARKS:
        measured.tokens.setdefault(number, []).append(default_counter()(prompt))


def _answers(
    conversation: Conversation, memories: Sequence[Remembering], advance: Callable[[], None]
) -> Iterator[tuple[str, float, int]]:
    """Ask everything, and yield for each memory and question the share of evidence and the tokens it gave."""
    for question in conversation.questions:
        evidence = [conversation.turns[place] for place in sorted(question.evidence)]
        for each in memories:
            given = each.remembered(question.text)
            yield each.name, fmean(_stands(turn, given) for turn in evidence), default_counter()(given)
        advance()


def _stands(turn: Turn, given: str) -> bool:
    """Say whether both sides of a turn are in a text whole, as they were or as our prompts write them."""
    sides = [side for side in (turn.user_input, turn.agent_response) if side]
    return all(side in given or neutralise(side) in given for side in sides)


def rows(results: Results) -> Iterator[tuple[str, Sequence[str]]]:
    """Return the figures as rows of a table: what is measured, then a cell for each memory."""
    each = list(results.values())
    yield "ms a turn", [_milliseconds(one.seconds) for one in each]
    yield f"ms a turn, from turn {LATE} on", [_milliseconds(one.late_seconds) for one in each]
    for mark in MARKS:
        yield f"tokens sent at turn {mark}", [_mean(one.tokens.get(mark, [])) for one in each]
    yield "evidence found", [f"{fmean(one.found):.3f}" for one in each]
    yield "tokens it was found in", [_mean(one.given_tokens) for one in each]
    if any(one.found_again for one in each):
        yield "evidence found after a restart", [f"{fmean(one.found_again):.3f}" for one in each]


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1000:.1f}" if seconds else "-"


def _mean(counts: Sequence[int]) -> str:
    return f"{fmean(counts):,.0f}" if counts else "-"


def compare(file: Path, limit: int, comparison: Comparison) -> None:
    """Measure over a file's first `limit` conversations, or all if that is 0, and print a table."""
    conversations, screen = load_locomo(file), console()
    results: Results = {name: Measured() for name in comparison.names}
    with progress() as bars:
        for conversation in conversations[: limit or None]:
            measure(conversation, comparison, results, bars)
    shown = table(comparison.title, ["", *results], left=[""])
    for name, cells in rows(results):
        shown.add_row(name, *cells)
    screen.print(shown)
    screen.print(comparison.explained)
