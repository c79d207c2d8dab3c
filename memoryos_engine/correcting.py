"""What the user says of a knowledge entry: that it is wrong or out of date, and how it is now.

That is said, so it is a dialogue page, kept verbatim; the entry it is about gives way to one
that has this page as its source. Page and entries are written in one change. The page counts
as promoted: what it says is knowledge by then, and reading it again, without what it is about,
would only say so twice.

Such pages have a session of their own, the same for every conversation of a user: a correction
is made beside a conversation, in a list of what is known or by an agent's tool, and must not
stand between the turns of one, neither in its STM nor where a host compares its history.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.errors import InvalidInput, NotFound
from memoryos_engine.intake import Content, arrived, checked_content
from memoryos_engine.limits import require_room
from memoryos_engine.long_term import said_of
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Owner
from memoryos_engine.settings import require_text
from memoryos_engine.similarity import Vector

if TYPE_CHECKING:
    from memoryos_engine.storage.resident import ResidentSet
    from memoryos_engine.system import MemoryOS

CORRECTIONS_SESSION = "corrections"
CORRECTS = "corrects"
"""The page's metadata says under this name which entry it is about."""
AGAIN_WITHIN = timedelta(hours=1)
"""A page that says the same of the same entry may be half of a correction that failed and is done again."""


def correct(
    system: MemoryOS, owner: Owner, entry_id: str, text: object, timestamp: datetime | str | None
) -> KnowledgeEntry:
    """Have `text` take the place of an entry; see `UserMemory.correct`."""
    content = _content(system, entry_id, text, timestamp)
    with system.embedding():
        vectors = _vectors(system, content)
        with system.resident(owner) as resident:
            # No plan is made or in the making here: one that was made before would bring the old entry back.
            with resident.consolidating, resident.writing:
                if timestamp is None:
                    content = _not_before(resident, entry_id, content)
                entry = _corrected(system, resident, entry_id, content, vectors)
            waiting = system.updater.waiting(resident)
    if waiting:
        system.schedule(owner, at_once=False)
    return entry


def _corrected(
    system: MemoryOS, resident: ResidentSet, entry_id: str, content: Content, vectors: tuple[Vector, Vector]
) -> KnowledgeEntry:
    """Say it, unless it was said already: the store may have done it, or half of it, and not been heard."""
    entries = resident.records.knowledge
    if entry_id not in entries:
        raise NotFound(entry_id)
    wrong, page = entries[entry_id], _known_page(resident, content)
    said = said_of(entries, wrong, page) if page else None
    if said is not None and said.valid_until is None and (said is wrong or wrong.valid_until is not None):
        return said
    _require_correctable(wrong)
    if page is None or abs(content.timestamp - page.timestamp) > AGAIN_WITHIN:
        require_room(resident, system.settings, 1)
        page = _new_page(resident, content)
    _require_later(page, wrong)
    entry = system.updater.correct(resident, entry_id, page, vectors)
    resident.spoke_at = time.monotonic()
    return entry


def _not_before(resident: ResidentSet, entry_id: str, content: Content) -> Content:
    """Return what is said now of an entry; one that was dated ahead of our clock does not have to be waited for."""
    entry = resident.records.knowledge.get(entry_id)
    return content if entry is None else replace(content, timestamp=max(content.timestamp, entry.said_at))


def _known_page(resident: ResidentSet, content: Content) -> DialoguePage | None:
    """Return the page that corrects the same entry in the same words."""
    pages = resident.records.session(CORRECTIONS_SESSION)
    return next((page for page in reversed(pages) if _told(page.metadata, page.user_input) == _what(content)), None)


def _what(content: Content) -> tuple[object, str]:
    return _told(content.metadata, content.user_input)


def _told(metadata: Mapping[str, object], said: str) -> tuple[object, str]:
    return metadata.get(CORRECTS), said


def _new_page(resident: ResidentSet, content: Content) -> DialoguePage:
    records = resident.records
    (page,) = arrived([content], resident.owner, records.next_sequence, records.recent)
    return replace(page, promoted=True)


def _require_correctable(entry: KnowledgeEntry) -> None:
    if entry.kind is KnowledgeKind.USER_TRAIT:
        fix = "Forget it with memory.forget(entry_id), or say how it is with memory.add_memory(...)."
        raise InvalidInput("entry_id", "names a trait, which is read out of what was said", fix)
    if entry.valid_until is not None:
        fix = "Correct the entry that holds now: memory.knowledge() lists those, history=True the others."
        raise InvalidInput("entry_id", "names an entry that is history already", fix)


def _require_later(page: DialoguePage, entry: KnowledgeEntry) -> None:
    if page.timestamp < entry.said_at:
        fix = f"Leave it out, or pass a time from {entry.said_at.isoformat()} on."
        raise InvalidInput("timestamp", "is before the entry was said", fix)


def _content(system: MemoryOS, entry_id: str, text: object, timestamp: datetime | str | None) -> Content:
    if not require_text("text", text).strip():
        raise InvalidInput("text", "is empty", "Pass how it is now; memory.forget(entry_id) deletes an entry.")
    try:
        return checked_content(
            session_id=CORRECTIONS_SESSION,
            user_input=text,
            agent_response="",
            timestamp=timestamp,
            metadata={CORRECTS: require_text("entry_id", entry_id)},
            now=system.clock(),
            max_bytes=system.settings.max_turn_bytes,
        )
    except InvalidInput as error:
        raise error.under("text") if error.parameter == "user_input" else error from error


def _vectors(system: MemoryOS, content: Content) -> tuple[Vector, Vector]:
    """Return the vectors of the page and of the entry."""
    embedder, texts = system.embedder, [content.text, content.text.strip()]
    page, entry = unit_rows(embedder.embed(texts), rows=len(texts), dimension=embedder.dimension)
    return page, entry
