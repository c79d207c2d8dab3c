"""Background work with a chat model: when it asks, who waits for it, and what may happen meanwhile.

Nothing here sleeps: a model's calls stand at a gate, and time is moved by hand.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from memoryos_engine import (
    ChatMessage,
    ChatModelError,
    ClosedError,
    DialoguePage,
    KnowledgeKind,
    MemoryOS,
    MemoryOSError,
    ScriptedChatModel,
    Tier,
    UserMemory,
)
from memoryos_engine import adding as adding_module
from memoryos_engine import background as background_module
from memoryos_engine import trouble as trouble_module
from memoryos_engine import worker as worker_module
from memoryos_engine.analysis.llm import LLMAnalyst
from memoryos_engine.errors import ConsolidationError, ReplyRefused
from memoryos_engine.evaluation.stand_in import reply, stand_in
from memoryos_engine.status import MemoryStatus
from memoryos_engine.worker import JobFailure

TIMEOUT = 10.0
CONSOLIDATION, PROMOTION = "# Known segments\n", "# Known facts\n"
ONE_TOPIC = {"short_term_capacity": 1, "similarity_threshold": -1.0}
"""Every page is pending as soon as it was said, and joins the one segment there is."""
MANY_TOPICS = {"short_term_capacity": 1, "similarity_threshold": 2.0}
"""Every page opens a segment."""
COLD, HOT = {"heat_threshold": 1e9}, {"heat_threshold": 0.0}
EVERYTHING = {"model_delay": 0.0}
"""A full batch begins the work, and it goes on to the last page."""
GROUP = LLMAnalyst.promotion_size
AT_ONCE = {"consolidation_delay": 0.0, "model_delay": 0.0}

Answer = Callable[[Sequence[ChatMessage]], str]


class Gate:
    """A model's answers: the stand-in's, but a call that it `holds` waits until the gate is opened."""

    def __init__(self) -> None:
        self.holds: Callable[[str], bool] = lambda body: True
        self.answer: Answer = reply
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def __call__(self, messages: Sequence[ChatMessage]) -> str:
        if self.holds(messages[-1].content) and not self.opened.is_set():
            self.arrived.set()
            assert self.opened.wait(TIMEOUT)
        return self.answer(messages)

    def wait(self) -> None:
        assert self.arrived.wait(TIMEOUT)


class Time:
    """The monotonic clock of system and worker, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def advance(self, system: MemoryOS, seconds: float) -> None:
        """Move the clock, wake the worker, and wait until it has done what is due."""
        with system._worker._changed:
            self.now += seconds
            system._worker._changed.notify_all()
        idle(system)


@pytest.fixture
def gate(open_system: Callable[..., MemoryOS]) -> Iterator[Gate]:
    """Opened before the systems are closed, so that closing waits for nobody."""
    one = Gate()
    yield one
    one.opened.set()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    one = Time()
    for module in (adding_module, background_module, worker_module, trouble_module):
        monkeypatch.setattr(module, "time", one)
    return one


def idle(system: MemoryOS) -> None:
    """Wait until nothing runs and nothing is due."""
    worker = system._worker

    def nothing_to_do() -> bool:
        now = worker_module.time.monotonic()
        return not worker._running and all(due > now for due in worker._due.values())

    with worker._changed:
        assert worker._changed.wait_for(nothing_to_do, TIMEOUT)


def ended(system: MemoryOS) -> None:
    """Wait for the threads of a closed system."""
    for thread in system._worker._threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive()


def love(*numbers: int) -> list[str]:
    return [f"I love my canoe number {number}." for number in numbers]


def say(memory: UserMemory, *numbers: int) -> list[DialoguePage]:
    return [memory.add_memory(text, "Fine.") for text in love(*numbers)]


def asked(model: ScriptedChatModel, kind: str = "") -> list[str]:
    """The requests about consolidation or promotion, oldest first."""
    return [request[-1].content for request in model.requests if request[-1].content.startswith(kind)]


def learnt(memory: UserMemory) -> list[str]:
    return [entry.text for entry in memory.knowledge(history=True)]


def derived(memory: UserMemory) -> str:
    """Whatever was made out of pages."""
    pages = [(page.meta_chain, page.keywords) for page in memory.pages()]
    segments = [(segment.summary, segment.keywords) for segment in memory.segments()]
    return str([pages, segments, memory.knowledge(history=True)]).casefold()


def placed(memory: UserMemory) -> list[str]:
    """What the user said on the pages that are in a segment."""
    return [page.user_input for page in memory.pages() if page.segment_id]


def flushed(memory: UserMemory, *, most: int = 50) -> int:
    """Flush until nothing is left, or nothing changes any more; return how often it failed."""
    failures = 0
    while failures < most:
        try:
            memory.flush()
        except MemoryOSError:
            failures += 1
        else:
            return failures
    return failures


# -- when the model is asked ------------------------------------------------------------


def test_less_than_a_batch_of_a_user_who_just_spoke_is_not_worth_a_call(open_system, time):
    """model_delay: pages that wait are found by every search, and a full batch costs as much as one page."""
    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, consolidation_delay=0.0)
    memory = system.memory("tom")
    say(memory, *range(9))
    idle(system)

    assert model.requests == []
    assert memory.status() == MemoryStatus(pending=9)
    assert system._worker._due == {memory.owner: time.now + 300.0}
    assert memory.retrieve_memory("canoe number 4").best.user_input == love(4)[0]


