"""One user's memory as a tree, tier by tier, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from rich.tree import Tree

from memoryos_engine.memory import UserMemory
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Segment, Tier
from memoryos_engine.settings import MemorySettings
from memoryos_engine.terminal import bar, stored

PAGES_SHOWN = 5
"""Pages of one branch that are written out; the rest are counted."""
PAGE_LENGTH = 52
"""Characters of a page."""
KEYWORDS_SHOWN = 4

_KNOWLEDGE_TITLES = {
    KnowledgeKind.USER_TRAIT: "traits",
    KnowledgeKind.USER_KNOWLEDGE: "user knowledge",
    KnowledgeKind.ASSISTANT_KNOWLEDGE: "assistant knowledge",
}


def memory_tree(memory: UserMemory, settings: MemorySettings) -> Tree:
    """Return everything that is remembered of one user, abbreviated.

    Raises:
        StoreError: the memory cannot be read.
    """
    tiers = memory.tiers()
    tree = Tree(Text.assemble(stored(memory.owner.user_id, style="bold"), " with ", stored(memory.owner.assistant_id)))
    _add_pages(tree, "short-term memory", tiers[Tier.SHORT_TERM], sessions=True)
    _add_pages(tree, "pending", tiers[Tier.PENDING])
    _add_segments(tree, memory, tiers[Tier.SEGMENT], settings)
    tree.add(Text.assemble(("archive", "bold"), f"  {count(len(tiers[Tier.ARCHIVE]), 'page')}"))
    entries = memory.knowledge(history=True)
    _add_profile(tree, entries)
    for kind, title in _KNOWLEDGE_TITLES.items():
        _add_entries(tree, title, [entry for entry in entries if entry.kind is kind])
    return tree


def heat_line(segment: Segment, heat: float, pages: int, *, threshold: float, hottest: float) -> Text:
    """Return a segment as one line: its heat, also as a bar beside the hottest, its keywords and its size."""
    return Text.assemble(
        (bar(heat / max(threshold, hottest)), "red" if heat > threshold else "yellow"),
        f" {heat:4.1f}  ",
        stored(", ".join(segment.keywords[:KEYWORDS_SHOWN]) or "(no keywords)", limit=40, style="bold"),
        (f"  {count(pages, 'page')}", "dim"),
    )


def interval(entry: KnowledgeEntry) -> str:
    """Return since when and until when a fact held, or when a free one was said: "2024-01-02 → now"."""
    if not entry.attribute:
        return f"said {entry.said_at:%Y-%m-%d}"
    return f"{entry.said_at:%Y-%m-%d} → " + (f"{entry.valid_until:%Y-%m-%d}" if entry.valid_until else "now")


def _add_pages(tree: Tree, title: str, pages: Sequence[DialoguePage], *, sessions: bool = False) -> None:
    branch = tree.add(Text.assemble((title, "bold"), f"  {count(len(pages), 'page')}"))
    if not sessions:
        _add_lines(branch, pages)
        return
    for session_id in dict.fromkeys(page.session_id for page in pages):
        own = [page for page in pages if page.session_id == session_id]
        line = Text.assemble("session ", stored(session_id, limit=40), (f"  {count(len(own), 'page')}", "dim"))
        _add_lines(branch.add(line), own)


def _add_segments(tree: Tree, memory: UserMemory, pages: Sequence[DialoguePage], settings: MemorySettings) -> None:
    heats = memory.heats()
    segments: Mapping[str, Segment] = {segment.id: segment for segment in memory.segments()}
    hottest = max(heats.values(), default=0.0)
    branch = tree.add(Text.assemble(("segments", "bold"), f"  {len(heats)} with their heat, hottest first"))
    for segment_id, heat in heats.items():
        own = [page for page in pages if page.segment_id == segment_id]
        line = heat_line(segments[segment_id], heat, len(own), threshold=settings.heat_threshold, hottest=hottest)
        _add_lines(branch.add(line), own)


def _add_profile(tree: Tree, entries: Sequence[KnowledgeEntry]) -> None:
    fields = [entry for entry in entries if entry.kind is KnowledgeKind.USER_PROFILE]
    _add_entries(tree, "user profile", fields)


def _add_entries(tree: Tree, title: str, entries: Sequence[KnowledgeEntry]) -> None:
    branch = tree.add(Text.assemble((title, "bold"), f"  {len(entries)}"))
    for entry in entries:
        branch.add(_entry_line(entry))


def _entry_line(entry: KnowledgeEntry) -> Text:
    style = "" if entry.valid_until is None else "dim strike"
    name = f"{entry.attribute}: " if entry.attribute else ""
    level = f"{entry.level}, " if entry.level else ""
    return Text.assemble((interval(entry), "cyan"), "  ", stored(name + level + entry.text, style=style))


def _add_lines(branch: Tree, pages: Sequence[DialoguePage]) -> None:
    for page in pages[:PAGES_SHOWN]:
        branch.add(_page_line(page))
    if len(pages) > PAGES_SHOWN:
        branch.add(Text(f"and {len(pages) - PAGES_SHOWN} more", style="dim"))


def _page_line(page: DialoguePage) -> Text:
    said = page.user_input if page.user_input.strip() else page.agent_response
    return Text.assemble((f"{page.timestamp:%Y-%m-%d}", "cyan"), "  ", stored(said, limit=PAGE_LENGTH))


def count(number: int, noun: str) -> str:
    """Return "1 page" or "2 pages"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
