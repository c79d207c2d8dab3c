"""What happened to segments between two looks at them. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from memoryos_engine.records import Segment

LABEL_KEYWORDS = 3
LABEL_WORDS = 4
"""Words of the summary that name a segment without keywords."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentLook:
    """One segment at the moment of a look."""

    segment_id: str
    label: str
    """What people know it by: its first keywords, as they are stored."""
    heat: float | None
    """None while it is archived."""
    pages: int
    promoted: int
    """Pages of it that were analysed into long-term memory."""

    @property
    def archived(self) -> bool:
        """Whether it had left mid-term memory for the archive."""
        return self.heat is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """Every segment of a memory at one moment, in order of opening, archived ones last."""

    at: datetime
    label: str
    """What the moment was, in the words of who looked; may be empty."""
    segments: tuple[SegmentLook, ...]


class EventKind(str, Enum):
    """What can happen to a segment."""

    PROMOTED = "promoted"
    """More of its pages are promoted than before."""
    EVICTED = "evicted"
    """It left mid-term memory, for the archive or, where the settings say so, for good."""
    RETURNED = "returned"
    """It is back from the archive."""
    FORGOTTEN = "forgotten"
    """It is gone because its pages were deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentEvent:
    """One thing that happened to one segment, dated by the first look that saw it."""

    kind: EventKind
    segment_id: str
    at: datetime
    look: int
    """The number of that look, from 1."""
    heat: float | None
    """Its heat at that look, or when it was seen in mid-term memory last; None if it never was."""


def segment_label(segment: Segment) -> str:
    """Return what people know a segment by: its first keywords, else how its summary begins, as they are stored."""
    words = segment.keywords[:LABEL_KEYWORDS]
    return ", ".join(words) or " ".join(segment.summary.split()[:LABEL_WORDS]) or "(no keywords)"


def events_between(
    before: Look, after: Look, *, number: int, last_heats: Mapping[str, float], full: bool
) -> list[SegmentEvent]:
    """Return what happened between two looks, in the order of the segments of the later one, then those gone.

    A segment may vanish in two ways, which leave nothing to tell them apart: evicted by a memory that deletes what
    it evicts, or forgotten. An eviction makes room for another segment and leaves the memory full; so whatever
    vanished was evicted if both are true, and forgotten if not.

    Args:
        before: the earlier look.
        after: the later look.
        number: of the later look, from 1.
        last_heats: the heat of each segment when it was last seen in mid-term memory, before the later look.
        full: whether evicted segments are deleted and mid-term memory is at its capacity at the later look.
    """
    known = {segment.segment_id: segment for segment in before.segments}
    there = {segment.segment_id: segment for segment in after.segments}
    made_room = full and not there.keys() <= known.keys()
    found = [(kind, key) for key, now in there.items() for kind in _kinds(known.get(key), now)]
    found += [
        (EventKind.EVICTED if made_room and not gone.archived else EventKind.FORGOTTEN, key)
        for key, gone in known.items()
        if key not in there
    ]
    heats = {**last_heats, **_heats(after.segments)}
    return [
        SegmentEvent(kind=kind, segment_id=key, at=after.at, look=number, heat=heats.get(key)) for kind, key in found
    ]


def _kinds(before: SegmentLook | None, now: SegmentLook) -> Iterable[EventKind]:
    """Yield what happened to a segment that is still there."""
    if now.promoted > (before.promoted if before else 0):
        yield EventKind.PROMOTED
    if before is not None and before.archived != now.archived:
        yield EventKind.EVICTED if now.archived else EventKind.RETURNED


def _heats(segments: Iterable[SegmentLook]) -> dict[str, float]:
    return {segment.segment_id: segment.heat for segment in segments if segment.heat is not None}