def test_a_full_batch_is_asked_about_at_once_in_one_call(open_system, time):
    """Ten pending pages: nobody waits for a quiet moment, however long the delays."""
    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, **COLD, consolidation_delay=3600.0, model_delay=86400.0)
    memory = system.memory("tom")
    say(memory, *range(10))
    idle(system)

    assert len(asked(model, CONSOLIDATION)) == len(model.requests) == 1
    assert placed(memory) == love(*range(10))
    assert memory.status() == MemoryStatus(pending=0)


def test_what_is_left_over_after_a_full_batch_waits_for_quiet(open_system, gate, time):
    """Pages that were said during the call too."""
    model = ScriptedChatModel(otherwise=gate)
    system = open_system(llm=model, **ONE_TOPIC, **COLD)
    memory = system.memory("tom")
    say(memory, *range(10))
    gate.wait()
    say(memory, 10, 11, 12)
    gate.opened.set()
    idle(system)
    assert (len(model.requests), memory.status()) == (1, MemoryStatus(pending=3))

    time.advance(system, 300.0)

    assert (len(model.requests), memory.status()) == (2, MemoryStatus(pending=0))
    assert placed(memory) == love(*range(13))


def test_a_user_who_fell_silent_is_asked_about_with_less_than_a_batch(open_system, time):
    """model_delay seconds after the last page, not before."""
    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, **COLD, consolidation_delay=0.0, model_delay=60.0)
    memory = system.memory("tom")
    say(memory, 0, 1, 2)
    idle(system)
    time.advance(system, 59.0)
    assert model.requests == []

    time.advance(system, 1.0)

    assert len(model.requests) == 1
    assert placed(memory) == love(0, 1, 2)


def test_every_page_puts_the_quiet_moment_off(open_system, time):
    """The user has to be quiet, not the first page old."""
    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, **COLD, consolidation_delay=0.0, model_delay=60.0)
    memory = system.memory("tom")
    say(memory, 0)
    idle(system)
    time.advance(system, 40.0)
    say(memory, 1)
    idle(system)
    time.advance(system, 59.0)
    assert model.requests == []

    time.advance(system, 1.0)

    assert len(model.requests) == 1
    assert placed(memory) == love(0, 1)


def test_without_a_delay_every_page_is_asked_about(open_system):
    """model_delay=0.0: for who wants it now and pays for it."""
    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, **COLD, **AT_ONCE)
    memory = system.memory("tom")
    for number in range(3):
        say(memory, number)
        idle(system)

    assert len(model.requests) == 3
    assert placed(memory) == love(0, 1, 2)


def test_a_few_hot_pages_wait_for_quiet_too(open_system, time):
    """A promotion of less than a batch costs as much as one of a full one."""
    model = stand_in()
    system = open_system(llm=model, **MANY_TOPICS, heat_threshold=2.5, consolidation_delay=0.0)
    memory = system.memory("tom")
    say(memory, *range(10))
    idle(system)
    memory.retrieve_memory("canoe number 3", top_k=1)
    idle(system)
    assert (len(model.requests), memory.status()) == (1, MemoryStatus(pending=0, unpromoted=1))

    time.advance(system, 300.0)

    assert len(asked(model, PROMOTION)) == 1
    assert (memory.status(), learnt(memory)) == (MemoryStatus(pending=0), love(3))


def test_visits_are_recorded_without_a_call(open_system, time):
    """Design part 4: visits are recorded in the background; that is nothing a model is needed for."""
    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, **COLD, consolidation_delay=0.0)
    memory = system.memory("tom")
    say(memory, *range(10))
    idle(system)
    say(memory, 10, 11)
    memory.retrieve_memory("canoe number 3", top_k=1)
    idle(system)

    assert [segment.visits for segment in memory.segments()] == [1]
    assert (len(model.requests), memory.status()) == (1, MemoryStatus(pending=2))


def test_visits_are_recorded_while_the_model_is_down(open_system, time):
    """Heat must not depend on whether a model answered."""
    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, **COLD, **AT_ONCE)
    memory = system.memory("tom")
    say(memory, 0)
    idle(system)
    model.enqueue(ChatModelError("down"))
    say(memory, 1)
    idle(system)
    memory.retrieve_memory("canoe number 0", top_k=1)
    model.enqueue(ChatModelError("still down"))
    time.advance(system, 1.0)

    assert [segment.visits for segment in memory.segments()] == [1]
    assert memory.status().failed == 2


# -- nobody waits for the model ------------------------------------------------------------


@pytest.fixture(params=[CONSOLIDATION, PROMOTION], ids=["consolidation", "promotion"])
def held(open_system, gate, request) -> UserMemory:
    """Ten pages of a user, at which the background is; the model does not answer."""
    gate.holds = lambda body: body.startswith(request.param)
    system = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC, **HOT, **EVERYTHING)
    memory = system.memory("tom")
    say(memory, *range(10))
    gate.wait()
    return memory


