"""Broken rows as tests write them into Chroma: what is wrong with each, and what a repair makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from memoryos_engine import DialoguePage, Finding, FindingState, KnowledgeEntry, KnowledgeKind, MemoryOS, Owner, Segment
from memoryos_engine.records import Correction
from memoryos_engine.storage.codec import (
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    encode_knowledge,
    encode_page,
    encode_segment,
)
from memoryos_engine.storage.heads import head_id

OWNER = Owner(user_id="tom", assistant_id="assistant")
NOON = datetime(2024, 3, 1, 12, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
VECTOR = np.eye(1, 512, dtype=np.float32)[0]
PAGE = DialoguePage(id="page_1", session_id="s", user_input="Hello", agent_response="Hi", timestamp=NOON, sequence=0)
NEXT = replace(PAGE, id="page_2", user_input="And", agent_response="So?", timestamp=NOON + HOUR, sequence=1)
SEGMENT = Segment(id="segment_1", summary="a talk", keywords=("talk",), created_at=NOON)
PLACED = replace(PAGE, segment_id="segment_1")
ENTRY = KnowledgeEntry(
    id="knowledge_1",
    kind=KnowledgeKind.USER_PROFILE,
    text="Tom",
    attribute="name",
    source_page_ids=("page_1",),
    said_at=NOON,
)
NEWER = replace(ENTRY, id="knowledge_2", text="Tim", said_at=NOON + HOUR)
CORRECTED = replace(ENTRY, valid_until=NOON, corrected=Correction(page_id="page_9", said_at=NOON, order=1))

Record = DialoguePage | Segment | KnowledgeEntry
ASIDE = "set it aside with all it holds, so that the rest of the memory opens"
PENDING = "have the page wait for a segment again"
PLACE = "give the later page the next free place"
SOURCE = "leave the source out, and delete the entry if it has no other"
OLDER = "have the older end when the newer began"
INTERVAL = "derive when it ends from what was said next"
ANEW = "make its vector anew"
STRAY, NO_PAGES = "names a segment that does not exist", "is a segment without pages"
DOUBLED, NO_SOURCE = "shares its sequence 0 with another page", "names a source page that does not exist"


def row(record: Record) -> Row:
    if isinstance(record, DialoguePage):
        return encode_page(record, VECTOR)
    if isinstance(record, Segment):
        return encode_segment(record, VECTOR)
    return encode_knowledge(record, VECTOR)


def broken(record: Record, **fields: Any) -> Row:
    good = row(record)
    return replace(good, data=json.dumps({**json.loads(good.data), **fields}))


def write(system: MemoryOS, rows: Sequence[Row], owner: Owner = OWNER) -> None:
    system._storage.store.commit(owner, rows, next_sequence=5)


def collection(system: MemoryOS) -> Any:
    return system._storage.store._collection


def found(system: MemoryOS, **options: bool) -> list[Finding]:
    return sorted(system.check(**options), key=lambda finding: (finding.record_id, finding.problem))


def stored(system: MemoryOS) -> dict[str, Record | str]:
    """Every row but heads, decoded; of what was set aside its document and what it said beside it."""
    decode: dict[str, Callable[[Row], Record]] = {
        "page": decode_page,
        "segment": decode_segment,
        "knowledge": decode_knowledge,
    }
    known: dict[str, Record | str] = {}
    whole = collection(system).get(include=["documents", "metadatas"])
    for key, document, metadata in zip(whole["ids"], whole["documents"], whole["metadatas"], strict=True):
        kind = metadata["kind"]
        made = Row(id=key, kind=kind, document=document or "", data=metadata["data"])
        if kind == "quarantined":
            kept = json.loads(made.data)["metadata"]
            known[key] = f"{kept.get('kind')} | {document} | {kept.get('data')}"
        elif kind != "head":
            known[key] = decode[kind](made)
    return known


def aside(lost: Row) -> str:
    return f"{lost.kind} | {lost.document} | {lost.data}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rows, what a check says of them and what repairing leaves."""

    rows: Sequence[Row]
    problems: Sequence[tuple[str, str, str]]
    """Record, problem, repair, in order."""
    after: Sequence[Record] = ()
    aside: Sequence[Row] = ()
    spoil: Callable[[MemoryOS], object] = lambda _: None
    """Done to the store once the rows are written."""

    def write(self, system: MemoryOS) -> None:
        write(system, self.rows)
        self.spoil(system)

    def expected(self, state: FindingState) -> list[Finding]:
        return [
            Finding(owner=OWNER, record_id=key, problem=problem, repair=repair, state=state)
            for key, problem, repair in self.problems
        ]

    @property
    def left(self) -> dict[str, Record | str]:
        return {record.id: record for record in self.after} | {lost.id: aside(lost) for lost in self.aside}


