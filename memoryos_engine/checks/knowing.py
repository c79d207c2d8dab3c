"""Knowledge entries rest on pages that are there, and of one attribute one is current."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from memoryos_engine.checks.draft import Draft, Embed
from memoryos_engine.long_term import reopened, without_sources
from memoryos_engine.records import KnowledgeEntry


def sourceless(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find entries that name a source page that is not there."""
    for entry in draft.entries.values():
        if any(source not in draft.pages for source in entry.source_page_ids):
            yield entry.id, "names a source page that does not exist"


def drop_sources(draft: Draft, embed: Embed) -> None:  # noqa: ARG001 - one signature for all repairs
    """Leave such sources out; an entry of which nothing is left goes, as when its pages are forgotten.

    It stays if one of them was set aside: that page was said, though it cannot be read.
    """
    for record_id, _ in list(sourceless(draft)):
        entry = draft.entries[record_id]
        gone = [source for source in entry.source_page_ids if source not in draft.pages]
        if len(gone) < len(entry.source_page_ids) or not draft.aside.keys().isdisjoint(gone):
            draft.put(without_sources(entry, gone))
        else:
            draft.delete(record_id)


def corrected_by_nobody(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find entries whose correcting page is not there."""
    for entry in draft.entries.values():
        if entry.corrected and entry.corrected.page_id and entry.corrected.page_id not in draft.pages:
            yield entry.id, "was corrected by a page that does not exist"


def drop_corrector(draft: Draft, embed: Embed) -> None:  # noqa: ARG001
    """Leave the page out; what it corrected stays corrected."""
    for record_id, _ in list(corrected_by_nobody(draft)):
        entry = draft.entries[record_id]
        draft.put(without_sources(entry, [entry.corrected.page_id] if entry.corrected else ()))


def rivals(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find attributes of which several entries are current."""
    current = [entry for entry in draft.entries.values() if entry.attribute and entry.valid_until is None]
    counts = Counter((entry.kind, entry.attribute) for entry in current)
    for entry in current:
        if counts[entry.kind, entry.attribute] > 1:
            yield entry.id, "is one of several current entries on one attribute"


def end_rivals(draft: Draft, embed: Embed) -> None:  # noqa: ARG001
    """Have each end when the next began."""
    _derive_intervals(draft, [draft.entries[record_id] for record_id, _ in rivals(draft)])


def ended_early(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find entries that stopped being true before they began."""
    for entry in draft.entries.values():
        if entry.valid_until is not None and entry.valid_until < entry.said_at:
            yield entry.id, "ends before it begins"


def end_later(draft: Draft, embed: Embed) -> None:  # noqa: ARG001
    """Derive when they end from what was said next."""
    _derive_intervals(draft, [draft.entries[record_id] for record_id, _ in ended_early(draft)])


def _derive_intervals(draft: Draft, broken: Iterable[KnowledgeEntry]) -> None:
    chains = {(entry.kind, entry.attribute or entry.id) for entry in broken}
    chained = [entry for entry in draft.entries.values() if (entry.kind, entry.attribute or entry.id) in chains]
    for entry in reopened(chained).values():
        draft.put(entry)
