"""What an owner has in the store, read in a stable order without holding all of it in memory."""

from __future__ import annotations

from collections.abc import Iterator

from memoryos_engine.records import Owner
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import AUDIT, KNOWLEDGE, PAGE, SEGMENT, Row

AT_ONCE = 1000
"""Rows whose bodies are in memory at a time."""


def stored_rows(owner: Owner, store: ChromaStore) -> Iterator[Row]:
    """Yield the owner's records in the order of kind and id: their ids are read first, then some bodies at a time.

    Raises:
        StoreError: they cannot be read.
    """
    for kind in sorted((AUDIT, PAGE, SEGMENT, KNOWLEDGE)):
        ids = store.ids(owner, kind)
        for start in range(0, len(ids), AT_ONCE):
            yield from sorted(store.fetch(owner, ids[start : start + AT_ONCE]), key=lambda row: row.id)
