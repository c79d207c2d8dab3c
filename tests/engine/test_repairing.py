"""system.check(repair=True): each kind of damage is mended, nothing else is touched, and no text is lost."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace

import numpy as np
import pytest

from memoryos_engine import (
    CorruptRecord,
    EmbeddingError,
    Finding,
    FindingState,
    HashingEmbedder,
    Owner,
    StoreError,
    checking,
)
from memoryos_engine.checks.draft import Draft
from memoryos_engine.checks.findings import is_sound
from memoryos_engine.checks.pointing import bad_vectors, embed_again
from memoryos_engine.storage import chroma, survey
from memoryos_engine.storage.heads import head_id

from .damage import CASES, CUT, ENTRY, NEXT, OWNER, PAGE, PLACED, SEGMENT, VECTOR, collection, found, row, stored, write
from .soundness import rows

TOM = "tom"
SET_ASIDE = "was set aside by an earlier repair; purging its owner deletes it"


def aside(record_id: str, owner: Owner = OWNER) -> Finding:
    return Finding(owner=owner, record_id=record_id, problem=SET_ASIDE, state=FindingState.SET_ASIDE)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_found_is_mended_and_nothing_else(system, case):
    case.write(system)

    assert found(system, repair=True) == case.expected(FindingState.MENDED)
    assert stored(system) == case.left


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_mended_store_is_sound_opens_and_is_not_changed_again(system, case):
    """What was set aside is told, and breaks nothing."""
    case.write(system)
    system.check(repair=True)
    mended = rows(system)
    expected = [aside(lost.id) for lost in sorted(case.aside, key=lambda lost: lost.id)]

    assert found(system) == expected
    assert found(system, repair=True) == expected
    assert rows(system) == mended
    assert {page.id for page in system.memory(TOM).pages()} == {key for key in case.left if key in texts(case)}
    assert system.users() == [OWNER]


def texts(case):
    return {record.id for record in case.after if hasattr(record, "user_input")}


def test_a_memory_with_a_broken_record_opens_once_it_was_repaired(system):
    """Until then it says which record it is, and changes nothing."""
    write(system, [CUT, row(NEXT)])
    memory = system.memory(TOM)
    with pytest.raises(CorruptRecord):
        memory.pages()

    assert [finding.state for finding in system.check()] == [FindingState.BROKEN]
    with pytest.raises(CorruptRecord):
        memory.pages()
    system.check(repair=True)

    assert memory.pages() == [NEXT]
    assert memory.add_memory("New").sequence == 5


def test_a_memory_in_use_shows_what_was_mended(system):
    """The handle was loaded before the damage, and a plan that was made of it then is dropped."""
    memory = system.memory(TOM)
    memory.add_memory("Hello")
    with system.resident(OWNER) as resident:
        epoch = resident.epoch
        write(system, [row(SEGMENT), row(replace(NEXT, segment_id="segment_9"))])
        system.check(repair=True)

        assert resident.epoch > epoch
    assert [(page.user_input, page.segment_id) for page in memory.pages()] == [("Hello", None), ("And", None)]
    assert memory.segments() == []


def test_what_became_pending_is_worked_on_again(open_system):
    """A repair gives pages back to the background."""
    system = open_system(short_term_capacity=1)
    memory = system.memory(TOM)
    write(system, [row(replace(PLACED, segment_id="segment_9"))])
    system.check(repair=True)
    memory.flush()

    assert [page.segment_id for page in memory.pages()] == [segment.id for segment in memory.segments()] != []


def test_purging_deletes_what_was_set_aside(system):
    """Invariant 6."""
    write(system, [CUT, row(NEXT)])
    system.check(repair=True)
    system.memory(TOM).purge()

    assert rows(system) == []
    assert system.check() == []


def test_an_export_leaves_out_what_was_set_aside(system, tmp_path):
    """It is no part of the memory, and another store could not read it either."""
    write(system, [CUT, row(NEXT)])
    system.check(repair=True)
    file = tmp_path / "tom.jsonl"

    assert system.memory(TOM).export(file) == 1
    assert "page_1" not in file.read_text(encoding="utf-8")


def test_vectors_are_made_anew_from_what_they_stand_for(system):
    """A page from its text, an entry from its own, a segment from its pages."""
    write(system, [row(PLACED), row(SEGMENT), row(ENTRY)])
    ids = ["page_1", "segment_1", "knowledge_1"]
    collection(system).update(ids=ids, embeddings=np.zeros((3, 512), dtype=np.float32))
    system.check(repair=True)
    kept = dict(
        zip(*(collection(system).get(include=["embeddings"])[key] for key in ("ids", "embeddings")), strict=True)
    )
    said, known = HashingEmbedder().embed(["Hello\nHi", "Tom"])

    np.testing.assert_allclose(kept["page_1"], said, atol=1e-6)
    np.testing.assert_allclose(kept["segment_1"], said, atol=1e-6)
    np.testing.assert_allclose(kept["knowledge_1"], known, atol=1e-6)


def test_a_segment_of_opposite_pages_rightly_points_nowhere(system):
    write(system, [row(PLACED), row(replace(NEXT, segment_id="segment_1")), row(SEGMENT)])
    collection(system).update(ids=["page_2", "segment_1"], embeddings=np.stack([-VECTOR, 0 * VECTOR]))

    assert system.check() == []


@pytest.mark.parametrize(
    ("vector", "problem"),
    [
        (np.array([np.nan, 1, 0, 0], dtype=np.float32), "has a vector with NaN or infinity"),
        (np.array([np.inf, 1, 0, 0], dtype=np.float32), "has a vector with NaN or infinity"),
        (np.ones(3, dtype=np.float32), "has a vector of 3 numbers, not of 4"),
    ],
)
def test_vectors_that_this_chroma_would_refuse_are_found_too(vector, problem):
    """Another version, or a server's, may let them in."""
    draft = Draft(owner=OWNER, dimension=4, pages={"page_1": PAGE}, vectors={"page_1": vector})

    assert list(bad_vectors(draft)) == [("page_1", problem)]
    embed_again(draft, HashingEmbedder(dimension=4).embed)
    assert list(bad_vectors(draft)) == []


