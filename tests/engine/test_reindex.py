"""A store gets another embedder while the old one goes on answering; nothing is lost, nothing is mixed."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from memoryos_engine import (
    ClosedError,
    EmbedderMismatch,
    EmbeddingError,
    HashingEmbedder,
    InvalidInput,
    MemoryOS,
    StoreError,
    UserMemory,
)
from memoryos_engine import reindex as reindexing_module
from memoryos_engine.analysis.extractive import ExtractiveAnalyst
from memoryos_engine.similarity import Vector
from memoryos_engine.storage import whole_rows
from memoryos_engine.storage.reindexing import Reindexing, begun_copy
from memoryos_engine.storage.switching import copy_name, switch_steps
from memoryos_engine.storage.whole_rows import WholeRows
from tests.chroma_server import ChromaServer
from tests.engine.soundness import assert_as_reloaded
from tests.engine.test_vacuum import files_with

OLD, NEW = HashingEmbedder(64), HashingEmbedder(48)
SUBJECTS = ("sourdough bread", "my cat Mina", "the marathon", "my violin", "old stamps")
BUSY = {"short_term_capacity": 2, "mid_term_capacity": 2, "heat_threshold": 2.5, "similarity_threshold": 1.3}
QUERIES = ("What about my violin?", "What is my name?", "Tell me of the cat", "stamps 3")


class Watched:
    """The new embedder; it tells of each batch before and may fail."""

    name, dimension = NEW.name, NEW.dimension

    def __init__(self, before: Callable[[int], object] = lambda _: None) -> None:
        self._before = before
        self.texts: list[str] = []
        """Everything it embedded."""
        self.batches = 0

    def embed(self, texts: Sequence[str]) -> Vector:
        self._before(self.batches)
        self.batches += 1
        self.texts += texts
        return NEW.embed(texts)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_rows, "BATCH", 4)


@pytest.fixture
def opened(open_system: Callable[..., MemoryOS]) -> Callable[..., MemoryOS]:
    return lambda embedder=OLD, **options: open_system(embedder=embedder, **{**BUSY, **options})


@pytest.fixture
def system(opened: Callable[..., MemoryOS]) -> MemoryOS:
    """A store of two users, one with everything in it: STM, segments, an archive, knowledge."""
    return filled(opened())


def filled(system: MemoryOS) -> MemoryOS:
    for number in range(14):
        said = f"I love {SUBJECTS[number % 5]}, and my name is Tom. Text {number}."
        system.memory("tom", session_id=f"s{number % 2}").add_memory(said, f"Tell me more, {number}.")
    system.memory("tom").flush()
    system.memory("anna").add_memory("My canoe is green.", "Nice!")
    return system


def stored(system: MemoryOS) -> list[tuple[Any, ...]]:
    """Every row but heads as it lies in Chroma, vectors aside."""
    found = system._storage.collection.get(include=["documents", "metadatas"])
    columns = zip(found["ids"], found["documents"], found["metadatas"], strict=True)
    return sorted((key, text, *sorted(data.items())) for key, text, data in columns if data["kind"] != "head")


def collections(system: MemoryOS) -> list[str]:
    return sorted(each.name for each in system._storage.client.list_collections())


def answers(memory: UserMemory) -> list[list[str]]:
    return [[page.id for page in memory.retrieve_memory(query, touch=False).pages] for query in QUERIES]


def assert_embedded_by(system: MemoryOS, embedder: HashingEmbedder, user: str = "tom") -> None:
    """Every vector of the user is this embedder's, and what is resident is what is stored."""
    memory = system.memory(user)
    with system.resident(memory.owner) as resident:
        vectors = resident.vectors(resident.records.pages) | resident.records.knowledge_vectors
        texts = {key: page.text for key, page in resident.records.pages.items()}
        texts |= {key: entry.text for key, entry in resident.records.knowledge.items()}
    for key, text in texts.items():
        np.testing.assert_allclose(vectors[key], embedder.embed([text])[0], atol=1e-5)
    assert_as_reloaded(system, memory.owner)