ACTIONS: dict[str, Callable[[UserMemory, Any], object]] = {
    "add": lambda memory, folder: say(memory, 10),
    "add in another session": lambda memory, folder: say(memory.in_session("other"), 10),
    "add for another user": lambda memory, folder: say(memory.system.memory("eve"), *range(5)),
    "flush another user": lambda memory, folder: memory.system.memory("eve").flush(),
    "import": lambda memory, folder: memory.import_turns([{"user_input": "one"}, {"user_input": "two"}]),
    "retrieve": lambda memory, folder: memory.retrieve_memory("canoe number 4"),
    "forget a page that is asked about": lambda memory, folder: memory.forget(memory.pages()[4].id),
    "purge": lambda memory, folder: memory.purge(),
    "export": lambda memory, folder: memory.export(folder / "tom.jsonl"),
    "look": lambda memory, folder: [
        memory.tiers(),
        memory.pages(),
        memory.segments(),
        memory.heats(),
        memory.knowledge(),
        memory.get_user_profile(),
    ],
    "check": lambda memory, folder: memory.system.check(),
    "status": lambda memory, folder: memory.status(),
}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_nobody_waits_for_a_call_that_is_under_way(held, gate, tmp_path, action):
    """Adding is local, thinking is in the background (design part 3). Were it to wait, the gate would give up."""
    action(held, tmp_path)

    assert not gate.opened.is_set()
    assert held.system._worker.running(held.owner)


def test_get_response_does_not_wait_for_the_background(held, gate):
    """The user's answer comes first; only the calls of the background stand at the gate."""
    assert held.get_response("Which canoe?") == "I answer from what I remember."

    assert held.system._worker.running(held.owner)
    assert held.pages()[-1].agent_response == "I answer from what I remember."


# -- what happens during a call --------------------------------------------------------------


def test_a_page_forgotten_during_its_consolidation_leaves_nothing_behind(open_system, gate):
    """The answer about it is thrown away, and the rest is asked about again without it."""
    model = ScriptedChatModel(otherwise=gate)
    system = open_system(llm=model, **ONE_TOPIC, **HOT, **EVERYTHING)
    memory = system.memory("tom")
    say(memory, *range(9))
    secret = memory.add_memory("I love my hepatitis doctor.", "Hepatitis is a hard word.")
    gate.wait()
    memory.forget(secret.id)
    gate.opened.set()
    idle(system)
    memory.flush()

    assert "hepatitis" not in derived(memory)
    assert placed(memory) == love(*range(9))
    assert learnt(memory) == love(*range(9))
    assert ["hepatitis" in request.casefold() for request in asked(model)] == [True, False, False]
    assert memory.status() == MemoryStatus(pending=0)
    assert system.check() == []


def test_a_page_forgotten_during_its_promotion_leaves_nothing_behind(open_system, gate):
    """No fact of it is learnt, and the pages that were read with it are read again."""
    gate.holds = lambda body: body.startswith(PROMOTION)
    model = ScriptedChatModel(otherwise=gate)
    system = open_system(llm=model, **ONE_TOPIC, **HOT, **EVERYTHING)
    memory = system.memory("tom")
    say(memory, *range(9))
    secret = memory.add_memory("I love my hepatitis doctor.", "Hepatitis is a hard word.")
    gate.wait()
    memory.forget(secret.id)
    gate.opened.set()
    idle(system)
    memory.flush()

    assert "hepatitis" not in derived(memory)
    assert learnt(memory) == love(*range(9))
    assert memory.status() == MemoryStatus(pending=0)
    assert system.check() == []


def test_a_flush_reads_again_what_a_page_forgotten_meanwhile_was_read_with(open_system, gate):
    """flush() does what is pending; a page that went during its call does not leave the others unpromoted."""
    gate.holds = lambda body: body.startswith(PROMOTION)
    system = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC, **HOT)
    memory = system.memory("tom")
    pages = say(memory, 0, 1, 2)
    flushing = threading.Thread(target=memory.flush)
    flushing.start()
    gate.wait()
    memory.forget(pages[1].id)
    gate.opened.set()
    flushing.join(TIMEOUT)

    assert not flushing.is_alive()
    assert (memory.status(), learnt(memory)) == (MemoryStatus(pending=0), love(0, 2))


def hot_all_at_once(open_system: Callable[..., MemoryOS], gate: Gate) -> tuple[UserMemory, list[DialoguePage]]:
    """Two groups of hot pages; the model stands at the first. They got hot by another threshold at this opening."""
    system = open_system(llm=stand_in(), **ONE_TOPIC, **COLD)
    say(system.memory("tom"), *range(2 * GROUP))
    system.memory("tom").flush()
    system.close()
    memory = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC, **HOT).memory("tom")
    pages = memory.pages()
    gate.wait()
    return memory, pages


def test_a_page_forgotten_before_its_turn_is_never_sent(open_system, gate):
    """Hot segments come in groups: what is forgotten during the first call must not leave the machine in a later."""
    memory, pages = hot_all_at_once(open_system, gate)
    model = memory.system.llm
    [first] = asked(model, PROMOTION)
    later = next(page for page in pages if page.user_input not in first)
    memory.forget(later.id)
    gate.opened.set()
    idle(memory.system)
    memory.flush()

    assert [later.user_input in request for request in asked(model, PROMOTION)].count(True) == 0
    assert sorted(learnt(memory)) == sorted(page.user_input for page in pages if page is not later)


def test_after_a_purge_nothing_more_of_the_user_is_sent(open_system, gate):
    """Invariant 6: a purge that returned is the end of it, whatever was planned."""
    memory, _ = hot_all_at_once(open_system, gate)
    memory.purge()
    gate.opened.set()
    idle(memory.system)

    assert len(memory.system.llm.requests) == 1
    assert memory.system.users() == []


def test_nothing_comes_back_after_a_purge(held, gate):
    """Invariant 6: an answer about pages that are gone changes nothing."""
    system = held.system
    held.purge()
    gate.opened.set()
    idle(system)

    assert (held.pages(), held.segments(), held.knowledge(history=True)) == ([], [], [])
    assert held.status() == MemoryStatus(pending=0)
    assert (system.users(), system.check()) == ([], [])


