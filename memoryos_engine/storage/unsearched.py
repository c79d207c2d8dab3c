"""Vectors of rows that no search looks for: heads, marks, the audit log, segments whose pages are not there."""

from __future__ import annotations

import numpy as np

from memoryos_engine.similarity import Vector, unit


def unsearched(row_id: str, dimension: int) -> Vector:
    """Return a direction that depends on the id alone: many equal vectors would degrade Chroma's graph."""
    chance = np.random.default_rng(list(row_id.encode()))
    return unit(chance.standard_normal(dimension).astype(np.float32))
