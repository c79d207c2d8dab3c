"""The one collection everything lives in, and the only file that reads and writes a user's rows.

They are asked for by the owner, by the user or by their ids; of what others may be among, the
owner's are picked (`rows_of`, `ids_of`, `decode_heads`).
A change of state is one upsert, because a batch upsert is atomic even when the process
is killed and two calls are not; it raises the writer's head for that user, a row that
names its last commit (`append` leaves it, where nobody else can be reading). Chroma
speaks of distance (0 identical, 1 orthogonal); similarity = 1 - distance is computed
here and nowhere else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from memoryos_engine.records import Owner
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.calls import Calls
from memoryos_engine.storage.codec import AUDIT, HEAD, OWNER_KEYS, PAGE, UNSEEN, Row
from memoryos_engine.storage.columns import columns_of, ids_of, is_of, of_user, owned, rows_of
from memoryos_engine.storage.connection import Connection
from memoryos_engine.storage.exclusion import EVERYBODY, Exclusion
from memoryos_engine.storage.guard import Guard
from memoryos_engine.storage.heads import (
    EMBEDDED,
    MOST_HEADS,
    Head,
    Heads,
    commit_number,
    commits_between,
    decode_heads,
    head_row,
    new_writer,
)

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection
    from chromadb.api.types import Include

READ_PAGE = 5000
"""Rows a read asks for at once; unbounded reads of more than ids fail above about 32,000 rows."""
_BODY: Include = ["documents", "metadatas", "embeddings"]

_one_write = threading.RLock()
"""Embedded Chroma holds the interpreter while it writes. Writers that wait here wait without it, so that
others, such as an event loop, have their turn between two writes."""


class ChromaStore:
    """Reads and writes the rows of any owner in one collection. Thread-safe.

    Args:
        collection: made with `embedding_function=None` in cosine space, or how to reach it.
        max_batch: most rows of one upsert, as the client reports it.
        dimension: length of the vectors.
        shared: whether other processes may write too, so that heads must be watched.
        exclusion: locks between those processes, where there are any.
    """

    def __init__(
        self,
        collection: Collection | Connection,
        *,
        max_batch: int,
        dimension: int,
        shared: bool,
        exclusion: Exclusion = EVERYBODY,
    ) -> None:
        self._connection = collection if isinstance(collection, Connection) else Connection(collection)
        self.max_batch = max_batch
        self.dimension = dimension
        """Length of the vectors."""
        self.shared = shared
        self.exclusion = exclusion
        self.writer = new_writer() if shared else EMBEDDED
        """What this store signs its heads with: nobody else's number, and another one at each opening."""
        self._count = count(1)
        self._announcing = False
        self._guard = Guard()

    @property
    def calls(self) -> Calls:
        """The calls under way."""
        return self._guard.calls

    @property
    def _collection(self) -> Any:
        return self._connection.collection

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

    def commit(
        self,
        owner: Owner,
        rows: Sequence[Row],
        *,
        next_sequence: int,
        forgotten: Sequence[str] = (),
        own: Head | None = None,
        anew: bool = False,
    ) -> Head:
        """Write `rows` in one upsert together with the writer's head, then delete `forgotten`; return the head.

        More rows than one upsert can hold are written in several, the head with each:
        what a crash leaves in between is a plan half applied, which loading completes.

        Args:
            owner: whose rows.
            rows: new or changed.
            next_sequence: of the owner's next page.
            forgotten: ids of rows to delete.
            own: the head that this writer's last commit to the owner left; None if there is none any more.
            anew: have others read everything again, because rows become what is no part of a memory.

        Raises:
            StoreError: nothing, or a prefix of several upserts, was written.
        """
        step = self.max_batch - 1
        head = own or Head(writer=self.writer)
        with self._guard.translated("written"):
            for start in range(0, max(1, len(rows)), step):
                head = head.next(self._number(), next_sequence, deleted=anew or bool(forgotten))
                self._upsert(owner, rows[start : start + step], head)
            for start in range(0, len(forgotten), step):
                found = self._get(ids=list(forgotten[start : start + step]), include=["metadatas"])
                self._delete(ids_of(found, owner))  # with a filter beside the ids Chroma is many times slower
            if forgotten and self.shared:  # who read between the upsert and the deletion must read again
                head = head.next(self._number(), next_sequence, deleted=True)
                self._upsert(owner, (), head)
        return head

    def append(self, owner: Owner, rows: Sequence[Row]) -> bool:
        """Write `rows` in one upsert and leave the head, for an owner nobody else can be reading.

        Returns:
            False if somebody copies these rows: nothing was written, and the head has to be raised (`commit`).

        Raises:
            StoreError: nothing was written.
        """
        with self._guard.translated("written"):
            if self._announcing:
                return False
            self._upsert(owner, rows)
            return True

    def heads(self, owner: Owner) -> Heads:
        """Return what the last commit of each writer to the owner left; none before the first."""
        with self._guard.translated("read"):
            return self._heads(owner)[0]

    def load(self, owner: Owner) -> tuple[Heads, list[Row]]:
        """Return the heads and every other row of the owner but those of the audit log, which grows with the years.

        Repeats until no commit fell between the first row and the last.
        """
        while True:
            with self._guard.translated("read"):
                before, alone = self._heads(owner)
            rows = list(self._rows(owner, {"kind": {"$ne": AUDIT}}, alone=alone))
            if self.heads(owner) == before:
                return before, [row for row in rows if row.kind not in UNSEEN]

    def since(self, owner: Owner, seen: Heads, news: Sequence[Head]) -> list[Row]:
        """Return the owner's rows that the writers of `news` wrote after what was seen of them."""
        conditions = [commits_between(head.writer, seen[head.writer].count) for head in news]
        either = conditions[0] if len(conditions) == 1 else {"$or": conditions}
        late = self._rows(owner, either, alone=True)  # others' rows of that time are few
        return [row for row in late if row.kind not in (*UNSEEN, AUDIT)]

    def rows(self, owner: Owner, *conditions: Mapping[str, Any]) -> Iterator[Row]:
        """Yield the owner's rows that meet all `conditions`, vectors included."""
        with self._guard.translated("read"):
            alone = self._heads(owner)[1]
        yield from self._rows(owner, *conditions, alone=alone)

    def fetch(self, owner: Owner, ids: Sequence[str]) -> list[Row]:
        """Return those of the owner's rows that have these ids."""
        return [row for found in self._with_ids(ids, _BODY) for row in rows_of(found, owner)]

    def nearest(self, owner: Owner, query: Vector, limit: int) -> dict[str, float]:
        """Return the ids of up to `limit` pages of the owner with their similarity to `query`, nearest first."""
        asked: dict[str, Any] = {
            "query_embeddings": query[np.newaxis].tolist(),
            "n_results": limit,
            "where": owned(owner, {"kind": PAGE}),
            "include": ["distances"],
        }
        with self._guard.translated("searched"):
            found: Any = self._connection.ask(lambda known: known.query(**asked))
        pairs = zip(found["ids"][0], found["distances"][0], strict=True)
        return {row_id: 1.0 - float(distance) for row_id, distance in pairs}

    def ids(self, owner: Owner, kind: str) -> list[str]:
        """Return the ids of the owner's rows of one kind, sorted."""
        return sorted(row_id for found in self.scan([], where=owned(owner, {"kind": kind})) for row_id in found["ids"])

    def strangers(self, owner: Owner, ids: Sequence[str]) -> bool:
        """Say whether somebody else than the owner has a record with one of these ids."""
        found = (metadata for some in self._with_ids(ids, ["metadatas"]) for metadata in some["metadatas"])
        return not all(is_of(owner, metadata) for metadata in found)

    def owners(self) -> list[Owner]:
        """Return everyone who has a memory here, in the order of their ids."""
        found: set[Owner] = set()
        for page in self.scan(["metadatas"], where={"kind": HEAD}):
            found |= {Owner(**{key: str(meta[key]) for key in OWNER_KEYS}) for meta in page["metadatas"] or []}
        return sorted(found)

    def scan(self, include: Include, **query: Any) -> Iterator[Mapping[str, Any]]:
        """Yield rows as they lie in Chroma, READ_PAGE at a time, for who looks after the store and not one memory.

        Args:
            include: the columns wanted besides the ids.
            query: `where` or `ids` as Chroma has them; every row of every owner without.
        """
        offset = 0
        while True:
            with self._guard.translated("read"):
                found: Any = self._get(limit=READ_PAGE, offset=offset, include=include, **query)
            yield found
            if len(found["ids"]) < READ_PAGE:
                return
            offset += READ_PAGE

    def purge(self, owner: Owner) -> None:
        """Delete every row of the owner, the heads last."""
        with self._guard.translated("written"):
            for conditions in ([{"kind": {"$ne": HEAD}}], []):
                self._delete_all(owned(owner, *conditions))

    def purge_user(self, user_id: str) -> None:
        """Delete every row that names a user, whichever assistant it names, if any."""
        with self._guard.translated("written"):
            self._delete_all({"user_id": user_id})

    def _delete_all(self, where: dict[str, Any]) -> None:
        while ids := self._get(where=where, limit=self.max_batch, include=[])["ids"]:
            self._delete(ids)

    def _delete(self, ids: list[str]) -> None:
        if ids:  # Chroma reads an empty list as no condition at all
            self._connection.ask(lambda known: known.delete(ids=ids))

    def _get(self, **asked: Any) -> Any:
        return self._connection.ask(lambda known: known.get(**asked))

    def _rows(self, owner: Owner, *conditions: Mapping[str, Any], alone: bool) -> Iterator[Row]:
        """Yield them, found by the user alone where that finds hardly anybody else's: it is the faster way."""
        where = (of_user if alone else owned)(owner, *conditions)
        for found in self.scan(_BODY, where=where):
            yield from rows_of(found, owner)

    def _with_ids(self, ids: Sequence[str], include: Include) -> Iterator[Any]:
        once = list(dict.fromkeys(ids))  # Chroma refuses to be asked for one twice
        for start in range(0, len(once), READ_PAGE):
            with self._guard.translated("read"):
                found = self._get(ids=once[start : start + READ_PAGE], include=include)
            yield found

    def _heads(self, owner: Owner) -> tuple[Heads, bool]:
        """Return an owner's heads, of which there are never many, and whether its user has no other assistant."""
        found = self._get(where=of_user(owner, {"kind": HEAD}), limit=MOST_HEADS, include=["metadatas"])
        alone = len(ids_of(found, owner)) == len(found["ids"])
        if len(found["ids"]) == MOST_HEADS:
            found = self._get(where=owned(owner, {"kind": HEAD}), include=["metadatas"])
        return decode_heads(owner, found), alone

    def _number(self) -> int:
        """Return the number of one more commit; 0 where nobody else writes."""
        return next(self._count) if self.shared else 0

    def _upsert(self, owner: Owner, rows: Sequence[Row], head: Head | None = None) -> None:
        """Write rows, and the head with them; where others write too, each carries the number of its commit."""
        written = [*rows, *([head_row(owner, head, dimension=self.dimension)] if head else [])]
        if not written:
            return
        columns = columns_of(owner, written, commit_number(head) if head and self.shared else None)
        with nullcontext() if self.shared else _one_write:
            self._connection.ask(
                lambda known: known.upsert(**columns), done=lambda: head in self._heads(owner)[0].by_writer.values()
            )
