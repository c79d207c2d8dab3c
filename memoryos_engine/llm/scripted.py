"""A chat model that says what it was told to, for tests, notebooks and trying things out."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from memoryos_engine.errors import ChatModelError
from memoryos_engine.llm.base import ChatMessage, OutputSchema, TokenUsage
from memoryos_engine.llm.usage import UsageMeter, counted_usage
from memoryos_engine.tokens import estimate_tokens

Improvised = Callable[[Sequence[ChatMessage]], str]
ScriptedReply = str | Exception | Improvised

_PIECES = 4


class ScriptedChatModel:
    """Answers from a queue and remembers what it was asked. Thread-safe.

    Args:
        replies: the answers, in order. An exception among them is raised instead; a
            callable is given the messages and returns the answer.
        otherwise: answers when the queue is empty. Without it such a call raises
            ChatModelError, so that an unexpected call shows.
        latency: seconds that each call takes.
    """

    name = "scripted"

    def __init__(
        self, replies: Iterable[ScriptedReply] = (), *, otherwise: Improvised | None = None, latency: float = 0.0
    ) -> None:
        self._replies: deque[ScriptedReply] = deque(replies)
        self._otherwise = otherwise
        self._latency = latency
        self._lock = threading.Lock()
        self._meter = UsageMeter()
        self.requests: list[tuple[ChatMessage, ...]] = []
        """Every request received, oldest first."""
        self.schemas: list[OutputSchema | None] = []
        """The schema that came with each request, None where there was none."""

    @property
    def usage(self) -> TokenUsage:
        """What the answers given so far would have cost, estimated."""
        return self._meter.total

    def enqueue(self, *replies: ScriptedReply) -> None:
        """Add answers to the end of the queue."""
        with self._lock:
            self._replies.extend(replies)

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Return the next answer of the script."""
        return self._answer(tuple(messages), None)

    def complete_json(self, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
        """Return the next answer of the script, whether or not it is JSON."""
        return self._answer(tuple(messages), schema)

    def stream(self, messages: Sequence[ChatMessage]) -> Iterator[str]:
        """Yield the next answer of the script in a few pieces."""
        answer = self._answer(tuple(messages), None)
        size = -(-len(answer) // _PIECES) or 1
        yield from (answer[start : start + size] for start in range(0, len(answer), size))

    def _answer(self, messages: tuple[ChatMessage, ...], schema: OutputSchema | None) -> str:
        reply = self._next_reply(messages, schema)
        if self._latency > 0:
            time.sleep(self._latency)
        if isinstance(reply, Exception):
            raise reply
        answer = reply if isinstance(reply, str) else reply(messages)
        self._meter.add(counted_usage(messages, answer, estimate_tokens))
        return answer

    def _next_reply(self, messages: tuple[ChatMessage, ...], schema: OutputSchema | None) -> ScriptedReply:
        with self._lock:
            self.requests.append(messages)
            self.schemas.append(schema)
            if self._replies:
                return self._replies.popleft()
        return self._otherwise or ChatModelError("the script has no reply left; enqueue() one for each expected call")
