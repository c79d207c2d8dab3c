"""Vectors point somewhere: unit rows of the store's dimension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from memoryos_engine.checks.draft import Draft, Embed, sound_vector
from memoryos_engine.similarity import Vector

BATCH = 256
"""Texts embedded at a time."""


def bad_vectors(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find records whose vector is of another dimension, holds NaN or infinity, or is not of length 1."""
    for record_id in (*draft.pages, *draft.segments, *draft.entries):
        vector = draft.vectors[record_id]
        if not sound_vector(vector, draft.dimension) and not _points_nowhere(draft, record_id):
            yield record_id, _problem(vector, draft.dimension)


def embed_again(draft: Draft, embed: Embed) -> None:
    """Make them anew: from the text of a page or an entry, of a segment from its pages."""
    bad = [record_id for record_id, _ in bad_vectors(draft)]
    texts = {key: draft.pages[key].text for key in bad if key in draft.pages}
    texts |= {key: draft.entries[key].text for key in bad if key in draft.entries}
    for record_id, vector in _embedded(texts, embed).items():
        draft.put_vector(record_id, vector)
    for record_id in bad:
        if record_id in draft.segments:
            draft.put_vector(record_id, draft.direction(record_id))


def _embedded(texts: Mapping[str, str], embed: Embed) -> dict[str, Vector]:
    found: dict[str, Vector] = {}
    keys: Sequence[str] = list(texts)
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        found |= dict(zip(batch, embed([texts[key] for key in batch]), strict=True))
    return found


def _points_nowhere(draft: Draft, record_id: str) -> bool:
    """Say whether a record is a segment whose pages point in opposite directions: it has no direction, rightly."""
    if record_id not in draft.segments or draft.vectors[record_id].shape != (draft.dimension,):
        return False
    members = [page for page in draft.pages.values() if page.segment_id == record_id]
    if not all(sound_vector(draft.vectors[page.id], draft.dimension) for page in members):
        return False
    return not draft.vectors[record_id].any() and not draft.direction(record_id).any()


def _problem(vector: Vector, dimension: int) -> str:
    if vector.shape != (dimension,):
        return f"has a vector of {vector.size} numbers, not of {dimension}"
    if not np.isfinite(vector).all():
        return "has a vector with NaN or infinity"
    return "has a vector that is not of length 1"
