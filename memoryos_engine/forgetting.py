"""What deleting a page or a knowledge entry changes in everything derived from it.

Values in, values out: records as they are, the changes that make the record gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from memoryos_engine.analysis.grounding import Ground
from memoryos_engine.changes import Changes
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
    # A meta chain sums up the pages before it, the forgotten one among them.
    later = [
        replace(other, meta_chain="", keywords=_own_keywords(other, without=page))
        for other in records.pages.values()
        if page.chain_id and other.chain_id == page.chain_id and other.sequence > page.sequence
    ]
    after = {other.id: other for other in later}
    touched = dict.fromkeys(other.segment_id for other in (page, *later) if other.segment_id)
    left = {key: [after.get(p.id, p) for p in records.pages_of(key) if p.id != page.id] for key in touched}
    segments = [_resummarised(records.segments[key], pages, summarise) for key, pages in left.items() if pages]
    changes = _entries_without(records, page)
    gone = (page.id, *(key for key, pages in left.items() if not pages), *changes.forgotten)
    return replace(changes, pages=tuple(later), segments=tuple(segments), forgotten=gone)


def _resummarised(segment: Segment, pages: Sequence[DialoguePage], summarise: Summarise) -> Segment:
    return replace(segment, summary=summarise(pages), keywords=segment_keywords(keyword_weights(pages)))


def _entries_without(records: UserRecords, page: DialoguePage) -> Changes:
    """Return what happens to the entries when one of their source pages goes."""
    touched = {key: entry for key, entry in records.knowledge.items() if page.id in entry.source_page_ids}
    left = {key: without_sources(entry, [page.id]) for key, entry in touched.items()}
    gone = [key for key, entry in left.items() if not _still_said(entry, page, records)]
    kept = {key: left.get(key, entry) for key, entry in records.knowledge.items() if key not in gone}
    changed = {key: entry for key, entry in left.items() if key in kept} | reopened(kept.values())
    return Changes(knowledge=tuple(changed.values()), forgotten=tuple(gone))


def _still_said(entry: KnowledgeEntry, gone: DialoguePage, records: UserRecords) -> bool:
    """Say whether the pages left hold every word of the entry that the page that goes held."""
    sources = [records.pages[key] for key in entry.source_page_ids if key in records.pages]
    own, there, here = (
        Ground.of(texts).terms for texts in ([entry.text], [gone.text], [page.text for page in sources])
    )
    # A trait's text may quote any one of its pages.
    return bool(sources) and not entry.level and not (own & there) - here


def _own_keywords(page: DialoguePage, *, without: DialoguePage) -> tuple[str, ...]:
    """Return the keywords of `page` less those it only carries on from a page that is forgotten."""
    said = page.text.casefold()
    return tuple(word for word in page.keywords if word not in without.keywords or word.casefold() in said)
