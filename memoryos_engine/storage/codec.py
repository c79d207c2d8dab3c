"""Records to Chroma rows and back, without loss.

Chroma merges metadata on upsert, refuses None and nested values, and writes one database
row for each key. So a record is its document and one JSON text with everything else: any
value survives, and a page costs a fifth less to write and two fifths less to read than
with a key for each field. A page's document is both sides end to end and `split` says
where the second begins, which keeps any text verbatim.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.records import Correction, DialoguePage, KnowledgeEntry, KnowledgeKind, Owner, Segment
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.fields import (
    flag,
    mapping,
    name,
    name_or_none,
    number,
    read_json,
    text,
    texts,
    time,
    time_or_none,
)

T = TypeVar("T")

PAGE, SEGMENT, KNOWLEDGE, HEAD, AUDIT = "page", "segment", "knowledge", "head", "audit"
IMPORT = "import"
"""Kind of the row that says that a memory is only half imported."""
QUARANTINED = "quarantined"
"""A record that did not decode and was set aside by `check(repair=True)`, kept whole; no part of any memory."""
UNSEEN = (HEAD, QUARANTINED)
"""Kinds that are no part of what a user remembers."""
OWNER_KEYS = ("user_id", "assistant_id")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One Chroma record."""

    id: str
    kind: str
    document: str
    data: str
    """Everything but the document, as a JSON object."""
    vector: Vector | None = None


def owner_metadata(owner: Owner) -> dict[str, str]:
    """Return the keys that say whose a row is."""
    return {"user_id": owner.user_id, "assistant_id": owner.assistant_id}


def encode_page(page: DialoguePage, vector: Vector) -> Row:
    """Return the row of a page."""
    data = {
        "session_id": page.session_id,
        "sequence": page.sequence,
        "sessions_since": page.sessions_since,
        "timestamp": page.timestamp.isoformat(),
        "split": len(page.user_input),
        "metadata": dict(page.metadata),
        "segment_id": page.segment_id,
        "chain_id": page.chain_id,
        "meta_chain": page.meta_chain,
        "keywords": page.keywords,
        "promoted": page.promoted,
    }
    return made_row(page.id, PAGE, page.user_input + page.agent_response, data, vector)


def decode_page(row: Row) -> DialoguePage:
    """Return the page of a row.

    Raises:
        CorruptRecord: a field is missing or holds something else than was written.
    """
    return decoded(row, _page)


def encode_segment(segment: Segment, vector: Vector) -> Row:
    """Return the row of a segment; its vector is the direction of its pages."""
    data = {
        "keywords": segment.keywords,
        "created_at": segment.created_at.isoformat(),
        "sequence": segment.sequence,
        "visits": segment.visits,
        "last_visited_at": _dump_time(segment.last_visited_at),
        "archived": segment.archived,
    }
    return made_row(segment.id, SEGMENT, segment.summary, data, vector)


def decode_segment(row: Row) -> Segment:
    """Return the segment of a row, or raise CorruptRecord."""
    return decoded(row, _segment)


def encode_knowledge(entry: KnowledgeEntry, vector: Vector) -> Row:
    """Return the row of a knowledge entry."""
    data = {
        "kind": entry.kind.value,
        "attribute": entry.attribute,
        "level": entry.level,
        "source_page_ids": entry.source_page_ids,
        "said_at": entry.said_at.isoformat(),
        "order": entry.order,
        "valid_until": _dump_time(entry.valid_until),
        "repetitions": entry.repetitions,
        "uses": entry.uses,
        **_dump_correction(entry.corrected),
    }
    return made_row(entry.id, KNOWLEDGE, entry.text, data, vector)


def decode_knowledge(row: Row) -> KnowledgeEntry:
    """Return the knowledge entry of a row, or raise CorruptRecord."""
    return decoded(row, _knowledge)


def made_row(row_id: str, kind: str, document: str, data: Mapping[str, Any], vector: Vector) -> Row:
    """Return a row whose `data` is written as JSON."""
    return Row(id=row_id, kind=kind, document=document, data=json.dumps(data, ensure_ascii=False), vector=vector)


def _page(row: Row, data: Mapping[str, Any]) -> DialoguePage:
    split = number(data["split"])
    if split > len(row.document):
        raise ValueError(split)
    return DialoguePage(
        id=row.id,
        session_id=name(data["session_id"]),
        user_input=row.document[:split],
        agent_response=row.document[split:],
        timestamp=time(data["timestamp"]),
        sequence=number(data["sequence"]),
        sessions_since=number(data["sessions_since"]),
        metadata=MappingProxyType(mapping(data["metadata"])),
        segment_id=name_or_none(data["segment_id"]),
        chain_id=name_or_none(data["chain_id"]),
        meta_chain=text(data["meta_chain"]),
        keywords=texts(data["keywords"]),
        promoted=flag(data["promoted"]),
    )


def _segment(row: Row, data: Mapping[str, Any]) -> Segment:
    return Segment(
        id=row.id,
        summary=text(row.document),
        keywords=texts(data["keywords"]),
        created_at=time(data["created_at"]),
        sequence=number(data["sequence"]),
        visits=number(data["visits"]),
        last_visited_at=time_or_none(data["last_visited_at"]),
        archived=flag(data["archived"]),
    )


def _knowledge(row: Row, data: Mapping[str, Any]) -> KnowledgeEntry:
    return KnowledgeEntry(
        id=row.id,
        kind=KnowledgeKind(data["kind"]),
        text=text(row.document),
        attribute=text(data["attribute"]),
        level=text(data["level"]),
        source_page_ids=texts(data["source_page_ids"]),
        said_at=time(data["said_at"]),
        order=number(data["order"]),
        valid_until=time_or_none(data["valid_until"]),
        repetitions=number(data["repetitions"]),
        uses=number(data["uses"]),
        corrected=_correction(data["corrected"]) if "corrected" in data else None,
    )


def _correction(data: Mapping[str, Any]) -> Correction:
    return Correction(page_id=text(data["page_id"]), said_at=time(data["said_at"]), order=number(data["order"]))


def _dump_correction(value: Correction | None) -> dict[str, Any]:
    """Return the field of a corrected entry; few have it, and none did in older stores."""
    if value is None:
        return {}
    return {"corrected": {"page_id": value.page_id, "said_at": value.said_at.isoformat(), "order": value.order}}


def decoded(row: Row, decode: Callable[[Row, Mapping[str, Any]], T]) -> T:
    """Return what `decode` makes of a row and its data.

    Raises:
        CorruptRecord: a field is missing or holds something else than was written.
    """
    try:
        return decode(row, read_json(row.data))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise CorruptRecord(
            f"record {row.id!r} of kind {row.kind!r} does not decode ({type(error).__name__}); "
            "it was left as it is, and `memoryos check --repair` sets it aside"
        ) from error


def _dump_time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
