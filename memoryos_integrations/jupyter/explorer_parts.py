"""Pieces of the explorer: what is asked for, some of many rows, and the tabs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from memoryos_engine.errors import InvalidInput

ROWS = 30
"""Records of one view; further ones are a step away."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A view that is asked for: its name, the id or query it is of, and its first row."""

    show: str
    key: str = ""
    offset: int = 0

    @classmethod
    def of(cls, request: Mapping[str, Any], *, among: Collection[str]) -> Place:
        """Read a request of the browser.

        Raises:
            InvalidInput: it asks for no view there is.
        """
        show, key, offset = request.get("show"), request.get("key", ""), request.get("offset", 0)
        if not isinstance(show, str) or show not in among or not isinstance(key, str) or type(offset) is not int:
            fix = f"Ask for one of {', '.join(among)}, with a text as key and a number as offset."
            raise InvalidInput("request", "is for no view of the explorer", fix)
        return cls(show=show, key=key, offset=offset)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What the browser is to show."""

    html: str
    status: str = ""
    """A word on it, which screen readers say."""


@dataclass(frozen=True, kw_only=True)
class Part(Generic[T]):
    """Some of many rows, and where those before and after them begin."""

    rows: Sequence[T]
    first: int
    total: int

    @classmethod
    def of(cls, rows: Sequence[T], first: int) -> Part[T]:
        """Cut the rows from `first` on; from the start if that is beyond the last."""
        start = first if 0 <= first < len(rows) else 0
        return cls(rows=rows[start : start + ROWS], first=start, total=len(rows))

    @property
    def last(self) -> int:
        """How many rows there are up to its end."""
        return self.first + len(self.rows)

    @property
    def before(self) -> int | None:
        """Where the part before it begins."""
        return max(0, self.first - ROWS) if self.first else None

    @property
    def after(self) -> int | None:
        """Where the part after it begins."""
        return self.last if self.last < self.total else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tab:
    """A tier that can be chosen, and how much is in it."""

    view: str
    title: str
    count: int
