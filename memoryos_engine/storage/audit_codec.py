"""Rows of the audit log: the events of one change in one row, which no search finds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from memoryos_engine.audit import AuditChange, AuditEvent
from memoryos_engine.records import KnowledgeKind, Owner, stable_id
from memoryos_engine.storage.codec import AUDIT, Row, decoded, made_row
from memoryos_engine.storage.fields import number, text, texts, time
from memoryos_engine.storage.unsearched import unsearched


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditRecord:
    """The events of one change of state."""

    id: str
    at: datetime
    sequence: int
    """Of the owner's next page before it."""
    events: tuple[AuditEvent, ...]


def encode_audit(owner: Owner, events: Sequence[AuditEvent], *, sequence: int, dimension: int) -> Row:
    """Return the row of the events of one change; the same events of the same moment are the same row.

    Args:
        owner: whose entries changed.
        events: at least one, all of one moment.
        sequence: of the owner's next page; orders the changes of one moment.
        dimension: length of the vector, which means nothing.
    """
    told = [[each.change.value, each.entry_id, each.kind.value, each.attribute, each.page_ids] for each in events]
    data = {"at": events[0].at.isoformat(), "sequence": sequence, "events": told}
    row_id = stable_id(AUDIT, owner.user_id, owner.assistant_id, json.dumps(data))
    return made_row(row_id, AUDIT, "", data, unsearched(row_id, dimension))


def decode_audit(row: Row) -> AuditRecord:
    """Return the events of a row and where they stand among others, or raise CorruptRecord."""
    return decoded(row, _audit)


def _audit(row: Row, data: Mapping[str, Any]) -> AuditRecord:
    at, events = time(data["at"]), data["events"]
    if not isinstance(events, list):
        raise TypeError(type(events))
    told = tuple(_event(at, *each) for each in events)
    return AuditRecord(id=row.id, at=at, sequence=number(data["sequence"]), events=told)


def _event(at: datetime, change: Any, entry_id: object, kind: Any, attribute: object, pages: object) -> AuditEvent:
    return AuditEvent(
        at=at,
        change=AuditChange(change),
        entry_id=text(entry_id),
        kind=KnowledgeKind(kind),
        attribute=text(attribute),
        page_ids=texts(pages),
    )