CUT = replace(row(PAGE), data=row(PAGE).data[:40])
SPLIT = broken(PAGE, split=99)
CASES = {
    "a segment that is not there": Case(
        rows=[row(replace(PAGE, segment_id="segment_9", promoted=True)), row(NEXT)],
        problems=[("page_1", STRAY, PENDING)],
        after=[replace(PAGE, promoted=True), NEXT],
    ),
    "one sequence twice": Case(
        rows=[
            row(replace(NEXT, id="page_0", sequence=0)),
            row(PAGE),
            row(replace(NEXT, sequence=1)),
            row(_four := replace(NEXT, id="page_4", sequence=4)),
        ],
        problems=[("page_0", DOUBLED, PLACE), ("page_1", DOUBLED, PLACE)],
        after=[PAGE, replace(NEXT, id="page_0", sequence=1), replace(NEXT, sequence=2), _four],
    ),
    "a segment without pages": Case(
        rows=[row(SEGMENT), row(PAGE)],
        problems=[("segment_1", NO_PAGES, "delete the segment")],
        after=[PAGE],
    ),
    "a source that is not there": Case(
        rows=[row(replace(ENTRY, source_page_ids=("page_9",))), row(PAGE)],
        problems=[("knowledge_1", NO_SOURCE, SOURCE)],
        after=[PAGE],
    ),
    "one of two sources is not there": Case(
        rows=[row(PAGE), row(replace(ENTRY, source_page_ids=("page_1", "page_9")))],
        problems=[("knowledge_1", NO_SOURCE, SOURCE)],
        after=[PAGE, ENTRY],
    ),
    "the source does not decode": Case(
        rows=[CUT, row(ENTRY)],
        problems=[
            ("knowledge_1", NO_SOURCE, SOURCE),
            ("page_1", "does not decode as page (JSONDecodeError)", ASIDE),
        ],
        after=[replace(ENTRY, source_page_ids=())],
        aside=[CUT],
    ),
    "a correcting page that is not there": Case(
        rows=[row(PAGE), row(CORRECTED)],
        problems=[
            (
                "knowledge_1",
                "was corrected by a page that does not exist",
                "leave the page out; it stays corrected",
            )
        ],
        after=[PAGE, replace(CORRECTED, corrected=Correction(page_id="", said_at=NOON, order=1))],
    ),
    "two current facts on one attribute": Case(
        rows=[row(PAGE), row(NEWER), row(ENTRY)],
        problems=[
            ("knowledge_1", "is one of several current entries on one attribute", OLDER),
            ("knowledge_2", "is one of several current entries on one attribute", OLDER),
        ],
        after=[PAGE, replace(ENTRY, valid_until=NOON + HOUR), NEWER],
    ),
    "a fact that ends before it begins": Case(
        rows=[row(PAGE), row(replace(ENTRY, valid_until=NOON - HOUR)), row(NEWER)],
        problems=[("knowledge_1", "ends before it begins", INTERVAL)],
        after=[PAGE, replace(ENTRY, valid_until=NOON + HOUR), NEWER],
    ),
    "a free fact that ends before it begins": Case(
        rows=[row(PAGE), row(replace(ENTRY, attribute="", valid_until=NOON - HOUR))],
        problems=[("knowledge_1", "ends before it begins", INTERVAL)],
        after=[PAGE, replace(ENTRY, attribute="")],
    ),
    "a page that does not decode": Case(
        rows=[_soon := broken(PAGE, timestamp="soon"), row(NEXT)],
        problems=[("page_1", "does not decode as page (ValueError)", ASIDE)],
        after=[NEXT],
        aside=[_soon],
    ),
    "a page that is cut": Case(
        rows=[CUT],
        problems=[("page_1", "does not decode as page (JSONDecodeError)", ASIDE)],
        aside=[CUT],
    ),
    "a page whose sides end beyond its text": Case(
        rows=[SPLIT],
        problems=[("page_1", "does not decode as page (ValueError)", ASIDE)],
        aside=[SPLIT],
    ),
    "a page without text": Case(
        rows=[_silent := row(replace(PAGE, user_input=" ", agent_response="\n"))],
        problems=[("page_1", "is a page without text", ASIDE)],
        aside=[_silent],
    ),
    "a segment that does not decode": Case(
        rows=[_odd := broken(SEGMENT, keywords="talk"), row(PLACED)],
        problems=[
            ("page_1", STRAY, PENDING),
            ("segment_1", "does not decode as segment (TypeError)", ASIDE),
        ],
        after=[PAGE],
        aside=[_odd],
    ),
    "an entry that does not decode": Case(
        rows=[row(PAGE), _gossip := broken(ENTRY, kind="gossip")],
        problems=[("knowledge_1", "does not decode as knowledge (ValueError)", ASIDE)],
        after=[PAGE],
        aside=[_gossip],
    ),
    "an unknown kind": Case(
        rows=[row(NEXT), _riddle := replace(row(PAGE), id="riddle_1", kind="riddle")],
        problems=[("riddle_1", "has a kind that is not known", ASIDE)],
        after=[NEXT],
        aside=[_riddle],
    ),
    "the head of somebody else": Case(
        rows=[row(PAGE), _head := replace(row(NEXT), kind="head")],
        problems=[("page_2", "is a head that is not its owner's", ASIDE)],
        after=[PAGE],
        aside=[_head],
    ),
    "no head": Case(
        rows=[row(PAGE)],
        problems=[(head_id(OWNER), "is missing, though its owner has records", "write the head")],
        after=[PAGE],
        spoil=lambda system: collection(system).delete(ids=[head_id(OWNER)]),
    ),
    "a head that does not decode": Case(
        rows=[row(PAGE)],
        problems=[(head_id(OWNER), "is a head that does not decode", "write the head")],
        after=[PAGE],
        spoil=lambda system: collection(system).update(
            ids=[head_id(OWNER)], metadatas=[{"data": '{"mark": "m", "next_sequence": -1}'}]
        ),
    ),
    "a head of another kind": Case(
        rows=[row(PAGE)],
        problems=[(head_id(OWNER), "is a head that does not decode", "write the head")],
        after=[PAGE],
        spoil=lambda system: collection(system).update(ids=[head_id(OWNER)], metadatas=[{"kind": "page"}]),
    ),
    "vectors that point nowhere": Case(
        rows=[row(PLACED), row(SEGMENT), row(ENTRY)],
        problems=[
            (key, "has a vector that is not of length 1", ANEW) for key in ("knowledge_1", "page_1", "segment_1")
        ],
        after=[PLACED, SEGMENT, ENTRY],
        spoil=lambda system: collection(system).update(
            ids=["page_1", "segment_1", "knowledge_1"], embeddings=np.stack([VECTOR * 0, VECTOR * 3, VECTOR * 0.5])
        ),
    ),
    "everything at once": Case(
        rows=[
            CUT,
            row(replace(NEXT, segment_id="segment_1")),
            _odd,
            row(replace(ENTRY, source_page_ids=("page_1", "page_2"))),
            row(replace(NEWER, source_page_ids=("page_9",))),
        ],
        problems=[
            (head_id(OWNER), "is missing, though its owner has records", "write the head"),
            ("knowledge_1", "is one of several current entries on one attribute", OLDER),
            ("knowledge_1", NO_SOURCE, SOURCE),
            ("knowledge_2", "is one of several current entries on one attribute", OLDER),
            ("knowledge_2", NO_SOURCE, SOURCE),
            ("page_1", "does not decode as page (JSONDecodeError)", ASIDE),
            ("page_2", STRAY, PENDING),
            ("segment_1", "does not decode as segment (TypeError)", ASIDE),
        ],
        after=[NEXT, replace(ENTRY, source_page_ids=("page_2",))],
        aside=[CUT, _odd],
        spoil=lambda system: collection(system).delete(ids=[head_id(OWNER)]),
    ),
}
