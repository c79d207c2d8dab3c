"""What else happens while an answer is being embedded: no side of any exchange is lost or written over."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import chromadb
import pytest
from chromadb.config import Settings

from memoryos_engine import HashingEmbedder, NotFound, Tier
from memoryos_engine.analysis.extractive import ExtractiveAnalyst

from .soundness import assert_as_reloaded, told

ASKED, ANSWERED = "What is a violin made of?", "Of spruce and maple, mostly."
THREADS, TURNS = 8, 6


class Meanwhile(HashingEmbedder):
    """Has something happen in another thread, to its end, while it embeds the next text."""

    happens = None

    def embed(self, texts):
        happens, self.happens = self.happens, None
        if happens is not None:
            thread = threading.Thread(target=happens, daemon=True)
            thread.start()
            thread.join(timeout=30)
            assert not thread.is_alive(), "it waited for a lock that is held while embedding"
        return super().embed(texts)


@pytest.fixture
def embedder():
    return Meanwhile()


@pytest.fixture
def system(open_system, embedder):
    return open_system(embedder=embedder, short_term_capacity=3)


@pytest.fixture
def memory(system):
    memory = system.memory("tom", session_id="desk")
    memory.add_memory(ASKED)
    return memory


def answer_while(memory, embedder, happens) -> list[tuple[str, str, str, int]]:
    embedder.happens = happens
    memory.add_response(ANSWERED)
    assert embedder.happens is None
    return told(memory)


def test_of_two_answers_at_once_the_first_joins_and_the_other_stays_too(system, memory, embedder):
    found = answer_while(memory, embedder, lambda: memory.add_response("Wood."))

    assert found == [("desk", ASKED, "Wood.", 0), ("desk", "", ANSWERED, 1)]
    assert_as_reloaded(system)


def test_a_question_that_is_asked_meanwhile_does_not_take_the_answer_nor_keep_it_from_its_own(system, memory, embedder):
    """The answer belongs to what was last when it was given."""
    found = answer_while(memory, embedder, lambda: memory.add_memory("And the bow?"))

    assert found == [("desk", ASKED, ANSWERED, 0), ("desk", "And the bow?", "", 1)]
    assert_as_reloaded(system)


def test_a_question_that_leaves_stm_meanwhile_is_left_as_it_is(system, memory, embedder):
    def more():
        memory.add_memory("Hi", "Hello")
        memory.add_memory("Bye", "Goodbye")
        memory.flush()

    found = answer_while(memory, embedder, more)

    assert found == [
        ("desk", ASKED, "", 0),
        ("desk", "Hi", "Hello", 1),
        ("desk", "Bye", "Goodbye", 2),
        ("desk", "", ANSWERED, 3),
    ]
    assert_as_reloaded(system)


@pytest.mark.parametrize("gone", ["forget", "forget_session", "purge"])
def test_a_question_that_is_deleted_meanwhile_does_not_come_back(system, memory, embedder, gone):
    page = memory.pages()[0]
    deleting = {"forget": lambda: memory.forget(page.id)}.get(gone, getattr(memory, gone))
    with pytest.raises(NotFound):
        answer_while(memory, embedder, deleting)

    assert told(memory) == []
    assert memory.retrieve_memory("violin", touch=False).pages == ()
    assert_as_reloaded(system)


def test_reading_waits_for_no_answer(system, memory, embedder):
    """Whoever reads while the answer is embedded sees the question, and nothing in between."""
    seen = []

    def reads():
        phone = memory.in_session("phone")
        seen.append([page.text for page in phone.retrieve_memory("violin", touch=False).pages])
        seen.append([page.text for page in memory.latest_memory().short_term])
        seen.append([page.text for page in memory.pages()])

    answer_while(memory, embedder, reads)

    assert seen == [[ASKED], [ASKED], [ASKED]]


# -- another process on the same store ----------------------------------------------------------------


@pytest.fixture
def two_systems(open_system, embedder, tmp_path):
    """Two systems on one store that know nothing of each other, as two processes behind a server are."""
    settings = Settings(anonymized_telemetry=False)
    clients = [chromadb.PersistentClient(str(tmp_path / "shared"), settings=settings) for _ in range(2)]
    systems = [open_system(client=clients[0], embedder=embedder), open_system(client=clients[1])]
    yield systems
    for system in systems:
        system.close()
    for client in clients:
        client.close()


def test_an_answer_of_another_process_is_not_written_over(two_systems, embedder):
    """Between looking and writing a model may have embedded for seconds: it is looked again."""
    here, there = (system.memory("tom", session_id="desk") for system in two_systems)
    here.add_memory(ASKED, metadata={"a": [1, {"b": None}]})
    assert told(there) == [("desk", ASKED, "", 0)]

    found = answer_while(here, embedder, lambda: there.add_response("Wood.", metadata={"n": 1}))

    assert found == [("desk", ASKED, "Wood.", 0), ("desk", "", ANSWERED, 1)]
    assert told(there) == found
    assert [dict(page.metadata) for page in here.pages()] == [{"a": [1, {"b": None}], "n": 1}, {}]
    for system in two_systems:
        assert_as_reloaded(system)


def test_an_answer_joins_the_question_that_another_process_stored(two_systems):
    """Stateless servers: the two sides of an exchange need not reach the same one."""
    here, there = (system.memory("tom", session_id="desk") for system in two_systems)
    here.add_memory(ASKED, metadata={"a": [1, {"b": None}]})
    there.add_response(ANSWERED)

    assert told(here) == told(there) == [("desk", ASKED, ANSWERED, 0)]
    assert [page.text for page in here.in_session("phone").retrieve_memory("maple").pages] == [f"{ASKED}\n{ANSWERED}"]
    for system in two_systems:
        assert_as_reloaded(system)


# -- many at once -------------------------------------------------------------------------------------


def sides(memory) -> tuple[Counter[str], Counter[str]]:
    pages = memory.pages()
    asked = Counter(page.user_input for page in pages if page.user_input)
    return asked, Counter(page.agent_response for page in pages if page.agent_response)


def all_at_once(work) -> None:
    start = threading.Barrier(THREADS)

    def begun(number: int) -> None:
        start.wait(timeout=30)
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(begun, range(THREADS)))


@pytest.mark.parametrize("capacity", [1, 2, 7])
def test_eight_threads_in_one_session_lose_no_side(open_system, capacity):
    """Whose answer joins which question cannot be told; that each is there once can."""
    system = open_system(short_term_capacity=capacity)
    memory = system.memory("tom", session_id="desk")

    def talks(number: int) -> None:
        for turn in range(TURNS):
            memory.add_memory(f"Question {number}-{turn}")
            memory.add_response(f"Answer {number}-{turn}")

    all_at_once(talks)
    once = [[f"{side} {n}-{turn}" for n in range(THREADS) for turn in range(TURNS)] for side in ("Question", "Answer")]
    assert sides(memory) == (Counter(once[0]), Counter(once[1]))
    sequences = [page.sequence for page in memory.pages()]
    assert sequences == list(range(len(sequences)))
    assert_as_reloaded(system)
    memory.flush()
    assert sides(memory) == (Counter(once[0]), Counter(once[1]))
    assert len(memory.pages(Tier.SHORT_TERM)) <= capacity - 1
    assert_as_reloaded(system)


def test_eight_sessions_at_once_get_each_its_own_answers(open_system):
    """While the user is asked about, flushed and counted; a session is one conversation."""
    system = open_system(short_term_capacity=4, consolidation_delay=0.0)
    ended = threading.Event()

    def reads() -> None:
        memory = system.memory("tom", session_id="reader")
        while not ended.is_set():
            memory.retrieve_memory("question answer")
            memory.flush()

    def talks(number: int) -> None:
        memory = system.memory("tom", session_id=f"session {number}")
        for turn in range(TURNS):
            asked = memory.add_memory(f"Question {number}-{turn}")
            whole = memory.add_response(f"Answer {number}-{turn}")
            assert (whole.id, whole.sequence) == (asked.id, asked.sequence)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(reads)
        try:
            all_at_once(talks)
        finally:
            ended.set()
        reader.result()

    for number in range(THREADS):
        pages = system.memory("tom", session_id=f"session {number}").session_pages()
        assert [(page.user_input, page.agent_response) for page in pages] == [
            (f"Question {number}-{turn}", f"Answer {number}-{turn}") for turn in range(TURNS)
        ]
    assert_as_reloaded(system)


class Interrupted(ExtractiveAnalyst):
    """Has something happen while it reads."""

    happens = None

    def consolidate(self, pages, segments):
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return super().consolidate(pages, segments)


def test_a_plan_from_before_a_page_came_back_to_stm_does_not_write_its_answer_over(open_system):
    """Forgetting the newest page brings the one that left for it back, where it may be answered."""
    analyst = Interrupted()
    system = open_system(analyst=analyst, short_term_capacity=2)
    memory = system.memory("tom", session_id="desk")
    memory.add_memory(ASKED)
    last = memory.add_memory("Wait.", "Yes?")
    pending = system.updater.pending

    def pending_and_then_forgotten(resident):
        found = pending(resident)
        patch.undo()
        memory.forget(last.id)
        return found

    analyst.happens = lambda: memory.add_response(ANSWERED)
    with system.resident(memory.owner) as resident, pytest.MonkeyPatch.context() as patch:
        patch.setattr(system.updater, "pending", pending_and_then_forgotten)
        system.updater.consolidate(resident)

    assert told(memory) == [("desk", ASKED, ANSWERED, 0)]
