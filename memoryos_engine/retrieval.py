"""Retrieval: a query and a resident set in, typed memory out (paper §3.4).

STM is in the context whole and never ranked. Everything else of the user is: segments,
archived ones too, pending pages, and the STM of other sessions. How pages are scored is
`ranking`'s; here it is decided what is ranked and what comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.analysis.extractive import MOST_PAGE_KEYWORDS
from memoryos_engine.analysis.topic_words import keywords
from memoryos_engine.dates import date_spans
from memoryos_engine.embedding.base import Embedder, unit_rows
from memoryos_engine.errors import InvalidInput
from memoryos_engine.lexical import weighted_query_terms
from memoryos_engine.long_term import held_at, user_profile
from memoryos_engine.page_index import PageIndex
from memoryos_engine.ranking import SIMILARITY_WEIGHT, Evidence, rank
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind
from memoryos_engine.retrieved import Explanation, RetrievedMemory
from memoryos_engine.settings import MemorySettings
from memoryos_engine.similarity import Vector, segment_score
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.storage.user_records import UserRecords

STORE_CANDIDATES = 200
"""Pages whose similarity Chroma computes when no vectors are resident."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One checked retrieval."""

    query: str
    session_id: str
    top_k: int
    deep: bool
    as_of: datetime | None
    where: Callable[[DialoguePage], bool] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Query:
    """A query as ranking sees it."""

    text: str
    terms: Mapping[str, float]
    vector: Vector
    spans: Sequence[tuple[float, float]]


def retrieve(
    request: Request, resident: ResidentSet, embedder: Embedder, settings: MemorySettings, now: datetime
) -> RetrievedMemory:
    """Return what the resident set holds for the request.

    Raises:
        InvalidInput: the query is blank.
        EmbeddingError, StoreError: nothing could be searched.
    """
    if not request.query.strip():
        raise InvalidInput("query", "is empty", "Pass the question or message to find memories for.")
    vector = unit_rows(embedder.embed([request.query]), rows=1, dimension=embedder.dimension)[0]
    query = _Query(
        text=request.query,
        terms=weighted_query_terms(request.query),
        vector=vector,
        spans=date_spans(request.query, now.timestamp(), _first(resident, now.timestamp())),
    )
    taken = _taken(request.where, resident)
    nearest = resident.nearest(vector, STORE_CANDIDATES) if resident.records.index.precision == "none" else {}
    with resident.reading:
        return _found(request, query, resident.records, settings, nearest, taken)


def unasked(session_id: str, records: UserRecords, settings: MemorySettings) -> RetrievedMemory:
    """Return what is in every context, whatever is asked: STM, profile and the newest knowledge."""
    held = held_at(records.knowledge.values(), None)
    user, assistant = (
        _best_entries(held, kind, settings.knowledge_top_k)
        for kind in (KnowledgeKind.USER_KNOWLEDGE, KnowledgeKind.ASSISTANT_KNOWLEDGE)
    )
    short_term = records.short_term(
        session_id, capacity=settings.short_term_capacity, sessions=settings.short_term_sessions
    )
    return RetrievedMemory(
        query="",
        short_term=tuple(short_term),
        user_profile=user_profile(held, None),
        user_knowledge=user,
        assistant_profile=settings.assistant_profile,
        assistant_knowledge=assistant,
        sources=_sources((*user, *assistant), records),
    )


def _first(resident: ResidentSet, now: float) -> float:
    return float(resident.records.index.living_times.min(initial=now))


def _found(
    request: Request,
    query: _Query,
    records: UserRecords,
    settings: MemorySettings,
    nearest: Mapping[str, float],
    taken: Container[str] | None,
) -> RetrievedMemory:
    index = records.index
    short_term = records.short_term(
        request.session_id, capacity=settings.short_term_capacity, sessions=settings.short_term_sessions
    )
    allowed = _allowed(request, records, short_term, taken)
    entries = _scored_entries(query, records, request.as_of)
    evidence = _evidence(query, index, nearest, _facts(entries, index))
    rows = (
        _two_stage(query, records, settings, evidence, allowed, request.top_k)
        if settings.retrieval == "two_stage"
        else evidence.best(request.top_k, allowed)
    )
    pages = [_scored(records.pages[index.ids[row]], evidence, row) for row in rows]
    user, assistant = (
        _best_entries(entries, kind, settings.knowledge_top_k)
        for kind in (KnowledgeKind.USER_KNOWLEDGE, KnowledgeKind.ASSISTANT_KNOWLEDGE)
    )
    return RetrievedMemory(
        query=request.query,
        short_term=tuple(short_term),
        pages=tuple(pages),
        best=_best(records, evidence, short_term, taken),
        user_profile=user_profile(records.knowledge.values(), request.as_of),
        user_knowledge=user,
        assistant_profile=settings.assistant_profile,
        assistant_knowledge=assistant,
        sources=_sources((*user, *assistant), records),
        explanations=_explanations(evidence, index, rows),
    )


def _taken(where: Any, resident: ResidentSet) -> Container[str] | None:
    """Return the ids of the pages that may be found, None for all. The caller's code runs under no lock."""
    if where is None:
        return None
    if not callable(where):
        fix = 'Pass a function of a page, for example lambda page: page.session_id == "monday".'
        raise InvalidInput("where", f"is a {type(where).__name__}, not a function", fix)
    with resident.reading:
        pages = list(resident.records.pages.values())
    return frozenset(page.id for page in pages if where(page))


