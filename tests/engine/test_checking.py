"""system.check(): each kind of damage is found and named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memoryos_engine import FindingState, KnowledgeKind, Owner

from .damage import CASES, ENTRY, NOON, OWNER, PAGE, SEGMENT, broken, found, row, write

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


@pytest.mark.parametrize("rows", SOUND.values(), ids=SOUND)
def test_a_sound_memory_has_no_findings(system, rows):
    """system.check(): an empty list is a sound store."""
    write(system, rows)

    assert system.check() == []


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_breaks_an_invariant_is_found_and_named(system, case):
    """Design part 6; each record that is wrong, and nothing else, with what repairing would do."""
    case.write(system)

    assert found(system) == case.expected(FindingState.BROKEN)


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
