"""Retrieved memory to prompt text within a token budget (paper §3.5).

The most valuable goes in first, and a piece that does not fit makes way for a smaller
one. Each piece is counted once; the finished text is counted as a whole, and the least
valuable give way until it fits, so the budget holds for any counter.

Pure: no store, no model, no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from memoryos_engine.prompt_draft import Draft, Piece, page_piece, page_pieces
from memoryos_engine.prompt_format import Section, entry_line, fact_line, summary_line
from memoryos_engine.records import DialoguePage, KnowledgeEntry
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.settings import require_count
from memoryos_engine.tokens import TokenCounter, default_counter

# Shares of the whole budget that come before everything of lesser value has had its turn.
SHORT_TERM_SHARE = 0.30
PROFILE_SHARE = 0.10
KNOWLEDGE_SHARE = 0.15

PAGES_BEFORE_PROFILE = 10
"""Found pages that go before the profile; the others wait, so that many pages cannot crowd it out."""

_TRIES = 4
"""Fillings, each aiming lower by as much as the last overshot. Only a counter by which the
whole is longer than its parts needs a second one."""

_SENTENCE_END = re.compile(r"[.!?。！？؟।\n]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Prompt text with what it holds."""

    text: str
    """Empty when nothing is known or nothing fits."""
    tokens: int
    """Length of `text` by the counter it was built with; 0 for the empty text."""
    page_ids: tuple[str, ...]
    """Pages that stand in the text in full, both sides, in the order of the text."""
    truncated_page_ids: tuple[str, ...]
    """Pages of which only the beginning stands in the text, marked "[...]"."""


EMPTY = Context(text="", tokens=0, page_ids=(), truncated_page_ids=())


def build_context(found: RetrievedMemory, *, max_tokens: int, counter: TokenCounter | None = None) -> Context:
    """Return `found` as text of at most `max_tokens`.

    Order of value: the latest pages of short-term memory, found pages by rank, profile,
    knowledge, older short-term memory, meta chains. A page stands in full or not at all;
    only the best found page and the latest of short-term memory are shortened instead.

    Args:
        found: what retrieval returned.
        max_tokens: budget for the whole text, at least 1.
        counter: tokens of a text; `default_counter()` if None.

    Raises:
        InvalidInput: `max_tokens` is no whole number of at least 1.
    """
    budget = require_count("max_tokens", max_tokens)
    if not _anything(found):
        return EMPTY
    cost = cache(counter or default_counter())
    aim = budget
    for _ in range(_TRIES):
        draft = Draft(aim, cost)
        _fill(draft, found, aim)
        tokens = cost(draft.text())
        if tokens <= budget:
            break
        aim = aim * budget // tokens
    return _finish(draft, budget, cost)


def _finish(draft: Draft, budget: int, cost: TokenCounter) -> Context:
    """Let the least valuable give way until the whole text is within the budget."""
    while text := draft.text():
        tokens = cost(text)
        if tokens <= budget:
            pages = [piece for piece in draft.in_order() if piece.page_id]
            whole = tuple(piece.page_id for piece in pages if piece.page_id and not piece.shortened)
            cut = tuple(piece.page_id for piece in pages if piece.page_id and piece.shortened)
            return Context(text=text, tokens=tokens, page_ids=whole, truncated_page_ids=cut)
        draft.drop_least(tokens - budget)
    return EMPTY


def _anything(found: RetrievedMemory) -> bool:
    profile = found.user_profile
    parts = (found.short_term, found.pages, profile.fields, profile.traits, found.user_knowledge)
    return any(parts) or bool(found.assistant_profile.strip() or found.assistant_knowledge)


def _fill(draft: Draft, found: RetrievedMemory, budget: int) -> None:
    newest_first = page_pieces(reversed(found.short_term), Section.SHORT_TERM, budget)
    ranked = page_pieces(_not_in_short_term(found), Section.FOUND_PAGES, budget)
    profile = list(_profile(found))

    taken = draft.take_run(newest_first, int(budget * SHORT_TERM_SHARE))
    held_for_newest = draft.hold(int(budget * SHORT_TERM_SHARE)) if newest_first and not taken else 0
    best_waits = bool(ranked) and not draft.take(ranked[:1])
    held_for_best = draft.hold(draft.room // 2) if best_waits else 0

    draft.take(ranked[1:PAGES_BEFORE_PROFILE])
    draft.take(profile, int(budget * PROFILE_SHARE))
    draft.take(ranked[PAGES_BEFORE_PROFILE:])
    knowledge = list(_knowledge(found, draft.whole_page_ids()))
    draft.take(knowledge, int(budget * KNOWLEDGE_SHARE))

    draft.room += held_for_newest
    if not draft.take_run(newest_first[taken:]) and not taken and newest_first:
        draft.take_shortened(newest_first[0])
    draft.room += held_for_best
    if best_waits:
        draft.take_shortened(ranked[0])
    draft.take(profile)
    draft.take(knowledge)
    draft.take(_summaries(found, draft.whole_page_ids()))


def _not_in_short_term(found: RetrievedMemory) -> Iterator[DialoguePage]:
    seen = {page.id for page in found.short_term}
    for page in found.pages:
        if page.id not in seen:
            seen.add(page.id)
            yield page


def _profile(found: RetrievedMemory) -> Iterator[Piece]:
    yield Piece(section=Section.ASSISTANT_PROFILE, text=entry_line(found.assistant_profile))
    lines = [f"{' '.join(name.split())}: {value}" for name, value in found.user_profile.fields.items()]
    lines += map(_trait, found.user_profile.traits)
    for place, line in enumerate(lines):
        yield Piece(section=Section.USER_PROFILE, text=entry_line(line), place=(0.0, place))


def _trait(trait: KnowledgeEntry) -> str:
    level = f": {trait.level}" if trait.level else ""
    return f"{trait.attribute}{level} ({trait.text})" if trait.attribute else trait.text


def _knowledge(found: RetrievedMemory, shown: frozenset[str]) -> Iterator[Piece]:
    """Yield the facts that no page in the text says already."""
    yield from _facts(found.user_knowledge, Section.USER_KNOWLEDGE, shown)
    yield from _facts(found.assistant_knowledge, Section.ASSISTANT_KNOWLEDGE, shown)


def _facts(facts: Iterable[KnowledgeEntry], section: Section, shown: frozenset[str]) -> Iterator[Piece]:
    for place, fact in enumerate(facts):
        if shown.isdisjoint(fact.source_page_ids):
            yield Piece(section=section, text=fact_line(fact), place=(fact.said_at.timestamp(), place))


def _summaries(found: RetrievedMemory, shown: frozenset[str]) -> Iterator[Piece]:
    """Yield the meta chains that say more than the pages of their chain do in the text."""
    chains: dict[str, list[DialoguePage]] = {}
    for page in sorted(found.pages, key=lambda page: page.sequence):
        if page.chain_id and page.id in shown:
            chains.setdefault(page.chain_id, []).append(page)
    for pages in chains.values():
        summary = pages[-1].meta_chain
        if _adds(summary, pages):
            yield _before(pages[0], summary)


def _adds(summary: str, pages: Iterable[DialoguePage]) -> bool:
    said = " ".join("\n".join(page.text for page in pages).casefold().split())
    sentences = (" ".join(sentence.split()) for sentence in _SENTENCE_END.split(summary.casefold()))
    return any(sentence not in said for sentence in sentences)


def _before(page: DialoguePage, summary: str) -> Piece:
    piece = page_piece(page, Section.FOUND_PAGES, summary_line(summary))
    time, sequence = piece.place
    return replace(piece, place=(time, sequence - 0.5), is_page=False)