def test_everything_but_the_vectors_stays_byte_for_byte(system):
    before = stored(system)

    embedded = system.reindex(embedder=NEW)

    kinds = [dict(row[2:])["kind"] for row in before]
    assert embedded == kinds.count("page") + kinds.count("knowledge")
    assert {"segment", "knowledge"} < set(kinds)
    assert stored(system) == before
    assert collections(system) == ["memoryos"]
    assert_embedded_by(system, NEW)


def test_the_result_is_that_of_an_import_with_the_new_embedder(system, opened, tmp_path):
    exports = [tmp_path / name for name in ("before", "after", "imported")]
    tom = system.memory("tom", session_id="s0")
    tom.export(exports[0])
    system.reindex(embedder=NEW)
    fresh = opened(NEW, path=tmp_path / "fresh")
    imported = fresh.import_memory(exports[0]).in_session("s0")

    tom.export(exports[1])
    imported.export(exports[2])

    assert exports[1].read_bytes() == exports[2].read_bytes() == exports[0].read_bytes()
    assert answers(tom) == answers(imported)
    assert sorted(tom.segment_vectors()) == sorted(imported.segment_vectors())
    for key, direction in tom.segment_vectors().items():
        np.testing.assert_allclose(direction, imported.segment_vectors()[key], atol=1e-5)


def test_handles_made_before_go_on_after(system, opened):
    memory = system.memory("tom", session_id="s0")
    pickled = pickle.dumps(memory)

    system.reindex(embedder=NEW)
    page = memory.add_memory("My kayak is yellow.", "Bright!")
    memory.flush()
    memory.correct(next(entry.id for entry in memory.knowledge() if entry.attribute == "name"), "Thomas")

    assert pickle.loads(pickled).page(page.id) == memory.page(page.id)
    assert [entry.text for entry in memory.knowledge() if entry.attribute == "name"] == ["Thomas"]
    assert_embedded_by(system, NEW)
    system.close()
    assert len(opened(NEW).memory("tom").pages()) == 16


def test_the_old_answers_are_served_and_pages_added_meanwhile(system):
    memory, seen, added = system.memory("tom", session_id="s0"), [], []
    before = answers(memory)

    def meanwhile(batch: int) -> None:
        seen.append(answers(memory))
        if batch < 3:
            added.append(memory.in_session("other").add_memory(f"Said in between {batch}.", "Yes."))
            system.memory(f"new {batch}").add_memory("I am new.", "Welcome!")
        elif batch == 3:
            memory.forget(added[0].id)

    new = Watched(meanwhile)
    system.reindex(embedder=new)

    assert seen[0] == before
    assert all([key for key in found if key in before[0]] for found in (row[0] for row in seen))
    assert [page.id for page in memory.in_session("other").session_pages()] == [page.id for page in added[1:]]
    assert [owner.user_id for owner in system.users()] == ["anna", "new 0", "new 1", "new 2", "tom"]
    assert_embedded_by(system, NEW)
    for number in range(3):
        assert_embedded_by(system, NEW, f"new {number}")


def test_an_add_during_the_switch_waits_and_is_embedded_anew(system, monkeypatch):
    """The switch is held until the other thread stands at the gate."""
    memory, threads, texts = system.memory("tom"), [], []
    monkeypatch.setattr(OLD, "embed", lambda some: texts.append(some) or HashingEmbedder(64).embed(some), raising=False)

    def held(*arguments: Any, **options: Any) -> Any:
        waits = threading.Event()
        gate, shared = system._storage.gate, system._storage.gate.shared
        monkeypatch.setattr(gate, "shared", lambda: waits.set() or shared())
        threads.append(threading.Thread(target=memory.add_memory, args=("Said at the switch.", "Really?")))
        threads[0].start()
        assert waits.wait(20)
        return switch_steps(*arguments, **options)

    monkeypatch.setattr(reindexing_module, "switch_steps", held)
    new = Watched()
    system.reindex(embedder=new)
    threads[0].join(20)

    assert [page.user_input for page in memory.pages()][-1] == "Said at the switch."
    assert new.texts[-1] == "Said at the switch.\nReally?"
    assert texts == []
    assert_embedded_by(system, NEW)


