"""A whole memory from a file, in two passes: the first believes nothing and changes nothing, the second writes.

Neither holds more than a batch of records in memory. An import that is cut off leaves a memory that says so
(`ImportCutOff`); importing the same file again writes what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.embedding.base import Embedder, unit_rows
from memoryos_engine.errors import InvalidInput
from memoryos_engine.events import EventName, note
from memoryos_engine.limits import require_pages
from memoryos_engine.progress import bar
from memoryos_engine.similarity import unit
from memoryos_engine.storage.adoption import Adoption
from memoryos_engine.storage.codec import AUDIT, KNOWLEDGE, PAGE, SEGMENT, Row, decode_page
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.storage.unsearched import unsearched
from memoryos_engine.telemetry import Traced
from memoryos_engine.transfer.export_format import ESCAPED, LONGEST_LINE, ExportReader, decoded, unreadable
from memoryos_engine.transfer.inventory import Inventory

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system_protocol import System

BATCH = 256
"""Records embedded and written at a time."""
CHECKED_AT_ONCE = 5000
"""Ids that the store is asked for at a time."""

_CHANGED = "was changed while it was read"
T = TypeVar("T")
Step = Callable[[int], object]


def import_file(system: System, file: Path, *, progress: bool = False) -> UserMemory:
    """Read an export into a store where its user has no memory yet; see `MemoryOS.import_memory`."""
    with _opened(file) as stream, Traced("memoryos.import") as span:
        source = _Source(stream, max(LONGEST_LINE, ESCAPED * system.settings.max_turn_bytes))
        span.about(source.owner)
        with bar("checking records", "record", None, shown=progress) as step:
            source.check(step)
        counts = {"records": len(source.inventory.ids), "pages": len(source.inventory.pages)}
        span.record(**counts)
        with system.resident(source.owner, half=True) as resident, resident.here:
            resident.refresh()
            _require_room(resident, source.sha256)
            require_pages(system.settings, held=0, more=counts["pages"])
            with (
                resident.adopting(source.sha256) as adoption,
                bar("importing records", "record", counts["records"], shown=progress) as step,
            ):
                _adopt(adoption, source, system.embedder, step)
            note(source.owner, EventName.IMPORTED, **counts)
    system.schedule(source.owner, at_once=True)
    return system.memory(source.owner.user_id, source.owner.assistant_id)


class _Source:
    """An export that is read several times. What it held when it was checked is what is written, or nothing more is."""

    def __init__(self, stream: BinaryIO, longest: int) -> None:
        self._stream = stream
        self._longest = longest
        self.inventory = Inventory()
        self.sha256 = ""
        self.owner = self._reader().owner

    def check(self, step: Step) -> None:
        """Go through all of it.

        Raises:
            InvalidInput: it is no export, or not a whole and consistent one.
        """
        reader = self._reader()
        for row in reader.rows():
            _refuse(self.inventory.note(decoded(row)))
            step(1)
        _refuse(self.inventory.missing())
        self.sha256 = reader.sha256

    def rows(self, *, of: Collection[str]) -> Iterator[Row]:
        """Yield its records of some kinds again.

        Raises:
            InvalidInput: it is not the same any more.
        """
        reader = self._reader()
        for row in reader.rows():
            if row.id not in self.inventory.ids:
                _refuse(_CHANGED)
            if row.kind in of:
                yield row
        if reader.sha256 != self.sha256:
            _refuse(_CHANGED)

    def _reader(self) -> ExportReader:
        self._stream.seek(0)
        return ExportReader(self._stream, longest=self._longest)


def _refuse(problem: str) -> None:
    if problem:
        raise InvalidInput("file", problem, "Export it again.")


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        stream = file.open("rb")
    except (OSError, ValueError) as error:
        raise unreadable(error) from error
    with stream:
        if not stream.seekable():
            raise InvalidInput("file", "can be read only once", "Pass a file on a disk.")
        yield stream


def _require_room(resident: ResidentSet, sha256: str) -> None:
    records = resident.records
    if resident.half_of not in ("", sha256):
        fix = "Import that file again, or purge the user first."
        raise InvalidInput("file", "is not the one whose import into this memory was cut off", fix)
    if records.pages or records.segments or records.knowledge:
        fix = "Purge it first, or import into another store."
        raise InvalidInput("file", "holds the memory of a user who already has one here", fix)


def _adopt(adoption: Adoption, source: _Source, embedder: Embedder, step: Step) -> None:
    """Write what is not written yet; segments last, because their vectors are made of those of their pages."""
    inventory = source.inventory
    for ids in _batches(iter(inventory.ids), CHECKED_AT_ONCE):
        adoption.require_free(ids)
    directions = _Directions()
    size = min(BATCH, adoption.batch)
    for rows in _batches(source.rows(of=(AUDIT, KNOWLEDGE, PAGE)), size):
        known = adoption.written([row.id for row in rows])
        new = _embedded([row for row in rows if row.id not in known], embedder)
        directions.add([*known.values(), *new])
        adoption.write(new)
        step(len(rows))
    for rows in _batches(source.rows(of=(SEGMENT,)), size):
        adoption.write([directions.give(row) for row in rows if row.id in inventory.peopled])
        step(len(rows))
    adoption.finish(next_sequence=inventory.next_sequence)


def _embedded(rows: Sequence[Row], embedder: Embedder) -> list[Row]:
    said = [row for row in rows if row.kind != AUDIT]
    found = {row.id: unsearched(row.id, embedder.dimension) for row in rows if row.kind == AUDIT}
    if said:
        texts = [decode_page(row).text if row.kind == PAGE else row.document for row in said]
        vectors = unit_rows(embedder.embed(texts), rows=len(texts), dimension=embedder.dimension)
        found |= {row.id: vector for row, vector in zip(said, vectors, strict=True)}
    return [replace(row, vector=found[row.id]) for row in rows]


class _Directions:
    """Sums up the vectors of each segment's pages."""

    def __init__(self) -> None:
        self._sums: dict[str, NDArray[np.float64]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        """Add those that are pages of a segment."""
        for row in rows:
            segment = decode_page(row).segment_id if row.kind == PAGE else None
            if segment and row.vector is not None:
                before = self._sums.get(segment)
                vector = row.vector.astype(np.float64)
                self._sums[segment] = vector if before is None else before + vector

    def give(self, row: Row) -> Row:
        """Return a segment's row with the direction of its pages."""
        return replace(row, vector=unit(self._sums[row.id].astype(np.float32)))


def _batches(things: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(things, size)):
        yield batch
