"""Memories in and out: histories of turns, and whole memories as JSON Lines.

An export is one header line, one line per record and one closing line with a checksum.
Vectors are not part of it: they are computed anew, so a memory moves between embedders.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memoryos_engine.changes import Changes
from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.errors import CorruptRecord, InvalidInput
from memoryos_engine.intake import Content, checked_content
from memoryos_engine.known_imports import KnownImports
from memoryos_engine.progress import bar_over
from memoryos_engine.settings import require_id
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.codec import (
    KNOWLEDGE,
    PAGE,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    owner_metadata,
)

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system import MemoryOS

VERSION = 1
BATCH = 256
"""Turns or records embedded and written at a time."""
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
            count += _add(memory, batch)
            problem = f"is unusable: {error.parameter} {error.problem}"
            fix = f"{error.fix} The {count} turns before it are stored."
            raise InvalidInput(f"turns[{position}]", problem, fix) from error
        if len(batch) == BATCH:
            count += _add(memory, batch)
    return count + _add(memory, batch)


def export_memory(memory: UserMemory, system: MemoryOS, file: Path) -> int:
    """Write all records of a memory; see `UserMemory.export`."""
    with system.resident(memory.owner) as resident, resident.writing:
        rows = sorted(resident.all_rows(), key=lambda row: (row.kind, row.id))
    lines = [_line({"memoryos_export": VERSION, **owner_metadata(memory.owner)})]
    lines += [_line(_record(row)) for row in rows]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    try:
        file.write_bytes("".join([*lines, _line({"records": len(rows), "sha256": digest})]).encode())
    except OSError as error:
        raise InvalidInput(
            "file", f"cannot be written ({error.strerror})", "Pass a path in a folder that exists."
        ) from error
    return len(rows)


def import_file(system: MemoryOS, file: Path) -> UserMemory:
    """Read an export into a store where its user has no memory yet; see `MemoryOS.import_memory`."""
    header, records = _checked_lines(file)
    memory = system.memory(
        require_id("user_id", header.get("user_id")), require_id("assistant_id", header.get("assistant_id"))
    )
    rows = [_row(record) for record in records]
    if len({row.id for row in rows}) != len(rows):
        raise InvalidInput("file", "holds two records with one id", "Export it again.")
    with system.resident(memory.owner) as resident, resident.writing:
        if resident.records.pages:
            fix = "Purge it first, or import into another store."
            raise InvalidInput("file", "holds the memory of a user who already has one here", fix)
        vectors = _embedded(system, rows)
        resident.adopt([_with_vector(row, vectors[row.id]) for row in rows])
    system.schedule(memory.owner, at_once=True)
    return memory


def decoded(rows: Iterable[Row]) -> Changes:
    """Return rows as the records they hold.

    Raises:
        CorruptRecord: one of them does not decode.
    """
    by_kind: dict[str, list[Row]] = {PAGE: [], SEGMENT: [], KNOWLEDGE: []}
    for row in rows:
        by_kind[row.kind].append(row)
    return Changes(
        pages=tuple(map(decode_page, by_kind[PAGE])),
        segments=tuple(map(decode_segment, by_kind[SEGMENT])),
        knowledge=tuple(map(decode_knowledge, by_kind[KNOWLEDGE])),
    )


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


def _add(memory: UserMemory, batch: list[Content]) -> int:
    added = len(memory.add_contents(batch)) if batch else 0
    batch.clear()
    return added


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n"


def _record(row: Row) -> dict[str, Any]:
    return {"id": row.id, "kind": row.kind, "document": row.document, "data": json.loads(row.data)}


def _checked_lines(file: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        # Not splitlines(): JSON leaves characters raw that Unicode counts as line ends.
        lines = [line + "\n" for line in file.read_bytes().decode("utf-8").removesuffix("\n").split("\n")]
        values = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InvalidInput(
            "file", f"cannot be read as an export ({type(error).__name__})", "Pass a file made by export()."
        ) from error
    if len(values) < 2 or not all(isinstance(value, dict) for value in values):
        raise InvalidInput("file", "is not an export", "Pass a file made by export().")
    if values[0].get("memoryos_export") != VERSION:
        raise InvalidInput("file", f"is not an export of version {VERSION}", "Export it with a matching version.")
    if values[-1].get("sha256") != hashlib.sha256("".join(lines[:-1]).encode()).hexdigest():
        raise InvalidInput("file", "is damaged or incomplete: its checksum does not match", "Export it again.")
    return values[0], values[1:-1]


def _row(record: Mapping[str, Any]) -> Row:
    try:
        data = json.dumps(record["data"], ensure_ascii=False)
        require_id("id", record["id"])
        row = Row(id=record["id"], kind=record["kind"], document=record["document"], data=data)
        decoded([row])
    except (KeyError, TypeError, CorruptRecord, InvalidInput) as error:
        raise InvalidInput("file", "holds a record that does not decode", "Export it again.") from error
    return row


def _embedded(system: MemoryOS, rows: Sequence[Row]) -> dict[str, Vector]:
    found: dict[str, Vector] = {}
    for batch in _batches(rows):
        texts = [_text(row) for row in batch]
        vectors = unit_rows(system.embedder.embed(texts), rows=len(texts), dimension=system.embedder.dimension)
        found |= {row.id: vector for row, vector in zip(batch, vectors, strict=True)}
    return found


def _batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def _text(row: Row) -> str:
    return decode_page(row).text if row.kind == PAGE else row.document


def _with_vector(row: Row, vector: Vector) -> Row:
    return replace(row, vector=vector)