def test_background_work_that_a_switch_overtakes_is_done_again(opened):
    asked, go_on = threading.Event(), threading.Event()

    class Slow(ExtractiveAnalyst):
        def consolidate(self, *arguments: Any) -> Any:
            asked.set()
            assert go_on.wait(20)
            return super().consolidate(*arguments)

    system = opened(analyst=Slow())
    memory = system.memory("tom")
    for number in range(6):
        memory.add_memory(f"I love {SUBJECTS[number % 5]}.", "Good.")
    flushing = threading.Thread(target=memory.flush)
    flushing.start()
    assert asked.wait(20)

    system.reindex(embedder=NEW)
    go_on.set()
    flushing.join(20)

    assert (memory.status().pending, memory.status().failure) == (0, None)
    assert len({page.segment_id for page in memory.pages()} - {None}) > 1
    assert_embedded_by(system, NEW)


def test_an_embedder_that_fails_leaves_the_old_one_and_is_gone_on_with(system):
    memory = system.memory("tom", session_id="s0")
    before, rows = answers(memory), stored(system)

    def failing(batch: int) -> None:
        if batch == 2:
            raise EmbeddingError("it is down")

    first, second = Watched(failing), Watched()
    with pytest.raises(EmbeddingError, match="it is down"):
        system.reindex(embedder=first)
    assert (answers(memory), stored(system), system.embedder) == (before, rows, OLD)
    embedded = system.reindex(embedder=second)

    assert len(first.texts) == 1 + 4  # Anna's page, and a batch of Tom's
    assert embedded == len(second.texts)
    assert sorted(first.texts + second.texts) == sorted(
        text for user in ("tom", "anna") for text in texts_of(system.memory(user))
    )
    assert stored(system) == rows


def texts_of(memory: UserMemory) -> Iterator[str]:
    yield from (page.text for page in memory.pages())
    yield from (entry.text for entry in memory.knowledge(history=True))


def test_what_was_added_after_a_failure_and_a_reopening_is_copied(system, opened):
    """The first write of a process raises the owner's head, later ones need not: the copy must not be fooled."""

    def failing(batch: int) -> None:
        if batch == 4:
            raise EmbeddingError("it is down")

    system.memory("anna").add_memory("My paddle is red.", "Nice!")
    with pytest.raises(EmbeddingError):
        system.reindex(embedder=Watched(failing))
    for number in range(3):
        system.memory("anna").add_memory(f"After it {number}.", "Yes.")
    system.close()
    again = opened()
    again.reindex(embedder=NEW)

    assert [page.user_input for page in again.memory("anna").pages()] == [
        *("My canoe is green.", "My paddle is red."),
        *(f"After it {number}." for number in range(3)),
    ]
    assert_embedded_by(again, NEW, "anna")


def test_rows_of_unknown_kinds_and_their_metadata_are_copied(system):
    """Further kinds, and metadata beside ours, are for others to understand."""
    owner = {"user_id": "tom", "assistant_id": "assistant"}
    rows = {
        "audit_1": {**owner, "kind": "audit", "data": '{"what": "corrected"}', "commit": 7},
        "quarantined_1": {**owner, "kind": "quarantined", "data": "not JSON", "commit": 8},
        "stray": {"user_id": "nobody", "assistant_id": "x", "kind": "audit", "data": "{}"},
    }
    system._storage.collection.upsert(
        ids=list(rows), documents=["", "text", "alone"], metadatas=list(rows.values()), embeddings=np.eye(3, 64)
    )
    before = stored(system)

    system.reindex(embedder=NEW)

    assert stored(system) == before
    assert len(before) > len(rows) + 14


def test_what_was_deleted_since_an_earlier_try_is_not_in_the_copy(system):
    def failing(batch: int) -> None:
        if batch == 4:
            raise EmbeddingError("it is down")

    with pytest.raises(EmbeddingError):
        system.reindex(embedder=Watched(failing))
    tom = system.memory("tom")
    tom.forget(tom.pages()[0].id)
    system.memory("anna").purge()
    before = stored(system)

    system.reindex(embedder=NEW)

    assert stored(system) == before
    assert [owner.user_id for owner in system.users()] == ["tom"]


