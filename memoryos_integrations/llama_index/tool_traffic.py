"""What an agent asked its tools and what they said: kept beside a page as metadata, never in its words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock

from memoryos_integrations.content import content_text, storable
from memoryos_integrations.llama_index.blocks import block_mappings

TOOL_CALLS, REASONING = "tool_calls", "reasoning"
"""Names of the metadata: a list of {"name", "arguments", "result"}, and a text."""
MOST_CALLS, MOST_CHARACTERS = 20, 1_000
"""Of a page: how many calls are kept, the latest, and how much of each text."""

_RESULTS = (MessageRole.TOOL, MessageRole.FUNCTION)

Call = Mapping[str, str]
"""What was asked of which tool, or what one returned: "id", "name", "arguments", "result", as far as they are told."""


def is_result(message: ChatMessage) -> bool:
    """Return whether a message is what a tool returned."""
    return message.role in _RESULTS


def calls_in(message: ChatMessage) -> list[Call]:
    """Return the calls of tools that a message of the agent makes, in order, each once."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if blocks:
        return [_call(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in blocks]
    told, alone = (message.additional_kwargs.get(name) for name in ("tool_calls", "function_call"))
    return [_told_call(each) for each in _listed(told) or ([alone] if alone else [])]


def asks_tools(message: ChatMessage) -> bool:
    """Return whether the agent asks tools in a message."""
    return bool(calls_in(message))


def result_in(message: ChatMessage) -> Call:
    """Return what a tool's message says."""
    told = message.additional_kwargs
    text = content_text(block_mappings(message.blocks))
    return {"id": _text(told.get("tool_call_id")), "name": cut(_text(told.get("name"))), "result": cut(text)}


def traffic_metadata(calls: Iterable[Call], reasoning: str = "") -> dict[str, Any]:
    """Return the metadata of a page that was answered after these calls and this reasoning; empty without any."""
    kept = [_shown(each) for each in _joined(calls)][-MOST_CALLS:]
    metadata: dict[str, Any] = {TOOL_CALLS: kept} if kept else {}
    return {**metadata, REASONING: cut(reasoning)} if reasoning.strip() else metadata


def cut(text: str) -> str:
    """Return at most `MOST_CHARACTERS` of a text, and how long it was if that is not all."""
    if len(text) <= MOST_CHARACTERS:
        return storable(text)
    return f"{storable(text[:MOST_CHARACTERS])}… [{len(text):,} characters]"


def _joined(calls: Iterable[Call]) -> list[Call]:
    """Return the calls, each with the result that came under its id; results of no call stand alone."""
    joined: list[dict[str, str]] = []
    open_calls: dict[str, dict[str, str]] = {}
    for each in calls:
        asked = open_calls.pop(each["id"], None) if "result" in each else None
        if asked is not None:
            asked["result"] = each["result"]
            continue
        joined.append(dict(each))
        if "result" not in each and each["id"]:
            open_calls[each["id"]] = joined[-1]
    return list(joined)


def _shown(call: Call) -> dict[str, str]:
    return {name: call[name] for name in ("name", "arguments", "result") if call.get(name)}


def _call(call_id: object, name: object, arguments: object) -> Call:
    return {"id": _text(call_id), "name": cut(_text(name)), "arguments": cut(_as_json(arguments))}


def _told_call(call: object) -> Call:
    """Return a call as providers tell it: an object or a mapping, with the function in it or as its own fields."""
    function = _part(call, "function") or _part(call, "custom") or call
    arguments = next(filter(None, (_part(function, name) for name in ("arguments", "args", "input"))), "")
    return _call(_part(call, "id"), _part(function, "name"), arguments)


def _part(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _listed(value: object) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else ()


def _as_json(value: object) -> str:
    """Return arguments as JSON, or as Python shows them where they have no JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=_text)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, cycles, depth
        return _shown_by_python(value)


def _shown_by_python(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - anybody's objects
        return type(value).__name__


def _text(value: object) -> str:
    try:
        return "" if value is None else str(value)
    except Exception:  # noqa: BLE001 - anybody's objects
        return type(value).__name__
