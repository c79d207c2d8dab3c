"""One owner's rows while they are checked: as records where they decode, and as a repair leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Owner, Segment
from memoryos_engine.similarity import Vector, unit
from memoryos_engine.storage.audit_codec import decode_audit
from memoryos_engine.storage.codec import (
    AUDIT,
    HEAD,
    IMPORT,
    KNOWLEDGE,
    PAGE,
    QUARANTINED,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    encode_knowledge,
    encode_page,
    encode_segment,
)
from memoryos_engine.storage.heads import EMBEDDED, Head, Heads, decode_head, head_id
from memoryos_engine.storage.survey import RawRow

Embed = Callable[[Sequence[str]], Vector]
"""Texts to unit rows."""
TOLERANCE = 1e-3
"""How far from 1 the length of a unit vector may be: float32, there and back."""


@dataclass(kw_only=True)
class Draft:
    """The rows of one owner.

    Whoever changes a record says so with `put`, and what a repair takes out goes through
    `delete` or `set_aside`; nothing is written here.
    """

    owner: Owner
    dimension: int
    raw: dict[str, RawRow] = field(default_factory=dict)
    pages: dict[str, DialoguePage] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    entries: dict[str, KnowledgeEntry] = field(default_factory=dict)
    vectors: dict[str, Vector] = field(default_factory=dict)
    """Of everything that decodes."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Id of a row that is no record of a memory, to why."""
    aside: dict[str, None] = field(default_factory=dict)
    """Ids of the rows that were set aside."""
    heads: dict[int, Head] = field(default_factory=dict)
    """By writer."""
    cut_off: str = ""
    """Id of the row that says that only a part of the memory was imported; nothing else is to be said of it then."""
    broken_head: bool = False
    """Whether the head of the writer of an owned store does not decode."""
    head_problem: str = ""
    changed: dict[str, None] = field(default_factory=dict)
    deleted: dict[str, None] = field(default_factory=dict)

    def put(self, record: DialoguePage | Segment | KnowledgeEntry) -> None:
        """Replace a record."""
        if isinstance(record, DialoguePage):
            self.pages[record.id] = record
        elif isinstance(record, Segment):
            self.segments[record.id] = record
        else:
            self.entries[record.id] = record
        self.changed[record.id] = None

    def put_vector(self, record_id: str, vector: Vector) -> None:
        """Replace the vector of a record."""
        self.vectors[record_id] = vector
        self.changed[record_id] = None

    def delete(self, record_id: str) -> None:
        """Take a segment or an entry out. Pages are never deleted."""
        (self.segments if record_id in self.segments else self.entries).pop(record_id)
        self.changed.pop(record_id, None)
        self.deleted[record_id] = None

    def set_aside(self, record_id: str) -> None:
        """Keep a row out of the memory, whole."""
        for known in (self.pages, self.segments, self.entries, self.unreadable):
            known.pop(record_id, None)
        self.aside[record_id] = None
        self.changed[record_id] = None

    def direction(self, segment_id: str) -> Vector:
        """Return the unit direction of a segment's pages; zero where they point nowhere together."""
        total = np.zeros(self.dimension, dtype=np.float64)
        for page in self.pages.values():
            if page.segment_id == segment_id:
                total += self.vectors[page.id]
        return unit(total.astype(np.float32))

    @property
    def touched(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.changed or self.deleted or self.broken_head or (self.raw and not self.heads))

    @property
    def next_sequence(self) -> int:
        """The sequence of the next page."""
        newest = max((page.sequence for page in self.pages.values()), default=-1)
        return max(newest + 1, Heads(self.heads).next_sequence)

    def forgotten(self, writer: int) -> list[str]:
        """Return the ids of the rows that go; a broken head that the writer writes over stays."""
        broken = [head_id(self.owner)] if self.broken_head and writer != EMBEDDED else []
        return [*self.deleted, *broken]

    def rows(self) -> list[Row]:
        """Return the rows to write. Should several upserts be needed, any first part of them leaves less to repair.

        Pages go from the last to the first, so that those that make room go before those that move up.
        """
        late = sorted((self.pages[key] for key in self.changed if key in self.pages), key=lambda page: -page.sequence)
        rows = [set_aside_row(self.raw[key], self.dimension) for key in self.changed if key in self.aside]
        rows += [encode_page(page, self.vectors[page.id]) for page in late]
        rows += [encode_knowledge(self.entries[key], self.vectors[key]) for key in self.changed if key in self.entries]
        rows += [encode_segment(self.segments[key], self.vectors[key]) for key in self.changed if key in self.segments]
        return rows


