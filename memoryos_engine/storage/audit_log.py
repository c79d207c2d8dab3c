"""The audit log of one owner in the store: written with each change, read only when somebody asks."""

from __future__ import annotations

from memoryos_engine.audit import AuditEvent, audited
from memoryos_engine.changes import Changes
from memoryos_engine.records import Owner
from memoryos_engine.storage.audit_codec import decode_audit, encode_audit
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import AUDIT, Row
from memoryos_engine.storage.user_records import UserRecords


def logged(owner: Owner, before: UserRecords, changes: Changes, dimension: int) -> list[Row]:
    """Return the row that tells of what `changes` do to the entries among the owner's records; none if nothing.

    It is written first: what is redone of a half is told again, and nothing is left out.
    """
    events = audited(before.knowledge, changes)
    return [encode_audit(owner, events, sequence=before.next_sequence, dimension=dimension)] if events else []


def read_audit(store: ChromaStore, owner: Owner) -> list[AuditEvent]:
    """Return what happened to the owner's knowledge entries, oldest first.

    Raises:
        StoreError: it cannot be read, or a row does not decode.
    """
    records = [(decode_audit(row), row.id) for row in store.rows(owner, {"kind": AUDIT})]
    records.sort(key=lambda pair: (pair[0].at, pair[0].sequence, pair[1]))
    return [event for record, _ in records for event in record.events]
