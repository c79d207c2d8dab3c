"""From what a model said to the JSON object it was asked for.

A reply may come after thinking aloud, in a code fence, or between a few words of prose.
It may not be cut short, a list, or anything else: nothing is guessed or completed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from memoryos_engine.errors import ConsolidationError
from memoryos_engine.llm.base import OutputSchema
from memoryos_engine.llm.reasoning import without_reasoning
from memoryos_engine.prompt_format import visible

MOST_CHARACTERS = 200_000
"""A longer reply is babble; none of it is read."""

MOST_OPENINGS = 3
"""Braces in the prose before the object that are taken for its beginning in vain. No more: inside an object
that is cut short there are whole ones, which are not the reply."""

_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)```", re.DOTALL)
_DECODER = json.JSONDecoder()
_YES = frozenset({"true", "yes", "y", "1", "是", "はい", "да", "ja", "oui", "sí", "si", "نعم", "بله", "evet", "हाँ"})
_NO = frozenset({"false", "no", "n", "0", "none", "null", "", "否", "不是", "いいえ", "нет", "nein", "non", "لا", "نه",
                 "hayır", "नहीं"})  # fmt: skip


class Item(BaseModel):
    """One entry of a reply; what it does not know is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


I = TypeVar("I", bound=Item)  # noqa: E741 - the one type of this file


def json_object(reply: str) -> Mapping[str, Any]:
    """Return the JSON object in a model's reply.

    Raises:
        ConsolidationError: there is none, or it is not whole.
    """
    said = without_reasoning(reply).strip() if len(reply) <= MOST_CHARACTERS else ""
    fenced = _FENCE.search(said)
    body = fenced[1].strip() if fenced else said
    if body.startswith("["):
        raise unusable("is a list, not a JSON object")
    for opening in islice(re.finditer(r"\{", body), MOST_OPENINGS):
        try:
            value, _ = _DECODER.raw_decode(body, opening.start())
        except (ValueError, RecursionError):
            continue
        return dict(value)
    raise unusable("holds no JSON object, or one that is broken or cut short")


def items(reply: Mapping[str, Any], name: str, kind: type[I]) -> tuple[list[I], int]:
    """Return the entries of the list called `name` that have the wanted shape, and how many have not.

    Raises:
        ConsolidationError: there is something else than a list under that name.
    """
    given = reply.get(name)
    if not isinstance(given, list):
        raise unusable(f"has no list {name!r}")
    found = [each for each in (_item(value, kind) for value in given) if each is not None]
    return found, len(given) - len(found)


def unusable(problem: str) -> ConsolidationError:
    """Return the error for a reply of which nothing is used."""
    return ConsolidationError(f"the model's reply {problem}; nothing was stored and its pages are tried again")


def output_schema(kind: type[BaseModel]) -> OutputSchema:
    """Return the JSON schema of a reply, in the strict form endpoints ask for: closed, every key required."""
    schema = kind.model_json_schema()
    for node in (schema, *schema.get("$defs", {}).values()):
        _close(node)
    return OutputSchema(name=kind.__name__.lower(), schema=schema)


def _close(node: dict[str, Any]) -> None:
    for noise in ("title", "description"):
        node.pop(noise, None)
    properties = node.get("properties", {})
    node |= {"additionalProperties": False, "required": list(properties)}
    for part in properties.values():
        part.pop("title", None)
        part.pop("default", None)


def _item(value: object, kind: type[I]) -> I | None:
    try:
        return kind.model_validate(_cleaned(value))
    except (ValueError, RecursionError):
        return None


def _cleaned(value: object) -> object:
    """Take hidden characters out of every text of an entry; raise ValueError for text that cannot be stored."""
    if isinstance(value, str):
        value.encode("utf-8")
        return visible(value)
    if isinstance(value, list):
        return [_cleaned(each) if isinstance(each, str) else each for each in value]
    return {key: _cleaned(each) for key, each in value.items()} if isinstance(value, dict) else value


def _flag(value: object) -> object:
    """Read the ways in which models say yes and no; what is neither is left for the shape to refuse."""
    word = value.strip().strip(".!。\"'").casefold() if isinstance(value, str) else value
    if isinstance(word, str) and word in _YES | _NO:
        return word in _YES
    return False if value is None else value


def _texts(value: object) -> object:
    """Take one text for a list of one, and numbers for labels."""
    if isinstance(value, list):
        return [str(each) if type(each) is int else each for each in value]
    return [value] if isinstance(value, str) else value


def _text(value: object) -> object:
    return "" if value is None else value


Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[list[str], BeforeValidator(_texts)]
