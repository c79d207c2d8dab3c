"""New pages of one owner: embedded, numbered, written in one change, and work scheduled for what left STM."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from memoryos_engine.changes import Changes
from memoryos_engine.conversing import turn_content
from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.errors import InvalidInput, NotFound
from memoryos_engine.intake import Content, answered, arrived
from memoryos_engine.limits import require_room
from memoryos_engine.records import DialoguePage, Owner
from memoryos_engine.settings import require_text
from memoryos_engine.similarity import Vector
from memoryos_engine.telemetry import Traced, utf8_bytes

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.settings import MemorySettings
    from memoryos_engine.storage.resident import ResidentSet
    from memoryos_engine.system import MemoryOS


def add_contents(system: MemoryOS, owner: Owner, contents: list[Content]) -> list[DialoguePage]:
    """Store checked contents in order, in one change, and return their pages.

    Raises:
        LimitReached, EmbeddingError, StoreError: nothing was stored.
    """
    with Traced("memoryos.add", owner) as span:
        span.record(pages=len(contents))
        if span.wanted:
            span.record(bytes=utf8_bytes(*(one.text for one in contents)))
        return _added(system, owner, contents)


def _added(system: MemoryOS, owner: Owner, contents: list[Content]) -> list[DialoguePage]:
    with system.embedding():
        vectors = _vectors(system, [one.text for one in contents])
        with system.resident(owner) as resident:
            with resident.writing:
                require_room(resident, system.settings, len(contents))
                pages = arrived(contents, owner, resident.records.next_sequence, resident.records.recent)
                _commit(resident, pages, vectors)
            waiting = len(system.updater.waiting(resident))
    if waiting:
        system.schedule(owner, at_once=waiting >= system.updater.backlog)
    return pages


def answer_content(memory: UserMemory, system: MemoryOS, agent_response: object, metadata: object) -> Content:
    """Return an answer as it would be stored alone, said now.

    Raises:
        InvalidInput: it cannot be stored.
    """
    if not require_text("agent_response", agent_response).strip():
        raise InvalidInput("agent_response", "is empty", "Pass what the agent answered.")
    try:
        return turn_content(memory, system, "", agent_response, metadata=metadata)
    except InvalidInput as error:
        raise error.under("agent_response" if error.parameter == "user_input" else error.parameter) from error


def add_answer(system: MemoryOS, owner: Owner, answer: Content, page_id: str | None) -> DialoguePage:
    """Give the session's last page its answer, or that of this id; see `UserMemory.add_response`."""
    with Traced("memoryos.add", owner) as span:
        if span.wanted:
            span.record(pages=1, bytes=utf8_bytes(answer.text))
        return _answer_added(system, owner, answer, page_id)


def _answer_added(system: MemoryOS, owner: Owner, answer: Content, page_id: str | None) -> DialoguePage:
    with system.resident(owner) as resident:
        if page_id is not None:
            answer = replace(answer, session_id=_named(resident, page_id).session_id)
        page = _asking(resident, answer.session_id, page_id, system.settings)
        if page is not None:
            whole = answered(page, answer, max_bytes=system.settings.max_turn_bytes)
            vectors = _vectors(system, [whole.text])
            with resident.writing:
                if page == _asking(resident, page.session_id, page.id, system.settings):
                    _commit(resident, [whole], vectors)
                    if whole not in _short_term(resident, page.session_id, system.settings):
                        resident.outdate_plans()  # one may be about to write the page over with what it was before
                    return whole
                _named(resident, page.id)  # if it was deleted, so is its answer
    return _added(system, owner, [answer])[0]


def _named(resident: ResidentSet, page_id: str) -> DialoguePage:
    with resident.reading:
        page = resident.records.pages.get(page_id)
    if page is None:
        raise NotFound(page_id)
    return page


def _asking(
    resident: ResidentSet, session_id: str, page_id: str | None, settings: MemorySettings
) -> DialoguePage | None:
    """Return the page that waits for the answer, if there is one: segments rest on what their pages said then."""
    if page_id is None:
        asked = _short_term(resident, session_id, settings)[-1:]
    else:
        with resident.reading:
            page = resident.records.pages.get(page_id)
        asked = [page] if page and (page.session_id, page.segment_id) == (session_id, None) else []
    return next((page for page in asked if not page.agent_response), None)


def _short_term(resident: ResidentSet, session_id: str, settings: MemorySettings) -> Sequence[DialoguePage]:
    capacity, sessions = settings.short_term_capacity, settings.short_term_sessions
    with resident.reading:
        return resident.records.short_term(session_id, capacity=capacity, sessions=sessions)


def _commit(resident: ResidentSet, pages: list[DialoguePage], vectors: list[Vector]) -> None:
    by_id = {page.id: vector for page, vector in zip(pages, vectors, strict=True)}
    resident.commit(Changes(pages=tuple(pages), vectors=by_id))
    resident.spoke_at = time.monotonic()


def _vectors(system: MemoryOS, texts: list[str]) -> list[Vector]:
    embedder = system.embedder
    return list(unit_rows(embedder.embed(texts), rows=len(texts), dimension=embedder.dimension))
