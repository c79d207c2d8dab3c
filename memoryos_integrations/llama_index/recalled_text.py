"""Recalled text that can be made shorter: it carries what it was made of, so that nobody has to keep it."""

from __future__ import annotations

from memoryos_engine import RetrievedMemory
from memoryos_engine.tokens import default_counter


class RecalledText(str):
    """Prompt text within a budget, with the retrieved memory it was made of."""

    __slots__ = ("found",)

    found: RetrievedMemory

    @classmethod
    def of(cls, found: RetrievedMemory, max_tokens: int) -> RecalledText:
        """Return what was found as text of at most `max_tokens`; empty if nothing fits."""
        text = cls(found.to_prompt(max_tokens))
        text.found = found
        return text

    def shorter(self, tokens: int) -> RecalledText | None:
        """Return the same with the least valuable gone until it is so many tokens shorter; None if nothing is left."""
        left = default_counter()(self) - tokens
        text = RecalledText.of(self.found, left) if left > 0 else None
        return text or None
