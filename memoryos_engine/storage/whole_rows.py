"""Rows of a collection as Chroma has them: ids, documents and whole metadata, whatever kind they are of.

For those who copy rows that they need not understand. Reading and writing what rows mean is
`chroma`'s and `codec`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.records import DialoguePage, Owner
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.chroma import READ_PAGE, _one_write
from memoryos_engine.storage.codec import OWNER_KEYS, Row, decode_page
from memoryos_engine.storage.connection import Connection
from memoryos_engine.storage.guard import translated

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

PAGE_OF_ROWS = 1000
"""Rows read at a time."""
BATCH = 256
"""Most rows written at a time."""


@dataclass(frozen=True, slots=True)
class WholeRow:
    """A row, vector aside."""

    id: str
    document: str
    metadata: Mapping[str, Any] = field(hash=False)

    @property
    def kind(self) -> str:
        """What the row is."""
        return str(self.metadata.get("kind", ""))

    @property
    def owner(self) -> Owner:
        """Whose the row is; a part that is missing is empty."""
        return Owner(**{key: str(self.metadata.get(key, "")) for key in OWNER_KEYS})

    @property
    def page(self) -> DialoguePage | None:
        """The page that the row holds, whatever its kind is called; None if it holds none."""
        data = str(self.metadata.get("data", ""))
        try:
            return decode_page(Row(id=self.id, kind=self.kind, document=self.document, data=data))
        except CorruptRecord:
            return None


class WholeRows:
    """Reads and writes the rows of one collection.

    Args:
        collection: whose rows.
        max_batch: most rows of one upsert, as the client reports it.
        in_turns: whether writers of this process take turns, as they do where Chroma runs in it.
    """

    def __init__(self, collection: Collection, *, max_batch: int, in_turns: bool) -> None:
        self._collection = collection
        self.batch = min(BATCH, max_batch)
        self._turn: Any = _one_write if in_turns else nullcontext()

    def count(self) -> int:
        """Return how many rows there are."""
        with translated("read"):
            return self._collection.count()

    def pages(self, where: Mapping[str, Any]) -> Iterator[list[WholeRow]]:
        """Yield the rows that meet a condition, some at a time."""
        offset, count = 0, PAGE_OF_ROWS
        while count == PAGE_OF_ROWS:
            with translated("read"):
                found = self._get(
                    where=dict(where), limit=PAGE_OF_ROWS, offset=offset, include=["documents", "metadatas"]
                )
            count = len(found["ids"])
            offset += count
            yield _raw(found)

    def by_id(self, ids: Sequence[str]) -> dict[str, tuple[WholeRow, Vector]]:
        """Return those of these rows that there are, with their vectors."""
        rows: dict[str, tuple[WholeRow, Vector]] = {}
        for start in range(0, len(ids), PAGE_OF_ROWS):
            with translated("read"):
                found = self._get(
                    ids=list(ids[start : start + PAGE_OF_ROWS]), include=["documents", "metadatas", "embeddings"]
                )
            vectors = [np.asarray(vector, dtype=np.float32) for vector in found["embeddings"]]
            rows |= {row.id: (row, vector) for row, vector in zip(_raw(found), vectors, strict=True)}
        return rows

    def ids(self, where: Mapping[str, Any] | None = None) -> set[str]:
        """Return the ids of the rows that meet a condition, or of all."""
        ids: set[str] = set()
        offset, count = 0, READ_PAGE
        while count == READ_PAGE:
            with translated("read"):
                found = self._get(where=dict(where) if where else None, limit=READ_PAGE, offset=offset, include=[])
            count = len(found["ids"])
            offset += count
            ids.update(found["ids"])
        return ids

    def _get(self, **asked: Any) -> Any:
        return Connection(self._collection).ask(lambda known: known.get(**asked))  # a deletion may pass by

    def write(self, rows: Sequence[WholeRow], vectors: Sequence[Vector]) -> None:
        """Write rows over what has their ids."""
        for start in range(0, len(rows), self.batch):
            some = rows[start : start + self.batch]
            with translated("written"), self._turn:
                self._collection.upsert(
                    ids=[row.id for row in some],
                    embeddings=np.stack(vectors[start : start + self.batch]),
                    documents=[row.document for row in some],
                    metadatas=[dict(row.metadata) for row in some],
                )

    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows by their ids."""
        for start in range(0, len(ids), self.batch):
            with translated("written"), self._turn:
                self._collection.delete(ids=list(ids[start : start + self.batch]))


def _raw(found: Mapping[str, Any]) -> list[WholeRow]:
    columns = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
    return [WholeRow(row_id, document or "", metadata or {}) for row_id, document, metadata in columns]
