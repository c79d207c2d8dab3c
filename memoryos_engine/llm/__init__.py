"""Chat models: the port, a scripted one and OpenAI's."""

from memoryos_engine.llm.base import ChatMessage, ChatModel
from memoryos_engine.llm.openai import OpenAIChatModel
from memoryos_engine.llm.scripted import ScriptedChatModel

__all__ = ["ChatMessage", "ChatModel", "OpenAIChatModel", "ScriptedChatModel"]
