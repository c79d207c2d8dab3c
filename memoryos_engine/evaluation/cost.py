"""What a language model costs: calls and tokens for every turn of a conversation held as a chat holds it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console

from memoryos_engine.clock import ManualClock
from memoryos_engine.evaluation.locomo import Conversation, Turn
from memoryos_engine.evaluation.models import MeteredChatModel
from memoryos_engine.llm.base import ChatModel, TokenUsage
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import Tier
from memoryos_engine.system import MemoryOS
from memoryos_engine.terminal import stored, table

ANSWERS = 5
"""Questions that are answered by the model, to count what an answer takes."""
CALLS_AIM, TOKENS_AIM = 0.25, 300
"""For each turn."""
REFERENCE = "The reference implementation takes 3.2 calls and about 950 prompt tokens for each turn, inside add_memory."

Step = Callable[[], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one conversation took."""

    name: str
    turns: int
    consolidation: TokenUsage
    promotion: TokenUsage
    adding: int
    """Calls made inside `add_memory`, in the thread that called it."""
    retrieving: int
    """The same for `retrieve_memory`."""
    answers: int
    answering: TokenUsage
    consolidated: int
    """Pages that have a segment; the others are in STM."""
    segments: int
    entries: int

    @property
    def background(self) -> TokenUsage:
        """What the turns took together."""
        return self.consolidation + self.promotion


def steps_of(conversation: Conversation) -> int:
    """Return how often measuring this conversation calls its `step`."""
    return len(conversation.turns) + ANSWERS


def measure_cost(conversation: Conversation, *, model: ChatModel, step: Step) -> Cost:
    """Hold a conversation turn by turn, each with a retrieval before it, and count what the model is asked.

    The background works whenever a full batch waits, as in a chat; what is left at the end is flushed.

    Args:
        conversation: what is said.
        model: what is asked.
        step: called once for each turn and answer.

    Raises:
        MemoryOSError: the memory failed.
    """
    metered = MeteredChatModel(model)
    clock = ManualClock(conversation.turns[-1].timestamp + timedelta(minutes=1))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        MemoryOS(folder, llm=metered, clock=clock) as system,
    ):
        memory = system.memory("user", session_id=conversation.turns[-1].session_id)
        adding = retrieving = 0
        for turn in conversation.turns:
            retrieving += metered.in_this_thread(lambda turn=turn: _look_up(memory, turn))  # type: ignore[misc]
            adding += metered.in_this_thread(lambda turn=turn: _add(memory, turn))  # type: ignore[misc]
            step()
        memory.flush()
        background = {purpose: metered.used(purpose) for purpose in ("consolidation", "promotion")}
        answered = conversation.questions[:ANSWERS]
        for question in answered:
            memory.get_response(question.text)
            step()
        return Cost(
            name=conversation.name,
            turns=len(conversation.turns),
            **background,
            adding=adding,
            retrieving=retrieving,
            answers=len(answered),
            answering=metered.used("answer"),
            consolidated=len(memory.pages(Tier.SEGMENT)) + len(memory.pages(Tier.ARCHIVE)),
            segments=len(memory.segments()),
            entries=len(memory.knowledge()),
        )


def show_cost(costs: list[Cost], *, model: str, counter: str, screen: Console) -> None:
    """Print what was counted, and what it is measured against."""
    made = table(
        "Model calls and tokens for each turn",
        ("conversation", "turns", "consolidation", "promotion", "calls", "prompt", "reply"),
        left=("conversation",),
    )
    for cost in costs:
        made.add_row(
            stored(cost.name, limit=24),
            str(cost.turns),
            f"{cost.consolidation.calls / cost.turns:.3f}",
            f"{cost.promotion.calls / cost.turns:.3f}",
            f"{cost.background.calls / cost.turns:.3f}",
            f"{cost.background.prompt_tokens / cost.turns:.0f}",
            f"{cost.background.completion_tokens / cost.turns:.0f}",
        )
    screen.print(made)
    for cost in costs:
        screen.print(_remark(cost), style="dim")
    for line in (
        f"Aim: {CALLS_AIM} calls and {TOKENS_AIM} prompt tokens a turn. {REFERENCE}",
        f"Model {stored(model, limit=40).plain}, tokens by {counter}, schemas included.",
    ):
        screen.print(line, style="dim")


def _remark(cost: Cost) -> str:
    asked = cost.answering.calls / cost.answers if cost.answers else 0.0
    return (
        f"{stored(cost.name, limit=24).plain}: {cost.adding} calls inside add_memory, {cost.retrieving} inside "
        f"retrieve_memory, {asked:.0f} an answer; {cost.consolidated} pages in {cost.segments} segments, "
        f"{cost.entries} knowledge entries."
    )


def _look_up(memory: UserMemory, turn: Turn) -> None:
    memory.in_session(turn.session_id).retrieve_memory(turn.user_input or turn.agent_response)


def _add(memory: UserMemory, turn: Turn) -> None:
    memory.in_session(turn.session_id).add_memory(turn.user_input, turn.agent_response, timestamp=turn.timestamp)
