"""How the demo looks: short lines, one idea each, at any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from memoryos_engine.demo_conversation import Evening
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Tier
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.terminal import reason, stored
from memoryos_engine.tier_view import count, heat_line

INDENT = 2
HEATS_SHOWN = 3
LEARNED_SHOWN = 4
LINE = 72
"""Characters of a quotation, so that it stays on one line of 80 columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TierCounts:
    """How much each tier holds."""

    short_term: int
    pending: int
    in_segments: int
    segments: int

    @classmethod
    def of(cls, memory: UserMemory) -> TierCounts:
        """Count what `memory` holds now."""
        pages = memory.tiers()
        return cls(
            short_term=len(pages[Tier.SHORT_TERM]),
            pending=len(pages[Tier.PENDING]),
            in_segments=len(pages[Tier.SEGMENT]),
            segments=len(memory.segments()),
        )


def show_title(title: str, promise: str, screen: Console) -> None:
    """Print the heading of a part, and in one sentence what it shows."""
    screen.print(Rule(Text(title, style="bold"), align="left", style="cyan"))
    screen.print(promise, style="dim")
    screen.print()


def show_turn(name: str, turn: tuple[str, str], screen: Console) -> None:
    """Print what a user said and what the agent answered."""
    for speaker, text in zip((name, "Agent"), turn, strict=True):
        _indented(Text.assemble((f"{speaker}: ", "bold"), stored(text)), screen)


def show_evening(evening: Evening, screen: Console) -> None:
    """Print the date of an evening, its subject and the first thing that was said."""
    heading = Text.assemble((f"{evening.start:%d %B %Y}".lstrip("0"), "bold cyan"), f"  {evening.subject}")
    screen.print(heading.append(f", {len(evening.turns)} turns", style="dim"))
    _indented(stored(evening.turns[0][0], limit=LINE, style="italic"), screen)


def show_tiers(before: TierCounts, after: TierCounts, *, capacity: int, screen: Console) -> None:
    """Print the tiers before consolidation, short-term memory and pending pages as dots, and the segments after."""
    line = Text.assemble(
        "short-term ",
        ("●" * before.short_term + "○" * (capacity - before.short_term), "green"),
        "   pending ",
        ("●" * before.pending or "none", "yellow"),
        f" → {count(after.in_segments, 'page')} in {count(after.segments, 'segment')}",
    )
    _indented(line, screen)


def show_heats(memory: UserMemory, threshold: float, screen: Console) -> None:
    """Print the hottest segments with their heat, and how many others there are."""
    heats, pages = memory.heats(), memory.pages()
    segments = {segment.id: segment for segment in memory.segments()}
    hottest = max(heats.values(), default=0.0)
    for segment_id, heat in list(heats.items())[:HEATS_SHOWN]:
        size = sum(page.segment_id == segment_id for page in pages)
        _indented(heat_line(segments[segment_id], heat, size, threshold=threshold, hottest=hottest), screen)
    if len(heats) > HEATS_SHOWN:
        _indented(Text(f"and {count(len(heats) - HEATS_SHOWN, 'cooler segment')}", style="dim"), screen)


def show_learned(entries: Sequence[KnowledgeEntry], read: Sequence[DialoguePage], screen: Console) -> None:
    """Print what a promotion added to long-term memory; nothing if nothing was promoted."""
    if not read:
        return
    hot = f"★ promoted {count(len({page.segment_id for page in read}), 'hot segment')}"
    summary = f": {count(len(read), 'page')} read, {count(len(entries), 'fact')} learned"
    _indented(Text.assemble((hot, "bold red"), summary), screen)
    fields_first = sorted(entries, key=lambda entry: entry.kind is not KnowledgeKind.USER_PROFILE)
    for entry in fields_first[:LEARNED_SHOWN]:
        _indented(_fact(entry), screen, by=2 * INDENT)


def show_answer(found: RetrievedMemory, screen: Console) -> None:
    """Print a question, the page that answers it best, and why that page was found."""
    screen.print(stored(found.query, style="bold"))
    page = found.pages[0] if found.pages else found.best
    if page is None:
        _indented(Text("Nothing is remembered."), screen)
        return
    _indented(Text.assemble((f"{page.timestamp:%d %b}  ".lstrip("0"), "cyan"), stored(page.user_input)), screen)
    _indented(Text.assemble(("→ ", "cyan"), stored(page.agent_response)), screen)
    parts = reason(found.explanations.get(page.id))
    why = f"found by {parts}" if parts else "still in short-term memory, so part of every context"
    _indented(Text(why, style="dim italic"), screen)
    screen.print()


def show_next_steps(path: Path | None, *, user: str, screen: Console) -> None:
    """Print where to go from here."""
    show_title("5  Yours", "The same in three lines of Python:", screen)
    for line in (
        "from memoryos_engine import MemoryOS",
        'memory = MemoryOS("./memoryos_data").memory(user_id="me")',
        'memory.add_memory("I sing in a choir.", "Which voice?")',
    ):
        _indented(Text(line, style="green"), screen)
    screen.print()
    look = f"memoryos show --path {path} --user {user}" if path else "memoryos demo --path ./demo_data"
    screen.print(Text.assemble("Look around in this memory: ", (look, "green")), soft_wrap=True)
    screen.print(Text.assemble("Measure it yourself:        ", ("memoryos evaluate --help", "green")), soft_wrap=True)


def _fact(entry: KnowledgeEntry) -> Text:
    said = "the agent said: " if entry.kind is KnowledgeKind.ASSISTANT_KNOWLEDGE else ""
    name = f"{entry.attribute}: " if entry.attribute else said
    return Text.assemble((f"{name}", "bold"), stored(entry.text, limit=LINE))


def _indented(text: Text, screen: Console, *, by: int = INDENT) -> None:
    """Print `text` wrapped and indented, without spaces at line ends."""
    for line in text.wrap(screen, max(screen.width - by, 1)):
        line.rstrip()
        screen.print(Text.assemble(" " * by, line), soft_wrap=True)
