"""What the records of an export say of each other: all that has to be kept of them until the last was read.

The same as `checking` looks for in a store, so that what was imported is sound. Two things a crash may leave are no
error: a page whose segment is not there is pending again, a segment without pages is not taken over.
"""

from __future__ import annotations

from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind
from memoryos_engine.transfer.export_format import Record


class Inventory:
    """Notes records one by one; its size is that of their ids."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.peopled: set[str] = set()
        """Segments that pages name."""
        self.pages: set[str] = set()
        self.next_sequence = 0
        self._sequences: set[int] = set()
        self._named: set[str] = set()
        self._current: set[tuple[KnowledgeKind, str]] = set()

    def note(self, record: Record) -> str:
        """Take a record in; return what is wrong with it beside those before, "" if nothing is."""
        known = record.id in self.ids
        self.ids.add(record.id)
        if known:
            return "holds two records with one id"
        if isinstance(record, DialoguePage):
            return self._page(record)
        return self._entry(record) if isinstance(record, KnowledgeEntry) else ""

    def missing(self) -> str:
        """Return what is wrong once all records are in, "" if nothing is."""
        return "" if self._named <= self.pages else "holds facts from pages that it does not hold"

    def _page(self, page: DialoguePage) -> str:
        known = page.sequence in self._sequences
        self._sequences.add(page.sequence)
        self.next_sequence = max(self.next_sequence, page.sequence + 1)
        self.pages.add(page.id)
        self.peopled.update([page.segment_id] if page.segment_id else [])
        return "holds two pages with one place" if known else ""

    def _entry(self, entry: KnowledgeEntry) -> str:
        self._named.update(entry.source_page_ids)
        if entry.corrected and entry.corrected.page_id:
            self._named.add(entry.corrected.page_id)
        if not entry.attribute or entry.valid_until:
            return ""
        known = (entry.kind, entry.attribute) in self._current
        self._current.add((entry.kind, entry.attribute))
        return "holds two values for what can have one" if known else ""
