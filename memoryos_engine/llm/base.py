"""The chat model port: messages in, one answer out.

A chat model is any object with `complete`. What some can do beyond that, keeping to a JSON
schema or speaking piece by piece, is optional: `complete_json` and `stream` use it where it
is there and do with `complete` where it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from memoryos_engine.errors import InvalidInput

Role = Literal["system", "user", "assistant"]

_SCHEMA_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """One side of an exchange with a model."""

    role: Role
    content: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputSchema:
    """The JSON that is wanted as an answer.

    Services that enforce a schema want every property required and no additional ones.

    Raises:
        InvalidInput: the name is not one that services take.
    """

    name: str
    """Up to 64 ASCII letters, digits, hyphens and underscores."""
    schema: Mapping[str, Any]
    """A JSON schema, of nothing but JSON values."""

    def __post_init__(self) -> None:
        if not _SCHEMA_NAME.fullmatch(self.name):
            raise InvalidInput("name", "is no name of a schema", "Pass 1 to 64 ASCII letters, digits, '-' or '_'.")


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenUsage:
    """What answers have cost."""

    calls: int = 0
    """Answers received, usable or not."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )


class ChatModel(Protocol):
    """A language model behind `get_response`. Thread-safe."""

    name: str

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Return the model's answer, not empty.

        Raises:
            ChatModelError: the model did not answer; an error text is never an answer.
        """
        ...


@runtime_checkable
class JSONChatModel(Protocol):
    """A chat model that can be held to a JSON schema."""

    def complete_json(self, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
        """Return text that should be JSON of the schema; it is neither parsed nor checked.

        Raises:
            ChatModelError: the model did not answer, or its answer was cut short.
        """
        ...


@runtime_checkable
class StreamingChatModel(Protocol):
    """A chat model that says its answer piece by piece."""

    def stream(self, messages: Sequence[ChatMessage]) -> Iterator[str]:
        """Yield the answer in pieces as they come; together they are not empty.

        Raises:
            ChatModelError: the model did not answer, or its answer broke off.
        """
        ...


def complete_json(model: ChatModel, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
    """Return the answer of any chat model, held to the schema if it can be.

    The messages must describe the wanted JSON in words too: a model may know no schema.

    Raises:
        ChatModelError: the model did not answer.
    """
    if isinstance(model, JSONChatModel) and callable(model.complete_json):
        return model.complete_json(messages, schema)
    return model.complete(messages)


def stream(model: ChatModel, messages: Sequence[ChatMessage]) -> Iterator[str]:
    """Yield the answer of any chat model, in one piece if it cannot do otherwise.

    Raises:
        ChatModelError: the model did not answer, or its answer broke off.
    """
    if isinstance(model, StreamingChatModel) and callable(model.stream):
        return model.stream(messages)
    return _in_one_piece(model, messages)


def _in_one_piece(model: ChatModel, messages: Sequence[ChatMessage]) -> Iterator[str]:
    yield model.complete(messages)
