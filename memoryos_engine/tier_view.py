"""One user's memory as a tree, tier by tier, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

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
ENTRY_LENGTH = 160
"""Characters of a fact, where facts are cut."""
KEYWORDS_SHOWN = 4

KNOWLEDGE_TITLES = {
    KnowledgeKind.USER_PROFILE: "user profile",
    KnowledgeKind.USER_TRAIT: "traits",
    KnowledgeKind.USER_KNOWLEDGE: "user knowledge",
    KnowledgeKind.ASSISTANT_KNOWLEDGE: "assistant knowledge",
}


def memory_tree(memory: UserMemory, settings: MemorySettings, *, most: int | None = None) -> Tree:
    """Return everything that is remembered of one user, abbreviated.

    Args:
        memory: whose.
        settings: of its system.
        most: sessions, segments and facts of a kind that are written out, each on a line of its own; all if None.

    Raises:
        StoreError: the memory cannot be read.
    """
    tiers = memory.tiers()
    tree = Tree(Text.assemble(stored(memory.owner.user_id, style="bold"), " with ", stored(memory.owner.assistant_id)))
    _add_sessions(tree, tiers[Tier.SHORT_TERM], most)
    _add_lines(_branch(tree, "pending", tiers[Tier.PENDING]), tiers[Tier.PENDING])
    _add_segments(tree, memory, tiers[Tier.SEGMENT], settings, most)
    tree.add(Text.assemble(("archive", "bold"), f"  {count(len(tiers[Tier.ARCHIVE]), 'page')}"))
    entries = memory.knowledge(history=True)
    for kind, title in KNOWLEDGE_TITLES.items():
        _add_entries(tree, title, [entry for entry in entries if entry.kind is kind], most)
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


def entry_line(entry: KnowledgeEntry, *, limit: int | None = None) -> Text:
    """Return a fact as one line: its interval, what it is of, and its text, struck out where it holds no more.

    Args:
        entry: the fact.
        limit: cut behind the interval to about so many characters; whole if None.
    """
    style = "" if entry.valid_until is None else "dim strike"
    name = f"{entry.attribute}: " if entry.attribute else ""
    level = f"{entry.level}, " if entry.level else ""
    return Text.assemble((interval(entry), "cyan"), "  ", stored(name + level + entry.text, limit=limit, style=style))


def _branch(tree: Tree, title: str, pages: Sequence[DialoguePage]) -> Tree:
    return tree.add(Text.assemble((title, "bold"), f"  {count(len(pages), 'page')}"))


def _add_sessions(tree: Tree, pages: Sequence[DialoguePage], most: int | None) -> None:
    branch, sessions = _branch(tree, "short-term memory", pages), grouped(pages, "session_id")
    for session_id, own in islice(sessions.items(), most):
        line = Text.assemble("session ", stored(session_id, limit=40), (f"  {count(len(own), 'page')}", "dim"))
        _add_lines(branch.add(line), own)
    _add_rest(branch, len(sessions), most, "session")


def _add_segments(
    tree: Tree, memory: UserMemory, pages: Sequence[DialoguePage], settings: MemorySettings, most: int | None
) -> None:
    heats, inside = memory.heats(), grouped(pages, "segment_id")
    segments: Mapping[str, Segment] = {segment.id: segment for segment in memory.segments()}
    hottest = max(heats.values(), default=0.0)
    branch = tree.add(Text.assemble(("segments", "bold"), f"  {len(heats)} with their heat, hottest first"))
    for segment_id, heat in islice(heats.items(), most):
        if segment_id in segments:  # it may have been forgotten in between
            own = inside.get(segment_id, [])
            line = heat_line(segments[segment_id], heat, len(own), threshold=settings.heat_threshold, hottest=hottest)
            _add_lines(branch.add(line), own)
    _add_rest(branch, len(heats), most, "segment")


def _add_entries(tree: Tree, title: str, entries: Sequence[KnowledgeEntry], most: int | None) -> None:
    branch = tree.add(Text.assemble((title, "bold"), f"  {len(entries)}"))
    for entry in entries[:most]:
        branch.add(entry_line(entry, limit=None if most is None else ENTRY_LENGTH))
    _add_rest(branch, len(entries), most, "fact")


def _add_rest(branch: Tree, total: int, most: int | None, noun: str) -> None:
    if most is not None and total > most:
        branch.add(Text(f"and {count(total - most, noun)} more", style="dim"))


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


def grouped(pages: Iterable[DialoguePage], name: str) -> dict[str, list[DialoguePage]]:
    """Return pages by what they have under a name, "session_id" or "segment_id"; each group in their order."""
    groups: dict[str, list[DialoguePage]] = {}
    for page in pages:
        groups.setdefault(getattr(page, name), []).append(page)
    return groups
