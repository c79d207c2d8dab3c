"""Conversations in OpenAI's forms: ChatGPT data exports, lists of {"role", "content"}, JSON Lines of either.

A file of messages is one conversation, in no session of its own. Where a file holds several, each
has its own session: those of ChatGPT by their ids, lists by their place in the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.chatgpt_export import conversation_turns
from memoryos_engine.importers.content import words
from memoryos_engine.importers.json_values import values
from memoryos_engine.importers.pairing import Said, paired
from memoryos_engine.importers.turn import Keys, Turn, moment, storable

OPENAI = "openai"
EXPORTS = "conversations*.json"
"""Files of a data export that hold conversations."""

_DATES = ("created_at", "timestamp", "create_time")
_LEFT_OUT = {
    "system": "system and hidden messages", "developer": "system and hidden messages",
    "tool": "tool traffic", "function": "tool traffic",
}  # fmt: skip
_EARLIEST = datetime.min.replace(tzinfo=timezone.utc)
_FIX = 'Use {"role": "user" or "assistant", "content": "..."}, or {"messages": [...]}.'


def read_openai(path: Path, left_out: Counter[str]) -> Iterator[Turn]:
    """Yield the turns of a file, or of the conversations in the folder of a data export.

    A ChatGPT export is sorted by when its conversations began, so all its text is held in memory;
    lists of messages are read as they come.

    Raises:
        InvalidInput: something is of another form; the message names the place.
    """
    files = sorted(path.glob(EXPORTS)) if path.is_dir() else [path]
    found = chain.from_iterable(values(file, "conversations") for file in files)
    first = next(found, None)
    if first is None:
        return
    items = chain([first], found)
    yield from (_exported if _is_tree(first[1]) else _listed)(items, Keys(OPENAI), left_out)


def _is_tree(value: Any) -> bool:
    return isinstance(value, dict) and "mapping" in value


def _exported(items: Iterator[tuple[str, Any]], keys: Keys, left_out: Counter[str]) -> Iterator[Turn]:
    conversations: list[list[Turn]] = []
    for where, value in items:
        if not _is_tree(value):
            raise InvalidInput(where, 'has no "mapping"', "Remove it from the file, or export again.")
        conversations.append(conversation_turns(value, where, keys, left_out))
    told = [turns for turns in conversations if turns]
    left_out["conversations without a word"] += len(conversations) - len(told)
    for turns in sorted(told, key=lambda turns: turns[0].get("timestamp", _EARLIEST)):
        yield from turns


def _listed(items: Iterator[tuple[str, Any]], keys: Keys, left_out: Counter[str]) -> Iterator[Turn]:
    """Yield turns of messages that stand alone, which are one conversation, and of lists of messages, each its own."""
    first, second = next(items), next(items, None)
    rest = chain([first], [] if second is None else [second], items)
    for number, (where, value) in enumerate(rest, 1):
        if not _is_conversation(value):
            yield from paired(_said(_alone(chain([(where, value)], rest)), left_out), keys)
            return
        one = second is None
        name = None if one else _named(value) or f"conversation {number}"
        yield from paired(_said(_messages(value, "" if one else where), left_out), keys, session_id=name)


def _alone(items: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    for where, value in items:
        yield where.replace("conversations[", "messages["), value


def _is_conversation(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and "messages" in value and "role" not in value)


def _named(value: Any) -> str | None:
    names = (value.get(key) for key in ("session_id", "conversation_id", "id")) if isinstance(value, dict) else ()
    return next((storable(name) for name in names if isinstance(name, str) and name), None)


def _messages(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    messages = value["messages"] if isinstance(value, dict) else value
    place = f"{where}." if where else ""
    if not isinstance(messages, list):
        raise InvalidInput(f"{place}messages", f"is a {type(messages).__name__}, not a list", _FIX)
    for position, message in enumerate(messages):
        yield f"{place}messages[{position}]", message


def _said(messages: Iterator[tuple[str, Any]], left_out: Counter[str]) -> Iterator[Said]:
    for where, message in messages:
        role = _role(message, where)
        text = words(message.get("content"), f"{where}.content")
        reason = _LEFT_OUT.get(role) or _empty(message, text)
        if reason:
            left_out[reason] += 1
            continue
        yield Said(by_user=role == "user", text=text, place=_place(message, where), at=_moment(message, where))


def _place(message: Mapping[str, Any], where: str) -> str:
    names = (message.get(key) for key in ("id", *_DATES))
    return next((storable(str(name)) for name in names if isinstance(name, (str, int, float)) and name), where)


def _moment(message: Mapping[str, Any], where: str) -> datetime | None:
    key = next((key for key in _DATES if message.get(key) is not None), None)
    return None if key is None else moment(message[key], f"{where}.{key}")


def _role(message: Any, where: str) -> str:
    if not isinstance(message, dict):
        raise InvalidInput(where, f"is a {type(message).__name__}, not a message", _FIX)
    role = message.get("role")
    if not isinstance(role, str) or role not in ("user", "assistant", *_LEFT_OUT):
        raise InvalidInput(f"{where}.role", "is none of user, assistant, system, developer and tool", _FIX)
    return role


def _empty(message: Mapping[str, Any], text: str) -> str:
    if text.strip():
        return ""
    return "tool traffic" if message.get("tool_calls") or message.get("function_call") else "empty messages"
