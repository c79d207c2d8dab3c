"""Asks a LoCoMo conversation's questions of a fresh memory and measures what is found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean
from typing import TypeVar

from memoryos_engine.clock import ManualClock
from memoryos_engine.context import build_context
from memoryos_engine.embedding.base import Embedder
from memoryos_engine.evaluation.locomo import Conversation, Question
from memoryos_engine.llm.base import ChatModel
from memoryos_engine.memory import UserMemory
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.settings import MemorySettings, RetrievalMode
from memoryos_engine.system import MemoryOS

CUTS = (5, 10, 20)
"""k of recall@k."""
BUDGETS = (1000, 2000, 4000)
"""Tokens of recall within a prompt."""
CANDIDATES = 100
"""Pages a prompt is filled from."""
TIMED_ADDS = 20
"""Turns of each conversation that are added one by one, to another user, for the clock."""

Step = Callable[[], object]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What one question's retrieval found, each figure a share of its evidence pages, 0 to 1."""

    category: str
    recall: tuple[float, ...]
    """At each of `CUTS`; a page in STM counts as found."""
    ranked: tuple[float, ...]
    """The same where a page in STM does not count."""
    in_prompt: tuple[float, ...]
    """Within each of `BUDGETS`; a page counts if it stands in the prompt whole."""
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ConversationResult:
    """One conversation, measured."""

    name: str
    pages: int
    skipped: int
    asked: tuple[Asked, ...]
    add_seconds: tuple[float, ...]


def steps_of(conversation: Conversation) -> int:
    """Return how often measuring this conversation calls its `step`."""
    return len(conversation.turns) + len(conversation.questions)


def measure(
    conversation: Conversation,
    *,
    embedder: Embedder | None = None,
    retrieval: RetrievalMode = "hierarchical",
    model: ChatModel | None = None,
    step: Step,
) -> ConversationResult:
    """Remember the conversation in a store of its own, ask every question, and forget it all.

    Args:
        conversation: what to remember and ask.
        embedder: the engine's default if None.
        retrieval: how pages are ranked.
        model: reads the pages; without one they are read by extraction.
        step: called once for each turn and each question done.

    Raises:
        MemoryOSError: the memory failed.
    """
    clock = ManualClock(conversation.turns[-1].timestamp + timedelta(minutes=1))
    settings = MemorySettings(retrieval=retrieval)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        MemoryOS(folder, llm=model, embedder=embedder, settings=settings, clock=clock) as system,
    ):
        memory = system.memory("user", session_id=conversation.turns[-1].session_id)
        memory.import_turns(_stepping((turn.as_mapping() for turn in conversation.turns), step))
        memory.flush()
        ids = [page.id for page in memory.pages()]
        asked = tuple(_ask(memory, question, ids) for question in _stepping(conversation.questions, step))
        added = _time_adds(system.memory("another user"), conversation)
    return ConversationResult(
        name=conversation.name, pages=len(ids), skipped=conversation.skipped, asked=asked, add_seconds=added
    )


def means(rows: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of each column."""
    return [fmean(column) for column in zip(*rows, strict=True)]


def _stepping(items: Iterable[T], step: Step) -> Iterator[T]:
    for item in items:
        yield item
        step()


def _ask(memory: UserMemory, question: Question, ids: Sequence[str]) -> Asked:
    evidence = {ids[place] for place in question.evidence}
    start = time.perf_counter()
    found = memory.retrieve_memory(question.text, top_k=max(CUTS), touch=False)
    seconds = time.perf_counter() - start
    short_term = {page.id for page in found.short_term}
    tops = [{page.id for page in found.pages[:cut]} for cut in CUTS]
    return Asked(
        category=question.category,
        recall=tuple(len(evidence & (top | short_term)) / len(evidence) for top in tops),
        ranked=tuple(len(evidence & top) / len(evidence) for top in tops),
        in_prompt=_in_prompt(memory.retrieve_memory(question.text, top_k=CANDIDATES, touch=False), evidence),
        seconds=seconds,
    )


def _in_prompt(found: RetrievedMemory, evidence: set[str]) -> tuple[float, ...]:
    prompts = [build_context(found, max_tokens=budget).page_ids for budget in BUDGETS]
    return tuple(len(evidence.intersection(page_ids)) / len(evidence) for page_ids in prompts)


def _time_adds(memory: UserMemory, conversation: Conversation) -> tuple[float, ...]:
    seconds: list[float] = []
    for turn in conversation.turns[:TIMED_ADDS]:
        start = time.perf_counter()
        memory.add_memory(turn.user_input, turn.agent_response, timestamp=turn.timestamp)
        seconds.append(time.perf_counter() - start)
    memory.flush()
    return tuple(seconds)
