"""What deleting a page or a knowledge entry changes in everything derived from it.

Values in, values out: records as they are, the changes that make the record gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from memoryos_engine.changes import Changes
from memoryos_engine.lexical import terms_of
from memoryos_engine.long_term import reopened, without_sources
from memoryos_engine.mid_term import keyword_weights, segment_keywords
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment
from memoryos_engine.storage.user_records import UserRecords

Summarise = Callable[[Sequence[DialoguePage]], str]


def entry_forgotten(records: UserRecords, entry_id: str) -> Changes:
    """Return what changes when a knowledge entry goes."""
    kept = [entry for key, entry in records.knowledge.items() if key != entry_id]
    return Changes(knowledge=tuple(reopened(kept).values()), forgotten=(entry_id,))


def page_forgotten(records: UserRecords, page: DialoguePage, summarise: Summarise) -> Changes:
    """Return what changes when a page goes, with what was derived from it alone.

    Args:
        records: everything of the owner.
        page: the page that goes.
        summarise: makes the summary of a segment from the pages left in it.
    """
    alone = _said_alone(records, page)
    after = {other.id: _cleaned(other, page, alone) for other in records.pages.values() if other.id != page.id}
    changed = [other for key, other in after.items() if other != records.pages[key]]
    touched = {other.segment_id for other in (page, *changed)} - {None}
    touched |= {key for key, segment in records.segments.items() if alone & terms_of([segment.summary])}
    left = {key: [after[p.id] for p in records.pages_of(key) if p.id != page.id] for key in touched if key}
    segments = [_resummarised(records.segments[key], pages, summarise) for key, pages in left.items() if pages]
    changes = _entries_without(records, page, alone)
    gone = (page.id, *(key for key, pages in left.items() if not pages), *changes.forgotten)
    return replace(changes, pages=tuple(changed), segments=tuple(segments), forgotten=gone)


def _said_alone(records: UserRecords, page: DialoguePage) -> frozenset[str]:
    """Return the terms that no other page of the user holds: wherever else they stand, they came from this page."""
    index = records.index
    row = index.row(page.id)
    return frozenset(term for term in terms_of([page.text]) if set(index.lexical.postings(term)[0].tolist()) <= {row})


def _cleaned(other: DialoguePage, gone: DialoguePage, alone: frozenset[str]) -> DialoguePage:
    """Return a page without what it carries of the page that goes."""
    # A meta chain sums up the pages before it, the forgotten one among them.
    follows = gone.chain_id and other.chain_id == gone.chain_id and other.sequence > gone.sequence
    if follows or (other.meta_chain and alone & terms_of([other.meta_chain])):
        other = replace(other, meta_chain="")
    return replace(other, keywords=_own_keywords(other, without=gone))


def _resummarised(segment: Segment, pages: Sequence[DialoguePage], summarise: Summarise) -> Segment:
    return replace(segment, summary=summarise(pages), keywords=segment_keywords(keyword_weights(pages)))


def _entries_without(records: UserRecords, page: DialoguePage, alone: frozenset[str]) -> Changes:
    """Return what happens to the entries when one of their source pages goes."""
    touched = {key: entry for key, entry in records.knowledge.items() if page.id in entry.source_page_ids}
    left = {key: without_sources(entry, [page.id]) for key, entry in touched.items()}
    gone = [key for key, entry in left.items() if not _still_said(entry, page, records)]
    telling = (key for key, entry in records.knowledge.items() if alone & terms_of([entry.text]))
    gone += [key for key in telling if key not in gone]
    kept = {key: left.get(key, entry) for key, entry in records.knowledge.items() if key not in gone}
    changed = {key: entry for key, entry in left.items() if key in kept} | reopened(kept.values())
    return Changes(knowledge=tuple(changed.values()), forgotten=tuple(gone))


def _still_said(entry: KnowledgeEntry, gone: DialoguePage, records: UserRecords) -> bool:
    """Say whether the pages left hold every word of the entry that the page that goes held."""
    sources = [records.pages[key] for key in entry.source_page_ids if key in records.pages]
    own, there, here = terms_of([entry.text]), terms_of([gone.text]), terms_of(page.text for page in sources)
    # A trait's text may quote any one of its pages.
    return bool(sources) and not entry.level and not (own & there) - here


def _own_keywords(page: DialoguePage, *, without: DialoguePage) -> tuple[str, ...]:
    """Return the keywords of `page` less those it only carries on from a page that is forgotten."""
    if set(page.keywords).isdisjoint(without.keywords):
        return page.keywords
    said = page.text.casefold()
    return tuple(word for word in page.keywords if word not in without.keywords or word.casefold() in said)
