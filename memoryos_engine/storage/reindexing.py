"""Copies every row of a collection into another one, with the vectors of another embedder.

Ids, documents and metadata are copied as they are, whatever kind of row they are of; only
vectors are made anew. An owner's heads are copied last: where the copy has the heads that
the source has, all of that owner was copied and nothing written since. So a copy that was
cut off is gone on with, and what is there already in the same words is not embedded again.
Knows no records in memory, and nothing of who writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.embedding.base import Embedder, unit_rows
from memoryos_engine.records import Owner
from memoryos_engine.similarity import Vector, unit
from memoryos_engine.storage.codec import HEAD, KNOWLEDGE, SEGMENT
from memoryos_engine.storage.columns import owned
from memoryos_engine.storage.guard import translated
from memoryos_engine.storage.schema import description, made_collection, without_legacy_warning
from memoryos_engine.storage.switching import BUILDING, copy_name, drop, find
from memoryos_engine.storage.unsearched import unsearched
from memoryos_engine.storage.whole_rows import WholeRow, WholeRows

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

Known = Mapping[str, tuple[WholeRow, Vector]]
Sums = dict[str, NDArray[np.float64]]
"""Segment id to the sum of its pages' vectors."""
NOT_HEAD = {"kind": {"$ne": HEAD}}


def begun_copy(client: ClientAPI, name: str, embedder: Embedder) -> Collection:
    """Return the copy of a collection to go on with, or a new one; one for another embedder is thrown away.

    Raises:
        StoreError: the store cannot do it.
    """
    wanted = {**description(embedder), BUILDING: name}
    with translated("made ready"), without_legacy_warning():
        found = find(client, copy_name(name))
        if found is not None and found.metadata != wanted:
            drop(client, copy_name(name))
        return made_collection(client, copy_name(name), wanted)


def copy_late(old: Collection, new: Collection, embedder: Embedder, *, max_batch: int, in_turns: bool) -> None:
    """Copy what was written to a collection after its copy took its name; see `Reindexing.add_late`.

    Raises:
        EmbeddingError, StoreError: not all of it is copied; doing it again copies the rest.
    """
    source, target = (WholeRows(each, max_batch=max_batch, in_turns=in_turns) for each in (old, new))
    Reindexing(source, target, embedder, go_on=lambda: None).add_late()


