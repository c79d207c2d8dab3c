"""What a LangChain model returned, as the engine's reply.

Providers refuse, call tools and count each in a way of their own; here these become one.
Knows no prompt, no schema and no memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

from langchain_core.messages import BaseMessage

from memoryos_engine import ChatModelError, TokenUsage
from memoryos_engine.llm.reply import Reply
from memoryos_integrations.reply_ending import is_withheld, reason_in

_TELLS_ITS_END = frozenset(("openai", "anthropic"))
"""Providers by `model_provider` in the metadata."""


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


def read_chunk(chunk: object, model: str, earlier: TokenUsage | None) -> Reply:
    """Return what one chunk of a stream says, with the usage of it and of those before it together.

    Args:
        chunk: a chunk of a message, or text.
        model: its name, for the error.
        earlier: what the chunks before told; None if none did.

    Raises:
        ChatModelError: it is no chunk of a message.
    """
    reply = read_output(chunk, model)
    if reply.usage is None:
        return reply
    return replace(reply, usage=replace((earlier or TokenUsage()) + reply.usage, calls=1))


def tells_its_end(chunk: object) -> bool:
    """Return whether the chunk is of a provider whose streams end with a reason unless they were cut."""
    return _metadata(chunk).get("model_provider") in _TELLS_ITS_END


def _read_message(message: BaseMessage) -> Reply:
    reason = reason_in(_metadata(message))
    declined = is_withheld(reason) or any(_refusals(message))
    # `text` leaves out whatever is no text: reasoning, tool calls, images.
    return Reply(text=str(message.text), is_refusal=declined, finish_reason=reason, usage=_usage(message))


def _metadata(message: object) -> Mapping[str, object]:
    told = getattr(message, "response_metadata", None)
    return told if isinstance(told, Mapping) else {}


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
