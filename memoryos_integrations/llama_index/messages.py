"""LlamaIndex's messages to turns, and pages back to LlamaIndex's messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole, ThinkingBlock

from memoryos_engine import DialoguePage
from memoryos_integrations.content import content_text
from memoryos_integrations.llama_index.blocks import block_mappings
from memoryos_integrations.llama_index.reasoning import answer_and_reasoning
from memoryos_integrations.llama_index.run_scope import run_id
from memoryos_integrations.llama_index.tool_traffic import (
    Call,
    asks_tools,
    calls_in,
    is_result,
    result_in,
    traffic_metadata,
)
from memoryos_integrations.turns import Message, Role

_AGENT_ROLES = (MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL)
"""A tuple: a role that was assigned is a plain text, which equals a role and hashes otherwise."""
_INSTRUCTING = (MessageRole.SYSTEM, MessageRole.DEVELOPER)
_WORD_JOINER = "\u2060"
_FILLED = "query_str|context_str|context_msg|existing_answer"
_PLACEHOLDER = re.compile(rf"\{{({_FILLED})\}}")
"""What chat engines with a context fill in, in their whole prompt and so in what memory gave them too."""
_UNFILLABLE = re.compile(rf"\{{{_WORD_JOINER}({_FILLED})\}}")


def is_instruction(message: ChatMessage) -> bool:
    """Return whether a message is the application's to the model, said by neither user nor agent."""
    return message.role in _INSTRUCTING


def is_users(message: ChatMessage) -> bool:
    """Return whether a message is said by the user."""
    return message.role == MessageRole.USER


def said_text(message: ChatMessage) -> str:
    """Return what of a message is remembered: its words, and marks for what is none."""
    return _UNFILLABLE.sub(r"{\1}", content_text(block_mappings(message.blocks)))


def as_said(messages: Iterable[ChatMessage], before: Sequence[Call] = ()) -> tuple[list[Message], list[Call]]:
    """Return messages as turns see them, each answer with what tools were asked on the way to it.

    Args:
        messages: in order.
        before: what tools were asked and said since the last answer.

    Returns:
        The messages, and what tools were asked and said after the last answer.
    """
    said, traffic, aside = [], list(before), False
    for message in messages:
        if is_result(message):
            traffic.append(result_in(message))
        role, asking = _role(message), asks_tools(message)
        text, reasoning = _spoken(message, role)
        aside = aside or (asking and bool(text.strip()))
        answers = role == "agent" and not asking and (bool(text.strip()) or aside)
        metadata = traffic_metadata(traffic, reasoning) if answers else {}
        said.append(Message(role=role, text=text, asks_tools=asking, metadata=metadata))
        if answers or role == "user":
            traffic, aside = [], False
        else:
            traffic = [*traffic, *calls_in(message)]
    return said, traffic


def as_chat_messages(pages: Iterable[DialoguePage]) -> list[ChatMessage]:
    """Return pages as messages, oldest first, made anew: hosts write into what they are given."""
    messages: list[ChatMessage] = []
    for page in pages:
        if page.user_input.strip():
            messages.append(ChatMessage(content=page.user_input, role=MessageRole.USER))
        if page.agent_response.strip():
            messages.append(ChatMessage(content=page.agent_response, role=MessageRole.ASSISTANT))
    return messages


def unfillable(text: str) -> str:
    """Return text in which no chat engine fills anything in: a character without width stands in its placeholders."""
    return _PLACEHOLDER.sub("{" + _WORD_JOINER + r"\1}", text)


def _spoken(message: ChatMessage, role: Role) -> tuple[str, str]:
    """Return what was said, and how the agent came to say it."""
    text = said_text(message)
    if role != "agent":
        return text, ""
    # Only in runs: elsewhere a text of this form is what the model said.
    answer, reasoning = answer_and_reasoning(text) if run_id() is not None else (text, "")
    thoughts = [block.content for block in message.blocks if isinstance(block, ThinkingBlock) and block.content]
    return answer, "\n".join([*thoughts, *([reasoning] if reasoning else [])])


def _role(message: ChatMessage) -> Role:
    if is_users(message):
        return "user"
    return "agent" if message.role in _AGENT_ROLES else "other"
