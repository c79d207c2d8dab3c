"""Chat models behind the OpenAI API or any endpoint that speaks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from memoryos_engine.errors import InvalidInput
from memoryos_engine.llm.base import ChatMessage, OutputSchema, TokenUsage
from memoryos_engine.llm.failure import no_answer
from memoryos_engine.llm.negotiation import Negotiation
from memoryos_engine.llm.reply import Reply, StreamedReply, read_reply
from memoryos_engine.llm.response_format import ResponseFormats, naming_json
from memoryos_engine.llm.usage import UsageMeter, counted_usage
from memoryos_engine.openai_client import connect
from memoryos_engine.settings import require_id
from memoryos_engine.tokens import default_counter

if TYPE_CHECKING:
    from openai import OpenAI

Received = TypeVar("Received")

_OURS = frozenset(("model", "messages", "stream", "stream_options", "response_format"))
_CLIENTS = frozenset(("extra_headers", "extra_query", "extra_body", "timeout"))
_COUNTED = {"stream_options": {"include_usage": True}}


class OpenAIChatModel:
    """A chat model through the official client. Thread-safe; prompts leave this machine.

    Requests are retried with backoff when the server is busy or failing. What an endpoint
    knows of structured output and of token counts in streams is found out by asking, and
    remembered for the life of the object. Answers are returned as they come, reasoning of
    reasoning models included; `without_reasoning` takes it away.

    Args:
        model: model name, for example "gpt-4o-mini".
        api_key: by default the environment variable OPENAI_API_KEY. Any text will do for a
            server that asks for none.
        base_url: of another server; None or empty is OPENAI_BASE_URL, else OpenAI itself.
        timeout: seconds to wait for the server at each attempt.
        max_retries: attempts after the first.
        options: further fields of each request, such as {"temperature": 0}; they are sent as
            they are, so those that only some servers know are possible too.
        client: an `openai.OpenAI` to use instead; the key, address, timeout and retries are
            then its own.

    Raises:
        InvalidInput: no key was found, or an option is not to be set here.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 3,
        options: Mapping[str, Any] | None = None,
        client: OpenAI | None = None,
    ) -> None:
        self.name = require_id("model", model)
        self._options = _checked(options or {})
        self._client = client or connect(api_key, base_url, timeout=timeout, max_retries=max_retries)
        self._formats = ResponseFormats()
        self._counting = Negotiation("counted", "uncounted")
        self._meter = UsageMeter()

    @property
    def usage(self) -> TokenUsage:
        """What all answers so far have cost, by the server's count where it gives one, else by ours."""
        return self._meter.total

    def complete(self, messages: Sequence[ChatMessage]) -> str:
        """Return the model's answer.

        Raises:
            ReplyRefused: the model or its content filter declined.
            ChatModelError: it did not answer, or with nothing.
        """
        return self._receive(messages, lambda: self._send(messages, {})).answer(self.name)

    def complete_json(self, messages: Sequence[ChatMessage], schema: OutputSchema) -> str:
        """Return the model's answer, held to JSON as strictly as the endpoint can.

        Raises:
            ReplyRefused: the model or its content filter declined.
            ChatModelError: it did not answer, or with nothing, or was cut at its limit of tokens.
        """
        asked = naming_json(messages)
        reply = self._receive(asked, lambda: self._formats.ask(schema, lambda extra: self._send(asked, extra)))
        return reply.whole_answer(self.name)

    def stream(self, messages: Sequence[ChatMessage]) -> Iterator[str]:
        """Yield the model's answer in pieces as they come. Closing the iterator ends the request.

        Raises:
            ReplyRefused: the model or its content filter declined.
            ChatModelError: it did not answer, or with nothing, or broke off.
        """
        answer = StreamedReply()
        with closing(self._reach(lambda: self._open_stream(messages))) as chunks:
            try:
                while (chunk := self._reach(lambda: next(chunks, _END))) is not _END:
                    if piece := answer.read(chunk, self.name):
                        yield piece
            finally:
                self._count(messages, answer.text, answer.usage)
        answer.check_end(self.name)

    def _open_stream(self, messages: Sequence[ChatMessage]) -> Any:
        def send(mode: str) -> Any:
            return self._send(messages, {"stream": True, **(_COUNTED if mode == "counted" else {})})

        return self._counting.ask(send)

    def _receive(self, messages: Sequence[ChatMessage], send: Callable[[], object]) -> Reply:
        reply = read_reply(self._reach(send))
        if reply.is_completion:
            self._count(messages, reply.text, reply.usage)
        return reply

    def _reach(self, call: Callable[[], Received]) -> Received:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the client, or a malformed answer, may raise anything
            raise no_answer(self.name, error) from None

    def _send(self, messages: Sequence[ChatMessage], extra: Mapping[str, Any]) -> Any:
        create: Any = self._client.chat.completions.create
        return create(
            model=self.name, messages=[_as_sent(message) for message in messages], extra_body=self._options, **extra
        )

    def _count(self, messages: Sequence[ChatMessage], answer: str, told: TokenUsage | None) -> None:
        self._meter.add(told or counted_usage(messages, answer, default_counter()))


_END = object()


def _as_sent(message: ChatMessage) -> dict[str, str]:
    # A lone surrogate cannot be sent.
    return {"role": message.role, "content": message.content.encode("utf-8", "replace").decode("utf-8")}


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the options that nobody else holds."""
    if found := sorted(_OURS.intersection(options)):
        raise InvalidInput("options", f"sets {found[0]}", "Leave it out; it is set for each call.")
    if found := sorted(_CLIENTS.intersection(options)):
        raise InvalidInput("options", f"sets {found[0]}", "Pass client=openai.OpenAI(...) made with it.")
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(options)))
    except (TypeError, ValueError) as error:
        raise InvalidInput("options", "holds what is no JSON", "Pass text, numbers, lists and dicts.") from error
    return copy
