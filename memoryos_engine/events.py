"""Events: what a system tells the program it runs in, for logs and counters of its own.

An event holds counts and the hash of an owner, never text, ids or the message of an error.
While a thread uses a memory its events wait; they are told once it holds no lock any more.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from memoryos_engine.changes import Changes
from memoryos_engine.clock import Clock
from memoryos_engine.errors import InvalidInput
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Owner, Segment
from memoryos_engine.telemetry import memory_name

logger = logging.getLogger(__name__)


NOTHING: Mapping[str, int] = MappingProxyType({})


class EventName(str, Enum):
    """What can be told, with the counts that come along."""

    PAGES_ADDED = "pages_added"
    """pages."""
    CONSOLIDATED = "consolidated"
    """pages that got their segment, and segments that took any."""
    PROMOTED = "promoted"
    """pages that were read into long-term memory, and entries that are new."""
    ARCHIVED = "archived"
    """segments that left mid-term memory."""
    RESTORED = "restored"
    """segments that a visit brought back."""
    EVICTED = "evicted"
    """pages, segments and entries that were deleted to make room."""
    FORGOTTEN = "forgotten"
    """pages, segments and entries that were deleted for the user."""
    PURGED = "purged"
    """pages."""
    IMPORTED = "imported"
    """records, and pages among them."""
    BACKGROUND_FAILED = "background_failed"
    """No counts; `error` names the type. It is tried again."""
    BACKGROUND_RECOVERED = "background_recovered"
    """Background work succeeded after it had failed."""
    RELOADED = "reloaded"
    """Another process had changed this memory; it was read again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryEvent:
    """Something that happened to one memory."""

    name: EventName
    at: datetime
    """By the system's clock, UTC."""
    memory: str
    """A hash that stands for user and assistant: the same for ever, and in spans the attribute memoryos.memory."""
    counts: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    error: str = ""
    """Name of the type of what went wrong; empty if nothing did."""


OnEvent = Callable[[MemoryEvent], object]


_Waiting = list[tuple[Owner, EventName, dict[str, int]]]


class _Notes(threading.local):
    """What this thread has to tell once it holds no lock; None where nobody listens."""

    waiting: _Waiting | None = None


_notes = _Notes()


def note(owner: Owner, name: EventName, **counts: int) -> None:
    """Have an event told when this thread is done with the memory it uses; nothing if nobody listens."""
    if _notes.waiting is not None:
        _notes.waiting.append((owner, name, counts))


def note_reloaded(owner: Owner) -> None:
    """Have it told that another process wrote and the memory was read again."""
    note(owner, EventName.RELOADED)


class Listener:
    """The one who is told. What other systems do on the same store, it is not told of. Thread-safe.

    Args:
        on_event: is called in the thread that did it, without a lock; what it raises is logged once, by type.
        clock: the present.

    Raises:
        InvalidInput: `on_event` cannot be called.
    """

    def __init__(self, on_event: OnEvent | None, clock: Clock) -> None:
        _require_callable(on_event)
        self._on_event = on_event
        self._clock = clock
        self._failed = False

    @contextmanager
    def delivered(self) -> Iterator[None]:
        """Tell at the end what this thread noted meanwhile, also where that ends in an error."""
        if self._on_event is None or _notes.waiting is not None:
            yield
            return
        waiting: _Waiting = []
        _notes.waiting = waiting
        try:
            yield
        finally:
            _notes.waiting = None
            for owner, name, counts in waiting:
                self.tell(owner, name, counts)

    def tell(self, owner: Owner, name: EventName, counts: Mapping[str, int] = NOTHING, *, error: str = "") -> None:
        """Tell of one event now. Called without any lock held."""
        if self._on_event is None:
            return
        event = MemoryEvent(
            name=name, at=self._clock(), memory=memory_name(owner), counts=MappingProxyType(dict(counts)), error=error
        )
        try:
            self._on_event(event)
        except Exception as failure:  # noqa: BLE001 - anybody's code; memory must not fail because a listener does
            if not self._failed:
                self._failed = True
                logger.warning("on_event raised %s; what it raises from now on is not logged", type(failure).__name__)

    def background(self, owner: Owner, error: Exception | None) -> None:
        """Tell that the owner's background work failed, or with None that it succeeds again."""
        if error is None:
            self.tell(owner, EventName.BACKGROUND_RECOVERED)
        else:
            self.tell(owner, EventName.BACKGROUND_FAILED, error=type(error).__name__)


def _require_callable(on_event: object) -> None:
    if on_event is not None and not callable(on_event):
        fix = "Pass a function that takes a MemoryEvent."
        raise InvalidInput("on_event", f"is a {type(on_event).__name__}", fix)


Seen = tuple[tuple[EventName, dict[str, int]], ...]


def seen(
    pages: Mapping[str, DialoguePage],
    segments: Mapping[str, Segment],
    entries: Mapping[str, KnowledgeEntry],
    changes: Changes,
) -> Seen:
    """Return the events that `changes` to these records are; none where nobody listens, which saves the counting."""
    if _notes.waiting is None:
        return ()
    old = [(pages[page.id], page) for page in changes.pages if page.id in pages]
    placed = [new.segment_id for before, new in old if before.segment_id is None and new.segment_id is not None]
    promoted = sum(new.promoted and not before.promoted for before, new in old)
    learnt = sum(entry.id not in entries for entry in changes.knowledge)
    left = [
        each.archived
        for each in changes.segments
        if each.id in segments and segments[each.id].archived != each.archived
    ]
    gone = {
        "pages": sum(key in pages for key in changes.forgotten),
        "segments": sum(key in segments for key in changes.forgotten),
        "entries": sum(key in entries for key in changes.forgotten),
    }
    found: list[tuple[EventName, dict[str, int], bool]] = [
        (EventName.PAGES_ADDED, {"pages": len(changes.pages) - len(old)}, len(changes.pages) > len(old)),
        (EventName.CONSOLIDATED, {"pages": len(placed), "segments": len(set(placed))}, bool(placed)),
        (EventName.PROMOTED, {"pages": promoted, "entries": learnt}, bool(promoted)),
        (EventName.ARCHIVED, {"segments": sum(left)}, any(left)),
        (EventName.RESTORED, {"segments": len(left) - sum(left)}, not all(left)),
        (EventName.EVICTED if changes.makes_room else EventName.FORGOTTEN, gone, any(gone.values())),
    ]
    return tuple((name, counts) for name, counts, is_so in found if is_so)


def note_seen(owner: Owner, events: Seen) -> None:
    """Have events told that were seen in changes, now that those are done."""
    for name, counts in events:
        note(owner, name, **counts)
