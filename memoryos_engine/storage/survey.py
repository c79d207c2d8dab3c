"""The rows of a whole store as they lie in Chroma, whoever's they are and whatever they hold.

Nothing is decoded here and nothing is trusted: a row may have no kind, no owner or half of
one. Reading is by users, as many at a time as fit a page, so that a store is gone through
in the memory of its largest user.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from memoryos_engine.records import Owner
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.chroma import READ_PAGE, ChromaStore
from memoryos_engine.storage.codec import HEAD, OWNER_KEYS, Row
from memoryos_engine.storage.columns import owned

MOST_USERS = 500
"""Users that are read together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawRow:
    """One Chroma record that may be anything."""

    id: str
    metadata: Mapping[str, Any]
    document: str
    vector: Vector

    @property
    def owner(self) -> Owner:
        """Whose it is; a part that is missing is empty, which no id of a user is."""
        return owner_of(self.metadata)

    @property
    def row(self) -> Row:
        """The record as the codec takes it; kind and data are empty where they are missing."""
        kind, data = (_text(self.metadata.get(key)) for key in ("kind", "data"))
        return Row(id=self.id, kind=kind, document=self.document, data=data, vector=self.vector)


@dataclass(frozen=True, kw_only=True, slots=True)
class Census:
    """Whose rows there are."""

    rows: Counter[Owner] = field(default_factory=Counter)
    """Rows of each owner."""
    unowned: list[str] = field(default_factory=list)
    """Ids of the rows that lack an owner or half of one."""


def owner_of(metadata: Mapping[str, Any]) -> Owner:
    """Return whose a row is; a part that is missing or no text is empty."""
    return Owner(**{key: _text(metadata.get(key)) for key in OWNER_KEYS})


def is_whole(owner: Owner) -> bool:
    """Say whether both parts of an owner are there."""
    return bool(owner.user_id and owner.assistant_id)


def metadatas(store: ChromaStore) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the id and the metadata of every row of the store."""
    for found in store.scan(["metadatas"]):
        yield from ((key, data or {}) for key, data in zip(found["ids"], found["metadatas"], strict=True))


def census(store: ChromaStore) -> Census:
    """Count the rows of every owner; what it keeps grows with the owners, not with their rows."""
    taken = Census()
    for row_id, metadata in metadatas(store):
        owner = owner_of(metadata)
        if is_whole(owner):
            taken.rows[owner] += 1
        else:
            taken.unowned.append(row_id)
    return taken


def memories(store: ChromaStore, rows: Mapping[Owner, int]) -> Iterator[tuple[Owner, list[RawRow]]]:
    """Yield the rows of every counted owner, in the order of their ids, all of an owner together."""
    for users in _groups(rows):
        found: dict[Owner, list[RawRow]] = {}
        for row in _read(store, where={"user_id": {"$in": users}}):
            found.setdefault(row.owner, []).append(row)
        for owner in sorted(found):
            if is_whole(owner):
                yield owner, found[owner]


def raw_rows(store: ChromaStore, owner: Owner) -> list[RawRow]:
    """Return the rows of one owner."""
    return list(_read(store, where=owned(owner)))


def heads_among(rows: Iterable[RawRow]) -> dict[str, str]:
    """Return the heads among rows as they lie there, decodable or not: they change with every commit."""
    return {raw.id: raw.row.data for raw in rows if raw.row.kind == HEAD}


def rows_by_id(store: ChromaStore, ids: Sequence[str]) -> Iterator[RawRow]:
    """Yield the rows that have these ids, whoever's they are."""
    for start in range(0, len(ids), READ_PAGE):
        yield from _read(store, ids=list(ids[start : start + READ_PAGE]))


def _groups(rows: Mapping[Owner, int]) -> Iterator[list[str]]:
    """Yield users, as many at a time as fit a page of reading."""
    counts = Counter[str]()
    for owner, count in rows.items():
        counts[owner.user_id] += count
    group: list[str] = []
    for user in sorted(counts):
        if group and (len(group) == MOST_USERS or sum(counts[each] for each in group) + counts[user] > READ_PAGE):
            yield group
            group = []
        group.append(user)
    if group:
        yield group


def _read(store: ChromaStore, **query: Any) -> Iterator[RawRow]:
    for found in store.scan(["documents", "metadatas", "embeddings"], **query):
        columns = zip(found["ids"], found["metadatas"], found["documents"], found["embeddings"], strict=True)
        for key, metadata, document, vector in columns:
            numbers = np.asarray(vector, dtype=np.float32)
            yield RawRow(id=key, metadata=metadata or {}, document=document or "", vector=numbers)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