def draft_of(owner: Owner, rows: Iterable[RawRow], *, dimension: int) -> Draft:
    """Return an owner's rows as they are, told apart by what they can be read as."""
    draft = Draft(owner=owner, dimension=dimension)
    for raw in rows:
        draft.raw[raw.id] = raw
        if raw.row.kind == HEAD or raw.id == head_id(owner):
            _take_head(draft, raw)
        elif raw.row.kind == IMPORT:
            draft.cut_off = raw.id
        elif raw.row.kind == QUARANTINED:
            draft.aside[raw.id] = None
        else:
            _take(draft, raw)
    if draft.broken_head:
        draft.head_problem = "is a head that does not decode"
    elif draft.raw and not draft.heads:
        draft.head_problem = "is missing, though its owner has records"
    return draft


def sound_vector(vector: Vector, dimension: int) -> bool:
    """Say whether a vector has the length it must, in numbers and in size, and nothing but numbers."""
    return (
        vector.shape == (dimension,)
        and bool(np.isfinite(vector).all())
        and abs(float(np.linalg.norm(vector.astype(np.float64))) - 1.0) <= TOLERANCE
    )


def set_aside_row(raw: RawRow, dimension: int) -> Row:
    """Return a row under the kind that no memory reads, with its document and all it said beside it."""
    vector = raw.vector
    if not sound_vector(vector, dimension):
        vector = np.zeros(dimension, dtype=np.float32)
        vector[sum(raw.id.encode()) % dimension] = 1.0
    data = json.dumps({"metadata": dict(raw.metadata)}, default=repr)
    return Row(id=raw.id, kind=QUARANTINED, document=raw.document, data=data, vector=vector)


def _take(draft: Draft, raw: RawRow) -> None:
    row = raw.row
    try:
        if row.kind == PAGE:
            draft.pages[row.id] = decode_page(row)
        elif row.kind == SEGMENT:
            draft.segments[row.id] = decode_segment(row)
        elif row.kind == KNOWLEDGE:
            draft.entries[row.id] = decode_knowledge(row)
        elif row.kind == AUDIT:
            decode_audit(row)
            return
        else:
            draft.unreadable[row.id] = _unknown(row.kind)
    except CorruptRecord as error:
        draft.unreadable[row.id] = f"does not decode as {row.kind} ({type(error.__cause__).__name__})"
    if row.id in draft.pages and not draft.pages[row.id].text.strip():
        del draft.pages[row.id]
        draft.unreadable[row.id] = "is a page without text"
    if row.id not in draft.unreadable:
        draft.vectors[row.id] = raw.vector


def _unknown(kind: str) -> str:
    return "has a kind that is not known" if kind else "has no kind"


def _take_head(draft: Draft, raw: RawRow) -> None:
    """Take a head that is its owner's and decodes."""
    try:
        head = decode_head(raw.id, raw.row.data)
        whole = raw.row.kind == HEAD and raw.id == head_id(draft.owner, head.writer) and head.next_sequence >= 0
    except CorruptRecord:
        whole = False
    if whole:
        draft.heads[head.writer] = head
    elif raw.id == head_id(draft.owner):
        draft.broken_head = True
    else:
        draft.unreadable[raw.id] = "is a head that is not its owner's"
