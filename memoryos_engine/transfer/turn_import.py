"""Histories of turns, with their own times, into a memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from memoryos_engine.errors import InvalidInput, LimitReached
from memoryos_engine.intake import Content, checked_content
from memoryos_engine.known_imports import KnownImports
from memoryos_engine.progress import bar_over
from memoryos_engine.settings import require_id

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system import MemoryOS

BATCH = 256
"""Turns embedded and written at a time."""
_TURN_KEYS = frozenset({"user_input", "agent_response", "timestamp", "session_id", "metadata"})


def import_turns(memory: UserMemory, system: MemoryOS, turns: Iterable[Mapping[str, Any]], *, progress: bool) -> int:
    """Add a history of turns in order; see `UserMemory.import_turns`."""
    batch: list[Content] = []
    count = 0
    known = KnownImports(memory)
    for position, turn in enumerate(bar_over(turns, "importing turns", "turn") if progress else turns):
        if known.holds(turn):
            continue
        try:
            batch.append(_content(turn, memory, system))
        except InvalidInput as error:
            count += _add(memory, batch, count)
            problem = f"is unusable: {error.parameter} {error.problem}"
            fix = f"{error.fix} The {count} turns before it are stored."
            raise InvalidInput(f"turns[{position}]", problem, fix) from error
        if len(batch) == BATCH:
            count += _add(memory, batch, count)
    return count + _add(memory, batch, count)


def _content(turn: Mapping[str, Any], memory: UserMemory, system: MemoryOS) -> Content:
    if not isinstance(turn, Mapping):
        raise InvalidInput(
            "turn", f"is a {type(turn).__name__}, not a mapping", 'Pass dicts such as {"user_input": "..."}.'
        )
    unknown = sorted(set(map(str, turn)) - _TURN_KEYS)
    if unknown:
        raise InvalidInput("turn", f"has unknown keys {', '.join(unknown)}", f"Use {', '.join(sorted(_TURN_KEYS))}.")
    return checked_content(
        session_id=require_id("session_id", turn.get("session_id", memory.session_id)),
        user_input=turn.get("user_input", ""),
        agent_response=turn.get("agent_response", ""),
        timestamp=turn.get("timestamp"),
        metadata=turn.get("metadata"),
        now=system.clock(),
        max_bytes=system.settings.max_turn_bytes,
    )


def _add(memory: UserMemory, batch: list[Content], before: int) -> int:
    """Store a batch and empty it; where not all of it may be stored, as much of it as there is room for."""
    if not batch:
        return 0
    try:
        added = len(memory.add_contents(batch))
    except LimitReached as error:
        fitting = batch[: error.room]
        raise error.after(before + _add(memory, fitting, before)) from None
    batch.clear()
    return added
