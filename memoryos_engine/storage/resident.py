"""A user's records while in use: the one place that changes them, in store and memory.

`commit` writes to the store first and applies the change here only when that succeeded,
so memory is never ahead of the disk. Two locks: `writing` is held over a whole change, by
one thread of one process where processes share a directory, and begins with what others
wrote; `reading` only while records in memory are touched, so a retrieval never waits for
the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from memoryos_engine.changes import Changes
from memoryos_engine.errors import ImportCutOff
from memoryos_engine.events import note_reloaded, note_seen, seen
from memoryos_engine.page_index import COARSER, Precision
from memoryos_engine.records import DialoguePage, Owner
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.adoption import Adoption, half_imported
from memoryos_engine.storage.audit_log import logged
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import (
    Row,
)
from memoryos_engine.storage.encoding import encoded
from memoryos_engine.storage.exclusion import OneWriter
from memoryos_engine.storage.heads import NONE, Heads, head_id
from memoryos_engine.storage.loading import finished, loaded, unfinished
from memoryos_engine.storage.user_records import UserRecords
from memoryos_engine.storage.written_elsewhere import WrittenElsewhere
from memoryos_engine.trouble import Trouble


class ResidentSet:
    """One owner's records, loaded from the store at construction.

    Raises:
        StoreError: the records cannot be read.
        CorruptRecord: one of them does not decode; the message names it.
    """

    def __init__(self, owner: Owner, store: ChromaStore, *, dimension: int) -> None:
        self.owner = owner
        self.reading = threading.RLock()
        self._writer = OneWriter(partial(store.exclusion.writing, owner), begin=self.refresh)
        self.consolidating = threading.Lock()
        """Held while a plan is made and committed, its new entries embedded; never while a chat model is asked."""
        self.thinking = threading.Lock()
        """Held by the one job that asks an analyst for this owner; taken before `consolidating`."""
        self.trouble = Trouble()
        self.spoke_at: float | None = None
        """When pages were last added here, by the monotonic clock; None if none were since this was loaded."""
        self.epoch = 0
        """Changes whenever records may have vanished or say something else, so that an older plan can be told."""
        self.half_of = ""
        """Checksum of the file of which only a part was imported; then the set is empty. "" for a whole memory."""
        self.heads: Heads = NONE
        self._raised = False
        self._stale = False
        self.store = store
        self._dimension = dimension
        self._precision: Precision = "float32"
        self.records = UserRecords(dimension=dimension, precision=self._precision)
        self.load()

    # -- reading ------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """About how much memory the set takes, in bytes."""
        return self.records.nbytes

    @property
    def writing(self) -> AbstractContextManager[None]:
        """Held over a whole change; begins with what other processes wrote. A thread may take it again inside.

        Raises:
            StoreError: what others wrote cannot be read, or one of them does not end its change.
        """
        return self._writer.alone()

    @property
    def still(self) -> AbstractContextManager[None]:
        """Held as `writing`, with the records left as they are: for who looks after rows that may not load."""
        return self._writer.alone(begun=True)

    @property
    def here(self) -> AbstractContextManager[object]:
        """Held to keep other threads of this process from changing the records; other processes may go on."""
        return self._writer.here

    def lease(self, *, wait: bool) -> AbstractContextManager[bool]:
        """Be the only process that consolidates for the owner, as far as that can be told; give whether this one is."""
        return self.store.exclusion.lease(self.owner, wait=wait)

    def vectors(self, page_ids: Iterable[str]) -> dict[str, Vector]:
        """Return the full-precision vectors of pages, from the store where they are not resident."""
        wanted = list(page_ids)
        with self.reading:
            index = self.records.index
            resident = {page_id: index.vector(page_id) for page_id in wanted if page_id in index}
        found = {page_id: vector for page_id, vector in resident.items() if vector is not None}
        missing = [page_id for page_id in wanted if page_id not in found]
        return found | {row.id: row.vector for row in self.store.fetch(self.owner, missing) if row.vector is not None}

    def nearest(self, query: Vector, limit: int) -> dict[str, float]:
        """Return page id to similarity for the pages nearest to `query`, by Chroma."""
        return self.store.nearest(self.owner, query, limit)

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
            rows = logged(self.owner, self.records, changes, self._dimension) + encoded(changes, vectors, self.records)
            events = seen(self.records.pages, self.records.segments, self.records.knowledge, changes)
            stale, self._stale = self._stale, True  # a write that fails may be done, or half of one that takes several
            self._write(rows, changes)
            with self.reading:
                self._apply(changes, vectors, forgotten)
            self._stale = stale
            note_seen(self.owner, events)

    def move(self, pages: Sequence[DialoguePage]) -> None:
        """Write pages that belong to another session now, then derive what depends on sessions anew.

        Raises:
            StoreError: nothing was changed, or it was written and only the reply was lost. The next use of
                this owner's records finds out.
        """
        with self.writing:
            changes = Changes(pages=tuple(pages))
            rows = encoded(changes, self.vectors(page.id for page in pages), self.records)
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

    @contextmanager
    def adopting(self, source: str) -> Iterator[Adoption]:
        """Give what writes the rows of a file, and load them in the end; a set that is left half is as good as none."""
        with self.here:
            self._stale = True
            yield Adoption(self.owner, self.store, source=source, dimension=self._dimension, seen=self.heads)
            self.load()

    def require_whole(self) -> None:
        """Raise ImportCutOff if only a part of the memory is here."""
        if self.half_of:
            raise ImportCutOff

    def refresh(self) -> None:
        """Take over what another process committed since this set last read or wrote, or read it all if it has to be.

        Raises:
            StoreError: it cannot be read.
        """
        with self._writer.here:
            if self._stale:
                self.load()
            elif self.store.shared:
                self._catch_up()

    def _catch_up(self) -> None:
        heads = self.store.heads(self.owner)
        if heads == self.heads:
            return
        news = self.heads.news(heads)
        rows = None if news is None else self.store.since(self.owner, self.heads, news)
        if rows is None or not self._taken_over(rows):
            self.load()
        else:
            self.heads = heads
        note_reloaded(self.owner)

    def _taken_over(self, rows: Sequence[Row]) -> bool:
        """Apply rows that another process wrote; say whether they could be applied to what is here."""
        with self.reading:
            news = WrittenElsewhere.compared(rows, self.records)
            if not news.fits():
                return False
            news.apply()
            self.epoch += news.rewrites
        return True

    def outdate(self) -> None:
        """Have the records read again at the next use: somebody writes rows beside this set."""
        with self.still:
            self._stale = True

    def is_behind(self) -> bool:
        """Say whether another process committed since this set last read or wrote."""
        return self.store.shared and self.store.heads(self.owner) != self.heads

    def clear(self) -> None:
        """Delete everything of the owner, in store and memory."""
        with self.writing:
            self._stale = True
            self.store.purge(self.owner)
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
        with self._writer.here:
            heads, rows = self.store.load(self.owner)
            half_of = half_imported(rows)
            if half_of:
                rows = []
            elif unfinished(rows):
                with self._writer.alone(begun=True):  # another process may just be writing the rest
                    heads, rows = finished(self.store, self.owner)
            records = loaded(rows, heads.next_sequence, dimension=self._dimension, precision=self._precision)
            with self.reading:
                self.records, self.heads, self._raised = records, heads, False
                self.epoch += 1
                self.half_of, self._stale = half_of, bool(half_of)

    def _next_sequence(self, changes: Changes) -> int:
        return max([self.records.next_sequence, *(page.sequence + 1 for page in changes.pages)])

    def _write(self, rows: Sequence[Row], changes: Changes) -> None:
        """Raise the head with what others may have to notice.

        A store that this process owns has no other readers until it is closed; whoever
        reads it then sees the head that the first commit of this process raised. What was
        forgotten raises it too, because the next sequence no longer follows from the pages.
        """
        quiet = self._raised and not changes.forgotten and not self.store.shared and len(rows) < self.store.max_batch
        if quiet and self.store.append(self.owner, rows):
            return
        surplus = self.heads.surplus(self.store.writer) if self.store.shared else []
        head = self.store.commit(
            self.owner,
            rows,
            next_sequence=self._next_sequence(changes),
            forgotten=[*changes.forgotten, *(head_id(self.owner, writer) for writer in surplus)],
            own=self.heads.by_writer.get(self.store.writer),
        )
        self.heads = self.heads.without(surplus).put(head)
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
