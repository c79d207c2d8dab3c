"""A change of state as a value: what one upsert writes and what is deleted after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment
from memoryos_engine.similarity import Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """New and changed records of one owner. Applying the same changes twice changes nothing more."""

    pages: tuple[DialoguePage, ...] = ()
    segments: tuple[Segment, ...] = ()
    knowledge: tuple[KnowledgeEntry, ...] = ()
    vectors: Mapping[str, Vector] = field(default_factory=lambda: MappingProxyType({}))
    """Record id to vector, for records that are new or whose vector changed."""
    forgotten: tuple[str, ...] = ()
    """Ids of records to delete, of any kind."""

    def __bool__(self) -> bool:
        return bool(self.pages or self.segments or self.knowledge or self.forgotten)