def test_a_purged_user_who_comes_back_starts_anew(held, gate):
    """What was said before the purge and what is said after it do not mix."""
    system = held.system
    held.purge()
    say(held, 20, 21)
    gate.opened.set()
    idle(system)
    held.flush()

    assert [page.user_input for page in held.pages()] == placed(held) == learnt(held) == love(20, 21)
    assert system.check() == []


def test_a_call_that_fails_after_a_purge_is_nobodys_failure(held, gate):
    """A purged user has no status, no retry and no backoff."""

    def down(messages: Sequence[ChatMessage]) -> str:
        raise ChatModelError("down")

    gate.answer = down
    held.purge()
    gate.opened.set()
    idle(held.system)

    assert held.status() == MemoryStatus(pending=0)


def promoting(**lists: list[dict[str, Any]]) -> str:
    empty: dict[str, Any] = {"profile": [], "traits": [], "user_facts": [], "assistant_facts": []}
    return json.dumps(empty | lists)


def fact(text: str, *pages: str, repeats: str | None = None) -> dict[str, Any]:
    return {
        "fact": text,
        "subject": "user",
        "attribute": "",
        "repeats": repeats,
        "replaces": None,
        "pages": list(pages),
    }


def test_an_entry_forgotten_during_a_promotion_stays_forgotten(open_system, gate):
    """The model was shown it and says that the new page repeats it; by then it is gone."""
    gate.holds = lambda body: "near Lyon" in body and body.startswith(PROMOTION)
    model = ScriptedChatModel(otherwise=gate)
    system = open_system(llm=model, **ONE_TOPIC, **HOT)
    memory = system.memory("tom")
    memory.add_memory("I love sailing with my hepatitis doctor.", "Fine.")
    memory.flush()
    [entry] = memory.knowledge()
    assert "hepatitis" in entry.text

    gate.answer = lambda messages: (
        promoting(user_facts=[fact("Sailing with my doctor.", "p1", repeats="k1")])
        if messages[-1].content.startswith(PROMOTION)
        else reply(messages)
    )
    memory.add_memory("Sailing with my doctor near Lyon was good.", "Fine.")
    flushing = threading.Thread(target=memory.flush)
    flushing.start()
    gate.wait()
    assert "hepatitis" in asked(model, PROMOTION)[-1]
    memory.forget(entry.id)
    gate.opened.set()
    flushing.join(TIMEOUT)

    assert not flushing.is_alive()
    assert "hepatitis" not in str(memory.knowledge(history=True))
    assert system.check() == []


def test_a_forgotten_page_takes_along_the_entry_that_is_said_to_be_repeated(open_system, gate):
    """The same, where the page behind the entry was forgotten."""
    gate.holds = lambda body: "near Lyon" in body and body.startswith(PROMOTION)
    system = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC, **HOT)
    memory = system.memory("tom")
    page = memory.add_memory("I love sailing with my hepatitis doctor.", "Fine.")
    memory.flush()
    gate.answer = lambda messages: (
        promoting(user_facts=[fact("Sailing with my doctor.", "p1", repeats="k1")])
        if messages[-1].content.startswith(PROMOTION)
        else reply(messages)
    )
    memory.in_session("other").add_memory("Sailing with my doctor near Lyon was good.", "Fine.")
    flushing = threading.Thread(target=memory.flush)
    flushing.start()
    gate.wait()
    memory.forget(page.id)
    gate.opened.set()
    flushing.join(TIMEOUT)

    assert not flushing.is_alive()
    assert "hepatitis" not in derived(memory)
    assert system.check() == []


# -- what a model says of one page in the notes of another -------------------------------------


def noted(page: dict[str, Any], topic: dict[str, Any]) -> str:
    return json.dumps({"pages": [{"page": "p1", "continues": False} | page], "topics": [{"pages": ["p1"]} | topic]})


SECRET = "My hepatitis worries doctor Lindqvist."
CARRIED = {
    "a summary": noted(
        {"meta_chain": "The weather in Lyon is lovely."},
        {
            "segment": "s1",
            "keywords": ["lyon", "weather"],
            "summary": "Hepatitis worries doctor Lindqvist; the weather in Lyon is lovely.",
        },
    ),
    "a keyword": noted(
        {"meta_chain": "The weather in Lyon is lovely."},
        {"segment": "s1", "keywords": ["lyon", "hepatitis"], "summary": "The weather in Lyon is lovely."},
    ),
}


@pytest.mark.parametrize("topics", [ONE_TOPIC, MANY_TOPICS], ids=["same segment", "another segment"])
@pytest.mark.parametrize("when", ["during the call", "afterwards"])
@pytest.mark.parametrize("said", CARRIED.values(), ids=CARRIED)
def test_words_that_a_model_carries_over_from_a_known_segment_go_with_their_page(open_system, gate, said, when, topics):
    """A model is shown known segments and asked to carry on their words; those may be a forgotten page's."""
    gate.holds = lambda body: "weather" in body
    gate.answer = lambda messages: _said_of_what_was_shown(messages, said)
    system = open_system(llm=ScriptedChatModel(otherwise=gate), **topics, **COLD)
    memory = system.memory("tom")
    secret = memory.add_memory(SECRET, "Oh dear.")
    memory.flush()
    memory.in_session("other").add_memory("The weather in Lyon is lovely today.", "Indeed.")
    flushing = threading.Thread(target=memory.flush)
    flushing.start()
    gate.wait()
    if when == "during the call":
        memory.forget(secret.id)
    gate.opened.set()
    flushing.join(TIMEOUT)
    if when == "afterwards":
        memory.forget(secret.id)

    assert placed(memory) == ["The weather in Lyon is lovely today."]
    assert "hepatitis" not in derived(memory)


