"""Records to Chroma rows and back, without loss.

Chroma merges metadata on upsert, refuses None and nested values, and writes one database
row for each key. So a record is its document and one JSON text with everything else: any
value survives, and a page costs a fifth less to write and two fifths less to read than
with a key for each field. A page's document is both sides end to end and `split` says
where the second begins, which keeps any text verbatim.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, TypeVar

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.records import Correction, DialoguePage, KnowledgeEntry, KnowledgeKind, Owner, Segment
from memoryos_engine.similarity import Vector

T = TypeVar("T")

PAGE, SEGMENT, KNOWLEDGE, HEAD = "page", "segment", "knowledge", "head"
IMPORT = "import"
"""Kind of the row that says that a memory is only half imported."""
LARGEST = 2**100
"""Most that a stored number can be: far more than counts reach, far less than floats and JSON hold."""
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


def read_json(text: str) -> Any:
    """Return a JSON value that can be written again: no NaN, no infinity, no half of a surrogate pair.

    Raises:
        ValueError, RecursionError: it is not one.
    """
    value = _JSON.decode(text)
    if "\\u" in text:  # written by us only for control characters
        json.dumps(value, ensure_ascii=False).encode()
    return value


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
    return _row(page.id, PAGE, page.user_input + page.agent_response, data, vector)


def decode_page(row: Row) -> DialoguePage:
    """Return the page of a row.

    Raises:
        CorruptRecord: a field is missing or holds something else than was written.
    """
    return _decoded(row, _page)


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
    return _row(segment.id, SEGMENT, segment.summary, data, vector)


def decode_segment(row: Row) -> Segment:
    """Return the segment of a row, or raise CorruptRecord."""
    return _decoded(row, _segment)


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
    return _row(entry.id, KNOWLEDGE, entry.text, data, vector)


def decode_knowledge(row: Row) -> KnowledgeEntry:
    """Return the knowledge entry of a row, or raise CorruptRecord."""
    return _decoded(row, _knowledge)


def _row(row_id: str, kind: str, document: str, data: Mapping[str, Any], vector: Vector) -> Row:
    return Row(id=row_id, kind=kind, document=document, data=json.dumps(data, ensure_ascii=False), vector=vector)


def _page(row: Row, data: Mapping[str, Any]) -> DialoguePage:
    split = _number(data["split"])
    if split > len(row.document):
        raise ValueError(split)
    return DialoguePage(
        id=row.id,
        session_id=_name(data["session_id"]),
        user_input=row.document[:split],
        agent_response=row.document[split:],
        timestamp=_time(data["timestamp"]),
        sequence=_number(data["sequence"]),
        sessions_since=_number(data["sessions_since"]),
        metadata=MappingProxyType(_mapping(data["metadata"])),
        segment_id=_name_or_none(data["segment_id"]),
        chain_id=_name_or_none(data["chain_id"]),
        meta_chain=_text(data["meta_chain"]),
        keywords=_texts(data["keywords"]),
        promoted=_flag(data["promoted"]),
    )


def _segment(row: Row, data: Mapping[str, Any]) -> Segment:
    return Segment(
        id=row.id,
        summary=_text(row.document),
        keywords=_texts(data["keywords"]),
        created_at=_time(data["created_at"]),
        sequence=_number(data["sequence"]),
        visits=_number(data["visits"]),
        last_visited_at=_time_or_none(data["last_visited_at"]),
        archived=_flag(data["archived"]),
    )


def _knowledge(row: Row, data: Mapping[str, Any]) -> KnowledgeEntry:
    return KnowledgeEntry(
        id=row.id,
        kind=KnowledgeKind(data["kind"]),
        text=_text(row.document),
        attribute=_text(data["attribute"]),
        level=_text(data["level"]),
        source_page_ids=_texts(data["source_page_ids"]),
        said_at=_time(data["said_at"]),
        order=_number(data["order"]),
        valid_until=_time_or_none(data["valid_until"]),
        repetitions=_number(data["repetitions"]),
        uses=_number(data["uses"]),
        corrected=_correction(data["corrected"]) if "corrected" in data else None,
    )


def _correction(data: Mapping[str, Any]) -> Correction:
    return Correction(page_id=_text(data["page_id"]), said_at=_time(data["said_at"]), order=_number(data["order"]))


def _dump_correction(value: Correction | None) -> dict[str, Any]:
    """Return the field of a corrected entry; few have it, and none did in older stores."""
    if value is None:
        return {}
    return {"corrected": {"page_id": value.page_id, "said_at": value.said_at.isoformat(), "order": value.order}}


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)


def _decoded(row: Row, decode: Callable[[Row, Mapping[str, Any]], T]) -> T:
    try:
        return decode(row, read_json(row.data))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise CorruptRecord(
            f"record {row.id!r} of kind {row.kind!r} does not decode ({type(error).__name__}); it was left as it is"
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(type(value))
    return value


def _name(value: object) -> str:
    if not _text(value):
        raise ValueError(value)
    return _text(value)


def _name_or_none(value: object) -> str | None:
    return None if value is None else _name(value)


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(type(value))
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(type(values))
    return tuple(map(_text, values))


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(type(value))
    if not 0 <= value <= LARGEST:
        raise ValueError(type(value))
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(type(value))
    return value


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)


def _time_or_none(value: object) -> datetime | None:
    return None if value is None else _time(value)


def _dump_time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
