"""Reads what a store holds of one owner and says what breaks an invariant (design notes in the README)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Owner, Segment
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import (
    HEAD,
    IMPORT,
    KNOWLEDGE,
    PAGE,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
)

Decoded = DialoguePage | Segment | KnowledgeEntry
_DECODE: dict[str, Callable[[Row], Decoded]] = {PAGE: decode_page, SEGMENT: decode_segment, KNOWLEDGE: decode_knowledge}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One record that breaks an invariant."""

    owner: Owner
    record_id: str
    problem: str


def findings(owner: Owner, store: ChromaStore) -> list[Finding]:
    """Return everything that is wrong with the owner's records; a sound memory has nothing.

    Raises:
        StoreError: the store cannot be read.
    """
    decoded: dict[str, Decoded] = {}
    problems: list[tuple[str, str]] = []
    for row in store.rows(owner):
        if row.kind == HEAD:
            continue
        try:
            decoded[row.id] = _decode(row)
        except CorruptRecord as error:
            problems.append((row.id, str(error)))
    problems += _problems(decoded)
    return [Finding(owner=owner, record_id=record_id, problem=problem) for record_id, problem in problems]


def _decode(row: Row) -> Decoded:
    if row.kind == IMPORT:
        raise CorruptRecord("says that this user's import was cut off; import the same file again, or purge the user")
    if row.kind not in _DECODE:
        raise CorruptRecord(f"record {row.id!r} has the unknown kind {row.kind!r}")
    return _DECODE[row.kind](row)


def _problems(decoded: Mapping[str, Decoded]) -> Iterator[tuple[str, str]]:
    pages = {key: record for key, record in decoded.items() if isinstance(record, DialoguePage)}
    segments = {key: record for key, record in decoded.items() if isinstance(record, Segment)}
    entries = [record for record in decoded.values() if isinstance(record, KnowledgeEntry)]
    yield from _page_problems(pages, segments)
    peopled = {page.segment_id for page in pages.values()}
    yield from ((key, "is a segment without pages") for key in segments if key not in peopled)
    yield from _entry_problems(entries, pages)


def _page_problems(pages: Mapping[str, DialoguePage], segments: Mapping[str, Segment]) -> Iterator[tuple[str, str]]:
    sequences = Counter(page.sequence for page in pages.values())
    for page in pages.values():
        if page.segment_id and page.segment_id not in segments:
            yield page.id, "names a segment that does not exist"
        if sequences[page.sequence] > 1:
            yield page.id, f"shares its sequence {page.sequence} with another page"


def _entry_problems(entries: Iterable[KnowledgeEntry], pages: Mapping[str, DialoguePage]) -> Iterator[tuple[str, str]]:
    current = Counter((entry.kind, entry.attribute) for entry in entries if entry.attribute and not entry.valid_until)
    for entry in entries:
        if any(source not in pages for source in entry.source_page_ids):
            yield entry.id, "names a source page that does not exist"
        if entry.corrected and entry.corrected.page_id and entry.corrected.page_id not in pages:
            yield entry.id, "was corrected by a page that does not exist"
        if entry.attribute and not entry.valid_until and current[entry.kind, entry.attribute] > 1:
            yield entry.id, f"is one of several current entries on {entry.attribute!r}"