class _Down(HashingEmbedder):
    def embed(self, texts):
        raise EmbeddingError("the embedder is down")


def test_a_vector_that_cannot_be_made_anew_leaves_its_owner_as_it_was(open_system):
    """Design invariant 3: a failure marks nothing as done."""
    system = open_system(embedder=_Down())
    write(system, [row(PAGE), row(SEGMENT)])
    collection(system).update(ids=["page_1"], embeddings=[(0 * VECTOR).tolist()])
    before = rows(system)

    with pytest.raises(EmbeddingError):
        system.check(repair=True)
    assert rows(system) == before


# -- rows that are nobody's -------------------------------------------------------------


def strip(system, record_id, *keys):
    collection(system).update(ids=[record_id], metadatas=[dict.fromkeys(keys)])


UNOWNED = "set it aside with all it holds"


@pytest.mark.parametrize(
    ("gone", "problem", "left", "afterwards"),
    [
        (("user_id",), "has no user_id", Owner(user_id="", assistant_id="assistant"), None),
        (("assistant_id",), "has no assistant_id", Owner(user_id="tom", assistant_id=""), OWNER),
        (("user_id", "assistant_id"), "has no user_id and no assistant_id", Owner(user_id="", assistant_id=""), None),
    ],
)
def test_a_row_without_its_owner_is_set_aside_and_joins_no_memory(system, gone, problem, left, afterwards):
    """Invariant 2; the one memory of its user takes it along when it is purged."""
    write(system, [row(PAGE), row(NEXT)])
    strip(system, "page_1", *gone)
    finding = Finding(owner=left, record_id="page_1", problem=problem, repair=UNOWNED)

    assert system.check() == [finding]
    assert system.check(repair=True) == [replace(finding, state=FindingState.MENDED)]
    assert system.check() == [aside("page_1", afterwards or left)]
    assert system.memory(TOM).pages() == [NEXT]
    assert stored(system)["page_1"] == f"page | HelloHi | {row(PAGE).data}"
    system.memory(TOM).purge()
    assert (system.check() == []) == (afterwards is not None)


def test_half_an_owner_who_may_be_one_of_two_is_not_guessed(system):
    write(system, [row(PAGE)])
    write(system, [row(NEXT)], Owner(user_id="tom", assistant_id="coach"))
    strip(system, "page_1", "assistant_id")
    system.check(repair=True)

    assert system.check() == [aside("page_1", Owner(user_id="tom", assistant_id=""))]


def test_a_head_that_lost_its_owner_is_written_anew(system):
    """It is nobody's row and missing at once, under one id."""
    write(system, [row(PAGE)])
    strip(system, head_id(OWNER), "user_id")

    assert [finding.problem for finding in system.check()] == [
        "is missing, though its owner has records",
        "has no user_id",
    ]
    assert is_sound(system.check(repair=True))
    assert (system.check(), system.users()) == ([], [OWNER])


def test_an_owner_that_is_no_text_is_none(system):
    write(system, [row(PAGE)])
    collection(system).update(ids=["page_1"], metadatas=[{"user_id": 5}])

    assert [(finding.record_id, finding.problem) for finding in system.check()] == [("page_1", "has no user_id")]


def test_a_row_of_another_program_is_set_aside_with_all_it_says(system):
    """No kind, no owner, no document, keys of its own."""
    collection(system).upsert(ids=["alien"], embeddings=[VECTOR.tolist()], metadatas=[{"colour": "red"}])
    system.check(repair=True)
    kept = collection(system).get(ids=["alien"])

    assert kept["metadatas"][0]["kind"] == "quarantined"
    assert json.loads(kept["metadatas"][0]["data"]) == {"metadata": {"colour": "red"}}


# -- crashes ----------------------------------------------------------------------------


def test_a_repair_is_one_upsert(system, monkeypatch):
    """A batch upsert is atomic even when the process is killed."""
    CASES["everything at once"].write(system)
    calls, real = [], collection(system).upsert
    monkeypatch.setattr(collection(system), "upsert", lambda **columns: calls.append(1) or real(**columns))
    system.check(repair=True)

    assert calls == [1]


