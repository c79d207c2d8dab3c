"""What a soak counts: figures to read, and faults, which must be 0."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

FAULT = "fault"


def fault(default: int = 0) -> Any:
    """Declare a count that must be 0, of a result that is a subclass of `Counts`."""
    return field(default=default, metadata={FAULT: True})


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The base of every result: its fields are the lines of the report, in order."""

    def faults(self) -> dict[str, int]:
        """Return the counts that must be 0 and are not, by name."""
        return {one.name: getattr(self, one.name) for one in self._fields(FAULT) if getattr(self, one.name)}

    def lines(self) -> list[tuple[str, str, bool]]:
        """Return name, value as text and whether it must be 0, of every field."""
        return [
            (one.name.replace("_", " "), _shown(getattr(self, one.name)), FAULT in one.metadata) for one in fields(self)
        ]

    def _fields(self, kind: str) -> list[Any]:
        return [one for one in fields(self) if kind in one.metadata]


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """Why a soak could not be run on this machine."""

    reason: str


def _shown(value: object) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
