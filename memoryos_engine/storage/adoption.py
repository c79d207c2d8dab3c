"""Rows of another store, written into this one batch by batch, and the mark that says how far that is.

The mark is a row of the owner's own, written with the first batch and deleted after the last. As long as it
is there the memory is not whole, whoever opens it: what is there of it may name records that are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from memoryos_engine.errors import InvalidInput, StoreError
from memoryos_engine.records import Owner, stable_id
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import IMPORT, UNSEEN, Row
from memoryos_engine.storage.heads import Heads
from memoryos_engine.storage.unsearched import unsearched

UNKNOWN = "?"
"""In place of a checksum that cannot be read."""


class Adoption:
    """Writes the rows of one file for an owner who has nothing, or only what an earlier try wrote of that file.

    Args:
        owner: whose rows they become.
        store: where they go.
        source: the checksum of the file they come from.
        dimension: length of the vectors.
        seen: the owner's heads when there was nothing.
    """

    def __init__(self, owner: Owner, store: ChromaStore, *, source: str, dimension: int, seen: Heads) -> None:
        self._seen = seen
        self._owner = owner
        self._store = store
        self._mark = _mark(owner, source, dimension)
        self._marked = False
        self.batch = store.max_batch - 2
        """Most rows of one `write`: the mark and the head go with them."""

    def require_free(self, ids: Sequence[str]) -> None:
        """Raise InvalidInput if an id belongs to somebody else, or to a row that is no record."""
        if self._mark.id in ids or self._store.strangers(self._owner, ids):
            raise InvalidInput("file", "holds ids of records that are somebody else's here", "Export it again.")

    def written(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return those of the rows that an earlier try wrote."""
        return {row.id: row for row in self._store.fetch(self._owner, ids) if row.kind not in UNSEEN}

    def write(self, rows: Sequence[Row]) -> None:
        """Write up to `batch` rows, the mark with the first of them.

        Raises:
            StoreError: they were not written.
        """
        if self._marked and not rows:
            return
        with self._store.exclusion.writing(self._owner):
            self._require_still_free()
            quiet = self._marked and not self._store.shared
            if not (quiet and self._store.append(self._owner, rows)):
                self._store.commit(self._owner, [*rows, self._mark], next_sequence=0)
            self._marked = True

    def finish(self, *, next_sequence: int) -> None:
        """Say that all is written.

        Raises:
            StoreError: the memory is not whole yet.
        """
        with self._store.exclusion.writing(self._owner):
            self._store.commit(self._owner, (), next_sequence=next_sequence, forgotten=[self._mark.id])

    def _require_still_free(self) -> None:
        """Raise StoreError if another process wrote to this memory before the mark kept it off."""
        if not self._marked and self._store.shared and self._store.heads(self._owner) != self._seen:
            raise StoreError("another process wrote to this memory just now; import the file again when it rests")


def half_imported(rows: Iterable[Row]) -> str:
    """Return the checksum of the file of which these are some of the rows; "" if they are a whole memory.

    A mark that does not decode is that of a file nobody knows: then purging is what is left.
    """
    for row in rows:
        if row.kind == IMPORT:
            return _source(row)
    return ""


def _source(row: Row) -> str:
    try:
        source = json.loads(row.data)["sha256"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return UNKNOWN
    return str(source)


def _mark(owner: Owner, source: str, dimension: int) -> Row:
    row_id = stable_id("import", owner.user_id, owner.assistant_id)
    return Row(
        id=row_id, kind=IMPORT, document="", data=json.dumps({"sha256": source}), vector=unsearched(row_id, dimension)
    )