def test_a_try_with_a_third_embedder_begins_anew(system):
    def failing(batch: int) -> None:
        if batch == 4:
            raise EmbeddingError("it is down")

    with pytest.raises(EmbeddingError):
        system.reindex(embedder=Watched(failing))

    system.reindex(embedder=HashingEmbedder(32))

    assert_embedded_by(system, HashingEmbedder(32))
    assert collections(system) == ["memoryos"]


def test_the_embedder_that_the_store_has_and_what_is_none_are_refused(system):
    before = stored(system)
    for wrong in (HashingEmbedder(64), "hashing"):
        with pytest.raises(InvalidInput, match="embedder"):
            system.reindex(embedder=wrong)

    assert (stored(system), collections(system)) == (before, ["memoryos"])


def test_a_second_reindex_meanwhile_is_refused(system):
    def another(batch: int) -> None:
        if batch == 0:
            with pytest.raises(StoreError, match="under way"):
                system.reindex(embedder=HashingEmbedder(32))

    system.reindex(embedder=Watched(another))

    assert_embedded_by(system, NEW)


def test_closing_the_system_ends_it_and_the_store_is_as_it_was(system, opened):
    rows = stored(system)
    with pytest.raises(ClosedError):
        system.reindex(embedder=Watched(lambda batch: system.close() if batch == 1 else None))

    again = opened()

    assert stored(again) == rows
    assert_embedded_by(again, OLD)


def test_another_system_of_this_process_is_told_and_never_answers(system, opened):
    other = opened()
    memory = other.memory("tom")
    assert len(memory.pages()) == 14

    system.reindex(embedder=NEW)

    for call in (memory.pages, other.users, other.check, memory.flush, lambda: memory.retrieve_memory("violin")):
        with pytest.raises(EmbedderMismatch, match=f"open it again with {NEW.name!r}"):
            call()
    with pytest.raises(EmbedderMismatch):
        memory.add_memory("lost?", "")
    other.close()
    assert len(system.memory("tom").pages()) == 14
    assert len(opened(NEW).memory("tom").pages()) == 14


# -- the switch -------------------------------------------------------------------------


def whole_copy(system: MemoryOS) -> None:
    storage = system._storage
    source, target = storage.collection, begun_copy(storage.client, "memoryos", NEW)
    rows = [WholeRows(each, max_batch=100, in_turns=True) for each in (source, target)]
    assert Reindexing(*rows, NEW, go_on=lambda: None).settle()


@pytest.mark.parametrize("done", range(5))
def test_a_kill_between_any_two_steps_loses_nothing_and_mixes_nothing(system, opened, done):
    rows = stored(system)
    whole_copy(system)
    for step in switch_steps(system._storage.client, "memoryos", before_deleting=lambda: None)[:done]:
        step()
    system.close()

    with pytest.raises(EmbedderMismatch):  # whichever comes first finds what there is and completes it
        opened(OLD if done else NEW)
    again = opened(NEW if done else OLD)

    assert stored(again) == rows
    assert_embedded_by(again, NEW if done else OLD)
    if not done:
        assert again.reindex(embedder=NEW) == 0
    assert collections(again) == ["memoryos"]
    assert again._storage.collection.metadata == {
        "memoryos_schema": 2,
        "memoryos_embedder": NEW.name,
        "memoryos_dimension": 48,
    }


