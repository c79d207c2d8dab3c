"""Promotion: hot segments are read into long-term memory (paper §3.3, Eq. 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from memoryos_engine.analysis.base import Analyst, FoundFact, HotSegment
from memoryos_engine.analysis.checked import checked_facts
from memoryos_engine.batching import groups
from memoryos_engine.errors import ModelError
from memoryos_engine.planning import Planner, counting_trouble
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind
from memoryos_engine.storage.resident import ResidentSet

MOST_FAILURES = 3
"""Promotions that may fail before a run gives up: one bad segment starves no other, a dead model is left alone."""


class Promotion:
    """Reads hot segments. Stateless and thread-safe.

    Args:
        analyst: says what their pages hold for long-term memory.
        planner: plans and commits.
    """

    def __init__(self, analyst: Analyst, planner: Planner) -> None:
        self._analyst = analyst
        self._planner = planner

    def hot(self, resident: ResidentSet) -> list[HotSegment]:
        """Return the segments due for promotion with their unpromoted pages, hottest first."""
        plan = self._planner.plan(resident)
        with resident.reading:
            return [plan.unpromoted(segment_id) for segment_id in plan.hot()]

    def run(self, resident: ResidentSet, hot: Sequence[HotSegment]) -> int:
        """Promote hot segments; return how many pages were read. Called with `resident.thinking` held.

        Raises:
            ModelError: the analyst or the embedder failed; the segment stays due.
        """
        done, failures = 0, list[ModelError]()
        for group in self._groups(hot, resident):
            try:
                done += self._promoted(resident, group)
            except ModelError as error:
                failures.append(error)
            if len(failures) == MOST_FAILURES:
                break
        if failures:
            raise failures[0]
        return done

    def tidy(self, resident: ResidentSet) -> None:
        """Finish what a crash left of long-term memory."""
        with resident.consolidating:
            epoch, plan = resident.epoch, self._planner.plan(resident)
            plan.tidy()
            self._planner.commit(resident, plan, epoch)

    def _groups(self, hot: Sequence[HotSegment], resident: ResidentSet) -> list[list[HotSegment]]:
        if self._analyst.eager:
            return [[each] for each in hot]
        return groups(hot, resident.trouble, size=self._analyst.batch_size)

    def _promoted(self, resident: ResidentSet, group: Sequence[HotSegment]) -> int:
        """Read a group of hot segments and keep what was found, unless their pages changed meanwhile."""
        pages = [page for each in group for page in each.pages]
        with counting_trouble(resident, [each.segment.id for each in group]):
            facts = checked_facts(self._analyst.promote(group, self._known(resident, pages)), pages)
        with resident.consolidating:
            if any(resident.records.pages.get(page.id) != page for page in pages):
                return 0
            return len(pages) if self._learnt(resident, group, facts) else 0

    def _learnt(self, resident: ResidentSet, group: Sequence[HotSegment], facts: Iterable[FoundFact]) -> bool:
        epoch, plan = resident.epoch, self._planner.plan(resident)
        plan.promote(group, facts)
        return self._planner.commit(resident, plan, epoch)

    def _known(self, resident: ResidentSet, pages: Sequence[DialoguePage]) -> list[KnowledgeEntry]:
        """Return the current entries: the profile, then the nearest to any of the pages first."""
        vectors = resident.vectors([page.id for page in pages])
        entries = self._planner.plan(resident).known()
        with resident.reading:
            held = resident.records.knowledge_vectors
            rows = np.stack([held[entry.id] for entry in entries]) if entries else np.zeros((0, 1))
        if not entries or not vectors:
            return entries
        nearness = (rows @ np.stack(list(vectors.values())).T).max(axis=1)
        order = sorted(range(len(entries)), key=lambda row: (_rank(entries[row]), -float(nearness[row])))
        return [entries[row] for row in order]


def _rank(entry: KnowledgeEntry) -> int:
    return 0 if entry.kind is KnowledgeKind.USER_PROFILE else 1 if entry.kind is not KnowledgeKind.USER_TRAIT else 2
