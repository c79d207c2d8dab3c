"""Chat models: the port, a scripted one and OpenAI's."""

from memoryos_engine.llm.base import (
    ChatMessage,
    ChatModel,
    JSONChatModel,
    OutputSchema,
    StreamingChatModel,
    TokenUsage,
    complete_json,
    stream,
)
from memoryos_engine.llm.openai import OpenAIChatModel
from memoryos_engine.llm.reasoning import visible_pieces, without_reasoning
from memoryos_engine.llm.scripted import ScriptedChatModel

__all__ = [
    "ChatMessage",
    "ChatModel",
    "JSONChatModel",
    "OpenAIChatModel",
    "OutputSchema",
    "ScriptedChatModel",
    "StreamingChatModel",
    "TokenUsage",
    "complete_json",
    "stream",
    "visible_pieces",
    "without_reasoning",
]
