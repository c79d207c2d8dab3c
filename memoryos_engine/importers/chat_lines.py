"""Lines of chat logs: a date, in brackets or before a dash, then who says what; and which of its numbers is the day.

Read are "[2024-05-04 18:30] Tom: text", "2024-05-04 18:30:12 - Tom: text", and what WhatsApp
writes in any region: "04/05/2024, 18:30 - Tom: text", "[04.05.24, 18:30:12] Tom: text", "5/4/24, 6:30 PM - Tom: text".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from memoryos_engine.clock import as_utc
from memoryos_engine.errors import InvalidInput

MARKS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Signs of direction that WhatsApp puts around names and before its own words."""
_AROUND_NAMES = MARKS + " ~\u00a0\u202f"
"""WhatsApp writes "~" before names that are no contacts."""
_STAMP = (
    rf"(?P<date>(?P<first>\d{{1,4}})(?P<between>[./-])(?P<second>\d{{1,2}})(?P=between)(?P<third>\d{{2,4}})"
    rf"(?:,|T|\s)[\s{MARKS}]?(?:[^\W\d_]{{1,5}}\s)?"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second_of>\d{2}))?(?:[.,]\d{1,9})?"
    r"(?:\s?(?P<half>[AaPp])\.?\s?[Mm]\.?)?(?:\s?(?P<zone>Z|[+-]\d{2}:?\d{2}))?)"
)
_HEADS = (
    re.compile(rf"[{MARKS}]*\[[{MARKS}]*{_STAMP}[{MARKS}]*\]\s?(?P<rest>.*)"),
    re.compile(rf"[{MARKS}]*{_STAMP}\s[-–—]\s(?P<rest>.*)"),
)
_SPEAKER = re.compile(rf"[{MARKS}]*(?P<name>[^:\"“”«»]{{1,100}}):(?:\s|$)(?P<text>.*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What a line with a date says."""

    line: int
    date: str
    """As it is written."""
    numbers: tuple[str, str, str]
    dotted: bool
    clock: str
    """ISO 8601, with the zone if there is one."""
    name: str
    """Who speaks; empty if nobody does."""
    text: str

    @property
    def year_first(self) -> bool:
        """Whether the date is year, month, day."""
        return len(self.numbers[0]) > 2

    def at(self, *, day_first: bool) -> datetime:
        """Return the moment in UTC.

        Raises:
            InvalidInput: there is no such day or hour.
        """
        first, second, third = self.numbers
        year, month, day = (first, second, third) if self.year_first else (third, second, first)
        if not self.year_first and not day_first:
            month, day = day, month
        full = int(year) + (2000 if len(year) == 2 else 0)
        return as_utc(f"{full:04}-{int(month):02}-{int(day):02}T{self.clock}", f"the date in line {self.line}")


def head_of(line: str, number: int) -> Head | None:
    """Return what a line says if it begins with a date; None if it goes on with the one before."""
    match = next((match for head in _HEADS if (match := head.match(line))), None)
    if match is None:
        return None
    spoken = _SPEAKER.match(match["rest"])
    return Head(
        line=number,
        date=match["date"],
        numbers=(match["first"], match["second"], match["third"]),
        dotted=match["between"] == ".",
        clock=_clock(match),
        name=spoken["name"].strip(_AROUND_NAMES) if spoken else "",
        text=spoken["text"] if spoken else match["rest"],
    )


def _clock(match: re.Match[str]) -> str:
    hour = int(match["hour"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"] in "Pp" else 0)
    zone = (match["zone"] or "").replace("Z", "+00:00")
    zone = f"{zone[:3]}:{zone[-2:]}" if zone else ""
    return f"{hour:02}:{int(match['minute']):02}:{int(match['second_of'] or 0):02}{zone}"


def day_comes_first(heads: Iterable[Head]) -> bool:
    """Say whether the dates of a file are day, month, year, from all of them.

    A number above 12 is a day; dates with dots have the day first wherever they are written.

    Raises:
        InvalidInput: the dates can be read both ways, or some only one way and some only the other.
    """
    day, month, either = 0, 0, 0
    for head in heads:
        first, second = (0, 0) if head.year_first else (int(head.numbers[0]), int(head.numbers[1]))
        day = day or (head.line if first > 12 >= second else 0)
        month = month or (head.line if second > 12 >= first else 0)
        either = either or (head.line if first != second and not head.dotted else 0)
    if day and month:
        problem = f"has the day first in line {day} and the month first in line {month}"
        raise InvalidInput("file", problem, "Split it where that changes.")
    if either and not day and not month:
        fix = "Pass day_first=True or day_first=False (--day-first, --month-first)."
        raise InvalidInput("file", f"has dates that can be read both ways, as in line {either}", fix)
    return not month
