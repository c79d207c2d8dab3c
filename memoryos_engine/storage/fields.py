"""What the JSON of a stored record may hold: each reader returns the value as it was written, or raises.

What they raise (KeyError, TypeError, ValueError, OverflowError, RecursionError) becomes a
CorruptRecord where the record is named.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from typing import Any

LARGEST = 2**100
"""Most that a stored number can be: far more than counts reach, far less than floats and JSON hold."""


def read_json(text: str) -> Any:
    """Return a JSON value that can be written again: no NaN, no infinity, no half of a surrogate pair.

    Raises:
        ValueError, RecursionError: it is not one.
    """
    value = _JSON.decode(text)
    if "\\u" in text:  # written by us only for control characters
        json.dumps(value, ensure_ascii=False).encode()
    return value


def text(value: object) -> str:
    """Return text."""
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def name(value: object) -> str:
    """Return text that is not empty."""
    if not text(value):
        raise ValueError(value)
    return text(value)


def name_or_none(value: object) -> str | None:
    """Return a name, or None."""
    return None if value is None else name(value)


def mapping(value: object) -> dict[str, Any]:
    """Return an object of JSON."""
    if not isinstance(value, dict):
        raise TypeError(type(value))
    return value


def texts(values: object) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(values, list):
        raise TypeError(type(values))
    return tuple(map(text, values))


def number(value: object) -> int:
    """Return a whole number from 0 to LARGEST."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(type(value))
    if not 0 <= value <= LARGEST:
        raise ValueError(type(value))
    return value


def flag(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise TypeError(type(value))
    return value


def time(value: object) -> datetime:
    """Return an ISO 8601 time with a zone, in UTC."""
    moment = datetime.fromisoformat(text(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)


def time_or_none(value: object) -> datetime | None:
    """Return a time, or None."""
    return None if value is None else time(value)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
