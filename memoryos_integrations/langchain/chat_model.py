"""Any LangChain chat model as the engine's.

Translates messages, answers and errors, and finds out how the model is held to JSON. It
does not know what the engine asks, nor what becomes of the answers.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig

from memoryos_engine import ChatMessage, InvalidInput, OutputSchema
from memoryos_engine.llm.reply import Reply
from memoryos_integrations.foreign_model import ForeignChatModel, sendable, told_name
from memoryos_integrations.langchain.chat_reply import read_chunk, read_output, tells_its_end
from memoryos_integrations.streamed_answer import StreamedAnswer

_KINDS: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
_NAMED_BY = ("model_name", "model", "model_id")
_STRICT, _SCHEMA, _JSON, _WORDS = "strict schema", "schema", "JSON mode", "words alone"
_WAYS: dict[str, dict[str, Any]] = {_STRICT: {"strict": True}, _SCHEMA: {}, _JSON: {"method": "json_mode"}}
"""What is passed to `with_structured_output`, the strictest first."""


class LangChainChatModel(ForeignChatModel):
    """A LangChain chat model as the engine's. Thread-safe if the model is; picklable if the model is.

    Only the text of an answer is returned: neither content blocks of reasoning nor what stands
    in `<think>` tags before it. What the model knows of structured output is found out by
    asking, and remembered for the life of the object.

    Answers to a user (`complete`, `stream`) belong to the chain or graph in whose midst they
    are asked for, with its callbacks. What the engine asks for itself (`complete_json`) never
    does: `flush()` in one user's chain may read another's pages.

    Args:
        model: a chat model, or a runnable that takes messages and ends in one, such as
            `model.with_retry()`; the latter is held to JSON by words alone.
        name: by which errors call it; by default the name the model goes by, else its class.

    Raises:
        InvalidInput: `model` is no LangChain model.
    """

    def __init__(self, model: Runnable[Any, Any], *, name: str | None = None) -> None:
        _require_runnable(model)
        super().__init__(model, name=_name(model) if name is None else name, ways=_ways(model))

    def _answer(self, messages: Sequence[ChatMessage]) -> object:
        return self._model.invoke(_as_sent(messages))

    def _answer_in_json(self, messages: Sequence[ChatMessage], schema: OutputSchema, way: str) -> object:
        config = RunnableConfig(run_name=f"memoryos {schema.name}")
        return self._held(way, schema).invoke(_as_sent(messages), config)

    def _chunks(self, messages: Sequence[ChatMessage]) -> Iterator[object]:
        chunks: Iterator[object] = self._model.stream(_as_sent(messages))
        return chunks

    def _read(self, output: object, way: str | None) -> Reply:
        return read_output(output, self.name, structured=way in _WAYS)

    def _hear(self, chunk: object, answer: StreamedAnswer) -> str:
        reply = read_chunk(chunk, self.name, answer.usage)
        return answer.hear(reply, self.name, tells_its_end=tells_its_end(chunk))

    def _held(self, way: str, schema: OutputSchema) -> Runnable[Any, Any]:
        model: Runnable[Any, Any] = self._model
        if way == _WORDS:
            return model
        wanted = {"title": schema.name, **copy.deepcopy(dict(schema.schema))}
        held: Runnable[Any, Any] = self._model.with_structured_output(wanted, include_raw=True, **_WAYS[way])
        return held


def _require_runnable(model: object) -> None:
    if not isinstance(model, Runnable):
        fix = 'Pass a LangChain chat model, for example init_chat_model("openai:gpt-4o-mini").'
        raise InvalidInput("model", f"is a {type(model).__name__}, not a LangChain chat model", fix)


def _as_sent(messages: Sequence[ChatMessage]) -> list[BaseMessage]:
    return [_KINDS[message.role](content=sendable(message.content)) for message in messages]


def _name(model: object) -> str:
    return told_name(model, _NAMED_BY) or type(model).__name__


def _ways(model: Any) -> list[str]:
    """Return the ways to hold a model to JSON that it may know, the strictest first."""
    if not hasattr(type(model), "with_structured_output"):  # a binding has its model's, without what was bound
        return [_WORDS]
    named = inspect.signature(model.with_structured_output).parameters
    ways = [way for way, options in _WAYS.items() if all(name in named for name in options)]
    return [*ways, _WORDS]
