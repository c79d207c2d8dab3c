"""What a chat completion says, read without trusting its shape.

Where a body is not what the protocol promises, the official client returns text, lists or
objects with missing attributes; here they become errors, never answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from memoryos_engine.llm.base import TokenUsage
from memoryos_engine.llm.failure import broken_off, cut_short, empty, malformed, refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """The first choice of one chat completion, or of one chunk of it."""

    text: str = ""
    is_refusal: bool = False
    finish_reason: str | None = None
    usage: TokenUsage | None = None
    """None where the server does not tell."""
    is_completion: bool = True
    """False for a body that is no chat completion at all."""

    def answer(self, model: str) -> str:
        """Return the text, not empty.

        Raises:
            ReplyRefused: the model or a filter declined.
            ChatModelError: there is no text.
        """
        if not self.is_completion:
            raise malformed(model)
        if self.is_refusal:
            raise refused(model)
        if not self.text.strip():
            raise empty(model)
        return self.text

    def whole_answer(self, model: str) -> str:
        """Return the text, not empty and not cut.

        Raises:
            ReplyRefused: the model or a filter declined.
            ChatModelError: there is no text, or it was cut at the limit of tokens.
        """
        if self.finish_reason == "length" and not self.is_refusal:
            raise cut_short(model)
        return self.answer(model)


def read_reply(completion: object) -> Reply:
    """Return what a completion or a chunk says; one without choices says nothing."""
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list):
        return Reply(is_completion=False)
    usage = _usage(getattr(completion, "usage", None))
    if not choices:
        return Reply(usage=usage)
    said = getattr(choices[0], "message", None) or getattr(choices[0], "delta", None)
    reason = _text(getattr(choices[0], "finish_reason", None)) or None
    declined = bool(_text(getattr(said, "refusal", None))) or reason == "content_filter"
    text = _text(getattr(said, "content", None))
    return Reply(text=text, is_refusal=declined, finish_reason=reason, usage=usage)


@dataclass(kw_only=True, slots=True)
class StreamedReply:
    """A completion that is coming in chunks."""

    _pieces: list[str] = field(default_factory=list)
    _finish_reason: str | None = None
    usage: TokenUsage | None = None
    """What the server told last; some tell it again and again, growing."""

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._pieces)

    def read(self, chunk: object, model: str) -> str:
        """Return what one more chunk says, which may be nothing.

        Raises:
            ReplyRefused: the model or a filter declined.
        """
        reply = read_reply(chunk)
        self.usage = reply.usage or self.usage
        self._finish_reason = reply.finish_reason or self._finish_reason
        if reply.is_refusal:
            raise refused(model)
        if reply.text:
            self._pieces.append(reply.text)
        return reply.text

    def check_end(self, model: str) -> None:
        """Check that the stream said something and came to its end.

        Raises:
            ChatModelError: it said nothing, or no reason for its end came.
        """
        if not self.text.strip():
            raise empty(model)
        if self._finish_reason is None:
            # A connection that is cut may look like one that was closed.
            raise broken_off(model)


def _usage(usage: object) -> TokenUsage | None:
    prompt, completion = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return TokenUsage(calls=1, prompt_tokens=prompt, completion_tokens=completion)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
