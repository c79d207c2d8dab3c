"""The audit log: what happened to knowledge entries, when and because of which pages, without a word of them.

Events are found by comparing entries before a change with those after it; counts of use and
repetition are no event. They name entries and pages by id, which is all that is left there of
what was forgotten. Values in, values out: no store, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from memoryos_engine.analysis.prompts.promotion import PROFILE_FIELDS
from memoryos_engine.changes import Changes
from memoryos_engine.records import KnowledgeEntry, KnowledgeKind
from memoryos_engine.traits import TRAIT_DIMENSIONS

Entries = Mapping[str, KnowledgeEntry]

_NAMES = {
    KnowledgeKind.USER_PROFILE: frozenset(PROFILE_FIELDS),
    KnowledgeKind.USER_TRAIT: frozenset(each.name for each in TRAIT_DIMENSIONS),
}


class AuditChange(str, Enum):
    """What can happen to a knowledge entry."""

    LEARNT = "learnt"
    REPEATED = "repeated"
    """More pages say so."""
    SUPERSEDED = "superseded"
    """Something newer is known; the entry ended, or ends at another time than was known before."""
    CORRECTED = "corrected"
    """The user said that it is not so."""
    HELD_AGAIN = "held_again"
    """What had ended it is gone."""
    LOST_SOURCE = "lost_source"
    """Pages that said so are gone; others still say it."""
    FORGOTTEN = "forgotten"
    """Deleted by the user, or with the last page that said so."""
    EVICTED = "evicted"
    """Deleted to make room: the least useful of a full queue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEvent:
    """One change to one knowledge entry. Holds no text of anybody."""

    at: datetime
    """When it was changed, UTC, by the clock of the system that did it."""
    change: AuditChange
    entry_id: str
    """Of an entry that may be gone."""
    kind: KnowledgeKind
    attribute: str = ""
    """Profile field or trait dimension, from the engine's own lists. Empty for knowledge, whose attributes a model
    chooses and may take from what was said, and for what is on no list."""
    page_ids: tuple[str, ...] = ()
    """The pages behind the change, some of which may be gone: what says so, or said so, or says what is so instead."""


def audited(before: Entries, changes: Changes) -> tuple[AuditEvent, ...]:
    """Return what `changes` do to the entries that were known `before`, in their order.

    Nothing where `changes.audited_at` is None: then no log is kept.
    """
    at = changes.audited_at
    if at is None:
        return ()
    found: list[AuditEvent] = []
    for entry in changes.knowledge:
        steps = _steps(before.get(entry.id), entry, before, changes)
        found += [_event(at, change, entry, pages) for change, pages in steps]
    gone = AuditChange.EVICTED if changes.makes_room else AuditChange.FORGOTTEN
    for entry in (before[key] for key in changes.forgotten if key in before):
        found.append(_event(at, gone, entry, entry.source_page_ids))
    return tuple(found)


Step = tuple[AuditChange, tuple[str, ...]]


def _steps(old: KnowledgeEntry | None, new: KnowledgeEntry, before: Entries, changes: Changes) -> Iterator[Step]:
    known = () if old is None else old.source_page_ids
    added = tuple(key for key in new.source_page_ids if key not in known)
    if old is None:
        yield AuditChange.LEARNT, new.source_page_ids
    elif added:
        yield AuditChange.REPEATED, added
    elif len(new.source_page_ids) < len(known):
        yield AuditChange.LOST_SOURCE, tuple(key for key in known if key not in new.source_page_ids)
    if new.corrected is not None and (old is None or old.corrected is None):
        yield AuditChange.CORRECTED, (new.corrected.page_id,) if new.corrected.page_id else ()
    elif new.valid_until is not None and (old is None or old.valid_until != new.valid_until):
        yield AuditChange.SUPERSEDED, _next(new, before, changes)
    elif new.valid_until is None and old is not None and old.valid_until is not None:
        yield AuditChange.HELD_AGAIN, new.source_page_ids


def _next(ended: KnowledgeEntry, before: Entries, changes: Changes) -> tuple[str, ...]:
    """Return the pages that say what was so from the moment on that an entry ended."""
    after = {**before, **{entry.id: entry for entry in changes.knowledge}}
    about = (ended.kind, ended.attribute)
    following = [
        entry
        for entry in after.values()
        if entry.said_at == ended.valid_until and (entry.kind, entry.attribute) == about and entry.id != ended.id
    ]
    return following[0].source_page_ids if following else ()


def _event(at: datetime, change: AuditChange, entry: KnowledgeEntry, page_ids: tuple[str, ...]) -> AuditEvent:
    attribute = entry.attribute if entry.attribute in _NAMES.get(entry.kind, ()) else ""
    return AuditEvent(at=at, change=change, entry_id=entry.id, kind=entry.kind, attribute=attribute, page_ids=page_ids)
