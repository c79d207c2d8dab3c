"""What another process wrote, applied to the records that are in memory here, where it fits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.codec import KNOWLEDGE, SEGMENT, Row, decode_knowledge, decode_segment
from memoryos_engine.storage.loading import check_kinds, pages_of
from memoryos_engine.storage.user_records import UserRecords, arrival


@dataclass(frozen=True, slots=True)
class WrittenElsewhere:
    """Rows that others wrote, compared with what is known."""

    records: UserRecords
    new: list[tuple[DialoguePage, Vector]]
    """Pages that are not known, in order of arrival."""
    changed: list[tuple[DialoguePage, Vector]]
    segments: list[Segment]
    entries: list[tuple[KnowledgeEntry, Vector | None]]

    @classmethod
    def compared(cls, rows: Sequence[Row], records: UserRecords) -> WrittenElsewhere:
        """Return what is new or different in rows.

        Raises:
            CorruptRecord: one of them does not decode.
        """
        check_kinds(rows)
        pages = sorted(pages_of(rows), key=lambda pair: arrival(pair[0]))
        segments = [decode_segment(row) for row in rows if row.kind == SEGMENT]
        entries = [(decode_knowledge(row), row.vector) for row in rows if row.kind == KNOWLEDGE]
        return cls(
            records=records,
            new=[pair for pair in pages if pair[0].id not in records.pages],
            changed=[pair for pair in pages if records.pages.get(pair[0].id, pair[0]) != pair[0]],
            segments=[each for each in segments if records.segments.get(each.id) != each],
            entries=[pair for pair in entries if records.knowledge.get(pair[0].id) != pair[0]],
        )

    @property
    def rewrites(self) -> bool:
        """Whether it is more than new pages, so that a plan made before may rest on what is no longer so."""
        return bool(self.changed or self.segments or self.entries)

    def fits(self) -> bool:
        """Say whether applying it gives what reading everything would: pages arrived last, others kept their place."""
        places = [page.sequence for page, _ in self.new]
        first = self.records.next_sequence
        in_order = all(before < after for before, after in zip([first - 1, *places], places, strict=False))
        return in_order and all(self._stays(page) for page, _ in (*self.new, *self.changed))

    def apply(self) -> None:
        """Put it into the records, whose `reading` lock is held."""
        for segment in self.segments:
            self.records.segments[segment.id] = segment
        for page, direction in (*self.changed, *self.new):
            self.records.put_page(page, direction)
        for entry, vector in self.entries:
            self.records.put_entry(entry, vector)

    def _stays(self, page: DialoguePage) -> bool:
        """Say whether a page is where it was, or went from no segment into one that is known."""
        known = self.records.pages.get(page.id, page)
        there = {*self.records.segments, *(segment.id for segment in self.segments), None}
        joined = known.segment_id in (page.segment_id, None) or known is page
        return page.segment_id in there and joined and known.session_id == page.session_id
