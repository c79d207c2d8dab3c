"""What one display of a memory shows: the tiers side by side, each cut to what fits on a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memoryos_engine.memory import UserMemory
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment, Tier
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.tier_view import KNOWLEDGE_TITLES, grouped

SEGMENTS_SHOWN = 12
PAGES_SHOWN = 5
SESSION_PAGES_SHOWN = 10
SESSIONS_SHOWN = 4
ENTRIES_SHOWN = 12
SOURCES_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionView:
    """The STM of one session: how many pages, and the last of them in order of arrival."""

    id: str
    page_count: int
    pages: Sequence[DialoguePage]


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentView:
    """A segment with its heat and its newest pages, newest first."""

    record: Segment
    heat: float
    page_count: int
    pages: Sequence[DialoguePage]


@dataclass(frozen=True, kw_only=True, slots=True)
class KnowledgeView:
    """One part of long-term memory: its newest entries, with the pages they were read from."""

    title: str
    entries: Sequence[KnowledgeEntry]
    left: int
    sources: Mapping[str, Sequence[DialoguePage]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """A memory as its display shows it."""

    user_id: str
    assistant_id: str
    page_count: int
    segment_count: int
    fact_count: int
    short_term_count: int
    sessions: Sequence[SessionView]
    sessions_left: int
    pending_count: int
    pending: Sequence[DialoguePage]
    segments: Sequence[SegmentView]
    archived_count: int
    archived_page_count: int
    knowledge: Sequence[KnowledgeView]
    threshold: float
    """tau."""
    hottest: float
    """The heat that a whole bar stands for."""


def overview(memory: UserMemory) -> Overview:
    """Return what there is to see of a memory now.

    Raises:
        StoreError: the memory cannot be read.
    """
    tiers, segments, heats, entries = memory.tiers(), memory.segments(), memory.heats(), memory.knowledge(history=True)
    threshold = memory.system.settings.heat_threshold
    sessions = sessions_of(tiers[Tier.SHORT_TERM], own=memory.session_id)
    pending = sorted(tiers[Tier.PENDING], key=_newest_first)
    pages = {page.id: page for tier in tiers.values() for page in tier}
    return Overview(
        user_id=memory.owner.user_id,
        assistant_id=memory.owner.assistant_id,
        page_count=len(pages),
        segment_count=len(segments),
        fact_count=sum(entry.valid_until is None for entry in entries),
        short_term_count=len(tiers[Tier.SHORT_TERM]),
        sessions=sessions[:SESSIONS_SHOWN],
        sessions_left=max(0, len(sessions) - SESSIONS_SHOWN),
        pending_count=len(pending),
        pending=pending[:PAGES_SHOWN],
        segments=segment_views(segments, heats, tiers[Tier.SEGMENT])[:SEGMENTS_SHOWN],
        archived_count=sum(segment.archived for segment in segments),
        archived_page_count=len(tiers[Tier.ARCHIVE]),
        knowledge=_knowledge(entries, pages),
        threshold=threshold,
        hottest=max([threshold, *heats.values()]),
    )


def sessions_of(pages: Iterable[DialoguePage], *, own: str) -> list[SessionView]:
    """Return pages by session, that of the handle first, then those that spoke last; each in order of arrival."""
    sessions = grouped(sorted(pages, key=lambda page: page.sequence), "session_id")
    latest = sorted(sessions, key=lambda name: (name != own, -sessions[name][-1].sequence))
    return [
        SessionView(id=name, page_count=len(sessions[name]), pages=sessions[name][-SESSION_PAGES_SHOWN:])
        for name in latest
    ]


def segment_views(
    segments: Iterable[Segment], heats: Mapping[str, float], pages: Iterable[DialoguePage]
) -> list[SegmentView]:
    """Return the segments that have a heat, hottest first, each with its newest pages."""
    records, inside = {segment.id: segment for segment in segments}, grouped(pages, "segment_id")
    return [
        SegmentView(
            record=records[key],
            heat=heat,
            page_count=len(inside.get(key, ())),
            pages=sorted(inside.get(key, ()), key=_newest_first)[:PAGES_SHOWN],
        )
        for key, heat in heats.items()
        if key in records  # it may have been opened since they were read
    ]


def sources_of(
    entries: Iterable[KnowledgeEntry], pages: Mapping[str, DialoguePage]
) -> dict[str, Sequence[DialoguePage]]:
    """Return for each entry the pages it was read from, the newest few."""
    return {entry.id: _sources(entry, pages) for entry in entries}


def full_bar(found: RetrievedMemory) -> float:
    """Return the score that a whole bar stands for: the best page's, at least 1."""
    return max([1.0, *(page.score or 0.0 for page in found.pages)])


def newest_entries(entries: Iterable[KnowledgeEntry]) -> list[KnowledgeEntry]:
    """Return entries that hold before those that ended, the newest first."""
    return sorted(entries, key=lambda entry: (entry.valid_until is None, entry.said_at, entry.order), reverse=True)


def _knowledge(entries: Iterable[KnowledgeEntry], pages: Mapping[str, DialoguePage]) -> list[KnowledgeView]:
    views = []
    for kind, title in KNOWLEDGE_TITLES.items():
        own = newest_entries(entry for entry in entries if entry.kind is kind)
        shown = own[:ENTRIES_SHOWN]
        if own:
            views.append(
                KnowledgeView(
                    title=title.capitalize(),
                    entries=shown,
                    left=len(own) - len(shown),
                    sources=sources_of(shown, pages),
                )
            )
    return views


def _sources(entry: KnowledgeEntry, pages: Mapping[str, DialoguePage]) -> Sequence[DialoguePage]:
    known = [pages[key] for key in entry.source_page_ids if key in pages]
    return sorted(known, key=_newest_first)[:SOURCES_SHOWN]


def _newest_first(page: DialoguePage) -> int:
    return -page.sequence
