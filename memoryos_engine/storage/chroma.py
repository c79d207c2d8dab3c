"""The one collection everything lives in, and the only file that speaks to Chroma.

Every read and write of a user's rows goes through `_owned`, which adds the owner filter.
A change of state is one upsert, because a batch upsert is atomic even when the process
is killed and two calls are not; it raises the user's head, a row that names the last
commit others can see (`append` leaves it, where nobody else can be reading). Chroma
speaks of distance (0 identical, 1 orthogonal); similarity = 1 - distance is computed
here and nowhere else.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from memoryos_engine.errors import MemoryOSError, StoreError
from memoryos_engine.records import Owner, stable_id
from memoryos_engine.similarity import Vector, unit
from memoryos_engine.storage.calls import Calls
from memoryos_engine.storage.codec import HEAD, OWNER_KEYS, PAGE, Row, owner_metadata

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import Include

READ_PAGE = 5000
"""Rows a read asks for at once; unbounded reads fail above about 32,000 rows."""
_BODY: Include = ["documents", "metadatas", "embeddings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What an owner's last commit left: who looks at it knows whether anything is new."""

    mark: str = ""
    """Different after every commit; "" before the first."""
    next_sequence: int = 0
    """The sequence of the next page. Kept here because the newest page may have been forgotten."""


_GONE = (
    "the collection that this store was opened with is gone: another process deleted it or gave it another embedder "
    "(memoryos reindex). Close this MemoryOS and open it again, with the embedder that the store has now"
)
_one_write = threading.Lock()
"""Embedded Chroma holds the interpreter while it writes. Writers that wait here wait without it, so that
others, such as an event loop, have their turn between two writes."""


