"""A chat model of LangChain's that notes what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from tests.conversation import CONVERSATION, FACT, QUESTION, answers_to

__all__ = ["CONVERSATION", "FACT", "QUESTION", "RecordingChatModel", "answers_to", "calling", "said"]

Answer = str | list[Any] | AIMessage | BaseException
Answers = Sequence[Answer] | Callable[[list[BaseMessage]], Answer]


class RecordingChatModel(BaseChatModel):
    """Answers from a list, or with a function of the prompt, and notes every prompt; an exception is raised.

    Streams text word by word and tool calls as one chunk. Takes tools.
    """

    answers: Any
    """`Answers`: a list is used up in order, and asking once more is an error."""
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    """The messages of every prompt, in the order they came."""
    options: list[dict[str, Any]] = Field(default_factory=list)
    """The keywords that came with each: bound tools, tool_choice, and so on."""
    given: int = 0

    @property
    def _llm_type(self) -> str:
        return "recording"

    @property
    def heard(self) -> list[str]:
        """The text of every prompt, its messages joined by line breaks."""
        return [said(prompt) for prompt in self.prompts]

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _generate(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages, kwargs))])

    def _stream(self, messages: list[BaseMessage], stop=None, run_manager=None, **kwargs: Any) -> Iterator[Any]:
        for chunk in _chunks(self._answer(messages, kwargs)):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text)
            yield chunk

    def _answer(self, messages: list[BaseMessage], options: dict[str, Any]) -> AIMessage:
        self.prompts.append(list(messages))
        self.options.append(options)
        answer = self.answers(messages) if callable(self.answers) else self._next()
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, AIMessage) else AIMessage(content=answer)

    def _next(self) -> Answer:
        self.given += 1
        if self.given > len(self.answers):
            raise AssertionError(f"the model was asked {self.given} times and had {len(self.answers)} answers")
        return self.answers[self.given - 1]


def _chunks(message: AIMessage) -> Iterator[ChatGenerationChunk]:
    if message.tool_calls or not isinstance(message.content, str):
        whole = message.model_dump(exclude={"type", "tool_calls", "tool_call_chunks"})
        calls = [
            {**call, "args": json.dumps(call["args"]), "index": place} for place, call in enumerate(message.tool_calls)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(**whole, tool_call_chunks=calls))
        return
    for place, word in enumerate(message.content.split(" ")):
        yield ChatGenerationChunk(message=AIMessageChunk(content=word if place == 0 else f" {word}", id=message.id))


def said(prompt: Sequence[BaseMessage]) -> str:
    """Return the text of a prompt, its messages joined by line breaks."""
    return "\n".join(str(message.content) for message in prompt)


def calling(name: str, **arguments: Any) -> AIMessage:
    """Return the message of an agent that calls a tool and says nothing."""
    return AIMessage(content="", tool_calls=[{"name": name, "args": arguments, "id": f"call-{name}"}])
