"""Which format a file has, from its name and the beginning of what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.chat_lines import head_of
from memoryos_engine.importers.chat_log import CHAT_LOG
from memoryos_engine.importers.json_values import values
from memoryos_engine.importers.mem0 import LISTS, MEM0, TEXTS
from memoryos_engine.importers.openai import EXPORTS, OPENAI
from memoryos_engine.importers.reference import ASSISTANT_FILE, KEYS, REFERENCE, USER_FILES, reference_files
from memoryos_engine.importers.text_file import opened_text

_HEAD = 8192
"""Characters; a chat log has its first date among them."""
_JSON = (REFERENCE, MEM0, OPENAI)


def guessed(path: Path) -> str:
    """Return the name of the format.

    Raises:
        InvalidInput: none is certain; the message names those that it may be.
    """
    found = list(dict.fromkeys(_folder(path) if path.is_dir() else _file(path)))
    if len(found) == 1:
        return found[0]
    if not found:
        fix = f"Pass format= (--from) with one of: {', '.join((*_JSON, CHAT_LOG))}."
        raise InvalidInput("file", "is in no format that can be told", fix)
    fix = "Pass format= (--from) with the one it is."
    raise InvalidInput("file", f"could be in the format {' or '.join(found)}", fix)


def _folder(path: Path) -> Iterator[str]:
    if reference_files(path):
        yield REFERENCE
    if next(path.glob(EXPORTS), None):
        yield OPENAI


def _file(path: Path) -> Iterator[str]:
    if path.name in (*USER_FILES, ASSISTANT_FILE):
        yield REFERENCE
        return
    with opened_text(path) as stream:
        head = stream.read(_HEAD)
    if any(head_of(line, number) for number, line in enumerate(head.split("\n"))):
        yield CHAT_LOG
    elif head.lstrip()[:1] in ("[", "{"):
        yield from _by_value(next(values(path, "values"), ("", None))[1])
    elif not head.strip():
        raise InvalidInput("file", "is empty", "Pass a file that holds what was exported.")


def _by_value(first: Any) -> Iterator[str]:
    """Yield what a file may be whose first value this is."""
    if first is None:
        yield from _JSON
    elif isinstance(first, list):
        yield OPENAI
    elif isinstance(first, dict):
        if "memoryos_export" in first:
            fix = "Read it with system.import_memory(file), or: memoryos import FILE"
            raise InvalidInput("file", "is an export of MemoryOS itself", fix)
        if "mapping" in first or "messages" in first or {"role", "content"} <= set(first):
            yield OPENAI
        if "user_input" in first or KEYS.intersection(first):
            yield REFERENCE
        if any(isinstance(first.get(name), list) for name in LISTS) or _is_memory(first):
            yield MEM0


def _is_memory(value: dict[str, Any]) -> bool:
    named = "id" in value or "user_id" in value
    return "memory" in value or (named and "role" not in value and any(name in value for name in TEXTS))