class Reindexing:
    """Brings a copy up to its source. For one thread.

    Args:
        source: what is copied.
        target: the copy, in the collection from `begun_copy`.
        embedder: makes the vectors of the copy.
        go_on: called between batches; what it raises ends the copying.
    """

    def __init__(
        self, source: WholeRows, target: WholeRows, embedder: Embedder, *, go_on: Callable[[], object]
    ) -> None:
        self._source = source
        self._target = target
        self._embedder = embedder
        self._go_on = go_on
        self.embedded = 0
        """Texts embedded so far."""

    def copy(self, step: Callable[[int], object] = lambda _: None) -> int:
        """Copy every owner whose heads differ and return how many did; `step` is told of rows looked at.

        Raises:
            EmbeddingError, StoreError: what was copied by then stays, and is not copied again.
        """
        differing = self._differing()
        for owner, copied in differing.items():
            self._copy_owner(owner, copied, step)
        return len(differing)

    def count(self) -> int:
        """Return how many rows there are to copy, heads included."""
        return self._source.count()

    def settle(self) -> bool:
        """Make the copy whole, with the same ids as the source; say whether it is, which takes that nobody writes.

        Raises:
            EmbeddingError, StoreError: the copy is not whole.
        """
        self.copy()
        ours, theirs = self._source.ids(), self._target.ids()
        self._target.delete(sorted(theirs - ours))
        without_heads = [row for row, _ in self._source.by_id(sorted(ours - theirs)).values()]
        self._write_changed(without_heads, {})
        return self._target.ids() == self._source.ids()

    def add_late(self) -> None:
        """Copy what other processes wrote to the source after the copy was whole; delete nothing from the copy."""
        for owner in self._differing():
            self._copy_rows(owner, lambda _: None)

    def _differing(self) -> dict[Owner, set[str]]:
        """Return the owners whose heads are not those of the copy, with the ids of the heads they have there."""
        ours, theirs = _heads(self._source, {"kind": HEAD}), _heads(self._target, {"kind": HEAD})
        return {owner: set(theirs.get(owner, ())) for owner in sorted(ours) if ours[owner] != theirs.get(owner)}

    # -- one owner ------------------------------------------------------------------

    def _copy_owner(self, owner: Owner, copied_heads: set[str], step: Callable[[int], object]) -> None:
        """Copy an owner; the heads too, unless somebody wrote meanwhile, so that the owner's turn comes again."""
        before = self._heads_of(owner)
        seen = self._copy_rows(owner, step)
        self._target.delete(sorted(self._target.ids(owned(owner, NOT_HEAD)) - seen))
        if self._heads_of(owner) == before:
            self._target.write(list(before.values()), [self._unsearched(key) for key in before])
            self._target.delete(sorted(copied_heads - set(before)))

    def _heads_of(self, owner: Owner) -> dict[str, WholeRow]:
        return _heads(self._source, owned(owner, {"kind": HEAD})).get(owner, {})

    def _copy_rows(self, owner: Owner, step: Callable[[int], object]) -> set[str]:
        """Copy an owner's rows but the heads, and return their ids."""
        seen: set[str] = set()
        sums: Sums = {}
        segments: list[WholeRow] = []
        for rows in self._source.pages(owned(owner, NOT_HEAD)):
            seen |= {row.id for row in rows}
            segments += [row for row in rows if row.kind == SEGMENT]
            self._write_changed([row for row in rows if row.kind != SEGMENT], sums)
            step(len(rows))
        self._target.write(segments, [self._direction(row.id, sums) for row in segments])
        return seen

    def _direction(self, segment_id: str, sums: Sums) -> Vector:
        total = sums.get(segment_id)
        return self._unsearched(segment_id) if total is None or not total.any() else unit(total.astype(np.float32))

    def _write_changed(self, rows: Sequence[WholeRow], sums: Sums) -> None:
        """Write rows that are not in the copy as they are here, and add the vectors of pages to those of segments."""
        known = self._target.by_id([row.id for row in rows])
        for start in range(0, len(rows), self._target.batch):
            self._go_on()
            batch = rows[start : start + self._target.batch]
            vectors = self._vectors(batch, known)
            changed = [place for place, row in enumerate(batch) if row.id not in known or known[row.id][0] != row]
            self._target.delete([batch[place].id for place in changed if _loses_a_key(batch[place], known)])
            self._target.write([batch[place] for place in changed], [vectors[place] for place in changed])
            for row, vector in zip(batch, vectors, strict=True):
                if row.page and row.page.segment_id:
                    sums[row.page.segment_id] = sums.get(row.page.segment_id, np.float64(0.0)) + vector

    # -- vectors ----------------------------------------------------------------------

    def _vectors(self, rows: Sequence[WholeRow], known: Known) -> list[Vector]:
        """Return a vector for each row: that of the copy where it was made of the same text, else a new one."""
        found = [self._unsearched(row.id) for row in rows]
        new: dict[int, str] = {}
        for place, row in enumerate(rows):
            text = _text(row)
            if text is not None and row.id in known and _text(known[row.id][0]) == text:
                found[place] = known[row.id][1]
            elif text is not None:
                new[place] = text
        for place, vector in zip(new, self._embed(list(new.values())), strict=True):
            found[place] = vector
        return found

    def _unsearched(self, row_id: str) -> Vector:
        return unsearched(row_id, self._embedder.dimension)

    def _embed(self, texts: list[str]) -> Iterable[Vector]:
        if not texts:
            return ()
        rows = unit_rows(self._embedder.embed(texts), rows=len(texts), dimension=self._embedder.dimension)
        self.embedded += len(texts)
        return list(rows)


def _heads(rows: WholeRows, where: Mapping[str, object]) -> dict[Owner, dict[str, WholeRow]]:
    found: dict[Owner, dict[str, WholeRow]] = {}
    for page in rows.pages(where):
        for row in page:
            found.setdefault(row.owner, {})[row.id] = row
    return found


def _text(row: WholeRow) -> str | None:
    """Return what a row's vector is made of; None where its text has none of its own."""
    if row.kind in (HEAD, SEGMENT):
        return None
    page = row.page
    if page is not None:
        return page.text
    return row.document if row.kind == KNOWLEDGE else None


def _loses_a_key(row: WholeRow, known: Known) -> bool:
    """Say whether the copy has metadata that the row has not: Chroma would keep it."""
    return row.id in known and not set(known[row.id][0].metadata) <= set(row.metadata)
