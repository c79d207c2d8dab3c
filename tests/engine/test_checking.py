"""system.check(): each kind of damage is found and named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from memoryos_engine import DialoguePage, KnowledgeEntry, KnowledgeKind, MemoryOS, Owner, Segment
from memoryos_engine.checking import Finding
from memoryos_engine.storage.codec import Row, encode_knowledge, encode_page, encode_segment

OWNER = Owner(user_id="tom", assistant_id="assistant")
NOON = datetime(2024, 3, 1, 12, 0, tzinfo=timezone.utc)
VECTOR = np.eye(1, 512, dtype=np.float32)[0]
PAGE = DialoguePage(id="page_1", session_id="s", user_input="Hello", agent_response="Hi", timestamp=NOON, sequence=0)
SEGMENT = Segment(id="segment_1", summary="a talk", keywords=("talk",), created_at=NOON)
ENTRY = KnowledgeEntry(
    id="knowledge_1",
    kind=KnowledgeKind.USER_PROFILE,
    text="Tom",
    attribute="name",
    source_page_ids=("page_1",),
    said_at=NOON,
)


def row(record: DialoguePage | Segment | KnowledgeEntry) -> Row:
    if isinstance(record, DialoguePage):
        return encode_page(record, VECTOR)
    if isinstance(record, Segment):
        return encode_segment(record, VECTOR)
    return encode_knowledge(record, VECTOR)


def broken(record: DialoguePage | Segment | KnowledgeEntry, **fields: Any) -> Row:
    good = row(record)
    return replace(good, data=json.dumps({**json.loads(good.data), **fields}))


SOUND = {
    "nothing": [],
    "a page": [row(PAGE)],
    "a page in a segment with its fact": [row(replace(PAGE, segment_id="segment_1")), row(SEGMENT), row(ENTRY)],
    "a page in an archived segment": [row(replace(PAGE, segment_id="segment_1")), row(replace(SEGMENT, archived=True))],
    "a fact and what it superseded": [
        row(PAGE),
        row(ENTRY),
        row(replace(ENTRY, id="knowledge_2", text="Tim", valid_until=NOON)),
    ],
    "two free facts": [
        row(PAGE),
        row(replace(ENTRY, attribute="")),
        row(replace(ENTRY, attribute="", id="knowledge_2", text="Tim")),
    ],
    "one attribute in two kinds": [
        row(PAGE),
        row(ENTRY),
        row(replace(ENTRY, id="knowledge_2", kind=KnowledgeKind.ASSISTANT_KNOWLEDGE)),
    ],
}
UNSOUND = {
    "a segment that is not there": (
        [row(replace(PAGE, segment_id="segment_9"))],
        [("page_1", "names a segment that does not exist")],
    ),
    "one sequence twice": (
        [row(PAGE), row(replace(PAGE, id="page_2"))],
        [
            ("page_1", "shares its sequence 0 with another page"),
            ("page_2", "shares its sequence 0 with another page"),
        ],
    ),
    "a segment without pages": ([row(SEGMENT)], [("segment_1", "is a segment without pages")]),
    "a source that is not there": (
        [row(replace(ENTRY, source_page_ids=("page_9",)))],
        [("knowledge_1", "names a source page that does not exist")],
    ),
    "one of two sources is not there": (
        [row(PAGE), row(replace(ENTRY, source_page_ids=("page_1", "page_9")))],
        [("knowledge_1", "names a source page that does not exist")],
    ),
    "two current facts on one attribute": (
        [row(PAGE), row(ENTRY), row(replace(ENTRY, id="knowledge_2", text="Tim"))],
        [
            ("knowledge_1", "is one of several current entries on 'name'"),
            ("knowledge_2", "is one of several current entries on 'name'"),
        ],
    ),
    "a page that does not decode": (
        [broken(PAGE, timestamp="soon")],
        [("page_1", "record 'page_1' of kind 'page' does not decode (ValueError); it was left as it is")],
    ),
    "a segment that does not decode": (
        [broken(SEGMENT, keywords="talk")],
        [("segment_1", "record 'segment_1' of kind 'segment' does not decode (TypeError); it was left as it is")],
    ),
    "an entry that does not decode": (
        [broken(ENTRY, kind="gossip")],
        [
            (
                "knowledge_1",
                "record 'knowledge_1' of kind 'knowledge' does not decode (ValueError); it was left as it is",
            )
        ],
    ),
    "an unknown kind": (
        [replace(row(PAGE), id="riddle_1", kind="riddle")],
        [("riddle_1", "record 'riddle_1' has the unknown kind 'riddle'")],
    ),
}


def write(system: MemoryOS, rows: list[Row], owner: Owner = OWNER) -> None:
    system._storage.store.commit(owner, rows, next_sequence=5)


@pytest.mark.parametrize("rows", SOUND.values(), ids=SOUND)
def test_a_sound_memory_has_no_findings(system, rows):
    """system.check(): an empty list is a sound store."""
    write(system, rows)

    assert system.check() == []


@pytest.mark.parametrize(("rows", "expected"), UNSOUND.values(), ids=UNSOUND)
def test_what_breaks_an_invariant_is_found_and_named(system, rows, expected):
    """Design part 6; each record that is wrong, and nothing else."""
    write(system, rows)
    findings = sorted(system.check(), key=lambda finding: finding.record_id)

    assert findings == [Finding(owner=OWNER, record_id=key, problem=problem) for key, problem in expected]


def test_every_owner_is_checked_and_named(system):
    """One broken memory does not hide behind another, nor in front of it."""
    others = [Owner(user_id=name, assistant_id="assistant") for name in ("ann", "eve")]
    for owner in others:
        write(system, [replace(row(SEGMENT), id=f"segment_{owner.user_id}")], owner)
    write(system, [row(PAGE)])

    assert [(finding.owner, finding.record_id) for finding in system.check()] == [
        (others[0], "segment_ann"),
        (others[1], "segment_eve"),
    ]


def test_checking_changes_nothing(system):
    """It reads the store; what is broken is left as it is."""
    write(system, [broken(PAGE, timestamp="soon"), row(SEGMENT)])
    before = sorted(found.id for found in system._storage.store.rows(OWNER))
    first = system.check()

    assert system.check() == first
    assert sorted(found.id for found in system._storage.store.rows(OWNER)) == before


def test_a_memory_that_was_used_is_sound(open_system):
    """Everything the engine does, with little room."""
    system = open_system(short_term_capacity=2, mid_term_capacity=2, heat_threshold=2.5, knowledge_capacity=3)
    memory = system.memory("tom")
    for number in range(30):
        subject = ("cats", "bread", "stamps", "kayaks")[number % 4]
        memory.add_memory(f"I love {subject} and I live in town {number}.", f"Nice {subject}.")
        if number % 7 == 0:
            memory.flush()
            memory.retrieve_memory("cats")
    memory.forget(memory.pages()[3].id)
    memory.flush()

    assert system.check() == []
