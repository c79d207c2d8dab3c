"""What tests compare when pages were changed: everything told, every row stored, what the next process reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from memoryos_engine import MemoryOS, Owner, UserMemory
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.storage.user_records import UserRecords

TOM = Owner(user_id="tom", assistant_id="assistant")


def told(memory: UserMemory) -> list[tuple[str, str, str, int]]:
    """Every page of the user, in order of arrival: session, both sides, sequence."""
    return [(page.session_id, page.user_input, page.agent_response, page.sequence) for page in memory.pages()]


def rows(system: MemoryOS) -> list[tuple[Any, ...]]:
    """Every row of the store as it lies in Chroma, vectors included."""
    found = system._storage.store._collection.get(include=["documents", "metadatas", "embeddings"])
    columns = zip(found["ids"], found["documents"], found["metadatas"], found["embeddings"], strict=True)
    return sorted((key, text, *sorted(data.items()), *vector.tolist()) for key, text, data, vector in columns)


def assert_as_reloaded(system: MemoryOS, owner: Owner = TOM) -> None:
    """The store is sound, and what is resident says what it would say to the next process."""
    assert system.check() == []
    with system.resident(owner) as resident:
        fresh = ResidentSet(owner, system._storage.store, dimension=system.embedder.dimension)
        mine, theirs = resident.records, fresh.records
        assert list(mine.pages.values()) == list(theirs.pages.values())
        assert (mine.next_sequence, list(mine.recent)) == (theirs.next_sequence, list(theirs.recent))
        assert indexed(mine) == indexed(theirs)
        ours, read = resident.vectors(mine.pages), fresh.vectors(mine.pages)
        for key in mine.pages:
            np.testing.assert_allclose(ours[key], read[key], atol=1e-6)


def indexed(records: UserRecords) -> dict[str, tuple[float, str, dict[str, float]]]:
    """What the index says of every page: its length, its session and how often it holds each term."""
    index = records.index
    names = {int(index.sessions[index.row(page.id)]): page.session_id for page in records.pages.values()}
    found: dict[str, tuple[float, str, dict[str, float]]] = {
        key: (float(index.lexical.lengths[row]), names[int(index.sessions[row])], {})
        for key, row in ((key, index.row(key)) for key in records.pages)
    }
    for term in index.lexical._postings:
        for row, count in zip(*index.lexical.postings(term), strict=True):
            found[index.ids[row]][2][term] = float(count)
    return found
