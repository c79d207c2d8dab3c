"""Retrieved memory for hosts that want recent turns as messages and the rest as text.

Values in, values out, within one token budget; the engine decides what matters most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from memoryos_engine import DialoguePage, RetrievedMemory
from memoryos_engine.settings import require_count
from memoryos_engine.tokens import TokenCounter, default_counter

RECENT_SHARE = 0.5
"""Most of the budget that recent turns may take, so that what is remembered always has its place."""
MESSAGE_OVERHEAD = 4
"""Tokens that hosts add to each message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recollection:
    """What goes into a prompt: text about the past, then the latest turns as they were said."""

    context: str
    """Profile, knowledge and found pages; empty if nothing is remembered or fits."""
    recent: tuple[DialoguePage, ...]
    """The session's latest pages, oldest first."""


def recollection(found: RetrievedMemory, max_tokens: int, counter: TokenCounter | None = None) -> Recollection:
    """Return retrieved memory as context and recent turns that together keep to a budget.

    Args:
        found: what retrieval returned.
        max_tokens: budget of both, at least 1; turns that do not fit in half of it go into the context.
        counter: tokens of a text; the engine's default if None.

    Raises:
        InvalidInput: `max_tokens` is no whole number of at least 1.
    """
    budget, cost = require_count("max_tokens", max_tokens), counter or default_counter()
    recent = latest_within(found.short_term, int(budget * RECENT_SHARE), cost)
    left = budget - sum(page_cost(page, cost) for page in recent)
    earlier = found.short_term[: len(found.short_term) - len(recent)]
    context = replace(found, short_term=earlier).to_prompt(max(1, left), counter=counter)
    return Recollection(context=context, recent=tuple(recent))


def latest_within(pages: Sequence[DialoguePage], budget: int, counter: TokenCounter) -> Sequence[DialoguePage]:
    """Return the latest pages, oldest first, that stand whole within `budget` tokens."""
    start = len(pages)
    while start and (budget := budget - page_cost(pages[start - 1], counter)) >= 0:
        start -= 1
    return pages[start:]


def page_cost(page: DialoguePage, counter: TokenCounter) -> int:
    """Return the tokens of a page as messages, one for each side that is not empty."""
    return sum(counter(side) + MESSAGE_OVERHEAD for side in (page.user_input, page.agent_response) if side)
