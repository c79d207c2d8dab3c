"""Making stored text fit a prompt: whatever was stored, a request stays within its tokens.

Short texts keep every word; the longest are shortened, all to the same length, until the
whole fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memoryos_engine.llm.base import ChatMessage
from memoryos_engine.prompt_draft import LONGEST_TOKEN, beginning
from memoryos_engine.prompt_format import neutralise, shortened, sides
from memoryos_engine.records import DialoguePage
from memoryos_engine.tokens import TokenCounter


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a model is asked, and what of it was shown."""

    messages: tuple[ChatMessage, ...]
    pages: tuple[str, ...]
    """The lines of each page as shown, in order."""
    known: int
    """How many of the known records found room, from the first."""


def fitted_pages(pages: Sequence[DialoguePage], budget: int, count: TokenCounter) -> list[str]:
    """Return the lines of each page, both sides after their labels, together at most `budget` tokens."""
    texts = [_Sides(page, budget) for page in pages]
    costs = [count(text.whole) for text in texts]
    most = level(costs, budget)
    return [text.whole if cost <= most else text.within(most, count) for text, cost in zip(texts, costs, strict=True)]


def fitted_lines(lines: Iterable[str], budget: int, count: TokenCounter) -> list[str]:
    """Return the first of `lines` that together are at most `budget` tokens."""
    kept: list[str] = []
    for line in lines:
        budget -= count(line)
        if budget < 0:
            break
        kept.append(line)
    return kept


def level(costs: Sequence[int], budget: int) -> int:
    """Return the most that any one may cost so that all together cost at most `budget`."""
    left, remaining = budget, len(costs)
    for cost in sorted(costs):
        if cost * remaining > left:
            return max(0, left // remaining)
        left -= cost
        remaining -= 1
    return max(costs, default=0)


def brief(text: str, length: int) -> str:
    """Return the beginning of a text as it may stand in a prompt, on one line, of about `length` characters."""
    return shortened(" ".join(neutralise(text[: 4 * length]).split()), length)


class _Sides:
    """A page that may have to be shortened."""

    def __init__(self, page: DialoguePage, budget: int) -> None:
        most = max(budget, 1) * LONGEST_TOKEN
        self._user, self._agent = neutralise(page.user_input[:most]), neutralise(page.agent_response[:most])
        self.whole = sides(self._user, self._agent)

    def within(self, tokens: int, count: TokenCounter) -> str:
        """Return the beginning of both sides in at most `tokens`; nothing if even that is too long."""
        low, high = 0, len(self._user) + len(self._agent)
        while low < high:
            middle = (low + high + 1) // 2
            fits = count(beginning(self._user, self._agent, middle)) <= tokens
            low, high = (middle, high) if fits else (low, middle - 1)
        return beginning(self._user, self._agent, low) if low else ""
