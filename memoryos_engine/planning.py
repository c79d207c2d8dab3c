"""Plans of one owner: made from the records as they are, committed unless those changed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from memoryos_engine.clock import Clock
from memoryos_engine.embedding.base import Embedder, unit_rows
from memoryos_engine.errors import ConsolidationError, ReplyRefused
from memoryos_engine.plan import Plan
from memoryos_engine.records import KnowledgeEntry
from memoryos_engine.settings import MemorySettings
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.resident import ResidentSet

FIRST_REST, LONGEST_REST = 1.0, 3600.0
"""Seconds for which a record is left alone after the first failure about it, doubled with each, and at most."""


class Planner:
    """Makes and commits plans. Stateless and thread-safe.

    Args:
        embedder: gives new entries their vectors.
        settings: capacities and thresholds.
        clock: the time heat is computed at.
    """

    def __init__(self, *, embedder: Embedder, settings: MemorySettings, clock: Clock) -> None:
        self._embedder = embedder
        self._settings = settings
        self._clock = clock

    def plan(self, resident: ResidentSet) -> Plan:
        """Return a plan that changes nothing yet."""
        with resident.reading:
            records = resident.records
            return Plan(
                owner=resident.owner,
                states=records.live_states(),
                entries=records.knowledge,
                pages_of=records.pages_of,
                state_of=records.state,
                settings=self._settings,
                now=self._clock(),
            )

    def commit(self, resident: ResidentSet, plan: Plan, epoch: int) -> bool:
        """Commit a plan unless records changed under it since `epoch`; say whether it was.

        Raises:
            EmbeddingError, StoreError: nothing was changed.
        """
        vectors = self._embedded(resident, plan.changed_entries())
        with resident.writing:
            resident.refresh()
            if resident.epoch != epoch:
                return False
            resident.commit(plan.changes(vectors))
        return True

    def _embedded(self, resident: ResidentSet, entries: Sequence[KnowledgeEntry]) -> Mapping[str, Vector]:
        new = [entry for entry in entries if entry.id not in resident.records.knowledge]
        if not new:
            return {}
        texts = [entry.text for entry in new]
        rows = unit_rows(self._embedder.embed(texts), rows=len(texts), dimension=self._embedder.dimension)
        return {entry.id: row for entry, row in zip(new, rows, strict=True)}


@contextmanager
def counting_trouble(resident: ResidentSet, ids: Sequence[str]) -> Iterator[None]:
    """Count how often in a row no usable answer came about some records; a model that is down is not their fault."""
    try:
        yield
    except (ConsolidationError, ReplyRefused):
        for record_id in ids:
            resident.trouble[record_id] += 1
            rest = min(LONGEST_REST, FIRST_REST * 2.0 ** min(resident.trouble[record_id] - 1, 60))
            resident.rests_until[record_id] = time.monotonic() + rest
        raise
    for record_id in ids:
        resident.trouble.pop(record_id, None)
        resident.rests_until.pop(record_id, None)


def is_resting(resident: ResidentSet, record_id: str) -> bool:
    """Say whether a record about which no usable answer came is left alone for now."""
    return resident.rests_until.get(record_id, 0.0) > time.monotonic()


def next_rest_ends(resident: ResidentSet) -> float | None:
    """Return in how many seconds the first record that rests is asked about again; None if none rests."""
    now = time.monotonic()
    return min((until - now for until in resident.rests_until.values() if until > now), default=None)
