"""What the caller of a retriever may ask of a search, checked; each framework has its own name for the count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from memoryos_engine import InvalidInput
from memoryos_engine.settings import require_count
from memoryos_integrations.page_filter import page_filter
from memoryos_integrations.search import KINDS

DEFAULT_COUNT = 10
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"kinds": KINDS, "filter": None, "session_ids": None, "since": None, "until": None, "include_recent": True}
)
"""What is asked where nothing is said of it, the count aside."""


def checked(asked: Mapping[str, Any], *, count: str) -> dict[str, Any]:
    """Return what is asked of a search as `Search` takes it.

    Args:
        asked: the names of `DEFAULTS` and of the count, with what the caller wrote. The count is the most pages
            and facts to find, at least 1.
        count: what the caller's framework calls it.

    Raises:
        InvalidInput: a value is out of range; it has the caller's name for it.
    """
    return {
        "k": require_count(count, asked[count]),
        "kinds": _kinds(asked["kinds"]),
        "where": page_filter(asked["filter"], asked["session_ids"], asked["since"], asked["until"]),
        "include_recent": _flag("include_recent", asked["include_recent"]),
    }


def _kinds(kinds: object) -> frozenset[str]:
    listed = list(kinds) if isinstance(kinds, Sequence) and not isinstance(kinds, str) else []
    if not listed or not all(each in KINDS for each in listed):
        raise InvalidInput("kinds", "is no list of what there is", 'Pass ["page"], ["fact"] or both.')
    return frozenset(listed)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(name, f"is a {type(value).__name__}, not a bool", "Pass True or False.")
    return value
