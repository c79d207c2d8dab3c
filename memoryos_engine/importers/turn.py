"""What readers of files make: turns as `UserMemory.import_turns` takes them, each with a key of where it came from."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from memoryos_engine.clock import as_utc
from memoryos_engine.errors import InvalidInput
from memoryos_engine.known_imports import IMPORTED_FROM
from memoryos_engine.records import stable_id

Turn = dict[str, Any]

MOST_METADATA = 32_000
"""Bytes of foreign metadata that are kept with a page; more is left out."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECONDS_BELOW = 1e11
"""Times since 1970 above this are milli-, micro- or nanoseconds: in seconds they would lie after the year 5138."""
_NO_TIME = 1e20
_NUMBER = re.compile(r"\d{9,19}(\.\d+)?", re.ASCII)
"""Fewer digits may be a date without hyphens."""
_TIME = 'Use seconds since 1970, or ISO 8601 such as "2024-05-04T18:30:00+00:00".'


class Keys:
    """Gives each turn of one reading a key: the same for the same words at the same place, whenever it is read.

    Args:
        source: the format's name.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._given: Counter[str] = Counter()

    def key(self, place: str, user_input: str, agent_response: str) -> str:
        """Return the key of a turn.

        Args:
            place: its id, date or position in the file: what it keeps when the file grows.
        """
        key = stable_id(self._source, place, user_input, agent_response)
        self._given[key] += 1
        return key if self._given[key] == 1 else stable_id(self._source, key, str(self._given[key]))


def made_turn(
    key: str,
    user_input: str,
    agent_response: str,
    at: datetime | None,
    *,
    session_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Turn:
    """Return a turn; without a date or a session of its own it has neither key."""
    turn: Turn = {
        "user_input": user_input,
        "agent_response": agent_response,
        "metadata": {**(metadata or {}), IMPORTED_FROM: key},
    }
    if at is not None:
        turn["timestamp"] = at
    if session_id is not None:
        turn["session_id"] = session_id
    return turn


def storable(text: str) -> str:
    """Return text that a store takes: halves of surrogate pairs are joined, or become U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fitting_metadata(metadata: Mapping[str, Any], left_out: Counter[str]) -> dict[str, Any]:
    """Return foreign metadata that a page can keep: as JSON would read it back, or none of it."""
    try:
        text = storable(json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        text = ""
    if not text or len(text.encode()) > MOST_METADATA:
        left_out["metadata that a page cannot keep"] += 1
        return {}
    kept: dict[str, Any] = json.loads(text)
    return kept


def moment(value: object, where: str) -> datetime | None:
    """Return a date of a file in UTC; None if there is none. Text without a zone is local time, a number is UTC.

    Raises:
        InvalidInput: `where` holds something else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return _since_1970(float(value), where) if _NUMBER.fullmatch(value) else as_utc(value, where)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _since_1970(value, where)
    raise InvalidInput(where, f"is a {type(value).__name__}, not a time", _TIME)


def _since_1970(number: float, where: str) -> datetime:
    if not abs(number) < _NO_TIME:  # NaN is not below it either
        raise InvalidInput(where, "is no time", _TIME)
    while abs(number) > _SECONDS_BELOW:
        number /= 1000
    return as_utc(_EPOCH + timedelta(seconds=number), where)
