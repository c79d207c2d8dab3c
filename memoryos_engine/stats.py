"""What a store holds, as figures: read from its rows' metadata once, without opening anybody's memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.records import Owner
from memoryos_engine.storage.codec import HEAD, KNOWLEDGE, PAGE, QUARANTINED, SEGMENT
from memoryos_engine.storage.opened import Storage
from memoryos_engine.storage.schema import SCHEMA
from memoryos_engine.storage.survey import is_whole, metadatas, owner_of
from memoryos_engine.worker import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreStats:
    """What a store holds and what runs on it. Counts are of rows; a broken row counts as what it says it is."""

    users: int
    """Users who have a memory."""
    memories: int
    """Pairs of user and assistant."""
    pages: int
    """All dialogue pages: those in segments, in the archive, and the rest, which is in STM or pending."""
    pages_in_segments: int
    pages_archived: int
    segments: int
    """Segments of mid-term memory."""
    archived_segments: int
    knowledge_current: int
    """Profile fields, traits and facts that hold."""
    knowledge_history: int
    """Those that stopped being true."""
    set_aside: int
    """Records that `check(repair=True)` could not read."""
    disk_bytes: int | None
    """Of all files in the store's directory; None behind a client."""
    resident_memories: int
    """Memories that this process has loaded."""
    resident_bytes: int
    resident_budget: int
    """Bytes that loaded memories may take together."""
    jobs_due: int
    """Memories whose background work waits for its time in this process."""
    jobs_running: int
    jobs_failing: int
    """Memories whose background work failed last; it is tried again."""
    embedder: str
    dimension: int
    collection: str
    schema: int

    @property
    def pages_outside(self) -> int:
        """Pages in no segment: in STM, or pending."""
        return self.pages - self.pages_in_segments - self.pages_archived

    def as_dict(self) -> dict[str, int | str | None]:
        """Return every figure by its name."""
        return {**asdict(self), "pages_outside": self.pages_outside}


@dataclass(kw_only=True)
class _Tally:
    """What is counted while rows go by; it grows with owners and segments, not with pages."""

    kinds: Counter[str] = field(default_factory=Counter)
    owners: set[Owner] = field(default_factory=set)
    pages_of: Counter[str] = field(default_factory=Counter)
    """Pages of each segment."""
    archived: set[str] = field(default_factory=set)
    segments: set[str] = field(default_factory=set)
    ended: int = 0

    def add(self, row_id: str, metadata: Mapping[str, Any]) -> None:
        kind = metadata.get("kind")
        self.kinds[kind if isinstance(kind, str) else ""] += 1
        if kind == HEAD and is_whole(owner_of(metadata)):
            self.owners.add(owner_of(metadata))
        if kind in (PAGE, SEGMENT, KNOWLEDGE):
            self._add_record(row_id, str(kind), _fields(metadata))

    def _add_record(self, row_id: str, kind: str, data: Mapping[str, Any]) -> None:
        if kind == PAGE and isinstance(data.get("segment_id"), str):
            self.pages_of[data["segment_id"]] += 1
        elif kind == SEGMENT:
            (self.archived if data.get("archived") is True else self.segments).add(row_id)
        elif kind == KNOWLEDGE:
            self.ended += data.get("valid_until") is not None


def store_stats(
    storage: Storage, worker: Worker, *, embedder: Embedder, collection: str, directory: Path | None
) -> StoreStats:
    """Return the figures of an open store; see `MemoryOS.stats`."""
    tally = _Tally()
    for row_id, metadata in metadatas(storage.store):
        tally.add(row_id, metadata)
    due, running, failing = worker.counts()
    return StoreStats(
        users=len({owner.user_id for owner in tally.owners}),
        memories=len(tally.owners),
        pages=tally.kinds[PAGE],
        pages_in_segments=_pages_in(tally.segments, tally),
        pages_archived=_pages_in(tally.archived, tally),
        segments=len(tally.segments),
        archived_segments=len(tally.archived),
        knowledge_current=tally.kinds[KNOWLEDGE] - tally.ended,
        knowledge_history=tally.ended,
        set_aside=tally.kinds[QUARANTINED],
        disk_bytes=None if directory is None else _size(directory),
        resident_memories=len(storage.residents.owners),
        resident_bytes=storage.residents.nbytes,
        resident_budget=storage.residents.budget,
        jobs_due=due,
        jobs_running=running,
        jobs_failing=failing,
        embedder=embedder.name,
        dimension=embedder.dimension,
        collection=collection,
        schema=SCHEMA,
    )


def _pages_in(segments: Iterable[str], tally: _Tally) -> int:
    return sum(tally.pages_of[segment_id] for segment_id in segments)


def _fields(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a row says beside its document; of one that does not decode nothing, which `check` is for."""
    try:
        data = json.loads(metadata.get("data") or "")
    except (TypeError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _size(directory: Path) -> int:
    """Return the bytes of all files of a directory; one that goes meanwhile counts for nothing."""
    total = 0
    for file in directory.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue
    return total
