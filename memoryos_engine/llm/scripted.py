"""A chat model that says what it was told to, for tests, notebooks and trying things out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from memoryos_engine.errors import ChatModelError
from memoryos_engine.llm.base import ChatMessage


class ScriptedChatModel:
    """Answers from a queue and remembers what it was asked.

    Args:
        replies: the answers, in order; an exception among them is raised instead.

    A call that finds the queue empty raises ChatModelError, so an unexpected call shows.
    """

    name = "scripted"

    def __init__(self, replies: Iterable[str | Exception] = ()) -> None:
        self._replies = deque(replies)
        self.requests: list[tuple[ChatMessage, ...]] = []
        """Every request received, oldest first."""

    def enqueue(self, *replies: str | Exception) -> None:
        """Add answers to the end of the queue."""
        self._replies.extend(replies)

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Return the next answer of the script."""
        self.requests.append(tuple(messages))
        if not self._replies:
            raise ChatModelError("the script has no reply left; enqueue() one for each expected call")
        reply = self._replies.popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply
