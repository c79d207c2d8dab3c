"""LangChain chat models that say what a test tells them to, and remember what they were asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from memoryos_engine import ChatMessage
from memoryos_engine.evaluation.stand_in import reply

Answer = str | AIMessage | BaseException
Respond = Callable[[list[BaseMessage], dict[str, Any]], Answer]

ROLES = {SystemMessage: "system", HumanMessage: "user", AIMessage: "assistant"}


class Speaker(BaseChatModel):
    """A model without streaming and without structured output."""

    respond: Respond
    model_name: str = "speaker"
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    options: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        self.asked.append(messages)
        self.options.append(kwargs)
        answer = self.respond(messages, kwargs)
        if isinstance(answer, BaseException):
            raise answer
        message = answer if isinstance(answer, AIMessage) else AIMessage(content=answer)
        return ChatResult(generations=[ChatGeneration(message=message)])


class ToolCaller(Speaker):
    """A model that takes tools, as `with_structured_output` of the base class needs them."""

    def bind_tools(self, tools: Any, *, tool_choice: str | None = None, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice)


class Streamer(Speaker):
    """A model that speaks in the chunks it is given; an exception among them is raised."""

    chunks: list[Any]
    respond: Respond = Field(default=lambda messages, options: "not streamed")
    closed: bool = False
    streams: list[Any] = Field(default_factory=list)
    """Held here, so that nothing but close() closes them."""

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        self.streams.append(super().stream(*args, **kwargs))
        return self.streams[-1]

    def _stream(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> Iterator[Any]:
        self.asked.append(messages)
        try:
            for chunk in self.chunks:
                if isinstance(chunk, BaseException):
                    raise chunk
                message = chunk if isinstance(chunk, AIMessageChunk) else AIMessageChunk(content=chunk)
                yield ChatGenerationChunk(message=message)
        finally:
            self.closed = True


class Heard(BaseCallbackHandler):
    """Notes which chat models a chain's callbacks are told of."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []
        """What was asked of a model, and whether that was in the midst of another run."""
        self.names: list[str | None] = []
        """What these runs are called."""

    def on_chat_model_start(self, serialized: Any, messages: Any, *, parent_run_id: Any = None, **kwargs: Any) -> None:
        self.names.append(kwargs.get("name"))
        self.calls.append((messages[0][-1].content, parent_run_id is not None))


def saying(*answers: Answer) -> Respond:
    """Answer with these in turn, with the last for ever."""
    waiting = list(answers)
    return lambda messages, options: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def standing_in(messages: list[BaseMessage], options: dict[str, Any]) -> str:
    """Answer as the engine's stand-in for a good model does."""
    return reply([ChatMessage(role=ROLES[type(each)], content=str(each.content)) for each in messages])


def calling(arguments: dict[str, Any], **fields: Any) -> AIMessage:
    """A message that calls the tool of a schema."""
    return AIMessage(content="", tool_calls=[{"name": "facts", "args": arguments, "id": "1"}], **fields)
