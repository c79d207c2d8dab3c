"""Plans of one owner: made from the records as they are, committed unless those changed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memoryos_engine.clock import Clock
from memoryos_engine.embedding.base import Embedder, unit_rows
from memoryos_engine.plan import Plan
from memoryos_engine.records import KnowledgeEntry
from memoryos_engine.settings import MemorySettings
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.resident import ResidentSet


class Planner:
    """Makes and commits plans. Thread-safe; of state it has the embedder alone.

    Args:
        embedder: gives new entries their vectors.
        settings: capacities and thresholds.
        clock: the time heat is computed at.
    """

    def __init__(self, *, embedder: Embedder, settings: MemorySettings, clock: Clock) -> None:
        self._embedder = embedder
        self._settings = settings
        self._clock = clock

    def use_embedder(self, embedder: Embedder) -> None:
        """Give new entries their vectors by another embedder from now on."""
        self._embedder = embedder

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
