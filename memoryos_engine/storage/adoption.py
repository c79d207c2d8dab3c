"""Rows of another store, written into this one batch by batch, and the mark that says how far that is.

The mark is a row of the owner's own, written with the first batch and deleted after the last. As long as it
is there the memory is not whole, whoever opens it: what is there of it may name records that are not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np

from memoryos_engine.errors import CorruptRecord, InvalidInput
from memoryos_engine.records import Owner, stable_id
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import IMPORT, Row


class Adoption:
    """Writes the rows of one file for an owner who has nothing, or only what an earlier try wrote of that file.

    Args:
        owner: whose rows they become.
        store: where they go.
        source: the checksum of the file they come from.
        dimension: length of the vectors.
    """

    def __init__(self, owner: Owner, store: ChromaStore, *, source: str, dimension: int) -> None:
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
        return {row.id: row for row in self._store.fetch(self._owner, ids)}

    def write(self, rows: Sequence[Row]) -> None:
        """Write up to `batch` rows, the mark with the first of them.

        Raises:
            StoreError: they were not written.
        """
        if not self._marked or self._store.shared:
            self._store.commit(self._owner, [*rows, self._mark], next_sequence=0)
            self._marked = True
        elif rows:
            self._store.append(self._owner, rows)

    def finish(self, *, next_sequence: int) -> None:
        """Say that all is written.

        Raises:
            StoreError: the memory is not whole yet.
        """
        self._store.commit(self._owner, (), next_sequence=next_sequence, forgotten=[self._mark.id])


def half_imported(rows: Iterable[Row]) -> str:
    """Return the checksum of the file of which these are some of the rows; "" if they are a whole memory.

    Raises:
        CorruptRecord: the mark does not decode.
    """
    for row in rows:
        if row.kind == IMPORT:
            return _source(row)
    return ""


def _source(row: Row) -> str:
    try:
        source = json.loads(row.data)["sha256"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CorruptRecord(f"record {row.id!r} of kind {row.kind!r} does not decode; it was left as it is") from error
    return str(source)


def _mark(owner: Owner, source: str, dimension: int) -> Row:
    vector = np.zeros(dimension, dtype=np.float32)
    vector[0] = 1.0
    row_id = stable_id("import", owner.user_id, owner.assistant_id)
    return Row(id=row_id, kind=IMPORT, document="", data=json.dumps({"sha256": source}), vector=vector)