class ChromaStore:
    """Reads and writes the rows of any owner in one collection. Thread-safe.

    Args:
        collection: made with `embedding_function=None` in cosine space.
        max_batch: most rows of one upsert, as the client reports it.
        dimension: length of the vectors.
        shared: whether other processes may write too, so that heads must be watched.
    """

    def __init__(self, collection: Collection, *, max_batch: int, dimension: int, shared: bool) -> None:
        self._collection = collection
        self.max_batch = max_batch
        self._dimension = dimension
        self._pid = os.getpid()
        self.shared = shared
        self._announcing = False
        self.calls = Calls()

    def close(self) -> None:
        """Let the calls under way end and take no more: a job that waited for a model may come back late."""
        self.calls.close()

    @contextmanager
    def announcing(self) -> Iterator[None]:
        """Have every write raise its owner's head meanwhile, for somebody who copies these rows."""
        with self.calls.paused():
            self._announcing = True
        try:
            yield
        finally:
            self._announcing = False

    def commit(self, owner: Owner, rows: Sequence[Row], *, next_sequence: int, forgotten: Sequence[str] = ()) -> Head:
        """Write `rows` in one upsert together with the head, then delete `forgotten`; return the head.

        More rows than one upsert can hold are written in several, the head with the last:
        what a crash leaves in between is a plan half applied, which loading completes.

        Raises:
            StoreError: nothing, or a prefix of several upserts, was written.
        """
        step = self.max_batch - 1
        batches = [rows[start : start + step] for start in range(0, len(rows), step)] or [()]
        with self._translated("written"):
            for batch in batches:
                head = Head(mark=uuid.uuid4().hex, next_sequence=next_sequence)
                self._upsert(owner, [*batch, self._head_row(owner, head)])
            for start in range(0, len(forgotten), step):
                self._collection.delete(ids=list(forgotten[start : start + step]), where=_owned(owner))
        return head

    def append(self, owner: Owner, rows: Sequence[Row]) -> bool:
        """Write `rows` in one upsert and leave the head, for an owner nobody else can be reading.

        Returns:
            False if somebody copies these rows: nothing was written, and the head has to be raised (`commit`).

        Raises:
            StoreError: nothing was written.
        """
        with self._translated("written"):
            if self._announcing:
                return False
            self._upsert(owner, rows)
            return True

    def head(self, owner: Owner) -> Head:
        """Return what the owner's last commit left; an empty head before the first."""
        with self._translated("read"):
            found = self._collection.get(ids=[_head_id(owner)], include=["metadatas"])
        metadatas = found["metadatas"] or []
        if not metadatas:
            return Head()
        return Head(**json.loads(str(metadatas[0]["data"])))

    def load(self, owner: Owner) -> tuple[Head, list[Row]]:
        """Return the head and every other row of the owner.

        Repeats until no commit fell between the first row and the last.
        """
        while True:
            before = self.head(owner)
            rows = list(self.rows(owner))
            if self.head(owner) == before:
                return before, [row for row in rows if row.kind != HEAD]

    def rows(self, owner: Owner, *conditions: Mapping[str, Any]) -> Iterator[Row]:
        """Yield the owner's rows that meet all `conditions`, vectors included."""
        offset = 0
        while True:
            with self._translated("read"):
                found = self._collection.get(
                    where=_owned(owner, *conditions), limit=READ_PAGE, offset=offset, include=_BODY
                )
            yield from _rows(found)
            if len(found["ids"]) < READ_PAGE:
                return
            offset += READ_PAGE

    def fetch(self, owner: Owner, ids: Sequence[str]) -> list[Row]:
        """Return those of the owner's rows that have these ids."""
        found: list[Row] = []
        for start in range(0, len(ids), READ_PAGE):
            with self._translated("read"):
                some = self._collection.get(
                    ids=list(ids[start : start + READ_PAGE]), where=_owned(owner), include=_BODY
                )
            found += _rows(some)
        return found

    def nearest(self, owner: Owner, query: Vector, limit: int) -> dict[str, float]:
        """Return the ids of up to `limit` pages of the owner with their similarity to `query`, nearest first."""
        where = _owned(owner, {"kind": PAGE})
        with self._translated("searched"):
            found: Any = self._collection.query(
                query_embeddings=query[np.newaxis].tolist(), n_results=limit, where=where, include=["distances"]
            )
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return {row_id: 1.0 - float(distance) for row_id, distance in pairs}

    def taken(self, ids: Sequence[str]) -> bool:
        """Say whether any owner has a record with one of these ids."""
        for start in range(0, len(ids), READ_PAGE):
            with self._translated("read"):
                if self._collection.get(ids=list(ids[start : start + READ_PAGE]), include=[])["ids"]:
                    return True
        return False

    def owners(self) -> list[Owner]:
        """Return everyone who has a memory here, in the order of their ids."""
        found: list[Owner] = []
        offset = 0
        while True:
            with self._translated("read"):
                page = self._collection.get(where={"kind": HEAD}, limit=READ_PAGE, offset=offset, include=["metadatas"])
            found += [Owner(**{key: str(meta[key]) for key in OWNER_KEYS}) for meta in page["metadatas"] or []]
            if len(page["ids"]) < READ_PAGE:
                return sorted(found, key=lambda owner: (owner.user_id, owner.assistant_id))
            offset += READ_PAGE

    def purge(self, owner: Owner) -> None:
        """Delete every row of the owner, the head included."""
        with self._translated("written"):
            for conditions in ([{"kind": {"$ne": HEAD}}], []):
                where = _owned(owner, *conditions)
                while ids := self._collection.get(where=where, limit=self.max_batch, include=[])["ids"]:
                    self._collection.delete(ids=ids, where=where)

    def _upsert(self, owner: Owner, rows: Sequence[Row]) -> None:
        if not rows:
            return
        columns: dict[str, Any] = {
            "ids": [row.id for row in rows],
            "embeddings": np.stack([_required_vector(row) for row in rows]),
            "documents": [row.document for row in rows],
            "metadatas": [{**owner_metadata(owner), "kind": row.kind, "data": row.data} for row in rows],
        }
        with nullcontext() if self.shared else _one_write:
            self._collection.upsert(**columns)

    def _head_row(self, owner: Owner, head: Head) -> Row:
        data = json.dumps({"mark": head.mark, "next_sequence": head.next_sequence})
        return Row(id=_head_id(owner), kind=HEAD, document="", data=data, vector=self._head_vector(owner))

    def _head_vector(self, owner: Owner) -> Vector:
        """Spread heads over pairs of axes: many equal vectors would degrade Chroma's graph."""
        seed = int(_head_id(owner).rpartition("_")[2], 16)
        vector = np.zeros(self._dimension, dtype=np.float32)
        vector[seed % self._dimension] += 1.0
        vector[seed // self._dimension % self._dimension] += 1.0
        return unit(vector)

    @contextmanager
    def _translated(self, done: str) -> Iterator[None]:
        if os.getpid() != self._pid:
            raise StoreError("this store was opened before a fork; open a MemoryOS in the child process instead")
        with self.calls.one():
            try:
                yield
            except MemoryOSError:
                raise
            except Exception as error:  # Chroma raises many unrelated types; this is where they become ours
                if type(error).__name__ == "NotFoundError":
                    raise StoreError(_GONE) from error
                raise StoreError(f"the store could not be {done} ({type(error).__name__}: {error})") from error


def _owned(owner: Owner, *conditions: Mapping[str, Any]) -> dict[str, Any]:
    return {"$and": [{key: value} for key, value in owner_metadata(owner).items()] + list(map(dict, conditions))}


def _head_id(owner: Owner) -> str:
    return stable_id("head", owner.user_id, owner.assistant_id)


def _required_vector(row: Row) -> Vector:
    if row.vector is None:
        raise StoreError(f"record {row.id!r} was to be written without a vector; nothing was written")
    return row.vector


def _rows(found: Mapping[str, Any]) -> Iterator[Row]:
    columns = zip(found["ids"], found["documents"], found["metadatas"], found["embeddings"], strict=True)
    for row_id, document, metadata, vector in columns:
        yield Row(
            id=row_id,
            kind=str(metadata["kind"]),
            document=document or "",
            data=str(metadata.get("data", "")),
            vector=np.asarray(vector, dtype=np.float32),
        )