def _said_of_what_was_shown(messages: Sequence[ChatMessage], said: str) -> str:
    """A model can only carry over what it is shown: once the page is forgotten it says nothing of it."""
    body = messages[-1].content
    return said if "weather" in body and "hepatitis" in body.lower() else reply(messages)


def test_a_meta_chain_holds_no_words_of_a_page_outside_its_chain(open_system):
    """Forgetting a page clears the meta chains of its chain; a model may mix in what the session said before."""
    said = {
        "pages": [
            {"page": "p1", "continues": False, "meta_chain": SECRET},
            {"page": "p2", "continues": False, "meta_chain": "The weather in Lyon is lovely."},
            {"page": "p3", "continues": True, "meta_chain": "The weather in Lyon after the hepatitis; rain tomorrow."},
        ],
        "topics": [
            {"pages": ["p1"], "segment": None, "keywords": ["hepatitis"], "summary": SECRET},
            {"pages": ["p2", "p3"], "segment": None, "keywords": ["lyon"], "summary": "The weather in Lyon is lovely."},
        ],
    }
    memory = open_system(llm=ScriptedChatModel([json.dumps(said)]), **MANY_TOPICS, **COLD).memory("tom")
    secret = memory.add_memory(SECRET, "Oh dear.")
    memory.add_memory("The weather in Lyon is lovely today.", "Indeed.")
    memory.add_memory("And tomorrow in Lyon?", "Rain tomorrow.")
    memory.flush()

    memory.forget(secret.id)

    assert "hepatitis" not in derived(memory)


# -- closing -----------------------------------------------------------------------------------


def test_closing_during_a_call_does_not_wait_for_the_model(held, gate, open_system, monkeypatch, caplog):
    """PATIENCE: the answer comes too late, changes nothing and is no failure; the next opening does the work once."""
    monkeypatch.setattr(worker_module, "PATIENCE", 0.02)
    first = held.system
    first.close()
    assert not gate.opened.is_set()  # it closed although nobody answered
    gate.opened.set()
    ended(first)
    assert caplog.records == []

    model = stand_in()
    memory = open_system(llm=model, **ONE_TOPIC, **HOT).memory("tom")
    assert memory.system.check() == []
    memory.flush()
    idle(memory.system)

    assert placed(memory) == learnt(memory) == love(*range(10))
    assert len(asked(model, CONSOLIDATION)) <= 1
    assert len(asked(model, PROMOTION)) == 1
    assert memory.status() == MemoryStatus(pending=0)
    assert memory.system.check() == []


def test_an_answer_to_the_system_before_changes_nothing_in_the_next(held, gate, open_system, monkeypatch, caplog):
    """Closed and opened again in one process while the call is still under way."""
    monkeypatch.setattr(worker_module, "PATIENCE", 0.02)
    first = held.system
    first.close()
    memory = open_system(llm=stand_in(), **ONE_TOPIC, **HOT).memory("tom")
    memory.flush()
    idle(memory.system)
    before = (memory.pages(), memory.segments(), memory.knowledge(history=True))
    gate.opened.set()
    ended(first)

    assert (memory.pages(), memory.segments(), memory.knowledge(history=True)) == before
    assert placed(memory) == learnt(memory) == love(*range(10))
    assert caplog.records == []
    assert memory.system.check() == []


def test_a_call_that_fails_after_closing_is_not_reported(held, gate, monkeypatch, caplog):
    """It is not tried again, as a warning would say; the next opening does it."""
    monkeypatch.setattr(worker_module, "PATIENCE", 0.02)

    def down(messages: Sequence[ChatMessage]) -> str:
        raise ChatModelError("the connection was closed")

    gate.answer = down
    held.system.close()
    gate.opened.set()
    ended(held.system)

    assert caplog.records == []


def test_a_flush_that_waits_for_the_model_when_the_system_is_closed_says_so(open_system, gate):
    """The caller of flush() is told; nobody else is."""
    system = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC)
    memory = system.memory("tom")
    say(memory, 0, 1)
    raised: list[Exception] = []

    def flush() -> None:
        try:
            memory.flush()
        except MemoryOSError as error:
            raised.append(error)

    flushing = threading.Thread(target=flush)
    flushing.start()
    gate.wait()
    system.close()
    gate.opened.set()
    flushing.join(TIMEOUT)

    assert list(map(type, raised)) == [ClosedError]
    assert open_system(**ONE_TOPIC).memory("tom").status().pending == 2


def test_work_goes_on_where_it_stood_after_closing(open_system, time, clock):
    """Design part 3: what is pending is derived from the store; the first use of a memory takes it up."""
    system = open_system(llm=stand_in(), **ONE_TOPIC, **HOT)
    say(system.memory("tom"), 0, 1, 2)
    say(system.memory("eve"), 3, 4)
    system.close()
    clock.advance(minutes=6)  # nobody has spoken for longer than model_delay

    model = stand_in()
    system = open_system(llm=model, **ONE_TOPIC, **HOT)
    idle(system)
    assert model.requests == []
    tom = system.memory("tom")
    assert placed(tom) in ([], love(0, 1, 2))
    idle(system)

    assert placed(tom) == learnt(tom) == love(0, 1, 2)
    assert len(asked(model, CONSOLIDATION)) == len(asked(model, PROMOTION)) == 1
    assert "number 3" not in str(model.requests)


