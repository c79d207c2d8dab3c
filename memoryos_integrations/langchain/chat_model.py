"""Any LangChain chat model as the engine's.

Translates messages, answers and errors, and finds out how the model is held to JSON. It
does not know what the engine asks, nor what becomes of the answers.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from contextvars import Context
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableConfig

from memoryos_engine import ChatMessage, InvalidInput, OutputSchema, TokenUsage
from memoryos_engine.llm.failure import empty
from memoryos_engine.llm.negotiation import Negotiation
from memoryos_engine.llm.reasoning import visible_pieces, without_reasoning
from memoryos_engine.llm.reply import Reply
from memoryos_engine.llm.response_format import naming_json
from memoryos_engine.llm.usage import UsageMeter, counted_usage
from memoryos_engine.settings import require_id
from memoryos_engine.tokens import default_counter
from memoryos_integrations.langchain.chat_failure import NoAnswer, answer_within, no_answer
from memoryos_integrations.langchain.chat_reply import StreamedMessage, read_output

Received = TypeVar("Received")

_KINDS: dict[str, type[BaseMessage]] = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}
_NAMED_BY = ("model_name", "model", "model_id")
_STRICT, _SCHEMA, _JSON, _WORDS = "strict schema", "schema", "JSON mode", "words alone"
_WAYS: dict[str, dict[str, Any]] = {_STRICT: {"strict": True}, _SCHEMA: {}, _JSON: {"method": "json_mode"}}
"""What is passed to `with_structured_output`, the strictest first."""
_UNPROCESSABLE = 422
_END = object()


class LangChainChatModel:
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
        self._model = model
        self.name = require_id("name", _name(model) if name is None else name)
        self._negotiation = Negotiation(*_ways(model))
        self._meter = UsageMeter()

    @property
    def usage(self) -> TokenUsage:
        """What all answers so far have cost, by the model's count where it gives one, else by ours."""
        return self._meter.total

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Return the model's answer.

        Raises:
            ReplyRefused: the model or its content filter declined.
            ChatModelError: it did not answer, or with nothing.
        """
        sent = _as_sent(messages)
        reply = self._receive(messages, lambda: self._model.invoke(sent))
        return replace(reply, text=without_reasoning(reply.text)).answer(self.name)

    def complete_json(self, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
        """Return the model's answer, held to JSON as strictly as it can be.

        Raises:
            ReplyRefused: the model or its content filter declined.
            ChatModelError: it did not answer, or with nothing, or was cut at its limit of tokens.
        """
        # An empty context has no callbacks, no parent run and no tracer of the caller's.
        ask = partial(self._ask_for_json, naming_json(messages), schema)
        return Context().run(self._negotiation.ask, ask).whole_answer(self.name)

    def stream(self, messages: Sequence[ChatMessage]) -> Iterator[str]:
        """Yield the model's answer in pieces as they come. Closing the iterator closes the model's.

        Raises:
            ReplyRefused: the model or its content filter declined.
            ChatModelError: it did not answer, or with nothing, or broke off.
        """
        said = False
        with closing(self._spoken(messages)) as spoken:
            for piece in visible_pieces(spoken, may_start_inside=False):
                said = said or bool(piece.strip())
                yield piece
        if not said:
            raise empty(self.name)

    def _spoken(self, messages: Sequence[ChatMessage]) -> Generator[str, None, None]:
        answer = StreamedMessage()
        chunks = self._reach(lambda: self._model.stream(_as_sent(messages)))
        try:
            while (chunk := self._reach(lambda: next(chunks, _END))) is not _END:
                if piece := answer.read(chunk, self.name):
                    yield piece
        finally:
            if answer.has_begun:
                self._count(messages, answer.text, answer.usage)
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        answer.check_end(self.name)

    def _ask_for_json(self, messages: Sequence[ChatMessage], schema: OutputSchema, way: str) -> Reply:
        sent, config = _as_sent(messages), RunnableConfig(run_name=f"memoryos {schema.name}")
        reply = self._receive(messages, lambda: self._held(way, schema).invoke(sent, config), structured=way in _WAYS)
        if reply.text.strip() or reply.is_refusal or reply.finish_reason == "length":
            return reply
        # Some models say nothing at all in a way that they do not know.
        raise NoAnswer(str(empty(self.name)), status_code=_UNPROCESSABLE)

    def _held(self, way: str, schema: OutputSchema) -> Runnable[Any, Any]:
        if way == _WORDS:
            return self._model
        wanted = {"title": schema.name, **copy.deepcopy(dict(schema.schema))}
        model: Any = self._model
        held: Runnable[Any, Any] = model.with_structured_output(wanted, include_raw=True, **_WAYS[way])
        return held

    def _receive(
        self, messages: Sequence[ChatMessage], call: Callable[[], object], *, structured: bool = False
    ) -> Reply:
        try:
            output = call()
        except Exception as error:  # noqa: BLE001 - a model is anybody's code
            cut = answer_within(error)
            if cut is None:
                raise no_answer(self.name, error) from None
            reply = cut
        else:
            reply = read_output(output, self.name, structured=structured)
        self._count(messages, reply.text, reply.usage)
        return reply

    def _reach(self, call: Callable[[], Received]) -> Received:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - a model is anybody's code
            raise no_answer(self.name, error) from None

    def _count(self, messages: Sequence[ChatMessage], answer: str, told: TokenUsage | None) -> None:
        self._meter.add(told or counted_usage(messages, answer, default_counter()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the model and its name; what was found out and counted stays behind."""
        return partial(type(self), name=self.name), (self._model,)


def _require_runnable(model: object) -> None:
    if not isinstance(model, Runnable):
        fix = 'Pass a LangChain chat model, for example init_chat_model("openai:gpt-4o-mini").'
        raise InvalidInput("model", f"is a {type(model).__name__}, not a LangChain chat model", fix)


def _as_sent(messages: Sequence[ChatMessage]) -> list[BaseMessage]:
    # A lone surrogate cannot be sent.
    return [
        _KINDS[message.role](content=message.content.encode("utf-8", "replace").decode("utf-8")) for message in messages
    ]


def _name(model: object) -> str:
    told = (getattr(model, name, None) for name in _NAMED_BY)
    return next((name for name in told if isinstance(name, str) and name), type(model).__name__)


def _ways(model: Any) -> list[str]:
    """Return the ways to hold a model to JSON that it may know, the strictest first."""
    if not hasattr(type(model), "with_structured_output"):  # a binding has its model's, without what was bound
        return [_WORDS]
    named = inspect.signature(model.with_structured_output).parameters
    ways = [way for way, options in _WAYS.items() if all(name in named for name in options)]
    return [*ways, _WORDS]
