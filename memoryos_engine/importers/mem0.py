"""What mem0 exports: `get_all()` of its library and its platform, OpenMemory's backups, JSON Lines of the same.

Each memory is a turn of one side: the user's, or the agent's where mem0 says that the assistant
said it. Its run is its session. What else mem0 kept with it is in the metadata under "mem0".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.json_values import values
from memoryos_engine.importers.pairing import Said, paired
from memoryos_engine.importers.turn import Keys, Turn, fitting_metadata, moment, storable

MEM0 = "mem0"
SESSION = "mem0"
LISTS = ("results", "memories")
"""Names of the list in an answer of its interface, and in a backup."""
TEXTS = ("memory", "content", "text")
"""Names of a memory's text, in the order in which they are looked for."""

_KEPT = ("metadata", "categories", "updated_at", "agent_id", "app_id", "run_id", "actor_id")
_MOST_ID = 200
_EARLIEST = datetime.min.replace(tzinfo=timezone.utc)
_FIX = "Export it again with get_all(), and save what it returns."


def read_mem0(file: Path, left_out: Counter[str], user_name: str | None = None) -> Iterator[Turn]:
    """Yield a turn for each memory, oldest first.

    Args:
        file: a list of memories, an object with "results" or "memories", or one memory a line.
        left_out: counts what is not a turn, by reason.
        user_name: the user_id in it whose memories are wanted; None takes all, if they are of one user.

    Raises:
        InvalidInput: it is of another form, or holds several users and `user_name` is None.
    """
    memories = list(_memories(file, left_out))
    users = {str(memory["user_id"]) for _, memory in memories if memory.get("user_id") is not None}
    if user_name is None and len(users) > 1:
        fix = "Pass user_name= (--user-name) with the user_id of the one to read."
        raise InvalidInput("file", f"holds the memories of {len(users)} users", fix)
    dated: list[tuple[datetime, str, Mapping[str, Any], datetime | None]] = []
    for where, memory in memories:
        if user_name is not None and str(memory.get("user_id")) != user_name:
            left_out["memories of other users"] += 1
        elif _has_text(memory, where, left_out):
            at = moment(memory.get("created_at"), f"{where}.created_at")
            dated.append((at or _EARLIEST, where, memory, at))
    keys = Keys(MEM0)
    for _, where, memory, at in sorted(dated, key=lambda each: each[0]):
        yield from _turns(memory, where, at, keys, left_out)


def _memories(file: Path, left_out: Counter[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for where, value in values(file, "memories"):
        if not isinstance(value, dict):
            raise InvalidInput(where, f"is a {type(value).__name__}, not a memory", _FIX)
        name = next((name for name in LISTS if isinstance(value.get(name), list)), None)
        if name is None:
            yield where, value
            continue
        left_out["relations of a graph"] += len(value["relations"]) if isinstance(value.get("relations"), list) else 0
        for place, memory in enumerate(value[name]):
            if not isinstance(memory, dict):
                raise InvalidInput(f"{name}[{place}]", f"is a {type(memory).__name__}, not a memory", _FIX)
            yield f"{name}[{place}]", memory


def _has_text(memory: Mapping[str, Any], where: str, left_out: Counter[str]) -> bool:
    if not _text(memory, where).strip():
        left_out["memories without text"] += 1
        return False
    if memory.get("state") == "deleted":
        left_out["memories that were deleted there"] += 1
        return False
    return True


def _text(memory: Mapping[str, Any], where: str) -> str:
    name = next((name for name in TEXTS if name in memory), None)
    if name is None:
        raise InvalidInput(where, 'has no "memory"', _FIX)
    text = memory[name]
    if text is not None and not isinstance(text, str):
        raise InvalidInput(f"{where}.{name}", f"is a {type(text).__name__}, not text", _FIX)
    return storable(text or "")


def _turns(
    memory: Mapping[str, Any], where: str, at: datetime | None, keys: Keys, left_out: Counter[str]
) -> Iterator[Turn]:
    name = storable(str(memory.get("id") or ""))[:_MOST_ID]
    place = name or storable(str(memory.get("created_at")))
    said = Said(by_user=memory.get("role") != "assistant", text=_text(memory, where), place=place, at=at)
    kept = fitting_metadata({key: memory[key] for key in _KEPT if memory.get(key)}, left_out)
    metadata = {**({"mem0_id": name} if name else {}), **({"mem0": kept} if kept else {})}
    run = memory.get("run_id")
    session_id = storable(run) if isinstance(run, str) and run else SESSION
    yield from paired([said], keys, session_id=session_id, metadata=metadata)