# -- failures --------------------------------------------------------------------------------------


def test_the_status_tells_every_stage(open_system, gate, time, clock):
    """What waits, whether the background is at it, what went wrong and when it is tried again."""
    errors = [ChatModelError("the line is dead"), ConsolidationError("babble")]

    def answer(messages: Sequence[ChatMessage]) -> str:
        if errors:
            raise errors.pop(0)
        return reply(messages)

    first, second = errors
    gate.answer = answer
    system = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC, **HOT, **EVERYTHING)
    memory = system.memory("tom")
    assert memory.status() == MemoryStatus(pending=0)
    say(memory, *range(9))
    assert memory.status() == MemoryStatus(pending=9)
    say(memory, 9)
    gate.wait()
    assert memory.status() == MemoryStatus(pending=10, running=True)
    gate.opened.set()
    idle(system)
    failed = memory.status()
    assert failed == MemoryStatus(
        pending=10,
        failure=JobFailure(error=first, attempts=1, retry_in=1.0),
        next_try=clock() + timedelta(seconds=1),
    )
    assert (failed.failed, failed.why) == (1, "the line is dead")
    time.advance(system, 1.0)
    failed = memory.status()
    assert failed == MemoryStatus(
        pending=10,
        failure=JobFailure(error=second, attempts=2, retry_in=2.0),
        next_try=clock() + timedelta(seconds=2),
    )
    assert (failed.failed, failed.why) == (2, "babble")
    gate.opened.clear()
    gate.arrived.clear()
    gate.holds = lambda body: body.startswith(PROMOTION)
    with system._worker._changed:
        time.now += 2.0
        system._worker._changed.notify_all()
    gate.wait()
    promoting_now = memory.status()
    assert (promoting_now.pending, promoting_now.unpromoted, promoting_now.running) == (0, 10, True)
    gate.opened.set()
    idle(system)

    assert memory.status() == MemoryStatus(pending=0)
    assert (memory.status().failed, memory.status().why) == (0, "")


def test_a_model_that_is_down_for_one_user_stops_nobody_else(open_system, time):
    """One owner's backoff is not another's."""

    def answer(messages: Sequence[ChatMessage]) -> str:
        if "zebra" in messages[-1].content:
            raise ChatModelError("down")
        return reply(messages)

    system = open_system(llm=ScriptedChatModel(otherwise=answer), **ONE_TOPIC, **HOT, **EVERYTHING, workers=1)
    tom, eve = system.memory("tom"), system.memory("eve")
    for number in range(10):
        tom.add_memory(f"I love my zebra number {number}.", "Fine.")
    idle(system)
    say(eve, *range(10))
    idle(system)

    assert (tom.status().pending, tom.status().failed) == (10, 1)
    assert eve.status() == MemoryStatus(pending=0)
    assert placed(eve) == learnt(eve) == love(*range(10))


def test_a_model_that_hangs_for_one_user_leaves_a_thread_for_the_others(open_system, gate):
    """workers=2: one hanging call takes one of them."""
    gate.holds = lambda body: "zebra" in body
    system = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC, **COLD)
    tom, eve = system.memory("tom"), system.memory("eve")
    for number in range(10):
        tom.add_memory(f"I love my zebra number {number}.", "Fine.")
    gate.wait()
    say(eve, *range(10))
    eve.flush()

    assert tom.status() == MemoryStatus(pending=10, running=True)
    assert (eve.status().pending, placed(eve)) == (0, love(*range(10)))


@pytest.mark.parametrize("seconds", [17.0, 0.5, None], ids=str)
def test_a_server_that_asks_for_time_is_given_it(open_system, time, seconds):
    """Retry-After: not sooner than it asked for, and not sooner than our own backoff."""
    model = stand_in()
    model.enqueue(ChatModelError("busy", retry_after=seconds))
    system = open_system(llm=model, **ONE_TOPIC, **COLD)
    memory = system.memory("tom")
    say(memory, *range(10))
    idle(system)
    wait = max(1.0, seconds or 0.0)
    assert memory.status().failure.retry_in == wait
    time.advance(system, wait - 0.25)
    assert (len(model.requests), memory.status().pending) == (1, 10)

    time.advance(system, 0.25)

    assert (len(model.requests), memory.status()) == (2, MemoryStatus(pending=0))


def test_a_model_that_is_down_does_not_make_batches_smaller(open_system):
    """Only an answer that was of no use speaks against the pages; a dead line is not their fault."""
    model = ScriptedChatModel([ChatModelError("down")] * 6, otherwise=reply)
    memory = open_system(llm=model, **ONE_TOPIC, **COLD).memory("tom")
    say(memory, *range(9))

    assert flushed(memory) == 6
    assert placed(memory) == love(*range(9))
    assert len(model.requests) == 7


def test_a_bad_moment_of_the_model_does_not_make_batches_smaller(open_system):
    """One useless answer: the same batch again, whole."""
    model = ScriptedChatModel(["I am sorry."], otherwise=reply)
    memory = open_system(llm=model, **ONE_TOPIC, **COLD).memory("tom")
    say(memory, *range(9))

    assert flushed(memory) == 1
    assert len(model.requests) == 2
    assert placed(memory) == love(*range(9))


def refusing(word: str, kind: str = "", how: str = "refusal") -> ScriptedChatModel:
    """A model that refuses, or babbles, whenever a word stands in a request."""

    def answer(messages: Sequence[ChatMessage]) -> str:
        body = messages[-1].content
        if word not in body or not body.startswith(kind):
            return reply(messages)
        if how == "refusal":
            raise ReplyRefused("declined")
        return "I cannot help with that."

    return ScriptedChatModel(otherwise=answer)


