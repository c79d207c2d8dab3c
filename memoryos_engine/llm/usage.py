"""Adding up what a model's answers cost, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from memoryos_engine.llm.base import ChatMessage, TokenUsage
from memoryos_engine.tokens import TokenCounter


class UsageMeter:
    """A running total of token usage. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = TokenUsage()

    def add(self, usage: TokenUsage) -> None:
        """Add the cost of one answer."""
        with self._lock:
            self._total += usage

    @property
    def total(self) -> TokenUsage:
        """All that was added so far."""
        with self._lock:
            return self._total


def counted_usage(messages: Iterable[ChatMessage], answer: str, count: TokenCounter) -> TokenUsage:
    """Return the cost of one answer by our own count, for services that do not tell."""
    return TokenUsage(
        calls=1, prompt_tokens=sum(count(message.content) for message in messages), completion_tokens=count(answer)
    )
