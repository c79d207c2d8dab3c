"""A change of state as a value: what one upsert writes and what is deleted after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
    makes_room: bool = False
    """Whether what is forgotten leaves because a capacity is reached; else its user wants it gone."""
    audited_at: datetime | None = None
    """When the change is made, for the audit log; None if none is kept. It matters where entries change."""

    def __bool__(self) -> bool:
        return bool(self.pages or self.segments or self.knowledge or self.forgotten)
