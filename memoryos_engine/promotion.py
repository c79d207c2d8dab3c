"""Promotion: hot segments are read into long-term memory (paper §3.3, Eq. 4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from memoryos_engine.analysis.base import Analyst, HotSegment
from memoryos_engine.analysis.checked import checked_facts
from memoryos_engine.batching import next_group
from memoryos_engine.errors import ModelError
from memoryos_engine.lexical import terms_of
from memoryos_engine.planner import Planner
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.telemetry import Traced

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

    def run(self, resident: ResidentSet, *, at_least: int, skip_resting: bool) -> bool:
        """Promote the hot segments; return whether any was read. Called with `resident.thinking` held.

        What is forgotten meanwhile is not asked about any more, and what was read with it is read again.

        Args:
            resident: whose segments.
            at_least: unpromoted pages below which it is not worth asking.
            skip_resting: leave pages alone about which no usable answer came a short while ago.

        Raises:
            ModelError: the analyst or the embedder failed; the segment stays due.
        """
        failed: dict[str, ModelError] = {}
        failures = 0
        done = False
        while failures < MOST_FAILURES and (group := self._next(resident, failed, at_least, skip_resting)):
            try:
                with Traced("memoryos.promote", resident.owner) as span:
                    span.record(segments=len(group), pages=sum(len(each.pages) for each in group))
                    self._promoted(resident, group)
                done = True
            except ModelError as error:
                failures += 1
                failed |= dict.fromkeys((page.id for each in group for page in each.pages), error)
        if failed:
            raise next(iter(failed.values()))
        return done

    def tidy(self, resident: ResidentSet) -> None:
        """Finish what a crash left of long-term memory."""
        with resident.consolidating:
            epoch, plan = resident.epoch, self._planner.plan(resident)
            plan.tidy()
            self._planner.commit(resident, plan, epoch)

    def _next(
        self, resident: ResidentSet, failed: Collection[str], at_least: int, skip_resting: bool
    ) -> Sequence[HotSegment]:
        """Return the segments to read next, as they are now; none if they are not worth asking about."""

        def is_due(page: DialoguePage) -> bool:
            return page.id not in failed and not (skip_resting and resident.trouble.is_resting(page.id))

        hot = [replace(each, pages=tuple(filter(is_due, each.pages))) for each in self.hot(resident)]
        hot = [each for each in hot if each.pages]
        if not hot or sum(len(each.pages) for each in hot) < at_least:
            return ()
        if self._analyst.eager:
            return hot[:1]
        return next_group(hot, resident.trouble.failures, size=self._analyst.promotion_size)

    def _promoted(self, resident: ResidentSet, group: Sequence[HotSegment]) -> None:
        """Read a group of hot segments and keep what was found, unless anything was forgotten meanwhile."""
        epoch = resident.epoch
        pages = [page for each in group for page in each.pages]
        known = self._known(resident, pages)
        with resident.trouble.counted([page.id for page in pages]):
            facts = checked_facts(self._analyst.promote(group, known), pages)
        with resident.consolidating:
            plan = self._planner.plan(resident)
            if resident.epoch == epoch:
                plan.promote(group, facts)
                self._planner.commit(resident, plan, epoch)

    def _known(self, resident: ResidentSet, pages: Sequence[DialoguePage]) -> list[KnowledgeEntry]:
        """Return the current entries: the profile, then the nearest to any of the pages first."""
        vectors = resident.vectors([page.id for page in pages])
        entries = self._planner.plan(resident).known()
        if not vectors:
            return entries
        near, said = np.stack(list(vectors.values())), terms_of(page.text for page in pages)
        with resident.reading:
            terms, held = resident.records.knowledge_terms, resident.records.knowledge_vectors
            scores = {
                entry.id: float((near @ held[entry.id]).max()) + _share(terms[entry.id], said)
                for entry in entries
                if entry.id in held
            }
        return sorted(
            (entry for entry in entries if entry.id in scores), key=lambda entry: (_rank(entry), -scores[entry.id])
        )


def _share(terms: Collection[str], said: frozenset[str]) -> float:
    """Return the share of an entry's terms that its pages say."""
    return len(said.intersection(terms)) / max(1, len(terms))


def _rank(entry: KnowledgeEntry) -> int:
    return 0 if entry.kind is KnowledgeKind.USER_PROFILE else 1 if entry.kind is not KnowledgeKind.USER_TRAIT else 2
