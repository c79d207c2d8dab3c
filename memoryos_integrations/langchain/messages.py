"""LangChain's messages to turns, and pages back to LangChain's messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage, HumanMessage

from memoryos_engine import DialoguePage
from memoryos_integrations.content import content_text
from memoryos_integrations.turns import Message, Role

_USER_ROLES, _AGENT_ROLES = frozenset({"user", "human"}), frozenset({"assistant", "ai", "agent"})
_SUMMARY = "Here is a summary of the conversation to date:\n\n"
"""How LangChain 1.0 begins a summary; later versions mark the message."""
_USER_SIDE, _AGENT_SIDE = ":user", ":agent"


def as_message(message: BaseMessage) -> Message:
    """Return what a turn keeps of a LangChain message: its role, its text, its id."""
    return Message(role=_role(message), text=_text(message), id=message.id, asks_tools=_asks_tools(message))


def as_messages(pages: Iterable[DialoguePage]) -> list[BaseMessage]:
    """Return pages as LangChain messages, oldest first; their ids lead back to the pages (`page_id`)."""
    messages: list[BaseMessage] = []
    for page in pages:
        if page.user_input.strip():
            messages.append(HumanMessage(page.user_input, id=page.id + _USER_SIDE))
        if page.agent_response.strip():
            messages.append(AIMessage(page.agent_response, id=page.id + _AGENT_SIDE))
    return messages


def is_summary(message: BaseMessage) -> bool:
    """Return whether middleware put this message in place of summarised ones, in the user's name: nobody said it."""
    marked = message.additional_kwargs.get("lc_source") == "summarization"
    return isinstance(message, HumanMessage) and (marked or content_text(message.content).startswith(_SUMMARY))


def page_id(message_id: str) -> str | None:
    """Return the page whose side has this message id; None if the id is not one that `as_messages` gave."""
    for side in (_USER_SIDE, _AGENT_SIDE):
        if message_id.startswith("page_") and message_id.endswith(side):
            return message_id.removesuffix(side)
    return None


def _text(message: BaseMessage) -> str:
    if not isinstance(message, AIMessage):
        return content_text(message.content)
    text = content_text(message.content, flowing=True)
    return text if text.strip() else content_text(_beside(message)) or text


def _beside(message: AIMessage) -> object:
    """Return what OpenAI's models say outside of the content: a refusal, or the words of an audio."""
    beside = message.additional_kwargs
    audio = beside.get("audio")
    return beside.get("refusal") or (audio.get("transcript") if isinstance(audio, Mapping) else "")


def _role(message: BaseMessage) -> Role:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "agent"
    if isinstance(message, ChatMessage):
        role = message.role.casefold()
        return "user" if role in _USER_ROLES else "agent" if role in _AGENT_ROLES else "other"
    return "other"


def _asks_tools(message: BaseMessage) -> bool:
    if not isinstance(message, AIMessage):
        return False
    chunks = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
    called = message.tool_calls or message.invalid_tool_calls or chunks
    return bool(called or message.additional_kwargs.get("function_call"))
