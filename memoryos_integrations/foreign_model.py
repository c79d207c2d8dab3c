"""A chat model of any framework as the engine's: what all of them share.

Asks, counts, and finds out how a model is held to JSON. How messages, answers and chunks of a
framework look, and how its models are held to a schema, is left to each integration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from contextvars import Context
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from memoryos_engine import ChatMessage, OutputSchema, TokenUsage
from memoryos_engine.llm.failure import empty
from memoryos_engine.llm.negotiation import Negotiation
from memoryos_engine.llm.reasoning import visible_pieces, without_reasoning
from memoryos_engine.llm.reply import Reply
from memoryos_engine.llm.response_format import naming_json
from memoryos_engine.llm.usage import UsageMeter, counted_usage
from memoryos_engine.settings import require_id
from memoryos_engine.tokens import default_counter
from memoryos_integrations.model_failure import NoAnswer, answer_within, no_answer
from memoryos_integrations.streamed_answer import StreamedAnswer

Received = TypeVar("Received")

_UNPROCESSABLE = 422
_END = object()


class ForeignChatModel(ABC):
    """A framework's chat model as the engine's. Thread-safe if the model is; picklable if the model is.

    Args:
        model: the framework's; subclasses take it alone, by position, so that they can be pickled.
        name: by which errors call it.
        ways: to hold it to JSON, the strictest first; the last is one that every model takes.

    Raises:
        InvalidInput: the name is empty.
    """

    def __init__(self, model: Any, *, name: str, ways: Sequence[str]) -> None:
        self._model = model
        self.name = require_id("name", name)
        self._negotiation = Negotiation(*ways)
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
        reply = self._receive(messages, lambda: self._answer(messages), way=None)
        return replace(reply, text=without_reasoning(reply.text)).answer(self.name)

    def complete_json(self, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
        """Return the model's answer, held to JSON as strictly as it can be.

        Raises:
            ReplyRefused: the model or its content filter declined.
            ChatModelError: it did not answer, or with nothing, or was cut at its limit of tokens.
        """
        # An empty context has nothing of the caller's: no callbacks, no parent run or span, no tags.
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

    # -- what a framework says in its own way ---------------------------------------------------

    @abstractmethod
    def _answer(self, messages: Sequence[ChatMessage]) -> object:
        """Return what the model returns for the messages."""

    @abstractmethod
    def _answer_in_json(self, messages: Sequence[ChatMessage], schema: OutputSchema, way: str) -> object:
        """Return what the model returns, held to the schema in one of its ways."""

    @abstractmethod
    def _chunks(self, messages: Sequence[ChatMessage]) -> Iterator[object]:
        """Return the chunks of the model's answer as they come."""

    @abstractmethod
    def _read(self, output: object, way: str | None) -> Reply:
        """Return what the model returned; `way` is the one it was held to JSON in, None for words to a user.

        Raises:
            ChatModelError: it is nothing of the framework's.
        """

    @abstractmethod
    def _hear(self, chunk: object, answer: StreamedAnswer) -> str:
        """Add a chunk to the answer and return what it says.

        Raises:
            ReplyRefused: the model or a filter declined.
            ChatModelError: it is nothing of the framework's.
        """

    # -- asking ---------------------------------------------------------------------------------

    def _spoken(self, messages: Sequence[ChatMessage]) -> Generator[str, None, None]:
        answer = StreamedAnswer()
        chunks = self._reach(lambda: self._chunks(messages))
        try:
            while (chunk := self._reach(lambda: next(chunks, _END))) is not _END:
                if piece := self._hear(chunk, answer):
                    yield piece
        finally:
            if answer.has_begun:
                self._count(messages, answer.text, answer.usage)
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
        answer.check_end(self.name)

    def _ask_for_json(self, messages: Sequence[ChatMessage], schema: OutputSchema, way: str) -> Reply:
        reply = self._receive(messages, lambda: self._answer_in_json(messages, schema, way), way=way)
        if reply.text.strip() or reply.is_refusal or reply.finish_reason == "length":
            return reply
        # Some models say nothing at all in a way that they do not know.
        raise NoAnswer(str(empty(self.name)), status_code=_UNPROCESSABLE)

    def _receive(self, messages: Sequence[ChatMessage], call: Callable[[], object], *, way: str | None) -> Reply:
        try:
            output = call()
        except Exception as error:  # noqa: BLE001 - a model is anybody's code
            cut = answer_within(error)
            if cut is None:
                raise no_answer(self.name, error) from None
            reply = cut
        else:
            reply = self._read(output, way)
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


def sendable(text: str) -> str:
    """Return the text with what cannot be sent, lone surrogates, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def told_name(model: object, attributes: Sequence[str]) -> str | None:
    """Return the first of the attributes that is a text and not empty."""
    told = (getattr(model, name, None) for name in attributes)
    return next((name for name in told if isinstance(name, str) and name), None)
