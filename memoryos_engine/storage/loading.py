"""Rows of one owner as resident records, and what of them a crash or a race left to be finished."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.page_index import Precision
from memoryos_engine.records import DialoguePage, Owner
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import (
    KNOWLEDGE,
    PAGE,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    encode_page,
)
from memoryos_engine.storage.heads import Heads
from memoryos_engine.storage.user_records import UserRecords, arrival


def loaded(rows: Sequence[Row], next_sequence: int, *, dimension: int, precision: Precision) -> UserRecords:
    """Return the records of rows, in their order of arrival.

    Args:
        rows: every row of the owner but the heads.
        next_sequence: the next page's, at least; the newest page may have been forgotten.
        dimension: length of the vectors.
        precision: how page vectors are kept.

    Raises:
        CorruptRecord: a row does not decode; the message names it.
    """
    records = UserRecords(dimension=dimension, precision=precision)
    check_kinds(rows)
    segments = [decode_segment(row) for row in rows if row.kind == SEGMENT]
    for segment in sorted(segments, key=lambda segment: segment.sequence):
        records.segments[segment.id] = segment
    for row in rows:
        if row.kind == KNOWLEDGE:
            records.put_entry(decode_knowledge(row), row.vector)
    for page, vector in sorted(pages_of(rows), key=lambda pair: arrival(pair[0])):
        records.put_page(page, vector)
    records.next_sequence = max(records.next_sequence, next_sequence)
    return records


def unfinished(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that finish what a crash between two upserts left, or two processes that added at once.

    A page whose segment was never written is pending again; of pages with one place, the later ones move on.
    """
    rows = list(rows)
    segments = {row.id for row in rows if row.kind == SEGMENT}
    pages = pages_of(rows)
    places = _places([page for page, _ in pages])
    found: list[Row] = []
    for page, vector in pages:
        segment_id = page.segment_id if page.segment_id in segments else None
        whole = replace(page, segment_id=segment_id, sequence=places[page.id])
        if whole != page:
            found.append(encode_page(whole, vector))
    return found


def finished(store: ChromaStore, owner: Owner) -> tuple[Heads, list[Row]]:
    """Write what is unfinished, unless somebody did meanwhile; return everything anew.

    Called where no other process that shares the owner's locks is writing.

    Raises:
        StoreError: it cannot be read or written.
    """
    heads, rows = store.load(owner)
    late = unfinished(rows)
    if late:
        places = [decode_page(row).sequence + 1 for row in late]
        own = heads.by_writer.get(store.writer)
        store.commit(owner, late, next_sequence=max(heads.next_sequence, *places), own=own)
    return store.load(owner) if late else (heads, rows)


def pages_of(rows: Iterable[Row]) -> list[tuple[DialoguePage, Vector]]:
    """Return the pages among rows with their vectors."""
    return [(decode_page(row), vector_of(row)) for row in rows if row.kind == PAGE]


def vector_of(row: Row) -> Vector:
    """Return the vector of a row, or raise CorruptRecord."""
    if row.vector is None:
        raise CorruptRecord(f"record {row.id!r} has no vector; it was left as it is")
    return row.vector


def check_kinds(rows: Iterable[Row]) -> None:
    """Raise CorruptRecord for a row of a kind that this version does not know."""
    for row in rows:
        if row.kind not in (PAGE, SEGMENT, KNOWLEDGE):
            raise CorruptRecord(f"record {row.id!r} has the unknown kind {row.kind!r}; it was left as it is")


def _places(pages: Sequence[DialoguePage]) -> dict[str, int]:
    """Return a sequence for each page, its own where no page before has it."""
    found: dict[str, int] = {}
    free = 0
    for page in sorted(pages, key=arrival):
        found[page.id] = max(free, page.sequence)
        free = found[page.id] + 1
    return found
