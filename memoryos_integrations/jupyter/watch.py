"""A memory watched while it lives: heat is worked out at each asking and never stored, so its past is noted here.

    watch = MemoryWatch(memory)
    watch.look("asked about Lisbon")  # after each turn or flush, or whenever it is worth a point
    watch.sent(found.to_prompt())     # once for each turn

A watch changes nothing, keeps no text of a page, and is not for several threads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import DialoguePage, Segment
from memoryos_engine.settings import require_text
from memoryos_engine.tokens import TokenCounter, default_counter
from memoryos_integrations.jupyter.segment_events import (
    Look,
    SegmentEvent,
    SegmentLook,
    events_between,
    segment_label,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnTokens:
    """How many tokens one turn sent."""

    with_memory: int
    full_history: int
    """What a buffer that sends all of the conversation so far would have sent in its place."""
    at: datetime


class MemoryWatch:
    """Notes what happens in one memory, for the plots.

    Args:
        memory: the memory to watch, in any of its sessions.
    """

    def __init__(self, memory: UserMemory) -> None:
        self.memory = memory
        self._looks: list[Look] = []
        self._events: list[SegmentEvent] = []
        self._turns: list[TurnTokens] = []
        self._last_heats: dict[str, float] = {}
        self._history = _HistoryTokens(keeps_deleted=memory.system.settings.eviction == "delete")

    def __repr__(self) -> str:
        seen = f"{len(self.looks)} looks, {len(self.turns)} turns, {len(self.events)} events"
        return f"{type(self).__name__}({self.memory!r}): {seen}"

    @property
    def looks(self) -> tuple[Look, ...]:
        """Every look, in the order they were taken."""
        return tuple(self._looks)

    @property
    def events(self) -> tuple[SegmentEvent, ...]:
        """What happened to segments between the looks; what came and went between two of them is not seen."""
        return tuple(self._events)

    @property
    def turns(self) -> tuple[TurnTokens, ...]:
        """The tokens of every turn that was noted, in order."""
        return tuple(self._turns)

    def look(self, label: str = "") -> None:
        """Note the heat and size of every segment now.

        Args:
            label: what the moment is, for example "asked about Lisbon".

        Raises:
            StoreError: the memory cannot be read; nothing was noted.
        """
        look = _look_at(self.memory, require_text("label", label))
        if self._looks:
            number, full = len(self._looks) + 1, self._full(look)
            self._events += events_between(self._looks[-1], look, number=number, last_heats=self._last_heats, full=full)
        self._looks.append(look)
        self._last_heats |= {each.segment_id: each.heat for each in look.segments if each.heat is not None}

    def sent(self, prompt: str, counter: TokenCounter | None = None) -> None:
        """Note how many tokens a turn sends, and how many a buffer of the full history would send in its place.

        The history is every page there is at this moment, both sides; a page is counted once and not at each turn.
        Leave out of `prompt` what either would send, such as the question, if it is not a page yet.

        Args:
            prompt: what memory put into the request, for example `found.to_prompt()`.
            counter: counts the tokens of a text; the engine's own by default.

        Raises:
            StoreError: the memory cannot be read; nothing was noted.
        """
        counted = counter or default_counter()
        history = self._history.count(self.memory.pages(), counted)
        with_memory = counted(require_text("prompt", prompt))
        self._turns.append(TurnTokens(with_memory=with_memory, full_history=history, at=self.memory.system.clock()))

    def _full(self, look: Look) -> bool:
        """Say whether an eviction may just have deleted a segment."""
        settings = self.memory.system.settings
        resident = sum(not segment.archived for segment in look.segments)
        return settings.eviction == "delete" and resident >= settings.mid_term_capacity


def checked_watch(watch: Any) -> MemoryWatch:
    """Return `watch` if it is one.

    Raises:
        InvalidInput: it is none.
    """
    if not isinstance(watch, MemoryWatch):
        fix = "Pass a MemoryWatch(memory) that has looked at the memory while it lived."
        raise InvalidInput("watch", f"is a {type(watch).__name__}", fix)
    return watch


def _look_at(memory: UserMemory, label: str) -> Look:
    heats, segments, pages = memory.heats(), memory.segments(), memory.pages()
    sizes = Counter(page.segment_id for page in pages)
    promoted = Counter(page.segment_id for page in pages if page.promoted)

    def seen(segment: Segment) -> SegmentLook:
        return SegmentLook(
            segment_id=segment.id,
            label=segment_label(segment),
            heat=None if segment.archived else heats[segment.id],
            pages=sizes[segment.id],
            promoted=promoted[segment.id],
        )

    # One that the background opened or brought back since the heats were read is seen by the next look.
    known = (segment for segment in segments if segment.archived or segment.id in heats)
    return Look(at=memory.system.clock(), label=label, segments=tuple(map(seen, known)))


class _HistoryTokens:
    """The tokens of all pages of a memory, each counted once.

    Args:
        keeps_deleted: whether pages that are gone still count, because memory drops what it evicts and a buffer
            would not. Pages that were forgotten cannot be told from those, and count too.
    """

    def __init__(self, *, keeps_deleted: bool) -> None:
        self._keeps_deleted = keeps_deleted
        self._counter: TokenCounter | None = None
        self._known: dict[str, tuple[int, int]] = {}
        """Page id to a hash of its text, which an answer may yet join, and its tokens."""

    def count(self, pages: list[DialoguePage], counter: TokenCounter) -> int:
        """Return the tokens of all pages."""
        if counter != self._counter:
            self._counter, self._known = counter, {}
        before = self._known
        now = {page.id: self._counted(page, counter) for page in pages}
        self._known = {**before, **now} if self._keeps_deleted else now
        return sum(tokens for _, tokens in self._known.values())

    def _counted(self, page: DialoguePage, counter: TokenCounter) -> tuple[int, int]:
        written = hash((page.user_input, page.agent_response))
        known = self._known.get(page.id)
        return known if known and known[0] == written else (written, counter(page.text))
