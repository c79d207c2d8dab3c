"""The same displays for terminals: what the engine draws there, as text without colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

from rich.console import Console, RenderableType
from rich.text import Text

from memoryos_engine.memory import UserMemory
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment, UserProfile
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.status import MemoryStatus
from memoryos_engine.terminal import pages_table, stored
from memoryos_engine.tier_view import count, entry_line, memory_tree
from memoryos_integrations.jupyter.visible_text import ONE_LINE, one_line

WIDTH = 100
"""Columns of a line."""
ROWS = 100
"""Pages of a table."""
SIDE = 300
"""Characters of one side of a page."""


def memory_text(memory: UserMemory, *, most: int) -> str:
    """Return the tiers as a tree of at most so many branches of a kind."""
    return _drawn(memory_tree(memory, memory.system.settings, most=most))


def retrieval_text(found: RetrievedMemory) -> str:
    """Return the found pages as a table, with the reasons, and how many pages are in the context anyway."""
    title = stored(found.query, limit=WIDTH - 20) + Text(f"  {count(len(found.pages), 'page')} found")
    pages = pages_table([_shortened(page) for page in found.pages[:ROWS]], found.explanations)
    parts = [_drawn(title), _drawn(pages) if found.pages else "no page outside short-term memory"]
    if found.short_term:
        parts.append(f"{count(len(found.short_term), 'page')} in short-term memory, in the context anyway")
    return "\n".join(parts)


def status_text(status: MemoryStatus) -> str:
    """Return how far the background work is, as a line, and a second one if it failed."""
    line = f"{count(status.pending, 'page')} pending, {count(status.unpromoted, 'page')} of hot segments unread"
    line += ", running" if status.running else ""
    return f"{line}\nfailed {count(status.failed, 'time')}: {_drawn(stored(status.why))}" if status.failure else line


def pages_text(pages: Sequence[DialoguePage]) -> str:
    """Return pages, each with its date and its sides."""
    return "\n".join(_page(page) for page in pages)


def segments_text(segments: Sequence[Segment]) -> str:
    """Return segments, one line each."""
    return "\n".join(
        _drawn(
            Text.assemble(
                f"{segment.created_at:%Y-%m-%d}  ",
                stored(", ".join(segment.keywords[:4]) or "(no keywords)", limit=60),
                f"  {count(segment.visits, 'visit')}{', in the archive' if segment.archived else ''}",
            )
        )
        for segment in segments
    )


def entries_text(entries: Sequence[KnowledgeEntry]) -> str:
    """Return knowledge entries, one line each: interval, attribute and text."""
    return "\n".join(_drawn(entry_line(entry, limit=ONE_LINE)) for entry in entries)


def profile_text(profile: UserProfile) -> str:
    """Return the fields and traits of a profile, one line each."""
    return "\n".join(_drawn(stored(line, limit=300)) for line in str(profile).splitlines()) or "(empty)"


def _page(page: DialoguePage) -> str:
    sides = [stored(side, limit=SIDE) for side in (page.user_input, page.agent_response) if side.strip()]
    return _drawn(Text(f"\n{'':12}").join([Text(f"{page.timestamp:%Y-%m-%d}  ") + sides[0], *sides[1:]]))


def _shortened(page: DialoguePage) -> DialoguePage:
    """Return a page whose sides are as long as is worth reading in a table."""
    return replace(page, user_input=one_line(page.user_input, SIDE), agent_response=one_line(page.agent_response, SIDE))


def _drawn(thing: RenderableType) -> str:
    screen = Console(
        file=StringIO(), width=WIDTH, color_system=None, highlight=False, emoji=False, markup=False, force_jupyter=False
    )
    with screen.capture() as shown:
        screen.print(thing, soft_wrap=isinstance(thing, Text))
    return "\n".join(line.rstrip() for line in shown.get().splitlines())