@pytest.mark.parametrize("lived", range(4))
def test_a_repair_that_dies_between_two_upserts_is_finished_by_the_next(system, monkeypatch, lived):
    """As large as it may be, any first part of it leaves less to repair and every text."""
    pages = [replace(NEXT, id=f"page_{number}", sequence=number // 2, timestamp=NEXT.timestamp) for number in range(8)]
    write(system, [*map(row, pages), row(SEGMENT)])
    said = [page.id for page in sorted(pages, key=lambda page: (page.sequence, page.id))]
    monkeypatch.setattr(system._storage.store, "max_batch", 3)
    calls, real = [], collection(system).upsert

    def upsert(**columns):
        if len(calls) == lived:
            raise OSError("the power is gone")
        calls.append(1)
        real(**columns)

    with monkeypatch.context() as dying:
        dying.setattr(collection(system), "upsert", upsert)
        with pytest.raises(StoreError):
            system.check(repair=True)
    assert is_sound(system.check()) is False
    assert is_sound(system.check(repair=True))

    assert system.check() == []
    assert [page.id for page in system.memory(TOM).pages()] == said


def test_another_process_that_writes_meanwhile_is_not_overwritten(system, monkeypatch):
    """Where several share a server, the head tells: the rows are read again."""
    store = system._storage.store
    write(system, [row(replace(PAGE, segment_id="segment_9"))])
    monkeypatch.setattr(store, "shared", True)
    real, asked = checking.raw_rows, []

    def raw_rows(store, owner):
        found = real(store, owner)
        if not asked:
            asked.append(owner)
            write(system, [row(replace(NEXT, segment_id="segment_9"))])
        return found

    monkeypatch.setattr(checking, "raw_rows", raw_rows)
    system.check(repair=True)

    assert stored(system) == {"page_1": PAGE, "page_2": replace(NEXT)}


def test_a_memory_that_somebody_has_open_is_not_changed_under_them(system):
    """A repair waits for a plan that is being committed."""
    memory = system.memory(TOM)
    memory.add_memory("Hello")
    write(system, [row(SEGMENT)])
    with system.resident(OWNER) as resident, ThreadPoolExecutor(1) as others:
        with resident.consolidating:
            repair = others.submit(system.check, repair=True)
            with pytest.raises(FutureTimeoutError):
                repair.result(timeout=0.3)
            assert "segment_1" in stored(system)
        assert [finding.record_id for finding in repair.result(timeout=60)] == ["segment_1"]
    assert "segment_1" not in stored(system)


def test_a_store_is_read_in_pages_of_whole_users(system, monkeypatch):
    """Nobody's records are taken for half of them, however little is read at a time."""
    owners = [Owner(user_id=user, assistant_id=each) for user in ("ann", "tom") for each in ("assistant", "coach")]
    for number, owner in enumerate(owners):
        pages = [replace(NEXT, id=f"page_{number}_{place}", sequence=place) for place in range(5)]
        write(system, [*map(row, pages), replace(row(SEGMENT), id=f"segment_{number}")], owner)
    monkeypatch.setattr(chroma, "READ_PAGE", 4)
    monkeypatch.setattr(survey, "READ_PAGE", 4)

    assert [finding.record_id for finding in system.check(repair=True)] == [f"segment_{number}" for number in range(4)]
    assert system.check() == []
    assert system.stats().pages == 20


def test_others_are_mended_whatever_is_wrong_with_one(system):
    """Owner by owner, in the order of their ids; many are read together."""
    owners = [Owner(user_id=f"user {number}", assistant_id="assistant") for number in range(3)]
    for owner in owners:
        write(system, [replace(row(SEGMENT), id=f"segment {owner.user_id}")], owner)

    assert [finding.record_id for finding in system.check(repair=True)] == [f"segment {o.user_id}" for o in owners]
    assert system.check() == []
    assert system.users() == owners
    assert head_id(owners[0]) in {found[0] for found in rows(system)}


def test_a_head_in_the_wrong_place_keeps_no_shared_store_from_being_repaired(system, monkeypatch):
    """A repair that waits for heads to stay as they are looks at them as they lie there."""
    store = system._storage.store
    stray = replace(row(NEXT), kind="head", data='{"mark": "m", "next_sequence": 3, "writer": 7}')
    write(system, [row(PAGE), stray])
    monkeypatch.setattr(store, "shared", True)

    assert is_sound(system.check(repair=True))
    assert is_sound(system.check())
    assert stored(system)["page_1"] == PAGE


def test_a_row_without_owner_is_not_called_mended_while_a_reindex_copies(system):
    """Nothing is written then that the copying would not notice."""
    write(system, [row(PAGE), row(NEXT)])
    strip(system, "page_1", "user_id", "assistant_id")
    with system._storage.store.announcing():
        during = system.check(repair=True)

    assert [finding.state for finding in during] == [FindingState.BROKEN]
    assert is_sound(system.check(repair=True))