@pytest.mark.parametrize("how", ["refusal", "babble"])
@pytest.mark.parametrize("place", [0, 13, 29])
@pytest.mark.parametrize("sessions", [30, 1], ids=["a session each", "one session"])
def test_a_page_that_is_always_refused_ends_up_alone(open_system, how, place, sessions):
    """Nothing else waits for it: the other 29 pages are consolidated, in a bounded number of calls."""
    model = refusing("zebra", how=how)
    system = open_system(llm=model, **ONE_TOPIC, **COLD)
    memory = system.memory("tom")
    for number in range(30):
        animal = "zebra" if number == place else "canoe"
        memory.in_session(f"session {number % sessions}").add_memory(f"I love my {animal} number {number}.", "Fine.")
    flushed(memory, most=12)

    assert [page.user_input for page in memory.pages(Tier.PENDING)] == [f"I love my zebra number {place}."]
    assert placed(memory) == love(*(number for number in range(30) if number != place))
    assert len(model.requests) <= 30
    assert system.check() == []


def test_a_flush_promotes_although_a_page_is_refused(open_system):
    """flush() raises what went wrong, and has done what could be done."""
    system = open_system(llm=refusing("zebra"), **ONE_TOPIC, **HOT)
    memory = system.memory("tom")
    memory.in_session("other").add_memory("I love my zebra.", "Fine.")
    say(memory, *range(5))
    flushed(memory, most=10)

    assert (memory.status().pending, memory.status().unpromoted) == (1, 0)
    assert learnt(memory) == love(*range(5))


def test_a_refused_page_does_not_keep_hot_segments_from_promotion(open_system, time):
    """In the background: consolidation fails at every try, and what is hot is promoted all the same."""
    model = refusing("zebra")
    system = open_system(llm=model, **ONE_TOPIC, heat_threshold=11.5, **AT_ONCE)
    memory = system.memory("tom")
    say(memory, *range(10))
    idle(system)
    memory.in_session("other").add_memory("I love my zebra.", "Fine.")
    idle(system)
    memory.retrieve_memory("canoe number 3", top_k=1)
    for _ in range(5):
        time.advance(system, 3600.0)

    assert (memory.status().pending, memory.status().unpromoted) == (1, 0)
    assert learnt(memory) == love(*range(10))


def test_in_the_background_too_a_refused_page_keeps_nothing_else_waiting(open_system, time):
    """The backoff goes on meanwhile; the pages that are no longer suspected are consolidated at each try."""
    model = refusing("zebra", CONSOLIDATION)
    system = open_system(llm=model, **ONE_TOPIC, **COLD)
    memory = system.memory("tom")
    for number in range(20):
        animal = "zebra" if number == 3 else "canoe"
        memory.in_session(f"session {number}").add_memory(f"I love my {animal} number {number}.", "Fine.")
    idle(system)
    for _ in range(12):
        time.advance(system, 3600.0)

    assert sorted(placed(memory)) == sorted(love(*(number for number in range(20) if number != 3)))
    assert memory.status().pending == 1
    assert memory.status().why == "declined"


@pytest.mark.parametrize("how", ["refusal", "babble"])
@pytest.mark.parametrize("topics", [ONE_TOPIC, MANY_TOPICS], ids=["one segment", "many segments"])
def test_a_page_whose_promotion_is_always_refused_keeps_no_other_waiting(open_system, how, topics):
    """The same for hot segments: they are read in smaller parts, and in the end all others are learnt from."""
    model = refusing("number 7.", PROMOTION, how)
    system = open_system(llm=model, **topics, **HOT)
    memory = system.memory("tom")
    say(memory, *range(25))
    flushed(memory, most=30)

    assert (memory.status().pending, memory.status().unpromoted) == (0, 1)
    assert sorted(learnt(memory)) == sorted(love(*(number for number in range(25) if number != 7)))
    assert len(asked(model, PROMOTION)) <= 75
    assert system.check() == []


def test_three_refused_hot_segments_do_not_hide_the_others(open_system):
    """A run gives up after three failures; what never failed goes first the next time."""

    def answer(messages: Sequence[ChatMessage]) -> str:
        body = messages[-1].content
        if body.startswith(PROMOTION) and any(f"number {number}." in body for number in range(4)):
            raise ReplyRefused("declined")
        return reply(messages)

    system = open_system(llm=ScriptedChatModel(otherwise=answer), **MANY_TOPICS, **HOT)
    memory = system.memory("tom")
    say(memory, *range(40))
    flushed(memory, most=20)

    assert memory.status().unpromoted == 4
    assert sorted(learnt(memory)) == sorted(love(*range(4, 40)))


# -- progress ----------------------------------------------------------------------------------------


def test_a_flush_shows_a_bar_if_it_is_asked_to(open_system, capsys):
    """Worth it after a long import: how many pages are consolidated."""
    memory = open_system(llm=stand_in(), **ONE_TOPIC, **COLD).memory("tom")
    memory.import_turns([{"user_input": text} for text in love(*range(9))])
    memory.flush(progress=True)
    shown = capsys.readouterr()

    assert shown.out == ""
    assert "consolidating pages: 100%" in shown.err
    assert "9/9" in shown.err


def test_a_flush_says_nothing_if_it_is_not_asked_to(open_system, capsys):
    memory = open_system(llm=stand_in(), **ONE_TOPIC, **COLD).memory("tom")
    say(memory, *range(9))
    memory.flush()

    assert tuple(capsys.readouterr()) == ("", "")


