"""A LlamaIndex model that answers from a list, or with a function of the prompt, and notes every prompt."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
    ToolCallBlock,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import PrivateAttr

Answer = str | ChatMessage | BaseException
Answers = Sequence[Answer] | Callable[[Sequence[ChatMessage]], Answer]


class RecordingLLM(FunctionCallingLLM):
    """Streams text word by word; takes tools; an exception among the answers is raised. A list is used up in order."""

    _answers: Any = PrivateAttr()
    _prompts: list[list[ChatMessage]] = PrivateAttr(default_factory=list)
    _given: int = PrivateAttr(default=0)

    def __init__(self, answers: Answers, **options: Any) -> None:
        super().__init__(**options)
        self._answers = answers

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=True, model_name="recording")

    @property
    def prompts(self) -> list[list[ChatMessage]]:
        """The messages of every prompt as they were then, in the order they came."""
        return self._prompts

    @property
    def heard(self) -> list[str]:
        """The text of every prompt."""
        return [said(prompt) for prompt in self._prompts]

    def _answer(self, messages: Sequence[ChatMessage]) -> ChatMessage:
        self._prompts.append([message.model_copy(deep=True) for message in messages])
        answer = self._answers(messages) if callable(self._answers) else self._next()
        if isinstance(answer, BaseException):
            raise answer
        return copy.deepcopy(answer) if isinstance(answer, ChatMessage) else agent(answer)

    def _next(self) -> Answer:
        self._given += 1
        if self._given > len(self._answers):
            raise AssertionError(f"the model was asked {self._given} times and had {len(self._answers)} answers")
        return self._answers[self._given - 1]

    def _chunks(self, messages: Sequence[ChatMessage]) -> list[ChatResponse]:
        whole = self._answer(messages)
        if len(whole.blocks) != 1 or not whole.content:
            return [ChatResponse(message=whole, delta=whole.content or "")]
        words = whole.content.split(" ")
        deltas = [word if place == 0 else f" {word}" for place, word in enumerate(words)]
        return [
            ChatResponse(message=agent("".join(deltas[: place + 1])), delta=delta) for place, delta in enumerate(deltas)
        ]

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=self._answer(messages))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        yield from self._chunks(messages)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        return self.chat(messages)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        chunks = self._chunks(messages)

        async def spoken() -> Any:
            for chunk in chunks:
                yield chunk

        return spoken()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=str(self._answer([user(prompt)]).content))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        yield self.complete(prompt)

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return self.complete(prompt)

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        asked = [user(user_msg)] if isinstance(user_msg, str) else [user_msg] if user_msg else []
        return {"messages": [*(chat_history or []), *asked], "tools": tools}

    def get_tool_calls_from_response(self, response: ChatResponse, **kwargs: Any) -> list[ToolSelection]:
        return [
            ToolSelection(tool_id=str(block.tool_call_id), tool_name=block.tool_name, tool_kwargs=block.tool_kwargs)
            for block in response.message.blocks
            if isinstance(block, ToolCallBlock)
        ]


def user(text: str) -> ChatMessage:
    return ChatMessage(content=text, role=MessageRole.USER)


def agent(text: str) -> ChatMessage:
    return ChatMessage(content=text, role=MessageRole.ASSISTANT)


def instruction(text: str) -> ChatMessage:
    return ChatMessage(content=text, role=MessageRole.SYSTEM)


def calling(name: str, *, call_id: str = "", **arguments: Any) -> ChatMessage:
    """Return the message of an agent that calls a tool and says nothing."""
    block = ToolCallBlock(tool_call_id=call_id or f"call-{name}", tool_name=name, tool_kwargs=arguments)
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=[block])


def said(prompt: Sequence[ChatMessage]) -> str:
    """Return the text of a prompt, its messages joined by line breaks."""
    return "\n".join(message.content or "" for message in prompt)


def told(messages: Sequence[ChatMessage]) -> list[tuple[str, str | None]]:
    """Return messages as pairs of role and text."""
    return [(message.role.value, message.content) for message in messages]
