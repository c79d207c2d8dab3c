"""What the user said and what was answered, among the inputs and outputs of a classic chain.

Chains name them as they like and put other things beside them. Values in, text out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import PromptValue
from pydantic_core import to_json

from memoryos_engine import InvalidInput
from memoryos_integrations.content import content_text
from memoryos_integrations.langchain.messages import as_message
from memoryos_integrations.turns import Role

_BESIDE = frozenset(
    {
        "agent_scratchpad", "chat_history", "context", "docs", "documents", "full_generation", "generated_question",
        "history", "input_documents", "intermediate_steps", "messages", "source_documents", "structured_response",
        "tool_names", "tools",
    }
)  # fmt: skip
"""Keys of what stands beside what is said; where nothing else does, they are looked at all the same."""
_NEVER = frozenset({"stop", "user_id", "assistant_id", "session_id", "thread_id"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One side of an exchange, as chains name it."""

    of: Literal["input", "output"]
    role: Role
    names: Sequence[str]
    """Usual keys, the surest first."""


SAID = Side(
    of="input",
    role="user",
    names=("input", "question", "query", "human_input", "user_input", "user_message", "message", "prompt", "text"),
)
ANSWERED = Side(
    of="output",
    role="agent",
    names=("output", "answer", "text", "response", "result", "output_text", "content", "message"),
)


def spoken(values: Mapping[str, Any], side: Side, *, key: str | None, ignored: Collection[str]) -> str:
    """Return what was said on one side; empty if nothing was.

    Args:
        values: a chain's inputs or outputs.
        side: which of the two they are.
        key: where it stands; None to find it.
        ignored: keys where it does not.

    Raises:
        InvalidInput: there is nothing under `key`, or several keys may be meant. The message names
            keys, never values.
    """
    chosen = _found_key(values, side, ignored) if key is None else key
    if chosen is None:
        return ""
    if chosen not in values:
        problem = f"{chosen!r} is not among the {side.of}s: {_listed(values)}"
        raise InvalidInput(f"{side.of}_key", problem, f"Pass the key under which the chain has its {side.of}.")
    return text_of(values[chosen], side.role)


def _found_key(values: Mapping[str, Any], side: Side, ignored: Collection[str]) -> str | None:
    keys = [key for key in values if key not in ignored and key not in _NEVER]
    keys = [key for key in keys if key not in _BESIDE] or keys
    if len(keys) < 2:
        return keys[0] if keys else None
    named = [name for name in side.names if name in keys]
    texts = [key for key in keys if isinstance(values[key], (str, BaseMessage))]
    if named or len(texts) == 1:
        return (named or texts)[0]
    fix = f"Pass {side.of}_key= with the one to remember, at construction."
    raise InvalidInput(f"{side.of}_key", f"is needed: the chain has several {side.of}s: {_listed(keys)}", fix)


def _listed(keys: Collection[str]) -> str:
    return ", ".join(sorted(map(str, keys))) or "there are none"


def text_of(value: Any, role: Role) -> str:
    """Return a value as the text that is remembered of it.

    Args:
        value: text, a message, content blocks, messages (the last one of the role that says anything),
            or anything structured, which becomes JSON.
        role: whose side of the exchange it is.
    """
    if value is None:
        return ""
    if isinstance(value, (str, BaseMessage)):
        return as_message(value).text if isinstance(value, BaseMessage) else content_text(value)
    if isinstance(value, PromptValue):
        return text_of(value.to_messages(), role)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return _text_of_list(value, role)
    return _json(value)


def _text_of_list(values: Sequence[Any], role: Role) -> str:
    if values and all(isinstance(each, BaseMessage) for each in values):
        said = [each for each in map(as_message, values) if each.text.strip()]
        return next((each.text for each in reversed(said) if each.role == role), "")
    return content_text(values, flowing=role == "agent") if all(map(_is_block, values)) else _json(values)


def _is_block(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, Mapping) and isinstance(value.get("type"), str))


def _json(value: Any) -> str:
    return content_text(to_json(value, serialize_unknown=True).decode())
