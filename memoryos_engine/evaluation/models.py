"""The chat models that measurements run with: the stand-in, or a real one by its name."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.llm.base import ChatMessage, ChatModel, OutputSchema, TokenUsage, complete_json
from memoryos_engine.tokens import default_counter

STAND_IN = "stand-in"


def model_by_name(name: str) -> ChatModel:
    """Return the stand-in, or the model called `name` of an OpenAI endpoint.

    Raises:
        InvalidInput: it is a real one and there is no key.
    """
    if name == STAND_IN:
        return stand_in()
    from memoryos_engine.llm.openai import OpenAIChatModel

    return OpenAIChatModel(name)


class MeteredChatModel:
    """Counts what another model is asked, by what it is asked for.

    Tokens are counted here, schemas included, so that models compare; a provider's bill may differ.
    """

    def __init__(self, model: ChatModel) -> None:
        self.name = model.name
        self._model = model
        self._lock = threading.Lock()
        self._used: dict[str, TokenUsage] = {}
        self._callers: Counter[int] = Counter()

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Answer as the other model does."""
        reply = self._model.complete(messages)
        self._count("answer", messages, reply, "")
        return reply

    def complete_json(self, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
        """Answer as the other model does."""
        reply = complete_json(self._model, messages, schema)
        self._count(
            schema.name.removesuffix("reply"), messages, reply, json.dumps(dict(schema.schema), separators=(",", ":"))
        )
        return reply

    def used(self, *purposes: str) -> TokenUsage:
        """Return what was asked so far for "consolidation", "promotion" or "answer"; for all if none is named."""
        with self._lock:
            return sum((self._used[each] for each in purposes or self._used if each in self._used), TokenUsage())

    def in_this_thread(self, action: Callable[[], object]) -> int:
        """Do something and return how often this thread asked the model meanwhile."""
        thread = threading.get_ident()
        before = self._callers[thread]
        action()
        return self._callers[thread] - before

    def _count(self, purpose: str, messages: Sequence[ChatMessage], reply: str, schema: str) -> None:
        count = default_counter()
        asked = sum(count(message.content) for message in messages) + count(schema)
        used = TokenUsage(calls=1, prompt_tokens=asked, completion_tokens=count(reply))
        with self._lock:
            self._callers[threading.get_ident()] += 1
            self._used[purpose] = self._used.get(purpose, TokenUsage()) + used
