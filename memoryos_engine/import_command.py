"""The command `memoryos import` for other people's files: which format it is, and what became of what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers import FORMATS, ImportedTurns, read_turns
from memoryos_engine.terminal import console, stored

if TYPE_CHECKING:
    from rich.console import Console

    from memoryos_engine.memory import UserMemory

OWN = "memoryos"
_OWN_HEAD = b'"memoryos_export"'
_HEAD = 4096
"""Bytes; the first line of an export is shorter unless its ids are not."""


def foreign_turns(
    file: Path, source: str | None, user_name: str | None, *, day_first: bool | None
) -> ImportedTurns | None:
    """Return the turns of a file of another program; None for an export of our own.

    Raises:
        InvalidInput: the file or an option is unusable; the message names the option.
    """
    if not file.exists():
        raise InvalidInput("FILE", "does not exist", "Pass a file made by: memoryos export FILE")
    if source == OWN or (source is None and _is_own(file)):
        return None
    if source is not None and source.replace("_", "-") not in FORMATS:
        raise InvalidInput("--from", "names no format", f"Pass one of: {', '.join((OWN, *FORMATS))}.")
    return read_turns(file, source, user_name, day_first=day_first)


def _is_own(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as raw:
        return _OWN_HEAD in raw.read(_HEAD)


def refuse_options(given: Mapping[str, str | None]) -> None:
    """Raise InvalidInput if an option was given that an export of our own has no use for."""
    unused = [option for option, value in given.items() if value is not None]
    if unused:
        problem = "has no use here: an export of MemoryOS names its own user, assistant and sessions"
        raise InvalidInput(unused[0], problem, "Leave it out.")


def import_foreign(memory: UserMemory, turns: ImportedTurns, *, screen: Console) -> None:
    """Import the turns, do the background work, and say what was made, known already and left out.

    Raises:
        InvalidInput: the file is damaged; what came before is stored, and the next import goes on from there.
    """
    shown = console(errors=True).is_terminal
    made = memory.import_turns(turns, progress=shown)
    memory.flush(progress=shown)
    screen.print(stored(f"Made {made:,} pages of {memory.owner.user_id} with {memory.owner.assistant_id}"))
    for line in _further(turns, turns.count - made):
        screen.print(stored(line), soft_wrap=True)


def _further(turns: ImportedTurns, known: int) -> list[str]:
    """Return a line for each thing there is to say about what became no page, or one with another date."""
    lines = [f"Read as: {turns.format}"]
    if known:
        lines.append(f"Known already: {known:,}")
    if turns.left_out:
        lines.append("Left out: " + ", ".join(f"{count:,} {reason}" for reason, count in turns.left_out.items()))
    if turns.undated:
        lines.append(f"Without a date in the file, dated now: {turns.undated:,}")
    return lines
