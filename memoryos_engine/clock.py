"""Time: a clock is any callable that returns the present as an aware datetime.

Inside the engine every datetime is aware UTC. What callers hand in is converted
here, once: datetimes, ISO 8601 text, and the seed document's `YYYY-MM-DD HH:MM:SS`.
A value without a zone means local time, as in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from memoryos_engine.errors import InvalidInput

Clock = Callable[[], datetime]

_FIX = 'Pass a datetime, ISO 8601 text such as "2024-05-04T18:30:00+00:00", or "2024-05-04 18:30:00".'


def system_clock() -> datetime:
    """Return the present in UTC."""
    return datetime.now(timezone.utc)


class ManualClock:
    """A clock that stands still until it is moved; for tests and reproducible runs."""

    def __init__(self, start: datetime | str) -> None:
        self._now = as_utc(start, "start")

    def __call__(self) -> datetime:
        """Return the time it stands at."""
        return self._now

    def advance(self, **units: float) -> datetime:
        """Move by `timedelta(**units)` and return the new time."""
        self._now += timedelta(**units)
        return self._now


def as_utc(value: datetime | str, parameter: str = "timestamp") -> datetime:
    """Return `value` as an aware UTC datetime.

    Raises:
        InvalidInput: `value` is no time, or lies outside the years 1 to 9999 in UTC.
    """
    moment = _parse(value, parameter)
    try:
        return moment.astimezone(timezone.utc)
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidInput(parameter, "lies outside the calendar", _FIX) from error


def _parse(value: object, parameter: str) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise InvalidInput(parameter, f"is a {type(value).__name__}, not a time", _FIX)
    text = value.strip()
    if text[-1:] in ("Z", "z"):  # fromisoformat reads "Z" only from Python 3.11 on
        text = text[:-1] + "+00:00"
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(parameter, "is not a time that can be read", _FIX) from error