@pytest.mark.parametrize("done", [1, 2])
def test_what_is_written_after_a_kill_in_the_middle_of_a_switch_is_there_too(system, opened, done):
    """Who has the old collection open goes on writing to it, and is told of nothing."""
    whole_copy(system)
    for step in switch_steps(system._storage.client, "memoryos", before_deleting=lambda: None)[:done]:
        step()
    with system._storage.store.announcing():  # as every write behind a server is, where others have it open
        late = system.memory("tom").add_memory("Written late.", "Was it?")
    rows = stored(system)
    system.close()
    again = opened(NEW)

    assert again.memory("tom").page(late.id) == late
    assert stored(again) == rows
    assert_embedded_by(again, NEW)
    assert collections(again) == ["memoryos"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("done", range(1, 4))
def test_a_switch_that_is_interrupted_lets_nobody_write_to_what_it_replaces(system, opened, monkeypatch, done):
    rows, memory = stored(system), system.memory("tom")

    def killed() -> None:
        raise Killed

    def cut(*arguments: Any, **options: Any) -> list[Callable[[], object]]:
        return [*switch_steps(*arguments, **options)[:done], killed]

    monkeypatch.setattr(reindexing_module, "switch_steps", cut)
    with pytest.raises(Killed):
        system.reindex(embedder=NEW)
    with pytest.raises(StoreError, match="close this MemoryOS and open it again"):
        memory.add_memory("lost?", "")
    system.close()

    assert stored(opened(NEW)) == rows


def test_vacuum_after_a_reindex_leaves_no_byte_of_a_purged_user(opened, tmp_path):
    system = opened()
    for number in range(12):
        system.memory("alice-4711").add_memory(f"My zebrafish {number} is called Marmalade.", "Lovely!")
        system.memory("bob").add_memory(f"My canoe {number} is green.", "Nice!")
    system.memory("alice-4711").flush()
    system.reindex(embedder=NEW)
    system.memory("alice-4711").purge()
    assert files_with("Marmalade", tmp_path / "store") != []

    system.vacuum()

    assert files_with("Marmalade", tmp_path / "store") == []
    assert files_with("alice-4711", tmp_path / "store") == []
    assert len(system.memory("bob").pages()) == 12
    assert_embedded_by(system, NEW, "bob")


def test_vacuum_leaves_no_byte_in_a_copy_that_was_cut_off(system, tmp_path):
    whole_copy(system)
    system.memory("anna").purge()

    system.vacuum()

    assert files_with("canoe is green", tmp_path / "store") == []
    assert collections(system) == ["memoryos"]
    assert_embedded_by(system, OLD)


# -- behind a server --------------------------------------------------------------------


def test_behind_a_server_others_go_on_meanwhile_and_are_told_afterwards(opened, tmp_path):
    (tmp_path / "server").mkdir()
    server = ChromaServer(tmp_path / "server")
    try:
        system, other = filled(opened(client=server.client())), opened(client=server.client())
        theirs = other.memory("tom", session_id="theirs")

        def meanwhile(batch: int) -> None:
            if batch < 3:
                theirs.add_memory(f"From elsewhere {batch}.", "Yes.")

        system.reindex(embedder=Watched(meanwhile))

        said = [page.user_input for page in system.memory("tom", session_id="theirs").session_pages()]
        assert said == [f"From elsewhere {number}." for number in range(3)]
        assert_embedded_by(system, NEW)
        for call in (theirs.pages, lambda: theirs.add_memory("lost?", ""), lambda: theirs.retrieve_memory("violin")):
            with pytest.raises(StoreError, match="open it again, with the embedder that the store has now"):
                call()
        again = opened(NEW, client=server.client())
        assert len(again.memory("tom").pages()) == 17
        assert copy_name("memoryos") not in collections(again)
        for each in (system, other, again):
            each.close()
    finally:
        server.close()


def test_what_another_process_wrote_at_the_last_moment_is_copied_too(opened, tmp_path, monkeypatch):
    (tmp_path / "server").mkdir()
    server = ChromaServer(tmp_path / "server")
    try:
        system, other = filled(opened(client=server.client())), opened(client=server.client())
        theirs = other.memory("tom", session_id="theirs")
        theirs.pages()

        def late(*arguments: Any, **options: Any) -> Any:
            theirs.add_memory("At the last moment.", "Yes.")
            return switch_steps(*arguments, **options)

        monkeypatch.setattr(reindexing_module, "switch_steps", late)
        system.reindex(embedder=NEW)

        assert len(system.memory("tom").pages()) == 15
        assert_embedded_by(system, NEW)
        for each in (system, other):
            each.close()
    finally:
        server.close()
