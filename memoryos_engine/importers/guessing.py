"""Which format a file has, from its name and the beginning of what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers import chat_log, mem0, openai, reference
from memoryos_engine.importers.chat_lines import head_of
from memoryos_engine.importers.json_values import values
from memoryos_engine.importers.text_file import opened_text

_LINES = 50
"""A chat log has its first message among so many lines."""
_JSON = (reference.NAME, mem0.NAME, openai.NAME)


def guessed(path: Path) -> str:
    """Return the name of the format.

    Raises:
        InvalidInput: none is certain; the message names those that it may be.
    """
    found = list(dict.fromkeys(_folder(path) if path.is_dir() else _file(path)))
    if len(found) == 1:
        return found[0]
    if not found:
        fix = f"Pass format= (--from) with one of: {', '.join((*_JSON, chat_log.NAME))}."
        raise InvalidInput("file", "is in no format that can be told", fix)
    fix = "Pass format= (--from) with the one it is."
    raise InvalidInput("file", f"could be in the format {' or '.join(found)}", fix)


def _folder(path: Path) -> Iterator[str]:
    if reference.reference_files(path):
        yield reference.NAME
    if next(path.glob(openai.EXPORTS), None):
        yield openai.NAME


def _file(path: Path) -> Iterator[str]:
    if path.name in (*reference.USER_FILES, reference.ASSISTANT_FILE):
        yield reference.NAME
        return
    with opened_text(path) as stream:
        lines = list(islice(stream, _LINES))
    if any(head_of(line, number) for number, line in enumerate(lines)):
        yield chat_log.NAME
    elif "".join(lines).lstrip()[:1] in ("[", "{"):
        yield from _by_value(next(values(path, "values"), ("", None))[1])
    elif not "".join(lines).strip():
        raise InvalidInput("file", "is empty", "Pass a file that holds what was exported.")


def _by_value(first: Any) -> Iterator[str]:
    """Yield what a file may be whose first value this is."""
    if first is None:
        yield from _JSON
    elif isinstance(first, list):
        yield openai.NAME
    elif isinstance(first, dict):
        if "memoryos_export" in first:
            fix = "Read it with system.import_memory(file), or: memoryos import FILE"
            raise InvalidInput("file", "is an export of MemoryOS itself", fix)
        if "mapping" in first or "messages" in first or {"role", "content"} <= set(first):
            yield openai.NAME
        if "user_input" in first or reference.KEYS.intersection(first):
            yield reference.NAME
        if any(isinstance(first.get(name), list) for name in mem0.LISTS) or _is_memory(first):
            yield mem0.NAME


def _is_memory(value: dict[str, Any]) -> bool:
    named = "id" in value or "user_id" in value
    return "memory" in value or (named and "role" not in value and any(name in value for name in mem0.TEXTS))
