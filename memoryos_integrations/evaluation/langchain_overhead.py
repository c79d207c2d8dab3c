"""What a chain's memory costs and brings, for three memories that take turns in one run.

    python -m memoryos_integrations.evaluation.langchain_overhead FILE

FILE is a LoCoMo file. Each conversation goes through the same chain with each memory, turn by
turn in changing order; then each memory is asked every question, and the share of the
evidence that stands in what it would put into the prompt is taken.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Annotated

import typer
from rich.progress import Progress

from memoryos_engine import Embedder, HashingEmbedder
from memoryos_engine.evaluation.locomo import Conversation, Turn, load_locomo
from memoryos_engine.prompt_format import neutralise
from memoryos_engine.terminal import console, progress, table
from memoryos_engine.tokens import default_counter
from memoryos_integrations.evaluation.langchain_chains import MAX_TOKENS, PAGES, RememberingChain, open_chains

MARKS = (30, 100, 200, 300)
"""Turns at which the length of the prompt is shown."""
LATE = 200
_EXPLAINED = (
    "MemoryOSChatMemory, ConversationBufferMemory, VectorStoreRetrieverMemory on Chroma. "
    "A turn: of an LLMChain whose model answers at once, median. "
    f"Ours keeps to {MAX_TOKENS:,} tokens, the vector store returns {PAGES} turns, both with the default embedder. "
    "Evidence: share of a question's evidence that stands whole in the history, mean over questions. "
    "Tokens by this machine's counter."
)


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
    """For each question the share of its evidence in the history."""
    history_tokens: list[int] = field(default_factory=list)
    """Of what was put into the prompt for each question."""


Results = dict[str, Measured]


def measure(conversation: Conversation, embedder: Embedder, results: Results, bars: Progress) -> None:
    """Have one conversation with each memory, then ask each the questions, and add to the results."""
    task = bars.add_task(conversation.name, total=len(conversation.turns) + len(conversation.questions))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        chains = open_chains(Path(folder), embedder, stack)
        for number, turn in enumerate(conversation.turns, start=1):
            _have(number, turn, chains, results)
            bars.advance(task)
        for question in conversation.questions:
            evidence = [conversation.turns[place] for place in sorted(question.evidence)]
            for each in chains:
                _ask(question.text, evidence, each, results[each.name])
            bars.advance(task)


def _have(number: int, turn: Turn, chains: Sequence[RememberingChain], results: Results) -> None:
    for each in islice(cycle(chains), number % len(chains), number % len(chains) + len(chains)):
        started = perf_counter()
        prompt = each.say(turn)
        taken, measured = perf_counter() - started, results[each.name]
        measured.seconds.append(taken)
        if number >= LATE:
            measured.late_seconds.append(taken)
        if number in MARKS:
            measured.tokens.setdefault(number, []).append(default_counter()(prompt))


def _ask(question: str, evidence: Iterable[Turn], chain: RememberingChain, measured: Measured) -> None:
    history = chain.remembered(question)
    measured.history_tokens.append(default_counter()(history))
    measured.found.append(fmean(_stands(turn, history) for turn in evidence))


def _stands(turn: Turn, history: str) -> bool:
    """Say whether both sides of a turn are in the history whole, as they were or as our prompts write them."""
    sides = [side for side in (turn.user_input, turn.agent_response) if side]
    return all(side in history or neutralise(side) in history for side in sides)


def rows(results: Results) -> Iterator[tuple[str, Sequence[str]]]:
    """Return the figures as rows of a table: what is measured, then a cell for each memory."""
    each = list(results.values())
    yield "ms a turn", [_milliseconds(one.seconds) for one in each]
    yield f"ms a turn, from turn {LATE} on", [_milliseconds(one.late_seconds) for one in each]
    for mark in MARKS:
        yield f"tokens sent at turn {mark}", [_mean(one.tokens.get(mark, [])) for one in each]
    yield "evidence found", [f"{fmean(one.found):.3f}" for one in each]
    yield "tokens it was found in", [_mean(one.history_tokens) for one in each]


def _milliseconds(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1000:.1f}" if seconds else "-"


def _mean(counts: Sequence[int]) -> str:
    return f"{fmean(counts):,.0f}" if counts else "-"


def main(
    file: Annotated[Path, typer.Argument(help="A LoCoMo file.")],
    limit: Annotated[int, typer.Option(help="Only the first so many conversations; all by default.")] = 0,
) -> None:
    """Print time per turn, tokens sent and evidence found of three memories of one chain."""
    conversations, screen = load_locomo(file), console()
    results: Results = {}
    with progress() as bars:
        for conversation in conversations[: limit or None]:
            for name in _names():
                results.setdefault(name, Measured())
            measure(conversation, HashingEmbedder(), results, bars)
    shown = table("A chain and its memory", ["", *results], left=[""])
    for name, cells in rows(results):
        shown.add_row(name, *cells)
    screen.print(shown)
    screen.print(_EXPLAINED)


def _names() -> tuple[str, ...]:
    from memoryos_integrations.evaluation import langchain_chains as chains

    return chains.OURS, chains.BUFFER, chains.VECTORS


if __name__ == "__main__":
    typer.run(main)
