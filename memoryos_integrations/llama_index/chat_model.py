"""Any LlamaIndex LLM as the engine's chat model.

Translates messages, and finds out how the model is held to JSON. It does not know what the
engine asks, nor what becomes of the answers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage as LlamaIndexMessage
from llama_index.core.base.llms.types import MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from memoryos_engine import ChatMessage, InvalidInput, OutputSchema
from memoryos_engine.llm.reasoning import without_reasoning
from memoryos_engine.llm.reply import Reply
from memoryos_integrations.foreign_model import ForeignChatModel, sendable, told_name
from memoryos_integrations.llama_index.chat_reply import read_chunk, read_response, tells_its_end, tool_arguments
from memoryos_integrations.llama_index.global_settings import settings_llm
from memoryos_integrations.streamed_answer import StreamedAnswer

if TYPE_CHECKING:
    from typing_extensions import Self

_NAMED_BY = ("model", "model_name", "model_id")
_NAMELESS = "unknown"
_STRICT, _JSON, _TOOL, _WORDS = "strict schema", "JSON mode", "tool", "words alone"
_OPENAI = "llama_index.llms.openai.base.OpenAI"
"""Its subclasses, most of those for servers that speak its protocol, pass a response format on."""


class LlamaIndexChatModel(ForeignChatModel):
    """A LlamaIndex LLM as the engine's chat model. Thread-safe if the LLM is; picklable if the LLM is.

    Only the text of an answer is returned: neither blocks of thinking nor what stands in
    `<think>` tags before it. LLMs of the OpenAI class are held to JSON by a response format,
    others that call functions by a function, the rest by words alone; what of it their
    endpoint takes is found out by asking, and remembered for the life of the object.

    Answers to a user (`complete`, `stream`) belong to the query or workflow in whose midst they
    are asked for, with its span and its tags. What the engine asks for itself (`complete_json`)
    never does: `flush()` in one user's workflow may read another's pages.

    Args:
        llm: any LLM, also one that only completes.
        name: by which errors call it; by default the name the model goes by, else its class.

    Raises:
        InvalidInput: `llm` is no LlamaIndex LLM.
    """

    def __init__(self, llm: BaseLLM, *, name: str | None = None) -> None:
        _require_llm(llm)
        super().__init__(llm, name=_name(llm) if name is None else name, ways=_ways(llm))

    @classmethod
    def from_settings(cls, *, name: str | None = None) -> Self:
        """Return `Settings.llm`, as it is at this moment, as the engine's chat model.

        Raises:
            InvalidInput: none is set and LlamaIndex's default cannot be made, or it is a mock.
        """
        return cls(settings_llm(), name=name)

    def _answer(self, messages: Sequence[ChatMessage]) -> object:
        return self._model.chat(_as_sent(messages))

    def _answer_in_json(self, messages: Sequence[ChatMessage], schema: OutputSchema, way: str) -> object:
        if way == _TOOL:
            tools = [_tool(schema)]
            return self._model.chat_with_tools(tools, chat_history=_as_sent(messages), tool_required=True)
        return self._model.chat(_as_sent(messages), **_response_format(way, schema))

    def _chunks(self, messages: Sequence[ChatMessage]) -> Iterator[object]:
        return iter(self._model.stream_chat(_as_sent(messages)))

    def _read(self, output: object, way: str | None) -> Reply:
        reply = read_response(output, self.name)
        if way is None:
            return reply
        text = (way == _TOOL and tool_arguments(output)) or reply.text
        # What opens with an object has not begun inside a thought, whatever its texts are about.
        begun_before = not text.lstrip().startswith("{")
        return replace(reply, text=without_reasoning(text, may_start_inside=begun_before))

    def _hear(self, chunk: object, answer: StreamedAnswer) -> str:
        added, reply = read_chunk(chunk, self.name, answer.text)
        return answer.hear(replace(reply, text=added), self.name, tells_its_end=tells_its_end(chunk))


def _require_llm(llm: object) -> None:
    if not isinstance(llm, BaseLLM):
        fix = 'Pass a LlamaIndex LLM, for example OpenAI(model="gpt-4o-mini"), or use from_settings().'
        raise InvalidInput("llm", f"is a {type(llm).__name__}, not a LlamaIndex LLM", fix)


def _as_sent(messages: Sequence[ChatMessage]) -> list[LlamaIndexMessage]:
    return [
        LlamaIndexMessage(role=MessageRole(message.role), content=sendable(message.content)) for message in messages
    ]


def _name(llm: BaseLLM) -> str:
    named = told_name(llm, _NAMED_BY) or told_name(_metadata(llm), _NAMED_BY) or _NAMELESS
    return type(llm).__name__ if named == _NAMELESS else named


def _metadata(llm: BaseLLM) -> object:
    try:
        return llm.metadata
    except Exception:  # noqa: BLE001 - it may ask a server, or raise for a model that its class does not list
        return None


def _ways(llm: BaseLLM) -> list[str]:
    """Return the ways to hold a model to JSON that its class knows, the strictest first.

    A response format is tried with the OpenAI class alone: others drop what they do not know without a
    word, or raise what cannot be told from a failure.
    """
    if any(f"{kind.__module__}.{kind.__qualname__}" == _OPENAI for kind in type(llm).__mro__):
        return [_STRICT, _JSON, _WORDS]
    if isinstance(llm, FunctionCallingLLM) and getattr(_metadata(llm), "is_function_calling_model", False):
        return [_TOOL, _WORDS]
    return [_WORDS]


def _response_format(way: str, schema: OutputSchema) -> dict[str, Any]:
    if way == _STRICT:
        wanted = {"name": schema.name, "strict": True, "schema": copy.deepcopy(dict(schema.schema))}
        return {"response_format": {"type": "json_schema", "json_schema": wanted}}
    return {"response_format": {"type": "json_object"}} if way == _JSON else {}


def _tool(schema: OutputSchema) -> FunctionTool:
    """Return a tool that is never run: its arguments are the answer."""

    def wanted(*_args: object, **_options: object) -> dict[str, Any]:
        return copy.deepcopy(dict(schema.schema))

    arguments = type(schema.name, (BaseModel,), {"model_json_schema": wanted, "__module__": __name__})
    return FunctionTool.from_defaults(
        wanted, name=schema.name, description="Takes the whole answer.", fn_schema=arguments
    )
