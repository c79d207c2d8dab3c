"""Rows as the columns that Chroma takes and gives, and the condition that a row is an owner's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from memoryos_engine.errors import StoreError
from memoryos_engine.records import Owner
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.codec import Row, owner_metadata


def owned(owner: Owner, *conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the condition that a row is of this owner and meets the others."""
    return {"$and": [{key: value} for key, value in owner_metadata(owner).items()] + list(map(dict, conditions))}


def of_user(owner: Owner, *conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the condition that a row is of the owner's user, with whichever assistant, and meets the others.

    It takes time as the user has rows; a condition that most of a store meets, as one on the assistant, takes time as
    the store has. Whose rows are found has to be looked at (`rows_of`).
    """
    user = {"user_id": owner.user_id}
    return {"$and": [user, *map(dict, conditions)]} if conditions else user


def columns_of(owner: Owner, rows: Sequence[Row], commit: int | None) -> dict[str, Any]:
    """Return the arguments of an upsert of at least one row.

    Args:
        owner: whose rows.
        rows: with vectors.
        commit: number of the commit that writes them; None where commits are not numbered.

    Raises:
        StoreError: a row has no vector.
    """
    signed = {} if commit is None else {"commit": commit}
    return {
        "ids": [row.id for row in rows],
        "embeddings": np.stack([_required_vector(row) for row in rows]),
        "documents": [row.document for row in rows],
        "metadatas": [{**owner_metadata(owner), "kind": row.kind, "data": row.data, **signed} for row in rows],
    }


def is_of(owner: Owner, metadata: Mapping[str, Any] | None) -> bool:
    """Say whether a row is of this owner."""
    return owner_metadata(owner).items() <= (metadata or {}).items()


def ids_of(found: Mapping[str, Any], owner: Owner) -> list[str]:
    """Return the ids of the owner's rows among what a read with metadatas found."""
    columns = zip(found["ids"], found["metadatas"], strict=True)
    return [row_id for row_id, metadata in columns if is_of(owner, metadata)]


def rows_of(found: Mapping[str, Any], owner: Owner) -> Iterator[Row]:
    """Yield the owner's rows of what a read with documents, metadatas and embeddings found, whoever else's it found."""
    columns = zip(found["ids"], found["documents"], found["metadatas"], found["embeddings"], strict=True)
    for row_id, document, metadata, vector in columns:
        if is_of(owner, metadata):
            yield Row(
                id=row_id,
                kind=str(metadata["kind"]),
                document=document or "",
                data=str(metadata.get("data", "")),
                vector=np.asarray(vector, dtype=np.float32),
            )


def _required_vector(row: Row) -> Vector:
    if row.vector is None:
        raise StoreError(f"record {row.id!r} was to be written without a vector; nothing was written")
    return row.vector
