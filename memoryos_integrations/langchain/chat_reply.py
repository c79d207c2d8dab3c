"""What a LangChain model returned, as the engine's reply.

Providers say in words of their own why an answer ended and that a filter withheld it; here
they become the reasons the engine knows. Knows no prompt, no schema and no memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from langchain_core.messages import BaseMessage

from memoryos_engine import ChatModelError, TokenUsage
from memoryos_engine.llm.failure import broken_off, refused
from memoryos_engine.llm.reply import Reply

_REASONS = ("finish_reason", "stop_reason", "stopReason", "done_reason")
_CUT = frozenset(
    ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded", "error_max_tokens")
)
_WITHHELD = frozenset(
    ("content_filter", "content_filtered", "refusal", "guardrail_intervened", "safety", "recitation", "blocklist",
     "prohibited_content", "spii", "error_toxic")
)  # fmt: skip
_TELLS_ITS_END = frozenset(("openai", "anthropic"))
"""Providers, by `model_provider` in the metadata, whose streams end with a reason unless they were cut."""


def read_output(output: object, model: str, *, structured: bool = False) -> Reply:
    """Return what a call of a model returned.

    Args:
        output: a message or text; of a structured call also a mapping with the message as
            "raw", or the parsed answer itself.
        model: its name, for the error.
        structured: whether the answer may stand in a call of a tool.

    Raises:
        ChatModelError: it is nothing of that kind.
    """
    if structured and isinstance(output, Mapping):
        if "raw" not in output:
            return Reply(text=json.dumps(output, ensure_ascii=False, default=str))
        output = output["raw"]
    if isinstance(output, str):
        return Reply(text=output)
    if not isinstance(output, BaseMessage):
        problem = f"the model {model!r} returned a {type(output).__name__}, not a message"
        raise ChatModelError(f"{problem}. Wrap a chat model, or a runnable that ends in one.")
    reply = _read_message(output)
    return replace(reply, text=_called_with(output) or reply.text) if structured else reply


@dataclass(kw_only=True, slots=True)
class StreamedMessage:
    """A message that is coming in chunks."""

    _pieces: list[str] = field(default_factory=list)
    _finish_reason: str | None = None
    _tells_its_end: bool = False
    has_begun: bool = False
    """Whether a chunk came."""
    usage: TokenUsage | None = None
    """What all chunks together told; None if none did."""

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._pieces)

    def read(self, chunk: object, model: str) -> str:
        """Return what one more chunk says, which may be nothing.

        Raises:
            ReplyRefused: the model or a filter declined.
            ChatModelError: it is no chunk of a message.
        """
        reply = read_output(chunk, model)
        self.has_begun = True
        if reply.usage is not None:
            self.usage = replace((self.usage or TokenUsage()) + reply.usage, calls=1)
        self._finish_reason = reply.finish_reason or self._finish_reason
        self._tells_its_end |= _metadata(chunk).get("model_provider") in _TELLS_ITS_END
        if reply.is_refusal:
            raise refused(model)
        if reply.text:
            self._pieces.append(reply.text)
        return reply.text

    def check_end(self, model: str) -> None:
        """Check that the stream was not cut off.

        Raises:
            ChatModelError: no reason for its end came from a provider that gives one.
        """
        if self._tells_its_end and self._finish_reason is None:
            raise broken_off(model)


def _read_message(message: BaseMessage) -> Reply:
    reason = _reason(_metadata(message))
    declined = reason in _WITHHELD or any(_refusals(message))
    cut_or_whole = "length" if reason in _CUT else reason
    # `text` leaves out whatever is no text: reasoning, tool calls, images.
    return Reply(text=str(message.text), is_refusal=declined, finish_reason=cut_or_whole, usage=_usage(message))


def _metadata(message: object) -> Mapping[str, object]:
    told = getattr(message, "response_metadata", None)
    return told if isinstance(told, Mapping) else {}


def _reason(metadata: Mapping[str, object]) -> str | None:
    told = [metadata.get(name) for name in _REASONS]
    incomplete = metadata.get("incomplete_details")
    told += [incomplete.get("reason") if isinstance(incomplete, Mapping) else None]
    told += [metadata.get("status")] if metadata.get("status") == "completed" else []
    # Google's are names of an enumeration, some with its own name before them.
    return next((reason.lower().rpartition(".")[2] for reason in told if isinstance(reason, str) and reason), None)


def _refusals(message: BaseMessage) -> Iterator[object]:
    yield message.additional_kwargs.get("refusal")
    for block in message.content:
        if isinstance(block, Mapping):
            inner = block.get("value")
            yield block.get("refusal") or (inner.get("refusal") if isinstance(inner, Mapping) else None)


def _called_with(message: BaseMessage) -> str:
    """Return the arguments of the tool that stands for the schema, as they came if they are no JSON."""
    for call in getattr(message, "tool_calls", ()):
        return json.dumps(call["args"], ensure_ascii=False)
    return next((call["args"] or "" for call in getattr(message, "invalid_tool_calls", ())), "")


def _usage(message: BaseMessage) -> TokenUsage | None:
    told = getattr(message, "usage_metadata", None) or {}
    prompt, completion = told.get("input_tokens"), told.get("output_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return TokenUsage(calls=1, prompt_tokens=prompt, completion_tokens=completion)
