"""What a LlamaIndex model returned, as the engine's reply.

LlamaIndex hands on what the provider said as `raw`, in a form of each provider's own: objects,
dicts, objects in dicts. Here the few things that matter are looked up wherever they may stand.
Knows no prompt, no schema and no memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, TextBlock

from memoryos_engine import ChatModelError, TokenUsage
from memoryos_engine.llm.reply import Reply
from memoryos_integrations.reply_ending import REASONS, is_withheld, reason_in

_COUNTED_AS = (
    ("prompt_tokens", "completion_tokens"),
    ("input_tokens", "output_tokens"),
    ("inputTokens", "outputTokens"),
    ("prompt_token_count", "candidates_token_count"),
    ("prompt_eval_count", "eval_count"),
)
"""Names for the tokens of the prompt and of the answer."""


def read_response(output: object, model: str) -> Reply:
    """Return what a call of a model returned.

    Args:
        output: a chat response.
        model: the model's name, for the error.

    Raises:
        ChatModelError: it is none.
    """
    response = _response(output, model)
    said, ending = _said(response.raw), _ending(response.raw)
    declined = bool(_told(said, "refusal") or response.message.additional_kwargs.get("refusal"))
    return Reply(
        text=_text(response.message),
        is_refusal=declined or is_withheld(ending),
        finish_reason=ending,
        usage=_usage(response),
    )


def read_chunk(output: object, model: str, so_far: str) -> tuple[str, Reply]:
    """Return the text that one chunk of a stream adds, and the reply it stands in.

    Args:
        output: a chat response with all that was said up to it, and what is new as `delta`.
        model: the model's name, for the error.
        so_far: the text of the chunks before.

    Raises:
        ChatModelError: it is no chat response.
    """
    response = _response(output, model)
    reply = read_response(response, model)
    if response.delta is None:
        return reply.text.removeprefix(so_far), reply
    if reply.text == so_far and any(block.block_type == "thinking" for block in response.message.blocks):
        return "", reply  # some providers' classes give thoughts as delta too
    return response.delta, reply


def tells_its_end(output: object) -> bool:
    """Return whether a chunk is of a protocol whose streams end with a reason unless they were cut."""
    return isinstance(_told(getattr(output, "raw", None), "choices"), list)


def tool_arguments(output: object) -> str:
    """Return the arguments of the tool that stands for the schema, as they came if they are no JSON; "" without one."""
    message = output.message if isinstance(output, ChatResponse) else ChatMessage()
    arguments = next(_arguments(message), "")
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _arguments(message: ChatMessage) -> Iterator[object]:
    for block in message.blocks:
        if block.block_type == "tool_call":
            yield block.tool_kwargs
    for call in message.additional_kwargs.get("tool_calls") or ():  # as older integrations hand them on
        told = [_told(_told(call, "function"), "arguments"), _told(call, "input")]
        yield next((each for each in told if isinstance(each, str | Mapping)), "")


def _response(output: object, model: str) -> ChatResponse:
    if isinstance(output, ChatResponse):
        return output
    problem = f"the model {model!r} returned a {type(output).__name__}, not a ChatResponse"
    raise ChatModelError(f"{problem}. Wrap a LlamaIndex LLM whose chat() returns one.")


def _text(message: ChatMessage) -> str:
    # `content` would put a line break between blocks, which may be parts of one word.
    return "".join(block.text for block in message.blocks if isinstance(block, TextBlock))


def _told(source: object, name: str) -> object:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)


def _choice(raw: object) -> object:
    choices = _told(raw, "choices")
    return choices[0] if isinstance(choices, list) and choices else None


def _said(raw: object) -> object:
    choice = _choice(raw)
    return _told(choice, "message") or _told(choice, "delta") or _told(raw, "delta")


def _ending(raw: object) -> str | None:
    names = (*REASONS, "status", "incomplete_details")
    for source in (_choice(raw), raw, _said(raw)):
        metadata = {name: _told(source, name) for name in names}
        incomplete = metadata["incomplete_details"]
        reason = reason_in({**metadata, "incomplete_details": {"reason": _told(incomplete, "reason")}})
        if reason is not None:
            return reason
    return None


def _usage(response: ChatResponse) -> TokenUsage | None:
    raw = response.raw
    sources = [response.additional_kwargs, response.message.additional_kwargs]
    for source in [*sources, _told(raw, "usage"), _told(raw, "usage_metadata"), raw]:
        for names in _COUNTED_AS:
            prompt, completion = (_told(source, name) for name in names)
            # Where nothing was told, some integrations say nought.
            if isinstance(prompt, int) and isinstance(completion, int) and prompt + completion > 0:
                return TokenUsage(calls=1, prompt_tokens=prompt, completion_tokens=completion)
    return None
