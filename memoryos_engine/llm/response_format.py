"""How an endpoint is held to JSON: by schema, else by its JSON mode, else by words alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from memoryos_engine.llm.base import ChatMessage, OutputSchema
from memoryos_engine.llm.negotiation import Answer, Negotiation

_SCHEMA, _OBJECT, _WORDS = "json_schema", "json_object", "words alone"


class ResponseFormats:
    """The response formats that an endpoint takes, found out once and remembered. Thread-safe."""

    def __init__(self) -> None:
        self._negotiation = Negotiation(_SCHEMA, _OBJECT, _WORDS)

    def ask(self, schema: OutputSchema, send: Callable[[Mapping[str, Any]], Answer]) -> Answer:
        """Return what `send` returns for the parameters of the strictest format that is taken.

        Raises:
            Exception: what `send` raised, when the format is not the cause.
        """
        return self._negotiation.ask(lambda mode: send(_parameters(mode, schema)))


def naming_json(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return the messages with the word JSON in one of them.

    OpenAI's JSON mode refuses a request without it. It joins the last message, because many
    templates take no further one.
    """
    if not messages or any("json" in message.content.lower() for message in messages):
        return list(messages)
    *earlier, last = messages
    return [*earlier, replace(last, content=f"{last.content}\n\nAnswer with JSON only.")]


def _parameters(mode: str, schema: OutputSchema) -> dict[str, Any]:
    if mode == _SCHEMA:
        wanted = {"name": schema.name, "strict": True, "schema": dict(schema.schema)}
        return {"response_format": {"type": _SCHEMA, _SCHEMA: wanted}}
    if mode == _OBJECT:
        return {"response_format": {"type": _OBJECT}}
    return {}
