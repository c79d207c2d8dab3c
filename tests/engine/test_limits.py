"""Limits of MemorySettings: each has an error or a policy, and loses nothing."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from itertools import islice
from random import Random
from typing import Any

import numpy as np
import pytest

from memoryos_engine import (
    ChatModelError,
    InvalidInput,
    KnowledgeEntry,
    KnowledgeKind,
    LimitReached,
    MemorySettings,
    Owner,
    ScriptedChatModel,
)
from memoryos_engine import worker as worker_module
from memoryos_engine.errors import CallerError
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.recent_owners import RecentOwners
from memoryos_engine.storage.user_records import UserRecords
from memoryos_engine.visits import Visits, WaitingVisits
from memoryos_engine.worker import Worker
from tests.engine.fakes import TagAnalyst, TagEmbedder

TIMEOUT = 10.0


def owned(number: int) -> Owner:
    return Owner(user_id=f"user {number}", assistant_id="assistant")


def inputs(memory) -> list[str]:
    return [page.user_input for page in memory.pages()]


def turns(count: int) -> list[dict[str, str]]:
    return [{"user_input": f"turn {number}"} for number in range(count)]


# -- pages of a user ------------------------------------------------------------------------


def test_a_page_too_many_is_refused_and_nothing_is_stored(open_system):
    memory = open_system(max_pages=2).memory("tom")
    memory.add_memory("one")
    memory.add_memory("two")
    with pytest.raises(LimitReached) as refused:
        memory.add_memory("three is a secret")

    assert inputs(memory) == ["one", "two"]
    assert isinstance(refused.value, CallerError)
    assert (refused.value.setting, refused.value.limit, refused.value.room) == ("max_pages", 2, 0)
    for word in ("max_pages", "forget_between", "purge", "2 pages", "nothing was stored"):
        assert word in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_limit_is_that_of_a_user_not_of_a_session_or_a_system(open_system):
    system = open_system(max_pages=1)
    system.memory("tom").add_memory("one")
    system.memory("ann").add_memory("one")
    with pytest.raises(LimitReached):
        system.memory("tom", session_id="other").add_memory("two")

    assert [inputs(system.memory(name)) for name in ("tom", "ann")] == [["one"], ["one"]]


def test_what_is_forgotten_makes_room(open_system):
    memory = open_system(max_pages=1).memory("tom")
    memory.forget(memory.add_memory("one").id)
    memory.add_memory("two")

    assert inputs(memory) == ["two"]


def test_an_answer_to_a_page_that_is_there_is_no_new_page(open_system):
    memory = open_system(max_pages=1).memory("tom")
    memory.add_memory("one")
    memory.add_response("I see.")
    with pytest.raises(LimitReached):
        memory.add_response("I see, I see.")

    assert [(page.user_input, page.agent_response) for page in memory.pages()] == [("one", "I see.")]


@pytest.mark.parametrize(("count", "fits"), [(5, 3), (4, 3), (300, 3), (600, 3), (600, 300)])
def test_a_history_stops_at_the_limit_and_says_how_much_was_stored(open_system, count, fits):
    memory = open_system(max_pages=fits).memory("tom")
    with pytest.raises(LimitReached, match=rf"the {fits} turns before were stored") as stopped:
        memory.import_turns(turns(count))

    assert stopped.value.stored == fits
    assert inputs(memory) == [f"turn {number}" for number in range(fits)]


def test_a_history_that_fits_is_stored_whole(open_system):
    memory = open_system(max_pages=300).memory("tom")

    assert memory.import_turns(turns(300)) == 300


def test_an_exported_memory_with_too_many_pages_is_refused_whole(open_system, tmp_path):
    memory = open_system().memory("tom")
    memory.import_turns(turns(3))
    memory.export(tmp_path / "tom.jsonl")
    other = open_system(path=tmp_path / "other", max_pages=2)
    with pytest.raises(LimitReached, match="nothing was stored"):
        other.import_memory(tmp_path / "tom.jsonl")

    assert other.users() == []


@pytest.mark.parametrize(
    "ask", [lambda memory: memory.get_response("two"), lambda memory: [*memory.stream_response("two")]]
)
def test_a_model_is_not_asked_for_an_answer_that_could_not_be_kept(open_system, ask):
    model = ScriptedChatModel("an answer")
    memory = open_system(llm=model, max_pages=1).memory("tom")
    memory.add_memory("one")
    with pytest.raises(LimitReached):
        ask(memory)

    assert model.requests == []


def test_a_correction_is_a_page_too(open_system):
    system = open_system(
        embedder=TagEmbedder(), analyst=TagAnalyst(), short_term_capacity=1, heat_threshold=0.0, max_pages=2
    )
    memory = system.memory("tom")
    memory.add_memory("home=Leeds #home")
    memory.add_memory("bye #bye")
    memory.flush()
    before = memory.knowledge(history=True)
    with pytest.raises(LimitReached):
        memory.correct(before[0].id, "York")

    assert memory.knowledge(history=True) == before


@pytest.mark.parametrize("name", ["max_pages", "max_pending_jobs"])
@pytest.mark.parametrize("value", [0, -1, True, "many", 1.5])
def test_a_limit_is_a_whole_number(name, value):
    with pytest.raises(InvalidInput, match=name):
        MemorySettings(**{name: value})


def test_by_default_pages_are_not_limited():
    assert MemorySettings().max_pages is None


# -- users whose work waits ------------------------------------------------------------------


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    one = Time()
    monkeypatch.setattr(worker_module, "time", one)
    return one


def test_of_too_many_jobs_the_one_that_is_due_last_is_dropped(time):
    dropped: list[Owner] = []
    worker = Worker(lambda owner: None, threads=1, most=3, dropped=dropped.append)
    for number, delay in enumerate((50.0, 900.0, 70.0, 60.0, 800.0)):
        worker.schedule(owned(number), delay=delay)

    assert dropped == [owned(1), owned(4)]
    assert worker._due == {owned(0): 1050.0, owned(2): 1070.0, owned(3): 1060.0}
    assert set(worker._asked) == set(worker._due)
    worker.close()


def test_the_failures_of_a_dropped_job_are_dropped_too(time):
    def failing(owner: Owner) -> None:
        raise ChatModelError("down")

    worker = Worker(failing, threads=1, most=3)
    for number in range(20):
        with pytest.raises(ChatModelError):
            worker.run_now(owned(number))

    assert len(worker._failures) == len(worker._due) == 3
    assert set(worker._failures) == set(worker._due)
    worker.close()


def settled(system) -> None:
    worker = system._worker
    with worker._changed:
        assert worker._changed.wait_for(
            lambda: not worker._running and all(due > worker_module.time.monotonic() for due in worker._due.values()),
            TIMEOUT,
        )


def test_fifty_users_and_three_jobs_lose_nothing_and_wait_for_nobody(open_system, time):
    """A dropped job is taken up when its user is used next: what is due is derived from the store."""
    system = open_system(short_term_capacity=1, max_pending_jobs=3)
    memories = [system.memory(f"user {number}") for number in range(50)]
    for memory in memories:
        memory.add_memory("I love my canoe.", "Fine.")
        memory.add_memory("I love my boat.", "Fine.")
        assert len(system._worker._due) <= 3
    assert sum(len(memory.pages()) for memory in memories) == 100

    for memory in memories:
        memory.pages()
        settled(system)
    with system._worker._changed:
        time.now += 3600.0  # what was not dropped has its turn when it is due
        system._worker._changed.notify_all()
    settled(system)

    assert [memory.status().pending for memory in memories] == [0] * 50
    assert all(page.segment_id for memory in memories for page in memory.pages())
    assert system.check() == []


def test_dropped_work_is_taken_up_at_the_next_opening(open_system):
    system = open_system(short_term_capacity=1, max_pending_jobs=1)
    for number in range(5):
        system.memory(f"user {number}").add_memory("I love my canoe.", "Fine.")
    system.close()
    again = open_system(short_term_capacity=1)
    for number in range(5):
        memory = again.memory(f"user {number}")
        memory.pages()
        settled(again)
        assert (memory.status().pending, len(memory.pages())) == (0, 1)


def test_a_job_that_was_dropped_is_known_to_be_due_again(open_system):
    system = open_system(short_term_capacity=1, max_pending_jobs=2)
    for number in range(4):
        system.memory(f"user {number}").add_memory("I love my canoe.", "Fine.")

    waiting = set(system._worker._due)
    assert len(waiting) == 2
    assert {owner for owner in system.users() if not system._resumed.is_new(owner)} == waiting


# -- what grows with the users ever seen -------------------------------------------------------


def test_recent_owners_are_bounded_and_the_longest_unused_is_new_again():
    recent = RecentOwners(most=2)

    assert [recent.is_new(owned(number)) for number in (0, 1, 0, 2, 0, 1)] == [True, True, False, True, False, True]
    assert len(recent) == 2
    recent.discard(owned(0))
    assert recent.is_new(owned(0))
    recent.clear()
    assert len(recent) == 0


def test_visits_of_so_many_owners_wait_and_the_oldest_give_way(clock):
    waiting = WaitingVisits(most=2)
    for number in range(4):
        waiting.add(owned(number), Visits.one(segment_ids=["s"], entry_ids=[], at=clock()))
    waiting.add(owned(2), Visits.one(segment_ids=["s"], entry_ids=[], at=clock()))

    assert waiting.owners() == [owned(2), owned(3)]
    assert waiting.take(owned(2)).segments["s"].times == 2


def test_what_is_noted_of_users_does_not_grow_with_their_number(open_system):
    system = open_system(max_pending_jobs=5, resident_bytes=100_000, short_term_capacity=1)
    for number in range(60):
        memory = system.memory(f"user {number}")
        memory.add_memory("I love my canoe.", "Fine.")
        memory.retrieve_memory("canoe")

    worker = system._worker
    assert max(map(len, (worker._due, worker._asked, worker._failures, system._visits.owners()))) <= 5
    assert system._resumed._most == 10_000
    assert len(system._storage.residents.owners) < 12


def test_users_without_a_page_are_counted_among_the_resident(open_system):
    """Whoever asks for the memory of many who have none must not fill the process."""
    system = open_system(resident_bytes=100_000)
    for number in range(60):
        assert system.memory(f"user {number}").pages() == []

    assert len(system._storage.residents.owners) < 20


def _chinese(seed: int) -> Iterator[dict[str, Any]]:
    chance = Random(seed)
    while True:
        yield {"user_input": "".join(chr(chance.randrange(0x4E00, 0x5200)) for _ in range(60))}


def _with_metadata(seed: int) -> Iterator[dict[str, Any]]:
    return ({**turn, "metadata": {"source": f"file {n}", "body": "x" * 3000}} for n, turn in enumerate(_english(seed)))


def _english(seed: int) -> Iterator[dict[str, Any]]:
    return SyntheticTalk(seed).turns(2000)


@pytest.mark.parametrize(
    ("users", "pages", "talk"),
    [
        (60, 1, _english),
        (20, 20, _english),
        (4, 200, _english),
        (1, 1200, _english),
        (2, 200, _chinese),
        (2, 200, _with_metadata),
    ],
)
def test_resident_bytes_are_about_what_is_taken(open_system, users, pages, talk):
    """Whatever each of them said; what is counted too low would be taken from the machine unasked."""
    with open_system() as system:
        for number in range(users + 1):
            memory = system.memory(f"user {number}")
            memory.import_turns(islice(talk(number), pages))
            memory.flush()
    system = open_system(resident_bytes=10**9)
    system.memory("user 0").pages()
    gc.collect()
    tracemalloc.start()
    before, weighed = tracemalloc.get_traced_memory()[0], system._storage.residents.nbytes
    for number in range(1, users + 1):
        system.memory(f"user {number}").pages()
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert 0.8 * taken < system._storage.residents.nbytes - weighed < 1.25 * taken


def test_what_was_forgotten_is_counted_no_more(open_system):
    """Else others would leave memory for what is not there."""
    system = open_system()
    memory = system.memory("tom")
    memory.import_turns({"user_input": "x" * 50_000} for _ in range(20))
    for page in memory.pages():
        memory.forget(page.id)

    assert memory.pages() == []
    assert system.stats().resident_bytes < 300_000


def test_facts_are_counted_with_their_texts_and_sources():
    """A budget that one user's facts could exceed unseen would be none."""
    records = UserRecords(dimension=8, precision="float32")
    empty, vector = records.nbytes, np.zeros(8, dtype=np.float32)
    said_at, sources = datetime(2024, 1, 1, tzinfo=timezone.utc), tuple(map(str, range(100)))
    kind = KnowledgeKind.USER_KNOWLEDGE
    fact = KnowledgeEntry(id="k", kind=kind, text="canoe " * 5000, source_page_ids=sources, said_at=said_at)
    records.put_entry(fact, vector)
    assert 35_000 < records.nbytes - empty < 60_000

    records.put_entry(replace(fact, text="canoe", source_page_ids=()), None)
    assert 1_000 < records.nbytes - empty < 3_000

    records.drop_entry("k")
    assert records.nbytes == empty


def test_a_failure_keeps_no_records_in_memory(time):
    """An error knows its frames, and they know what was being worked on."""

    class Records:
        pass

    seen: list[weakref.ref[Records]] = []

    def failing(owner: Owner) -> None:
        records = Records()
        seen.append(weakref.ref(records))
        raise ChatModelError("down")

    worker = Worker(failing, threads=1)
    worker.schedule(owned(1), delay=0.0)
    with worker._changed:
        assert worker._changed.wait_for(lambda: owned(1) in worker._failures and not worker._running, TIMEOUT)
    gc.collect()

    assert worker.failure(owned(1)).attempts == 1  # no second one while the clock stands still
    assert [each() for each in seen] == [None]
    worker.close()