def test_a_bar_ends_where_the_work_failed(open_system, capsys):
    """What went wrong is raised, and the bar stands at what was done."""
    model = ScriptedChatModel(otherwise=reply)
    memory = open_system(llm=model, **ONE_TOPIC, **COLD).memory("tom")
    memory.import_turns([{"user_input": text} for text in love(*range(9))])
    model.enqueue(ChatModelError("down"))
    with pytest.raises(ChatModelError, match="down"):
        memory.flush(progress=True)

    assert "0/9" in capsys.readouterr().err


def test_a_bar_counts_no_page_twice_that_was_read_again(open_system, gate, capsys):
    """A page went during the call, so its batch was asked about again: eight of nine are done, not seventeen."""
    memory = open_system(llm=ScriptedChatModel(otherwise=gate), **ONE_TOPIC, **COLD, model_delay=3600.0).memory("tom")
    pages = say(memory, *range(9))
    flushing = threading.Thread(target=memory.flush, kwargs={"progress": True})
    flushing.start()
    gate.wait()
    memory.forget(pages[4].id)
    gate.opened.set()
    flushing.join(TIMEOUT)

    assert not flushing.is_alive()
    assert placed(memory) == love(*(number for number in range(9) if number != 4))
    assert "8/9" in capsys.readouterr().err.rpartition("consolidating")[2]


# -- many at once ----------------------------------------------------------------------------------------


def test_eight_users_at_once_lose_nothing_and_share_nothing(open_system):
    """Invariants 1 and 2 with a model of some latency."""
    model = stand_in(latency=0.02)
    system = open_system(llm=model, **ONE_TOPIC, **HOT, workers=4)
    memories = [system.memory(f"user {user}") for user in range(8)]
    spoken = [[f"I love my canoe number {user * 1000 + n}." for n in range(15)] for user in range(8)]
    together = threading.Barrier(8)
    failures: list[BaseException] = []

    def live(memory: UserMemory, texts: Sequence[str]) -> None:
        try:
            together.wait(TIMEOUT)
            for text in texts:
                memory.add_memory(text, "Fine.")
            memory.flush()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=live, args=pair) for pair in zip(memories, spoken, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    idle(system)

    assert failures == []
    assert [memory.status() for memory in memories] == [MemoryStatus(pending=0)] * 8
    assert [placed(memory) for memory in memories] == spoken
    assert [sorted(learnt(memory)) for memory in memories] == list(map(sorted, spoken))
    for memory in memories:
        own = {page.id for page in memory.pages()}
        assert own.issuperset(key for entry in memory.knowledge() for key in entry.source_page_ids)
    assert {entry.kind for memory in memories for entry in memory.knowledge()} == {KnowledgeKind.USER_KNOWLEDGE}
    assert system.check() == []


def test_pages_that_say_nothing_are_consolidated_and_paid_for_once(open_system):
    """An honest model has nothing to say of an emoji."""
    model = ScriptedChatModel(['{"pages": [], "topics": []}'])
    memory = open_system(llm=model, short_term_capacity=1, **COLD).memory("tom")
    for emoji in ("👍", "🎉", "❤️"):
        memory.add_memory(emoji)
    memory.flush()

    assert (memory.status().pending, len(model.requests)) == (0, 1)


def test_a_reply_nested_too_deeply_is_an_unusable_reply(open_system):
    """Nothing but our own errors comes of what a model says."""
    nested = '{"a":' * 700 + "1" + "}" * 700
    model = ScriptedChatModel(['{"pages": [{"page": "p1", "x": ' + nested + '}], "topics": []}'])
    memory = open_system(llm=model, short_term_capacity=1, **COLD).memory("tom")
    memory.add_memory("I planted tomatoes in the garden.")
    with pytest.raises(ConsolidationError):
        memory.flush()

    assert memory.status().pending == 1


def test_the_status_quotes_no_foreign_error(open_system):
    """An embedder of anybody's may put the text it was given into its error."""

    memory = open_system(llm=stand_in(), short_term_capacity=1, **COLD).memory("tom")
    memory.add_memory("My secret is a canoe.")
    system = memory.system
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(system.updater, "consolidate", lambda *args, **options: {}["My secret is a canoe."])
        with pytest.raises(KeyError):
            memory.flush()

    assert memory.status().why == "it ended with KeyError"


def test_leaving_a_memory_because_of_an_error_does_not_hide_it(open_system):
    """The background does it later; the caller's own error is what counts."""
    memory = open_system(llm=ScriptedChatModel(), short_term_capacity=1, **COLD).memory("tom")
    with pytest.raises(LookupError, match="mine"), memory:
        memory.add_memory("I planted tomatoes.")
        raise LookupError("mine")

    assert memory.status().pending == 1


def test_a_page_forgotten_just_before_its_batch_is_put_together_is_left_out(open_system):
    """It was pending when the work began; what is asked about is looked up again."""
    model = stand_in()
    memory = open_system(llm=model, short_term_capacity=1, **COLD).memory("tom")
    gone, kept = say(memory, 0, 1)
    updater = memory.system.updater
    pending = updater.pending

    def forgetting(resident):
        found = pending(resident)
        if gone in found:
            updater.forget(resident, gone.id)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updater, "pending", forgetting)
        memory.system.flush(memory.owner, step=lambda pages: None)

    assert [page.id for page in memory.pages()] == [kept.id]
    assert "number 0" not in str(model.requests)
    assert memory.status().pending == 0