def _allowed(
    request: Request, records: UserRecords, short_term: Sequence[DialoguePage], taken: Container[str] | None
) -> NDArray[np.bool_]:
    """Say of every row whether it is ranked: a page that is not in the context anyway, nor asked to be left out."""
    allowed = records.index.alive.copy()
    allowed[records.index.rows(page.id for page in short_term)] = False
    if not request.deep:
        archived = [segment.id for segment in records.segments.values() if segment.archived]
        allowed[records.index.rows(page.id for key in archived for page in records.pages_of(key))] = False
    if taken is not None:
        allowed[records.index.rows(key for key in records.pages if key not in taken)] = False
    return allowed


def _evidence(query: _Query, index: PageIndex, nearest: Mapping[str, float], facts: Mapping[int, float]) -> Evidence:
    similarities = index.similarities(query.vector)
    if similarities is None:
        similarities = np.zeros(len(index.ids), dtype=np.float32)
        known = [page_id for page_id in nearest if page_id in index]
        similarities[index.rows(known)] = [nearest[page_id] for page_id in known]
    return rank(
        index.lexical,
        query.terms,
        index.surroundings,
        similarities,
        index.times,
        query.spans,
        index.segments,
        facts,
        alive=index.alive,
    )


def _two_stage(
    query: _Query,
    records: UserRecords,
    settings: MemorySettings,
    evidence: Evidence,
    allowed: NDArray[np.bool_],
    count: int,
) -> NDArray[np.int64]:
    """Rank as the paper does: top-m segments by F, then pages by similarity inside them."""
    states = records.live_states()
    words = keywords([(query.text, 1.0)], limit=MOST_PAGE_KEYWORDS)
    scores = [segment_score(float(state.centroid @ query.vector), state.segment.keywords, words) for state in states]
    best = np.argsort(-np.array(scores), kind="stable")[: settings.top_segments]
    chosen = {states[place].segment.id for place in best}
    inside = np.array(
        [records.pages[key].segment_id in chosen if key in records.pages else False for key in records.index.ids],
        dtype=bool,
    )
    unplaced = records.index.segments < 0
    order = np.argsort(-evidence.similarity, kind="stable")
    return order[(allowed & (inside | unplaced))[order]][:count].astype(np.int64)


def _best(
    records: UserRecords, evidence: Evidence, short_term: Sequence[DialoguePage], taken: Container[str] | None
) -> DialoguePage | None:
    shown = {page.id for page in short_term}
    left_out = () if taken is None else [key for key in records.pages if key not in taken and key not in shown]
    allowed = records.index.alive.copy()
    allowed[records.index.rows(left_out)] = False
    rows = evidence.best(1, allowed)
    if len(rows) and evidence.total[rows[0]] > 0:
        return records.pages[records.index.ids[rows[0]]]
    if short_term:
        return short_term[-1]
    return next((page for page in reversed(records.pages.values()) if taken is None or page.id in taken), None)


def _scored_entries(query: _Query, records: UserRecords, as_of: datetime | None) -> list[KnowledgeEntry]:
    """Return every entry that holds, with its score: share of the query's words plus 0.3 similarity, 0 to 1.3."""
    shares = _shares(query.terms, records.index)
    held = held_at(records.knowledge.values(), as_of)
    return [replace(entry, score=_entry_score(entry.id, query.vector, shares, records)) for entry in held]


def _facts(entries: Iterable[KnowledgeEntry], index: PageIndex) -> dict[int, float]:
    """Return for the row of every source page the score of the best entry it is a source of."""
    found: dict[int, float] = {}
    for entry in entries:
        for row in index.rows(entry.source_page_ids):
            found[int(row)] = max(found.get(int(row), 0.0), entry.score or 0.0)
    return found


def _best_entries(entries: Iterable[KnowledgeEntry], kind: KnowledgeKind, count: int) -> tuple[KnowledgeEntry, ...]:
    """Return the best entries of a kind; of equal ones the newest first."""
    held = [entry for entry in entries if entry.kind is kind]
    held.sort(key=lambda entry: (entry.said_at, entry.order, entry.id), reverse=True)
    return tuple(sorted(held, key=lambda entry: -round(entry.score or 0.0, 5))[:count])


def _sources(entries: Iterable[KnowledgeEntry], records: UserRecords) -> Mapping[str, DialoguePage]:
    ids = dict.fromkeys(page_id for entry in entries for page_id in entry.source_page_ids)
    return MappingProxyType({page_id: records.pages[page_id] for page_id in ids if page_id in records.pages})


def _entry_score(entry_id: str, vector: Vector, shares: Mapping[str, float], records: UserRecords) -> float:
    terms = records.knowledge_terms[entry_id]
    words = sum(share for term, share in shares.items() if term in terms)
    return words + SIMILARITY_WEIGHT * max(0.0, float(records.knowledge_vectors[entry_id] @ vector))


def _shares(terms: Mapping[str, float], index: PageIndex) -> dict[str, float]:
    """Return the share of a query's weight that each of its terms carries; together 1."""
    weights = {term: weight * index.lexical.idf(term) for term, weight in terms.items()}
    total = sum(weights.values()) or 1.0
    return {term: weight / total for term, weight in weights.items()}


def _scored(page: DialoguePage, evidence: Evidence, row: int) -> DialoguePage:
    return replace(page, score=float(evidence.total[row]))


def _explanations(evidence: Evidence, index: PageIndex, rows: NDArray[np.int64]) -> Mapping[str, Explanation]:
    return MappingProxyType(
        {
            index.ids[row]: Explanation(
                words=float(evidence.words[row]),
                similarity=float(evidence.similarity[row]),
                chain=float(evidence.neighbours[row]),
                segment=float(evidence.segment[row]),
                date=float(evidence.date[row]),
                knowledge=float(evidence.knowledge[row]),
            )
            for row in rows
        }
    )
