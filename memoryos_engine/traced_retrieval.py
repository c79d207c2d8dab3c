"""One retrieval for a handle: asked, counted as a visit, and told to whoever traces."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from memoryos_engine.records import Owner
from memoryos_engine.retrieval import Request, retrieve
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.telemetry import Traced, utf8_bytes

if TYPE_CHECKING:
    from memoryos_engine.storage.resident import ResidentSet
    from memoryos_engine.system import MemoryOS


def find(system: MemoryOS, owner: Owner, request: Request, *, touch: bool) -> RetrievedMemory:
    """Return what the owner's memory holds for a checked request; see `UserMemory.retrieve_memory`."""
    with Traced("memoryos.retrieve", owner) as span:
        with system.resident(owner) as resident:
            found = retrieve(request, resident, system.embedder, system.settings, system.clock())
            if span.wanted:
                _tell(span, system, resident, request, found)
        if touch:
            entries = [entry.id for entry in (*found.user_knowledge, *found.assistant_knowledge)]
            segments = dict.fromkeys(page.segment_id for page in found.pages if page.segment_id)
            system.visited(owner, list(segments), entries)
    return found


def _tell(span: Traced, system: MemoryOS, resident: ResidentSet, request: Request, found: RetrievedMemory) -> None:
    span.generative("retrieval")
    span.record(
        mode=system.settings.retrieval,
        deep=request.deep,
        top_k=request.top_k,
        query_bytes=utf8_bytes(request.query),
        pages=len(found.pages),
        short_term=len(found.short_term),
        user_knowledge=len(found.user_knowledge),
        assistant_knowledge=len(found.assistant_knowledge),
    )
    tiers = Counter(system.updater.tiers_of(resident, [page.id for page in found.pages]).values())
    span.record(**{f"pages.{tier.value}": count for tier, count in tiers.items()})
