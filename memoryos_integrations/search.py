"""One search of one memory: pages as the backbone, facts where they add to them.

Knows no framework: adapters say what is asked of whose memory, and hand on what is found in their own types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from memoryos_engine import KnowledgeEntry, RetrievedMemory, Tier, UserMemory, UserProfile
from memoryos_engine.long_term import user_profile
from memoryos_engine.settings import require_text
from memoryos_integrations.page_filter import PageFilter
from memoryos_integrations.saving import try_waiting

PAGE, FACT = "page", "fact"
KINDS = (PAGE, FACT)

PAGES_PER_FACT = 5
"""One place in so many may go to a fact instead of a page."""
LEAST_FACT_SCORE = 0.5
"""A fact must fit this well, of 1.3, to take a page's place. On LoCoMo's development conversations facts of any
score cost .021 of the evidence found in ten places; from 0.5 on they cost none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What is asked of whose memory, checked."""

    memory: UserMemory
    k: int
    kinds: frozenset[str]
    where: PageFilter
    include_recent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a search found: its pages and facts, and no more than these."""

    memory: RetrievedMemory
    """Pages best first; the facts that have a place, best first, as `user_knowledge`. Its STM is empty."""
    tiers: Mapping[str, Tier]
    """Page id to tier, for each of the pages."""


def find(search: Search, query: str) -> Found:
    """Return what there is for a query, at most `search.k` pages and facts together.

    A blank query finds the newest pages, which have no score.

    Raises:
        InvalidInput: the query is no text.
        EmbeddingError, StoreError: nothing could be searched.
    """
    try_waiting(search.memory)
    found = _found(search, query) if require_text("query", query).strip() else _newest(search)
    facts = _facts(search, found)
    pages = found.pages[: search.k - len(facts)] if PAGE in search.kinds else ()
    chosen = replace(found, short_term=(), pages=pages, user_knowledge=facts, assistant_knowledge=())
    return Found(memory=chosen, tiers=search.memory.tiers_of(page.id for page in pages))


def narrowed(found: RetrievedMemory, search: Search) -> RetrievedMemory:
    """Return what was found less what the search leaves out: the filter holds for STM, facts and profile too."""
    recent = found.short_term if search.include_recent and PAGE in search.kinds else ()
    profile = _profile(found.user_profile, search)
    return replace(
        found,
        short_term=tuple(page for page in recent if search.where(page)),
        pages=found.pages if PAGE in search.kinds else (),
        user_profile=profile,
        user_knowledge=_allowed(found.user_knowledge, found, search),
        assistant_knowledge=_allowed(found.assistant_knowledge, found, search),
    )


def _found(search: Search, query: str) -> RetrievedMemory:
    memory = search.memory
    if search.include_recent:
        # STM is never ranked; asked from a session that has none, the engine ranks every page there is.
        memory = memory.in_session(uuid4().hex)
    return memory.retrieve_memory(query, top_k=search.k, where=None if search.where.asks_nothing else search.where)


def _newest(search: Search) -> RetrievedMemory:
    found = search.memory.latest_memory()
    left_out = set() if search.include_recent else {page.id for page in found.short_term}
    pages = [page for page in search.memory.pages() if page.id not in left_out and search.where(page)]
    pages.sort(key=lambda page: (page.timestamp, page.sequence), reverse=True)
    return replace(found, pages=tuple(pages[: search.k]))


def _facts(search: Search, found: RetrievedMemory) -> tuple[KnowledgeEntry, ...]:
    """Return the facts that have a place beside the pages, best first."""
    facts = _allowed((*found.user_knowledge, *found.assistant_knowledge), found, search)
    best = sorted(facts, key=lambda fact: -(fact.score or 0.0))
    if PAGE not in search.kinds:
        return tuple(best[: search.k])
    there = {page.id for page in found.pages}
    fit = [fact for fact in best if (fact.score or 0.0) >= LEAST_FACT_SCORE]
    new = [fact for fact in fit if there.isdisjoint(fact.source_page_ids)]
    return tuple(new[: search.k // PAGES_PER_FACT])


def _allowed(facts: Sequence[KnowledgeEntry], found: RetrievedMemory, search: Search) -> tuple[KnowledgeEntry, ...]:
    if FACT not in search.kinds:
        return ()
    if search.where.asks_nothing:
        return tuple(facts)
    passing = {page_id for page_id, page in found.sources.items() if search.where(page)}
    return tuple(fact for fact in facts if not passing.isdisjoint(fact.source_page_ids))


def _profile(profile: UserProfile, search: Search) -> UserProfile:
    if FACT not in search.kinds:
        return UserProfile()
    if search.where.asks_nothing:
        return profile
    passing = {page.id for page in search.memory.pages() if search.where(page)}
    return user_profile(e for e in (*profile.entries, *profile.traits) if not passing.isdisjoint(e.source_page_ids))
