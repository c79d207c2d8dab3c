"""What is written behind a magic, read: words and values, options, and questions that are taken as they are.

`$name` and `{name}` in a value stand for a variable of the notebook, and are put in after the line was read: what a
variable holds is one value, whatever is in it. IPython's own expansion would read it again.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from memoryos_integrations.jupyter.brief_errors import MagicUsageError

VALUES = {"user": "NAME", "assistant": "NAME", "session": "NAME", "path": "DIR", "model": "NAME", "use": "VARIABLE"}
"""Words that need a value, and what it is."""
ACTIONS = ("status", "explore", "close")

_WORDS = ", ".join([*(f"{word} {value}" for word, value in VALUES.items()), *ACTIONS])
_VARIABLE = re.compile(r"\$(?P<dollar>[^\W\d]\w*)|\{(?P<braces>[^\W\d]\w*)\}")
_TOP_K = re.compile(r"--top-k(?:=|\s+|$)(?P<count>\S*)\s*")
_STYLE = "--style"


@dataclass(frozen=True, kw_only=True)
class MemoryWords:
    """What `%memoryos` was told."""

    values: Mapping[str, str] = field(default_factory=dict)
    """Word to value, of those that were there."""
    action: str = ""
    """One of ACTIONS, or empty."""


def read_memory_words(line: str, variables: Mapping[str, Any]) -> MemoryWords:
    """Read what stands behind `%memoryos`.

    Raises:
        MagicUsageError: a word is unknown, there twice or without its value.
    """
    values: dict[str, str] = {}
    actions: list[str] = []
    waiting = _split(line)
    while waiting:
        word = waiting.pop(0)
        if word in ACTIONS:
            actions.append(word)
        elif word not in VALUES:
            fix = f"The words are: {_WORDS}. A name with spaces needs quotes."
            raise MagicUsageError(f"%memoryos does not know the word {word!r}. {fix}")
        elif word in values:
            raise MagicUsageError(f"{word} is there twice. Leave one of them out.")
        else:
            values[word] = _value(word, waiting, variables)
    if len(actions) > 1:
        raise MagicUsageError(f"{' and '.join(actions)} cannot be done at once. Write a line for each.")
    return MemoryWords(values=values, action=actions[0] if actions else "")


def read_question(line: str) -> tuple[str, dict[str, Any]]:
    """Return the question behind `%recall`, to the letter, and the options of `retrieve_memory` before it.

    Raises:
        MagicUsageError: there is no question, or no number.
    """
    text = line.strip()
    option = _TOP_K.match(text)
    question = text[option.end() :] if option else text
    if option and not re.fullmatch(r"-?\d+", option["count"], re.ASCII):
        raise MagicUsageError("--top-k needs a whole number: %recall --top-k 3 What do I do for work?")
    if not question:
        raise MagicUsageError("%recall needs a question: %recall What do I do for work?")
    return question, {"top_k": int(option["count"])} if option else {}


def read_style(line: str, variables: Mapping[str, Any]) -> str:
    """Return the style that `%%chat` was given, empty if none.

    Raises:
        MagicUsageError: something else stands there.
    """
    first, *waiting = _split(line) or [""]
    if not first:
        return ""
    name, is_joined, value = first.partition("=")
    if name != _STYLE:
        fix = 'What you say goes into the lines below it; beside it goes --style "warm and brief" alone.'
        raise MagicUsageError(f"%%chat does not know {first!r}. {fix}")
    style = _value(_STYLE, [value] if is_joined else waiting, variables)
    if waiting:
        raise MagicUsageError(
            f'%%chat does not know {waiting[0]!r}. A style of several words needs quotes: "{style} ..."'
        )
    return style


def _split(line: str) -> list[str]:
    """Return the words of a line; quotes hold those with spaces together, and a backslash is one."""
    reading = shlex.shlex(line, posix=True, punctuation_chars=False)
    reading.whitespace_split, reading.commenters, reading.escape = True, "", ""
    try:
        return list(reading)
    except ValueError:
        fix = "Close it, or put what has an apostrophe in it in double quotes."
        raise MagicUsageError(f"a quote is open at the end of the line. {fix}") from None


def _value(word: str, waiting: list[str], variables: Mapping[str, Any]) -> str:
    value = _expanded(waiting.pop(0), variables) if waiting else ""
    if not value:
        raise MagicUsageError(f"{word} needs a value: {word} {VALUES.get(word, 'TEXT')}, in quotes if it has spaces.")
    return value


def _expanded(value: str, variables: Mapping[str, Any]) -> str:
    return _VARIABLE.sub(lambda named: _held(named["dollar"] or named["braces"], variables), value)


def _held(name: str, variables: Mapping[str, Any]) -> str:
    if name not in variables:
        raise MagicUsageError(f"there is no variable {name!r}. Assign it first, or write the value itself.")
    held = variables[name]
    if not isinstance(held, (str, int, os.PathLike)):
        raise MagicUsageError(f"the variable {name!r} holds a {type(held).__name__}, not text. Make it a str.")
    return str(held)
