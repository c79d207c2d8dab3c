"""What deleting a page or a knowledge entry changes in everything derived from it.

Values in, values out: records as they are, the changes that make the record gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from memoryos_engine.changes import Changes
from memoryos_engine.lexical import terms_of
from memoryos_engine.long_term import reopened, uncorrected, without_sources
from memoryos_engine.mid_term import keyword_weights, segment_keywords
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment
from memoryos_engine.storage.user_records import UserRecords

Summarise = Callable[[Sequence[DialoguePage]], str]


def entry_forgotten(records: UserRecords, entry_id: str) -> Changes:
    """Return what changes when a knowledge entry goes; what the user corrected by it holds again."""
    sources = records.knowledge[entry_id].source_page_ids
    kept = {key: uncorrected(entry, sources) for key, entry in records.knowledge.items() if key != entry_id}
    changed = {key: entry for key, entry in kept.items() if entry != records.knowledge[key]}
    return Changes(knowledge=tuple((changed | reopened(kept.values())).values()), forgotten=(entry_id,))


def pages_forgotten(records: UserRecords, pages: Sequence[DialoguePage], summarise: Summarise) -> Changes:
    """Return what changes when pages go, with what was derived from them alone; the same as if they went one by one.

    Args:
        records: everything of the owner.
        pages: the pages that go.
        summarise: makes the summary of a segment from the pages left in it.
    """
    gone = {page.id: page for page in pages}
    alone = _said_alone(records, pages)
    cleaned = _Cleaning(pages, alone)
    after = {other.id: cleaned(other) for other in records.pages.values() if other.id not in gone}
    changed = [other for key, other in after.items() if other != records.pages[key]]
    touched = {other.segment_id for other in (*pages, *changed)} - {None}
    touched |= {key for key, segment in records.segments.items() if alone & terms_of([segment.summary])}
    left = {key: [after[p.id] for p in records.pages_of(key) if p.id not in gone] for key in touched if key}
    segments = [_resummarised(records.segments[key], kept, summarise) for key, kept in left.items() if kept]
    changes = _entries_without(records, gone, alone)
    empty = (key for key, kept in left.items() if not kept)
    return replace(
        changes, pages=tuple(changed), segments=tuple(segments), forgotten=(*gone, *empty, *changes.forgotten)
    )


def _said_alone(records: UserRecords, pages: Sequence[DialoguePage]) -> frozenset[str]:
    """Return the terms that no other pages of the user hold: wherever else they stand, they came from these."""
    index = records.index
    rows = {index.row(page.id) for page in pages}
    terms = terms_of(page.text for page in pages)
    return frozenset(term for term in terms if rows.issuperset(index.lexical.postings(term)[0].tolist()))


class _Cleaning:
    """Takes out of a page that stays what it carries of those that go."""

    def __init__(self, gone: Sequence[DialoguePage], alone: frozenset[str]) -> None:
        self._alone = alone
        self._keywords = {word for page in gone for word in page.keywords}
        self._first_of_chain: dict[str, int] = {}
        for page in gone:
            if page.chain_id:
                first = self._first_of_chain.get(page.chain_id, page.sequence)
                self._first_of_chain[page.chain_id] = min(first, page.sequence)

    def __call__(self, page: DialoguePage) -> DialoguePage:
        # A meta chain sums up the pages before it, the forgotten ones among them.
        first = self._first_of_chain.get(page.chain_id or "", page.sequence)
        if page.sequence > first or (page.meta_chain and self._alone & terms_of([page.meta_chain])):
            page = replace(page, meta_chain="")
        return replace(page, keywords=self._own_keywords(page))

    def _own_keywords(self, page: DialoguePage) -> tuple[str, ...]:
        """Return the keywords of a page less those it only carries on from one that is forgotten."""
        if self._keywords.isdisjoint(page.keywords):
            return page.keywords
        said = page.text.casefold()
        return tuple(word for word in page.keywords if word not in self._keywords or word.casefold() in said)


def _resummarised(segment: Segment, pages: Sequence[DialoguePage], summarise: Summarise) -> Segment:
    return replace(segment, summary=summarise(pages), keywords=segment_keywords(keyword_weights(pages)))


def _entries_without(records: UserRecords, pages: Mapping[str, DialoguePage], alone: frozenset[str]) -> Changes:
    """Return what happens to the entries when some of their source pages go, or the pages that corrected them."""
    known = records.knowledge
    again = {key: uncorrected(entry, pages) for key, entry in known.items()}
    left = {key: without_sources(entry, pages) for key, entry in again.items()}
    gone = [key for key, entry in left.items() if entry != again[key] and not _still_said(again[key], pages, records)]
    # What they corrected was known before: its words, though no other page may hold them, are not from here.
    telling = (key for key, entry in known.items() if again[key] is entry and alone & terms_of([entry.text]))
    gone += [key for key in telling if key not in gone]
    kept = {key: entry for key, entry in left.items() if key not in gone}
    changed = {key: entry for key, entry in kept.items() if entry != known[key]} | reopened(kept.values())
    return Changes(knowledge=tuple(changed.values()), forgotten=tuple(gone))


def _still_said(entry: KnowledgeEntry, gone: Mapping[str, DialoguePage], records: UserRecords) -> bool:
    """Say whether the sources left hold every word of the entry that those that go held."""
    went = [gone[key] for key in entry.source_page_ids if key in gone]
    left = [records.pages[key] for key in entry.source_page_ids if key in records.pages and key not in gone]
    own, there, here = (terms_of(texts) for texts in ([entry.text], (p.text for p in went), (p.text for p in left)))
    # A trait's text may quote any one of its pages.
    return bool(left) and not entry.level and not (own & there) - here
