"""The chat model port: messages in, one answer out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """One side of an exchange with a model."""

    role: Role
    content: str


class ChatModel(Protocol):
    """A language model behind `get_response`. Thread-safe."""

    name: str

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Return the model's answer, not empty.

        Raises:
            ChatModelError: the model did not answer; an error text is never an answer.
        """
        ...
