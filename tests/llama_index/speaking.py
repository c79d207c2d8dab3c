"""LlamaIndex LLMs that say what a test tells them to, and remember what they were asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.llm import LLMChatStartEvent
from llama_index.core.instrumentation.span_handlers import NullSpanHandler
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import Field, PrivateAttr

from memoryos_engine import ChatMessage as OurMessage
from memoryos_engine.evaluation.stand_in import reply

Answer = str | ChatMessage | ChatResponse | BaseException
Respond = Callable[[list[ChatMessage], dict[str, Any]], Any]


class Completer(CustomLLM):
    """A model that only completes a prompt; what it says, it says in two pieces where it is streamed."""

    answer: str = "ok"
    prompts: list[str] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self.prompts.append(prompt)
        return CompletionResponse(text=self.answer, additional_kwargs=kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Iterator[CompletionResponse]:
        self.prompts.append(prompt)
        half = len(self.answer) // 2
        yield CompletionResponse(text=self.answer[:half], delta=self.answer[:half])
        yield CompletionResponse(text=self.answer, delta=self.answer[half:])


class Speaker(CustomLLM):
    """A model that chats, without streaming pieces and without tools."""

    respond: Respond
    model: str = "speaker"
    asked: list[list[ChatMessage]] = Field(default_factory=list)
    options: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, model_name=self.model)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        return answered(self, messages, kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Iterator[Any]:
        yield answered(self, messages, kwargs)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        raise AssertionError("it chats")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Iterator[CompletionResponse]:
        raise AssertionError("it chats")


class ToolCaller(FunctionCallingLLM):
    """A model that calls functions."""

    respond: Respond
    calls_functions: bool = True
    model: str = "caller"
    asked: list[list[ChatMessage]] = Field(default_factory=list)
    options: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True, is_function_calling_model=self.calls_functions, model_name=self.model)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Any:
        return answered(self, messages, kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Iterator[Any]:
        yield answered(self, messages, kwargs)

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg=None, chat_history=None, tool_required: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        wanted = [tool.metadata.to_openai_tool() for tool in tools]
        return {"messages": chat_history, "tools": wanted, "required": tool_required}

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        raise AssertionError("it chats")

    stream_complete = achat = astream_chat = acomplete = astream_complete = complete


class Streamer(Speaker):
    """A model that speaks in the chunks it is given, texts or responses; an exception among them is raised."""

    chunks: list[Any]
    respond: Respond = Field(default=lambda messages, options: "not streamed")
    closed: bool = False

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> Iterator[Any]:
        self.asked.append(list(messages))
        text = ""
        try:
            for chunk in self.chunks:
                if isinstance(chunk, BaseException):
                    raise chunk
                text += chunk if isinstance(chunk, str) else ""
                yield saying_of(text, delta=chunk) if isinstance(chunk, str) else chunk
        finally:
            self.closed = True


class Heard(BaseEventHandler):
    """Notes which chats LlamaIndex's instrumentation is told of: what was asked, and with which tags."""

    calls: list[tuple[str | None, dict[str, Any]]] = Field(default_factory=list)
    spans: list[tuple[str, str | None]] = Field(default_factory=list)
    """The method of each span, and that of the one it is in."""

    @classmethod
    def class_name(cls) -> str:
        return "Heard"

    def handle(self, event: Any, **kwargs: Any) -> None:
        if isinstance(event, LLMChatStartEvent):
            self.calls.append((event.messages[-1].content, event.tags))


class Spans(NullSpanHandler):
    """Notes each span that is entered."""

    _entered: list[tuple[str, str | None]] = PrivateAttr(default_factory=list)

    def span_enter(self, id_: str, *args: Any, parent_id: str | None = None, **kwargs: Any) -> None:
        self._entered.append((id_.partition("-")[0], parent_id and parent_id.partition("-")[0]))


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear what LlamaIndex's instrumentation tells, for the length of a `with`."""
    root, heard, spans = get_dispatcher(), Heard(), Spans()
    heard.spans = spans._entered
    root.add_event_handler(heard)
    root.add_span_handler(spans)
    try:
        yield heard
    finally:
        root.event_handlers.remove(heard)
        root.span_handlers.remove(spans)


def answered(model: Any, messages: Sequence[ChatMessage], options: dict[str, Any]) -> Any:
    model.asked.append(list(messages))
    model.options.append(options)
    answer = model.respond(list(messages), options)
    if isinstance(answer, BaseException):
        raise answer
    return saying_of(answer) if isinstance(answer, str | list | ChatMessage) else answer


def saying_of(content: Any, **fields: Any) -> ChatResponse:
    """A response of an assistant who says the text, the blocks or the message."""
    message = content if isinstance(content, ChatMessage) else ChatMessage(role="assistant", content=content)
    return ChatResponse(message=message, **fields)


def saying(*answers: Any) -> Respond:
    """Answer with these in turn, with the last for ever."""
    waiting = list(answers)
    return lambda messages, options: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def text(said: str) -> TextBlock:
    return TextBlock(text=said)


def thought(said: str) -> ThinkingBlock:
    return ThinkingBlock(content=said)


def calling(arguments: dict[str, Any] | str) -> ToolCallBlock:
    """A block that calls the tool of a schema."""
    return ToolCallBlock(tool_call_id="1", tool_name="facts", tool_kwargs=arguments)


def standing_in(messages: list[ChatMessage], options: dict[str, Any]) -> str:
    """Answer as the engine's stand-in for a good model does."""
    return reply([OurMessage(role=MessageRole(each.role).value, content=each.content or "") for each in messages])


def calling_in(messages: list[ChatMessage], options: dict[str, Any]) -> Any:
    """The stand-in's JSON, as a call of the tool where there is one."""
    answer = standing_in(messages, options)
    return [calling(json.loads(answer))] if options.get("tools") else answer
