"""What memory adds to one call of an agent's model: text at the end of its system prompt, and nowhere else.

Requests in, requests out: asks no memory and changes no state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import BaseMessage, SystemMessage

from memoryos_engine import DialoguePage, RetrievedMemory
from memoryos_integrations.content import storable
from memoryos_integrations.langchain.messages import as_message

_BREAK = "\n\n"


def with_memory(request: ModelRequest, text: str) -> ModelRequest:
    """Return the request with `text` at the end of its system prompt; as it is if there is no text.

    A prompt of content blocks gets one more, so that what is cached of it stays the same.
    """
    if not text:
        return request
    if hasattr(request, "system_message"):
        return request.override(system_message=_extended(request.system_message, text))
    older: Any = request  # LangChain 1.0 has the prompt as text alone
    prompt = older.system_prompt
    overridden: ModelRequest = older.override(system_prompt=f"{prompt}{_BREAK}{text}" if prompt else text)
    return overridden


def not_in(messages: Sequence[BaseMessage]) -> Callable[[DialoguePage], bool]:
    """Return a test for pages: whether the messages do not say both their sides already."""
    sides: dict[str, set[str]] = {"user": {""}, "agent": {""}, "other": set()}
    for message in map(as_message, messages):
        sides[message.role].add(storable(message.text))
    return lambda page: page.user_input not in sides["user"] or page.agent_response not in sides["agent"]


def without_said(found: RetrievedMemory, messages: Sequence[BaseMessage]) -> RetrievedMemory:
    """Return what was found without the pages that the messages say already."""
    new = not_in(messages)
    short_term, pages = (tuple(filter(new, each)) for each in (found.short_term, found.pages))
    return replace(found, short_term=short_term, pages=pages)


def _extended(message: SystemMessage | None, text: str) -> SystemMessage:
    if message is None or not message.content:
        return SystemMessage(text)
    if isinstance(message.content, str):
        content: Any = f"{message.content}{_BREAK}{text}"
    else:
        content = [*message.content, {"type": "text", "text": text}]
    return message.model_copy(update={"content": content})
