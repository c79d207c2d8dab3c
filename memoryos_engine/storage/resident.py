"""A user's records while in use: the one place that changes them, in store and memory.

`commit` writes to the store first and applies the change here only when that succeeded,
so memory is never ahead of the disk. Two locks: `writing` is held over a whole change,
`reading` only while records in memory are touched, so a retrieval never waits for the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from memoryos_engine.changes import Changes
from memoryos_engine.errors import CorruptRecord, InvalidInput
from memoryos_engine.page_index import COARSER, Precision
from memoryos_engine.records import DialoguePage, Owner, Segment
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.chroma import ChromaStore, Head
from memoryos_engine.storage.codec import (
    HEAD,
    KNOWLEDGE,
    PAGE,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    encode_knowledge,
    encode_page,
    encode_segment,
)
from memoryos_engine.storage.user_records import UserRecords, arrival
from memoryos_engine.trouble import Trouble


class ResidentSet:
    """One owner's records, loaded from the store at construction.

    Raises:
        StoreError: the records cannot be read.
        CorruptRecord: one of them does not decode; the message names it.
    """

    def __init__(self, owner: Owner, store: ChromaStore, *, dimension: int) -> None:
        self.owner = owner
        self.writing = threading.RLock()
        self.reading = threading.RLock()
        self.consolidating = threading.Lock()
        """Held while a plan is made and committed, its new entries embedded; never while a chat model is asked."""
        self.thinking = threading.Lock()
        """Held by the one job that asks an analyst for this owner; taken before `consolidating`."""
        self.trouble = Trouble()
        self.spoke_at: float | None = None
        """When pages were last added here, by the monotonic clock; None if none were since this was loaded."""
        self.epoch = 0
        """Changes whenever records may have vanished or say something else, so that an older plan can be told."""
        self.head = Head()
        self._raised = False
        self._stale = False
        self._store = store
        self._dimension = dimension
        self._precision: Precision = "float32"
        self.records = UserRecords(dimension=dimension, precision=self._precision)
        self.load()

    # -- reading ------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """About how much memory the set takes, in bytes."""
        others = len(self.records.knowledge) + len(self.records.segments)
        return self.records.index.nbytes + others * (4 * self._dimension + 2000)

    def vectors(self, page_ids: Iterable[str]) -> dict[str, Vector]:
        """Return the full-precision vectors of pages, from the store where they are not resident."""
        wanted = list(page_ids)
        with self.reading:
            index = self.records.index
            resident = {page_id: index.vector(page_id) for page_id in wanted if page_id in index}
        found = {page_id: vector for page_id, vector in resident.items() if vector is not None}
        missing = [page_id for page_id in wanted if page_id not in found]
        return found | {row.id: row.vector for row in self._store.fetch(self.owner, missing) if row.vector is not None}

    def nearest(self, query: Vector, limit: int) -> dict[str, float]:
        """Return page id to similarity for the pages nearest to `query`, by Chroma."""
        return self._store.nearest(self.owner, query, limit)

    # -- changing -----------------------------------------------------------------

    def commit(self, changes: Changes) -> None:
        """Write `changes` to the store, then apply them here.

        Raises:
            StoreError: nothing was applied.
        """
        if not changes:
            return
        with self.writing:
            forgotten = self.vectors(key for key in changes.forgotten if key in self.records.pages)
            known = self.vectors(page.id for page in changes.pages if page.id not in changes.vectors)
            vectors = {**known, **changes.vectors}
            rows = self._encoded(changes, vectors)
            stale, self._stale = self._stale, True  # a write that fails may be done, or half of one that takes several
            self._write(rows, changes)
            with self.reading:
                self._apply(changes, vectors, forgotten)
            self._stale = stale

    def move(self, pages: Sequence[DialoguePage]) -> None:
        """Write pages that belong to another session now, then derive what depends on sessions anew.

        Raises:
            StoreError: nothing was changed, or it was written and only the reply was lost. The next use of
                this owner's records finds out.
        """
        with self.writing:
            changes = Changes(pages=tuple(pages))
            rows = self._encoded(changes, self.vectors(page.id for page in pages))
            self._stale = True
            self._write(rows, changes)
            with self.reading:
                self.records.move_pages(pages)
                self.epoch += 1
            self._stale = False

    def outdate_plans(self) -> None:
        """Have plans that were made of the records as they were dropped, and made again."""
        with self.writing, self.reading:
            self.epoch += 1

    def all_rows(self) -> list[Row]:
        """Read every row of the owner from the store but the head."""
        return [row for row in self._store.rows(self.owner) if row.kind != HEAD]

    def adopt(self, rows: Sequence[Row]) -> None:
        """Write rows as they are, vectors included, and load them.

        Raises:
            InvalidInput: an id is somebody's already; nothing was written.
        """
        with self.writing:
            if self._store.taken([row.id for row in rows]):
                raise InvalidInput("file", "holds ids of records that are somebody else's here", "Export it again.")
            newest = max((decode_page(row).sequence for row in rows if row.kind == PAGE), default=-1)
            self._store.commit(self.owner, rows, next_sequence=newest + 1)
            self.load()

    def refresh(self) -> None:
        """Reload if another process committed since this set last read or wrote, or it could not be read then."""
        with self.writing:
            if self._stale or (self._store.shared and self._store.head(self.owner) != self.head):
                self.load()

    def clear(self) -> None:
        """Delete everything of the owner, in store and memory."""
        with self.writing:
            self._stale = True
            self._store.purge(self.owner)
            self.trouble.clear()
            self.load()

    def coarsen(self) -> bool:
        """Give up vector precision to save memory; return whether there was any left to give."""
        with self.reading:
            coarser = COARSER[self._precision]
            if coarser == self._precision:
                return False
            self._precision = coarser
            self.records.index.coarsen()
            return True

    def load(self) -> None:
        """Read the owner's records from the store, replacing what is here."""
        with self.writing:
            head, rows = self._store.load(self.owner)
            if self._complete(rows, head.next_sequence):
                head, rows = self._store.load(self.owner)
            records = self._adopted(rows, head.next_sequence)
            with self.reading:
                self.records, self.head, self._raised = records, head, False
                self.epoch += 1
                self._stale = False

    # -- loading ------------------------------------------------------------------

    def _adopted(self, rows: Sequence[Row], next_sequence: int) -> UserRecords:
        records = UserRecords(dimension=self._dimension, precision=self._precision)
        _check_kinds(rows)
        segments = [decode_segment(row) for row in rows if row.kind == SEGMENT]
        for segment in sorted(segments, key=lambda segment: segment.sequence):
            records.segments[segment.id] = segment
        for row in rows:
            if row.kind == KNOWLEDGE:
                records.put_entry(decode_knowledge(row), row.vector)
        pages = [(decode_page(row), _vector(row)) for row in rows if row.kind == PAGE]
        for page, vector in sorted(pages, key=lambda pair: arrival(pair[0])):
            records.put_page(page, vector)
        records.next_sequence = max(records.next_sequence, next_sequence)
        return records

    def _complete(self, rows: Sequence[Row], next_sequence: int) -> bool:
        """Finish what a crash between two upserts left; return whether there was anything.

        A page whose segment was never written is pending again.
        """
        segments = {row.id for row in rows if row.kind == SEGMENT}
        pages = [(decode_page(row), _vector(row)) for row in rows if row.kind == PAGE]
        strays = [(page, vector) for page, vector in pages if page.segment_id and page.segment_id not in segments]
        late = [encode_page(replace(page, segment_id=None), vector) for page, vector in strays]
        if late:
            self._store.commit(self.owner, late, next_sequence=next_sequence)
        return bool(late)

    def _next_sequence(self, changes: Changes) -> int:
        return max([self.records.next_sequence, *(page.sequence + 1 for page in changes.pages)])

    def _write(self, rows: Sequence[Row], changes: Changes) -> None:
        """Raise the head with what others may have to notice.

        A store that this process owns has no other readers until it is closed; whoever
        reads it then sees the head that the first commit of this process raised. What was
        forgotten raises it too, because the next sequence no longer follows from the pages.
        """
        quiet = self._raised and not changes.forgotten and not self._store.shared and len(rows) < self._store.max_batch
        if quiet and self._store.append(self.owner, rows):
            return
        self.head = self._store.commit(
            self.owner, rows, next_sequence=self._next_sequence(changes), forgotten=changes.forgotten
        )
        self._raised = True

    # -- applying -----------------------------------------------------------------

    def _apply(self, changes: Changes, vectors: Mapping[str, Vector], forgotten: Mapping[str, Vector]) -> None:
        for segment in changes.segments:
            self.records.segments[segment.id] = segment
        for page in changes.pages:
            self.records.put_page(page, vectors[page.id])
        for entry in changes.knowledge:
            self.records.put_entry(entry, changes.vectors.get(entry.id))
        for record_id in changes.forgotten:
            self._drop(record_id, forgotten.get(record_id))
        if changes.forgotten:
            self.epoch += 1
            self._compact_if_sparse()

    def _drop(self, record_id: str, vector: Vector | None) -> None:
        if record_id in self.records.pages:
            self.records.drop_page(record_id, vector)
        elif record_id in self.records.knowledge:
            self.records.drop_entry(record_id)
        else:
            self.records.drop_segment(record_id)

    def _compact_if_sparse(self) -> None:
        if self.records.index.sparse:
            self.records.compact(self.vectors(self.records.pages))

    # -- encoding -----------------------------------------------------------------

    def _encoded(self, changes: Changes, vectors: Mapping[str, Vector]) -> list[Row]:
        """Order the rows so that, should several upserts be needed, a half can be told and finished.

        Segments go last: in a half, pages name a segment that is not there, which loading completes.
        """
        held = self.records.knowledge_vectors
        pages = [encode_page(page, vectors[page.id]) for page in changes.pages]
        entries = [
            encode_knowledge(entry, vectors[entry.id] if entry.id in vectors else held[entry.id])
            for entry in changes.knowledge
        ]
        return pages + entries + [encode_segment(each, self._direction(each, vectors)) for each in changes.segments]

    def _direction(self, segment: Segment, vectors: Mapping[str, Vector]) -> Vector:
        return vectors[segment.id] if segment.id in vectors else self.records.state(segment.id).centroid


def _check_kinds(rows: Iterable[Row]) -> None:
    for row in rows:
        if row.kind not in (PAGE, SEGMENT, KNOWLEDGE):
            raise CorruptRecord(f"record {row.id!r} has the unknown kind {row.kind!r}; it was left as it is")


def _vector(row: Row) -> Vector:
    if row.vector is None:
        raise CorruptRecord(f"record {row.id!r} has no vector; it was left as it is")
    return row.vector
