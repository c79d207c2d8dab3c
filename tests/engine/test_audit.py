"""The audit log: what happened to knowledge entries, from which pages, without a word of them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from typer.testing import CliRunner

from memoryos_engine import KnowledgeEntry, KnowledgeKind, ManualClock, MemoryOS, MemorySettings, Owner
from memoryos_engine.audit import AuditChange, AuditEvent, audited
from memoryos_engine.changes import Changes
from memoryos_engine.cli import app
from memoryos_engine.errors import CorruptRecord, InvalidInput, StoreError
from memoryos_engine.records import Correction
from memoryos_engine.storage.audit_codec import decode_audit, encode_audit
from memoryos_engine.storage.codec import AUDIT, Row
from tests.engine.fakes import TagAnalyst, TagEmbedder

NOON = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
TOM = Owner(user_id="tom", assistant_id="assistant")
ENTRY = KnowledgeEntry(
    id="knowledge_1",
    kind=KnowledgeKind.USER_PROFILE,
    text="Leeds",
    attribute="home",
    source_page_ids=("p1",),
    said_at=NOON,
)
LATER = replace(ENTRY, id="knowledge_2", text="Bristol", source_page_ids=("p2",), said_at=NOON + timedelta(days=1))
ENDED = replace(ENTRY, valid_until=LATER.said_at)
CORRECTED = replace(ENDED, corrected=Correction(page_id="p9", said_at=LATER.said_at, order=9))


def happened(before: list[KnowledgeEntry], *after: KnowledgeEntry, **options) -> list[tuple[str, str, tuple[str, ...]]]:
    changes = Changes(knowledge=after, audited_at=NOON, **options)
    found = audited({entry.id: entry for entry in before}, changes)
    assert {event.at for event in found} <= {NOON}
    return [(event.change.value, event.entry_id, event.page_ids) for event in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [ENTRY], [("learnt", "knowledge_1", ("p1",))]),
        ([ENTRY], [ENTRY], []),
        ([ENTRY], [replace(ENTRY, uses=5)], []),
        ([ENTRY], [replace(ENTRY, repetitions=5)], []),
        (
            [ENTRY],
            [replace(ENTRY, repetitions=2, source_page_ids=("p1", "p3"))],
            [("repeated", "knowledge_1", ("p3",))],
        ),
        ([ENTRY], [replace(ENTRY, source_page_ids=("p2", "p3"))], [("repeated", "knowledge_1", ("p2", "p3"))]),
        (
            [replace(ENTRY, source_page_ids=("p1", "p3"))],
            [ENTRY],
            [("lost_source", "knowledge_1", ("p3",))],
        ),
        ([ENTRY], [ENDED, LATER], [("superseded", "knowledge_1", ("p2",)), ("learnt", "knowledge_2", ("p2",))]),
        ([LATER], [ENDED], [("learnt", "knowledge_1", ("p1",)), ("superseded", "knowledge_1", ("p2",))]),
        (
            [replace(ENDED, valid_until=NOON + timedelta(days=9)), LATER],
            [ENDED],
            [("superseded", "knowledge_1", ("p2",))],
        ),
        ([ENTRY], [CORRECTED], [("corrected", "knowledge_1", ("p9",))]),
        ([CORRECTED], [ENTRY], [("held_again", "knowledge_1", ("p1",))]),
        ([CORRECTED, LATER], [ENDED], []),
        ([ENDED, LATER], [ENTRY], [("held_again", "knowledge_1", ("p1",))]),
        ([CORRECTED], [replace(CORRECTED, corrected=replace(CORRECTED.corrected, page_id=""))], []),
    ],
)
def test_each_change_of_an_entry_is_told_with_the_pages_behind_it(before, after, expected):
    assert happened(before, *after) == expected


def test_what_is_deleted_was_forgotten_unless_it_had_to_make_room():
    assert happened([ENTRY], forgotten=("knowledge_1", "p1")) == [("forgotten", "knowledge_1", ("p1",))]
    assert happened([ENTRY], forgotten=("knowledge_1",), makes_room=True) == [("evicted", "knowledge_1", ("p1",))]


def test_without_a_time_nothing_is_told():
    assert audited({}, Changes(knowledge=(ENTRY,))) == ()


@pytest.mark.parametrize(
    ("kind", "attribute", "told"),
    [
        (KnowledgeKind.USER_PROFILE, "home", "home"),
        (KnowledgeKind.USER_PROFILE, "home of my lover", ""),
        (KnowledgeKind.USER_TRAIT, "Curiosity", ""),
        (KnowledgeKind.USER_KNOWLEDGE, "home", ""),
        (KnowledgeKind.ASSISTANT_KNOWLEDGE, "olga: diagnosis", ""),
    ],
)
def test_an_attribute_is_told_only_where_it_is_on_the_engines_own_lists(kind, attribute, told):
    """A model chooses the attributes of facts, and a custom analyst all: both may quote."""
    (event,) = audited({}, Changes(knowledge=(replace(ENTRY, kind=kind, attribute=attribute),), audited_at=NOON))

    assert event.attribute == told


def test_events_are_decoded_as_they_were_encoded():
    events = audited({ENTRY.id: ENTRY}, Changes(knowledge=(ENDED, LATER), audited_at=NOON))
    row = encode_audit(TOM, events, sequence=7, dimension=16)

    assert decode_audit(row).events == events
    assert decode_audit(row).sequence == 7
    assert row.document == ""
    assert row == replace(encode_audit(TOM, events, sequence=7, dimension=16), vector=row.vector)
    assert row.id != encode_audit(TOM, events, sequence=8, dimension=16).id
    assert row.id != encode_audit(replace(TOM, user_id="ann"), events, sequence=7, dimension=16).id


@pytest.mark.parametrize(
    "damage",
    [
        {"at": "yesterday"},
        {"sequence": -1},
        {"events": "learnt"},
        {"events": [["learnt", "knowledge_1"]]},
        {"events": [["burnt", "knowledge_1", "user_profile", "", []]]},
        {"events": [["learnt", 5, "user_profile", "", []]]},
        {"events": [["learnt", "knowledge_1", "user_profile", "", "p1"]]},
    ],
)
def test_a_damaged_row_is_a_clear_error(damage):
    row = encode_audit(TOM, audited({}, Changes(knowledge=(ENTRY,), audited_at=NOON)), sequence=0, dimension=16)
    with pytest.raises(CorruptRecord, match="of kind 'audit' does not decode"):
        decode_audit(replace(row, data=json.dumps({**json.loads(row.data), **damage})))


# -- in a memory --------------------------------------------------------------------------


@pytest.fixture
def home(open_system, clock: ManualClock):
    """Leeds was home on the first day, Bristol is from the second on."""
    system = open_system(embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=0.0)
    memory = system.memory("tom")
    for line in ("home=Leeds #home", "home=Bristol #home", "bye #bye"):
        memory.add_memory(line)
        memory.flush()
        clock.advance(days=1)
    return memory


def log(memory, **options) -> list[tuple[str, str, list[str]]]:
    texts = {page.id: page.user_input for page in memory.pages()}
    return [
        (event.change.value, event.attribute, [texts.get(key, "gone") for key in event.page_ids])
        for event in memory.audit(**options)
    ]


LEARNT_LEEDS = ("learnt", "home", ["home=Leeds #home"])
LEARNT_BRISTOL = ("learnt", "home", ["home=Bristol #home"])
SUPERSEDED_LEEDS = ("superseded", "home", ["home=Bristol #home"])


def test_learning_and_superseding_are_told(home):
    assert log(home)[0] == LEARNT_LEEDS
    assert sorted(log(home)[1:3]) == sorted([LEARNT_BRISTOL, SUPERSEDED_LEEDS])
    assert {event.entry_id for event in home.audit()} == {entry.id for entry in home.knowledge(history=True)}


def test_the_time_is_that_of_the_change_by_the_systems_clock(home, clock):
    assert sorted({event.at for event in home.audit()}) == [NOON + timedelta(days=day) for day in range(3)]
    assert log(home, until=NOON + timedelta(days=1)) == [LEARNT_LEEDS]
    assert LEARNT_LEEDS not in log(home, since=NOON + timedelta(days=1))
    assert log(home, since="2024-03-01T12:00:00+00:00") == log(home)
    assert log(home, since=clock() + timedelta(days=9)) == []


def test_a_time_that_is_none_is_refused(home):
    with pytest.raises(InvalidInput, match="since"):
        home.audit(since="soon")


def test_a_correction_and_what_takes_its_place_are_told_and_so_is_taking_it_back(home, clock):
    bristol = next(entry for entry in home.knowledge() if entry.text == "Bristol")
    start = clock()
    home.correct(bristol.id, "York")

    assert sorted(log(home, since=start)) == [("corrected", "home", ["York"]), ("learnt", "home", ["York"])]

    clock.advance(days=1)
    home.forget(home.in_session("corrections").pages()[-1].id)

    assert sorted(log(home, since=clock())) == [
        ("forgotten", "home", ["gone"]),
        ("held_again", "home", ["home=Bristol #home"]),
    ]


def test_a_forgotten_entry_is_told(home, clock):
    home.forget(next(entry for entry in home.knowledge() if entry.text == "Bristol").id)

    assert sorted(log(home, since=clock())) == [
        ("forgotten", "home", ["home=Bristol #home"]),
        ("held_again", "home", ["home=Leeds #home"]),
    ]


def test_entries_that_make_room_are_told(open_system, clock):
    system = open_system(
        embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=0.0, knowledge_capacity=2
    )
    memory = system.memory("tom")
    for line in ("owl #owl", "fox #fox", "bee #bee", "bye #bye"):
        memory.add_memory(line)
        memory.flush()
        clock.advance(hours=1)
    changes = [event.change for event in memory.audit()]

    assert changes.count(AuditChange.LEARNT) == len(memory.knowledge()) + changes.count(AuditChange.EVICTED)
    assert changes.count(AuditChange.EVICTED) >= 1


def test_the_log_alone_tells_which_entries_there_are(home):
    """No change of an entry is left out, whichever way it is made."""
    for page in home.pages()[:1]:
        home.forget(page.id)
    home.correct(home.knowledge()[-1].id, "Hull")
    there: set[str] = set()
    for event in home.audit():
        gone = event.change in (AuditChange.FORGOTTEN, AuditChange.EVICTED)
        there = there - {event.entry_id} if gone else there | {event.entry_id}

    assert there == {entry.id for entry in home.knowledge(history=True)}


def test_being_found_is_no_change(home, clock):
    before = home.audit()
    home.retrieve_memory("home #home")
    home.flush()

    assert max(entry.uses for entry in home.knowledge()) > 0
    assert home.audit() == before


def test_no_log_is_kept_where_none_is_wanted(open_system):
    system = open_system(
        embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=0.0, audit=False
    )
    memory = system.memory("tom")
    for line in ("home=Leeds #home", "bye #bye"):
        memory.add_memory(line)
    memory.flush()
    memory.forget(memory.knowledge()[0].id)

    assert memory.audit() == []
    assert audit_rows(memory) == []


@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_the_setting_is_true_or_false(value):
    with pytest.raises(InvalidInput, match="audit"):
        MemorySettings(audit=value)


def audit_rows(memory) -> list[Row]:
    return list(memory.system._storage.store.rows(memory.owner, {"kind": AUDIT}))


def test_a_change_and_its_event_are_one_write(home, monkeypatch):
    """An invariant of the store: a change of state is one upsert, whole or not at all."""
    collection = type(home.system._storage.store._collection)
    writes: list[list[str]] = []
    upsert = collection.upsert
    monkeypatch.setattr(
        collection,
        "upsert",
        lambda self, **columns: (
            writes.append([each["kind"] for each in columns["metadatas"]]),
            upsert(self, **columns),
        ),
    )
    home.correct(home.knowledge()[-1].id, "York")

    assert [sorted(kinds) for kinds in writes] == [["audit", "knowledge", "knowledge", "page"]]


def test_a_change_that_failed_is_not_told(home, monkeypatch):
    before = home.audit()
    collection = type(home.system._storage.store._collection)

    def failing(self, **columns):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(collection, "upsert", failing)
        with pytest.raises(StoreError):
            home.correct(home.knowledge()[-1].id, "York")

    assert home.audit() == before


def test_what_was_forgotten_is_not_in_the_log(open_system):
    """Neither text nor values, in any row of the owner that is left."""
    system = open_system(short_term_capacity=1, heat_threshold=0.0)
    memory = system.memory("tom")
    page = memory.add_memory("My name is Zebulon and I live in Reykjavik.", "Nice to meet you, Zebulon.")
    memory.add_memory("I work as a nurse.", "I see.")
    memory.add_memory("Bye.", "Bye.")
    memory.flush()
    assert {event.attribute for event in memory.audit()} >= {"name", "home"}

    memory.forget(page.id)

    left = " ".join(row.document + row.data for row in system._storage.store.rows(memory.owner)).casefold()
    assert page.id in left
    assert [word for word in ("zebulon", "reykjavik") if word in left] == []


def test_the_log_is_not_resident(home):
    with home.system.resident(home.owner) as resident:
        _, rows = resident.store.load(home.owner)

    assert {row.kind for row in rows} == {"page", "segment", "knowledge"}
    assert len(audit_rows(home)) >= 2


def test_it_is_exported_and_adopted(home, open_system, tmp_path):
    home.export(tmp_path / "tom.jsonl")
    other = open_system(path=tmp_path / "other", embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1)
    copy = other.import_memory(tmp_path / "tom.jsonl")

    assert copy.audit() == home.audit() != []
    assert other.check() == []


def test_a_user_who_forgot_all_pages_can_have_an_export_back(home, tmp_path):
    """Their own log is still there, and the export holds the same rows."""
    home.export(tmp_path / "tom.jsonl")
    before = home.audit()
    for page in home.pages():
        home.forget(page.id)
    after = home.audit()

    assert home.system.import_memory(tmp_path / "tom.jsonl").audit() == after
    assert after[: len(before)] == before


def test_an_import_cannot_overwrite_the_log_of_somebody_else(home):
    system, before = home.system, home.audit()
    eve = Owner(user_id="eve", assistant_id="assistant")
    taken = [row.id for row in audit_rows(home)]
    with system.resident(eve) as resident, resident.adopting("0" * 64) as adoption:  # noqa: SIM117 - not their error
        with pytest.raises(InvalidInput, match="somebody else"):
            adoption.require_free(taken)

    assert home.audit() == before


def test_a_purge_deletes_it(home):
    home.purge()

    assert home.audit() == []
    assert audit_rows(home) == []


def test_a_sound_log_passes_the_check_and_a_damaged_one_does_not(home):
    assert home.system.check() == []
    row = audit_rows(home)[0]
    home.system._storage.store.append(home.owner, [replace(row, data='{"at": 5}')])

    (finding,) = home.system.check()
    assert finding.record_id == row.id


def test_users_do_not_see_each_others(home):
    assert home.system.memory("ann").audit() == []


def test_the_command_prints_a_table(tmp_path, clock):
    with MemoryOS(tmp_path / "store", settings=MemorySettings(short_term_capacity=1, heat_threshold=0.0)) as system:
        memory = system.memory("tom")
        memory.add_memory("My name is Zebulon.", "Hello.")
        memory.add_memory("Bye.", "Bye.")
        memory.flush()
        event = memory.audit()[0]
    options = ["audit", "--user", "tom", "--path", str(tmp_path / "store")]
    done = CliRunner().invoke(app, options, env={"COLUMNS": "200"})
    none = CliRunner().invoke(app, [*options, "--since", "2999-01-01"], env={"COLUMNS": "200"})

    assert isinstance(event, AuditEvent)
    assert (done.exit_code, none.exit_code) == (0, 0)
    for word in ("learnt", "user profile: name", event.entry_id, *event.page_ids):
        assert word in done.output
    assert "Zebulon" not in done.output
    assert event.entry_id not in none.output
