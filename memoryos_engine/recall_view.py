"""What a retrieval returned, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from memoryos_engine.records import KnowledgeEntry
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.terminal import disarmed, pages_table, stored

FACTS_SHOWN = 5
STM_LENGTH = 66
"""Characters of a page of short-term memory, so that it stays on one line of 80 columns."""


def show_found(found: RetrievedMemory, *, screen: Console) -> None:
    """Print the pages found with their reasons, short-term memory, profile and facts."""
    if found.pages:
        screen.print(pages_table(found.pages, found.explanations))
    else:
        screen.print("No page outside short-term memory.")
    if found.short_term:
        screen.print(Text("In short-term memory", style="bold"))
        for page in found.short_term:
            said = page.user_input if page.user_input.strip() else page.agent_response
            screen.print(Text.assemble((f"{page.timestamp:%Y-%m-%d}  ", "cyan"), stored(said, limit=STM_LENGTH)))
    _show_lines("Profile", [f"{name}: {value}" for name, value in found.user_profile.fields.items()], screen)
    _show_lines("Known of the user", _texts(found.user_knowledge), screen)
    _show_lines("Known of the assistant", _texts(found.assistant_knowledge), screen)


def show_prompt(text: str, *, screen: Console) -> None:
    """Print a prompt as a model would get it, line by line, without colours or wrapping."""
    for line in text.split("\n"):
        screen.print(Text(disarmed(line)), soft_wrap=True)


def _texts(entries: Sequence[KnowledgeEntry]) -> list[str]:
    return [entry.text for entry in entries[:FACTS_SHOWN]]


def _show_lines(title: str, lines: Sequence[str], screen: Console) -> None:
    if lines:
        screen.print(Text(title, style="bold"))
        for line in lines:
            screen.print(Text.assemble("  ", stored(line)))
