"""A change of state as the rows of one upsert."""

from __future__ import annotations

from collections.abc import Mapping

from memoryos_engine.changes import Changes
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.codec import Row, encode_knowledge, encode_page, encode_segment
from memoryos_engine.storage.user_records import UserRecords


def encoded(changes: Changes, vectors: Mapping[str, Vector], records: UserRecords) -> list[Row]:
    """Order the rows so that, should several upserts be needed, a half can be told and finished.

    Segments go last: in a half, pages name a segment that is not there, which loading completes.

    Args:
        changes: what is written.
        vectors: of every page, and of the other records that are new or have another one now.
        records: hold the vectors of the others.
    """
    held = records.knowledge_vectors
    pages = [encode_page(page, vectors[page.id]) for page in changes.pages]
    entries = [
        encode_knowledge(entry, vectors[entry.id] if entry.id in vectors else held[entry.id])
        for entry in changes.knowledge
    ]
    directions = {
        each.id: vectors[each.id] if each.id in vectors else records.state(each.id).centroid
        for each in changes.segments
    }
    return pages + entries + [encode_segment(each, directions[each.id]) for each in changes.segments]
