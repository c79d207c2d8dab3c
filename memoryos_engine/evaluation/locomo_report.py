"""The figures of LoCoMo as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.evaluation.locomo import CATEGORIES, Conversation
from memoryos_engine.evaluation.locomo_run import BUDGETS, CUTS, Asked, ConversationResult, means, measure, steps_of
from memoryos_engine.llm.base import ChatModel
from memoryos_engine.settings import RetrievalMode
from memoryos_engine.terminal import stored, table
from memoryos_engine.tokens import default_counter, estimate_tokens

_DEFINITIONS = (
    "@k: share of a question's evidence pages among the first k found or in STM, mean over questions with evidence.",
    "Nk tok: share that stands whole in to_prompt of N,000 tokens, filled from 100 pages; tokens by {counter}.",
    "Asked in the last session after its last message; retrieval is {retrieval}, embedder {embedder}.",
)


def measure_all(
    conversations: Sequence[Conversation],
    *,
    embedder: Embedder,
    retrieval: RetrievalMode,
    model: ChatModel | None = None,
    bars: Progress,
) -> list[ConversationResult]:
    """Measure the conversations one by one while `bars` shows how far it is.

    Raises:
        MemoryOSError: a memory failed.
    """
    task = bars.add_task("LoCoMo", total=sum(map(steps_of, conversations)))
    results = []
    for conversation in conversations:
        bars.update(task, description=stored(conversation.name, limit=20).plain)
        options = {"embedder": embedder, "model": model, "step": lambda: bars.advance(task)}
        results.append(measure(conversation, retrieval=retrieval, **options))  # type: ignore[arg-type]
    return results


def show_locomo(
    results: Sequence[ConversationResult], *, embedder: Embedder, retrieval: RetrievalMode, screen: Console
) -> None:
    """Print the tables, the timings and what the figures mean."""
    asked = [one for result in results for one in result.asked]
    if not asked:
        screen.print("No question of this file has evidence that exists: there is nothing to measure.")
        return
    screen.print(_by_category(asked))
    screen.print(_by_conversation(results))
    for line in (*_remarks(results, asked), *_DEFINITIONS):
        text = line.format(counter=counter_name(), retrieval=retrieval, embedder=embedder.name)
        screen.print(text, style="dim")


def counter_name() -> str:
    """Return how tokens are counted on this machine."""
    return "the engine's estimate" if default_counter() is estimate_tokens else "tiktoken o200k_base"


def _by_category(asked: Sequence[Asked]) -> Table:
    made = _table("LoCoMo, page-level evidence recall", "category", "asked")
    known = [name for name in CATEGORIES.values() if any(one.category == name for one in asked)]
    others = sorted({one.category for one in asked} - set(known))
    for name in (*known, *others):
        rows = [one for one in asked if one.category == name]
        made.add_row(stored(name), str(len(rows)), *_figures(rows))
    made.add_section()
    made.add_row("all", str(len(asked)), *_figures(asked), style="bold")
    return made


def _by_conversation(results: Sequence[ConversationResult]) -> Table:
    made = _table("By conversation", "conversation", "pages")
    for result in results:
        if result.asked:
            made.add_row(stored(result.name, limit=24), str(result.pages), *_figures(result.asked))
    return made


def _table(title: str, first: str, second: str) -> Table:
    cuts = [f"@{cut}" for cut in CUTS]
    budgets = [f"{budget // 1000}k tok" for budget in BUDGETS]
    return table(title, (first, second, *cuts, *budgets), left=(first,))


def _figures(asked: Sequence[Asked]) -> list[str]:
    return [f"{value:.3f}" for value in means([(*one.recall, *one.in_prompt) for one in asked])]


def _remarks(results: Sequence[ConversationResult], asked: Sequence[Asked]) -> Iterator[str]:
    ranked = zip(CUTS, means([one.ranked for one in asked]), strict=True)
    yield "Where a page in STM does not count: " + ", ".join(f"@{cut} {value:.3f}" for cut, value in ranked) + "."
    adds = median(seconds for result in results for seconds in result.add_seconds)
    finds = median(one.seconds for one in asked)
    yield f"Median time of an add {1000 * adds:.1f} ms, of a retrieval {1000 * finds:.1f} ms."
    yield f"{sum(result.skipped for result in results)} questions without evidence that exists were left out."
