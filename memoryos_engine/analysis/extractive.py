"""The analyst that needs no model: it quotes, and never writes a word of its own.

Chains come from similarity and time, summaries are the most telling sentences, keywords
the heaviest words, facts what the user states. Deterministic: the answer for a page
depends on that page and the one before it, never on the batch they come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache

from memoryos_engine.analysis.base import BatchReading, FoundFact, HotSegment, PageNote, PendingPage
from memoryos_engine.analysis.interests import interests
from memoryos_engine.analysis.quoting import join, quote, quoted
from memoryos_engine.analysis.salience import READ_FIRST, assistant_facts, is_statement, read, user_facts
from memoryos_engine.analysis.self_description import self_descriptions
from memoryos_engine.analysis.statement_cues import GREETING
from memoryos_engine.analysis.topic_words import content_words, keywords, shared_share, word_weights, words_of
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Segment

CHAIN_GAP = timedelta(hours=6)
"""A longer silence starts a new chain, whatever is said next. Our decision; the paper asks its model."""

CONTINUITY_THRESHOLD = 0.3
"""A page continues its chain when cosine + share of common topic words exceeds this (range -1 to 2)."""

LONGEST_META_CHAIN = 240
LONGEST_SUMMARY = 300
"""In characters."""

MOST_PAGE_KEYWORDS = 8
CARRIED_KEYWORDS = 5
"""Of the page before, in a chain: a thought keeps its topic though its words change ("it", "there").
Without them nearly every page opened a segment of its own (figures in the README's design notes)."""
MOST_PAGES_READ = 50
"""A summary reads no more than the last so many pages of a segment."""

MOST_USER_FACTS = 2
MOST_ASSISTANT_FACTS = 1
"""For one page."""

_USER_WEIGHT, _AGENT_WEIGHT = 1.0, 0.5
_FEWEST_OWN_WORDS = 2
"""A shorter input ("And then?") has no topic of its own and goes on with the one before."""


class ExtractiveAnalyst:
    """Reads pages without a model, in any language (see `Analyst`).

    Facts and profile fields stay in the user's words. Traits are found for content
    interests in English only; in other languages there are none.
    """

    name = "extractive"
    batch_size = promotion_size = 64
    eager = True

    def consolidate(self, pages: Sequence[PendingPage], segments: Sequence[Segment]) -> BatchReading:  # noqa: ARG002
        """Return one note for each page, in order; `segments` has no influence. Never raises ModelError."""
        notes: dict[str, PageNote] = {}
        for pending in pages:
            previous = pending.previous
            before = notes.get(previous.id) if previous is not None else None
            notes[pending.page.id] = _note(pending, before if before is not None else previous)
        return BatchReading(notes=tuple(notes[pending.page.id] for pending in pages))

    def summarise(self, pages: Sequence[DialoguePage]) -> str:
        """Return a summary of at most 300 characters in time order; empty when nothing is said.

        Work is bounded: no more than the last 50 pages are read.
        """
        parts = [part for page in pages[-MOST_PAGES_READ:] for part in _parts(page)]
        return quote(_sentences(parts), word_weights(parts), limit=LONGEST_SUMMARY)

    def promote(self, hot: Sequence[HotSegment], known: Sequence[KnowledgeEntry]) -> list[FoundFact]:  # noqa: ARG002
        """Return what the pages state for long-term memory; a repeated fact is one, with all its sources.

        Profile fields come first, then traits, the user's facts and the assistant's. The
        text of a profile field is its bare value. Never raises ModelError.
        """
        pages = [page for each in hot for page in each.pages]
        return _merged([*_profile(pages), *_traits(pages), *_knowledge(pages)])


def continues_chain(pending: PendingPage) -> bool:
    """Say whether a page goes on with the thought of the page before it in its session (Eq. 1)."""
    page, previous = pending.page, pending.previous
    if previous is None or page.timestamp - previous.timestamp > CHAIN_GAP:
        return False
    if _has_no_topic(page):
        return True
    shared = shared_share(word_weights(_parts(previous)), word_weights(_parts(page)))
    return _cosine(pending) + shared > CONTINUITY_THRESHOLD


def _cosine(pending: PendingPage) -> float:
    before = pending.previous_vector
    return 0.0 if before is None or before.shape != pending.vector.shape else float(before @ pending.vector)


def _has_no_topic(page: DialoguePage) -> bool:
    """Say whether the user's side is an elliptic reply; a bare greeting is not one, nor is silence."""
    said = page.user_input[:READ_FIRST]
    if not words_of(said) or GREETING.match(said):
        return False
    return len(content_words(said)) < _FEWEST_OWN_WORDS


def _note(pending: PendingPage, before: PageNote | DialoguePage | None) -> PageNote:
    continues = continues_chain(pending)
    own = keywords(_parts(pending.page), limit=MOST_PAGE_KEYWORDS)
    carried = before.keywords[:CARRIED_KEYWORDS] if continues and before is not None else ()
    return PageNote(
        page_id=pending.page.id,
        continues=continues,
        meta_chain=_meta_chain(pending, before.meta_chain if before is not None else "", continues=continues),
        keywords=tuple(dict.fromkeys([*carried, *own]))[:MOST_PAGE_KEYWORDS],
    )


def _meta_chain(pending: PendingPage, earlier: str, *, continues: bool) -> str:
    """Quote the chain so far, if it goes on, and this page: at least one sentence of this page has a place."""
    parts = _parts(pending.page)
    own = _sentences(parts)
    if not continues or pending.previous is None:
        return quote(own, word_weights(parts), limit=LONGEST_META_CHAIN)
    before = quoted(earlier) if earlier else _sentences(_parts(pending.previous))
    weights = word_weights([(" ".join(before), _USER_WEIGHT), *parts])
    newest = quote(own, weights, limit=LONGEST_META_CHAIN // 2)
    kept = quote(before, weights, limit=LONGEST_META_CHAIN - len(newest) - 3)
    return join([*quoted(kept), *quoted(newest)])


def _parts(page: DialoguePage) -> list[tuple[str, float]]:
    """Return what each side says, without noise, with its weight. Bounded whatever the page's length."""
    sides = ((page.user_input, _USER_WEIGHT), (page.agent_response, _AGENT_WEIGHT))
    return [(_read(text), weight) for text, weight in sides]


@lru_cache(maxsize=2048)
def _read(text: str) -> str:
    return "\n".join(read(text))


def _sentences(parts: Iterable[tuple[str, float]]) -> list[str]:
    return [line for text, _ in parts for line in text.splitlines()]


def _profile(pages: Sequence[DialoguePage]) -> list[FoundFact]:
    return [
        FoundFact(
            kind=KnowledgeKind.USER_PROFILE,
            text=description.value,
            source_page_ids=(page.id,),
            attribute=description.attribute,
        )
        for page in pages
        for description in self_descriptions(page.user_input)
    ]


def _traits(pages: Sequence[DialoguePage]) -> list[FoundFact]:
    said = {page.id: read(page.user_input) for page in pages}
    statements = [(page_id, each) for page_id, pieces in said.items() for each in pieces if is_statement(each)]
    return [
        FoundFact(
            kind=KnowledgeKind.USER_TRAIT,
            text=interest.reason,
            source_page_ids=interest.page_ids,
            attribute=interest.dimension,
            level=interest.level,
        )
        for interest in interests(statements, [(page_id, "\n".join(pieces)) for page_id, pieces in said.items()])
    ]


def _knowledge(pages: Sequence[DialoguePage]) -> list[FoundFact]:
    user = [(page.id, text) for page in pages for text in user_facts(page.user_input, limit=MOST_USER_FACTS)]
    agent = [
        (page.id, text) for page in pages for text in assistant_facts(page.agent_response, limit=MOST_ASSISTANT_FACTS)
    ]
    return [
        FoundFact(kind=kind, text=text, source_page_ids=(page_id,))
        for kind, found in ((KnowledgeKind.USER_KNOWLEDGE, user), (KnowledgeKind.ASSISTANT_KNOWLEDGE, agent))
        for page_id, text in found
    ]


def _merged(facts: Iterable[FoundFact]) -> list[FoundFact]:
    """Return `facts` with equal ones made one, the sources in order."""
    sources: dict[FoundFact, dict[str, None]] = {}
    for fact in facts:
        bare = FoundFact(kind=fact.kind, text=fact.text, source_page_ids=(), attribute=fact.attribute, level=fact.level)
        sources.setdefault(bare, {}).update(dict.fromkeys(fact.source_page_ids))
    return [
        FoundFact(
            kind=bare.kind, text=bare.text, source_page_ids=tuple(ids), attribute=bare.attribute, level=bare.level
        )
        for bare, ids in sources.items()
    ]
