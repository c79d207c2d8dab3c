"""Visits wait in memory until they are recorded in one change: reading writes nothing itself."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from memoryos_engine.records import Owner


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """How often retrievals returned something of a record, and when last."""

    times: int
    last_at: datetime

    def __add__(self, other: Visit) -> Visit:
        return Visit(times=self.times + other.times, last_at=max(self.last_at, other.last_at))


@dataclass(frozen=True, kw_only=True, slots=True)
class Visits:
    """What retrievals of one owner returned since it was last recorded, by record id."""

    segments: Mapping[str, Visit] = field(default_factory=dict)
    entries: Mapping[str, Visit] = field(default_factory=dict)

    @classmethod
    def one(cls, *, segment_ids: Iterable[str], entry_ids: Iterable[str], at: datetime) -> Visits:
        """Return the visits of one retrieval."""
        visit = Visit(times=1, last_at=at)
        return cls(segments=dict.fromkeys(segment_ids, visit), entries=dict.fromkeys(entry_ids, visit))

    def __add__(self, other: Visits) -> Visits:
        return Visits(segments=_added(self.segments, other.segments), entries=_added(self.entries, other.entries))


class WaitingVisits:
    """The visits of all owners that are not recorded yet. Thread-safe.

    Args:
        most: owners whose visits may wait; beyond it those that have waited longest are not counted. A process that is
            killed counts none of them either.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._waiting: dict[Owner, Visits] = {}
        self._lock = threading.Lock()

    def add(self, owner: Owner, visits: Visits) -> None:
        """Let visits wait, with those that do already."""
        with self._lock:
            self._waiting[owner] = self._waiting[owner] + visits if owner in self._waiting else visits
            if len(self._waiting) > self._most:
                del self._waiting[next(iter(self._waiting))]

    def take(self, owner: Owner) -> Visits | None:
        """Return an owner's visits, which then wait no more."""
        with self._lock:
            return self._waiting.pop(owner, None)

    def owners(self) -> list[Owner]:
        """Return the owners whose visits wait."""
        with self._lock:
            return list(self._waiting)


def _added(left: Mapping[str, Visit], right: Mapping[str, Visit]) -> dict[str, Visit]:
    keys = dict.fromkeys([*left, *right])
    return {key: left[key] + right[key] if key in left and key in right else {**right, **left}[key] for key in keys}
