"""Memory with a model behind HTTP, end to end: a server on loopback that answers as the stand-in does, or badly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import (
    ChatMessage,
    ChatModelError,
    MemoryOS,
    Memoryos,
    MemoryOSError,
    OpenAIChatModel,
    UserMemory,
)
from memoryos_engine import adding as adding_module
from memoryos_engine import background as background_module
from memoryos_engine import trouble as trouble_module
from memoryos_engine import worker as worker_module
from memoryos_engine.errors import ConsolidationError, ReplyRefused
from memoryos_engine.evaluation.stand_in import reply
from memoryos_engine.status import MemoryStatus
from tests.loopback import FORMATS, Answer, Body, ChatServer, Cut, Held, Said, chat_server, failing

TIMEOUT = 10.0
KEY = "sk-hunter2"
ONE_TOPIC = {"short_term_capacity": 1, "similarity_threshold": -1.0, "heat_threshold": 0.0, "model_delay": 0.0}
"""Every page is pending as soon as it was said, joins the one segment, and is promoted after it."""
SENTENCE = "I answer from what I remember."


def messages_of(request: dict[str, Any]) -> list[ChatMessage]:
    return [ChatMessage(role=each["role"], content=each["content"]) for each in request["messages"]]


def stand_in(request: dict[str, Any]) -> str:
    return reply(messages_of(request))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with chat_server() as running:
        running.respond = stand_in
        yield running


@pytest.fixture
def open_memory(open_system: Callable[..., MemoryOS], server: ChatServer) -> Callable[..., UserMemory]:
    """Open Tom's memory with a model that speaks with the server, without retries of the client unless asked for."""

    def opening(*, path: Path | None = None, model: dict[str, Any] | None = None, **options: Any) -> UserMemory:
        llm = OpenAIChatModel("m", **{"api_key": KEY, "base_url": server.url, "max_retries": 0, **(model or {})})
        return open_system(path=path, llm=llm, **{**ONE_TOPIC, **options}).memory("tom")

    return opening


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


def love(*numbers: int) -> list[str]:
    return [f"I love my canoe number {number}." for number in numbers]


def say(memory: UserMemory, *numbers: int) -> None:
    for text in love(*numbers):
        memory.add_memory(text, "Fine.")


def outcome(memory: UserMemory) -> tuple[list[str], list[str], list[str]]:
    """What is consolidated, what its segments say, and what was learnt."""
    placed = [page.user_input for page in memory.pages() if page.segment_id]
    return placed, [segment.summary for segment in memory.segments()], [entry.text for entry in memory.knowledge()]


# -- how endpoints differ ---------------------------------------------------------------------


def thinking(request: dict[str, Any]) -> str:
    return f'<think>The user wants JSON. Perhaps {{"pages": []}}?\nNo.</think>\n\n{stand_in(request)}'


def fenced(request: dict[str, Any]) -> str:
    return f"Here it is:\n```json\n{stand_in(request)}\n```\nAnything else?"


PERSONALITIES: dict[str, tuple[frozenset[str], Callable[[dict[str, Any]], Answer], list[str | None]]] = {
    "knows schemas": (FORMATS, stand_in, ["json_schema", "json_schema"]),
    "knows JSON mode": (frozenset({"json_object"}), stand_in, ["json_schema", "json_object", "json_object"]),
    "knows neither": (frozenset(), stand_in, ["json_schema", "json_object", None, None]),
    "ignores the format": (FORMATS, fenced, ["json_schema", "json_schema"]),
    "thinks aloud": (FORMATS, thinking, ["json_schema", "json_schema"]),
    "thinks aloud and knows no format": (frozenset(), thinking, ["json_schema", "json_object", None, None]),
}


@pytest.mark.parametrize(("formats", "respond", "asked"), PERSONALITIES.values(), ids=PERSONALITIES)
def test_every_kind_of_endpoint_gives_the_same_memory(
    open_memory, open_system, server, tmp_path, formats, respond, asked
):
    """What an endpoint knows of structured output is found out once; the memory does not depend on it."""
    from memoryos_engine.evaluation.stand_in import stand_in as model_without_a_server

    server.formats, server.respond = formats, respond
    memory = open_memory()
    say(memory, *range(8))
    memory.flush()
    near = open_system(path=tmp_path / "near", llm=model_without_a_server(), **ONE_TOPIC).memory("tom")
    say(near, *range(8))
    near.flush()

    assert outcome(memory) == outcome(near)
    assert outcome(memory)[2] == love(*range(8))
    assert server.formats_asked() == asked
    assert memory.status() == MemoryStatus(pending=0)
    assert memory.system.check() == []


def test_what_an_endpoint_refuses_is_asked_once(open_memory, server):
    """Later batches go straight to the format that was taken."""
    server.formats = frozenset()
    memory = open_memory(heat_threshold=1e9)
    for start in (0, 5, 9):
        say(memory, start, start + 1)
        memory.flush()

    assert server.formats_asked() == ["json_schema", "json_object", None, None, None]


# -- calls are counted --------------------------------------------------------------------------


def test_adding_and_finding_ask_the_model_nothing_and_an_answer_asks_once(open_memory, server):
    """Invariant 4; get_response is one call."""
    memory = open_memory(model_delay=3600.0)
    say(memory, *range(5))
    assert server.requests == []
    memory.retrieve_memory("canoe number 3")
    memory.get_user_profile()
    assert server.requests == []

    assert memory.get_response("Which canoe?") == SENTENCE

    assert len(server.requests) == 1
    assert "response_format" not in server.requests[0]
    assert (memory.system.llm.usage.calls, server.keys) == (1, [f"Bearer {KEY}"])


def test_ten_pages_cost_one_call_and_what_is_hot_another(open_memory, server):
    """Design part 3: one structured call per batch, one for the hot segments."""
    memory = open_memory()
    say(memory, *range(9))
    memory.flush()

    assert len(server.requests) == 2
    assert memory.system.llm.usage.calls == 2


# -- answers ------------------------------------------------------------------------------------------


def test_an_answer_is_remembered_with_its_question(open_memory, server):
    server.respond = lambda request: "<think>Canoes, then.</think>Your canoe is red."
    memory = open_memory()

    assert memory.get_response("What colour is my canoe?") == "Your canoe is red."

    turns = [(page.user_input, page.agent_response) for page in memory.pages()]
    assert turns == [("What colour is my canoe?", "Your canoe is red.")]


def test_a_streamed_answer_is_remembered_when_it_is_whole(open_memory, server):
    server.respond = lambda request: Said(pieces=("<think>Canoes", ", then.</think>", "Your canoe ", "is red."))
    memory = open_memory()
    pieces = memory.stream_response("What colour is my canoe?")
    said = [next(pieces)]
    assert memory.pages() == []
    said += pieces

    assert "".join(said) == "Your canoe is red."
    assert [page.agent_response for page in memory.pages()] == ["Your canoe is red."]


def test_an_answer_that_is_not_heard_to_its_end_is_not_remembered(open_memory, server):
    """Closing the iterator ends the request."""
    server.respond = lambda request: Said(pieces=("Your canoe ", "is red."), held_after=1)
    memory = open_memory()
    pieces = memory.stream_response("What colour is my canoe?")
    assert next(pieces) == "Your canoe "
    pieces.close()

    assert memory.pages() == []


BROKEN_STREAMS: dict[str, Answer] = {
    "cut between events": Cut(events=2),
    "ended without its end": Cut(events=2, politely=True),
    "cut at once": Cut(),
    "a refusal": Said(refusal="I will not."),
    "nothing": Said(text=""),
    "a server that fails": failing(500),
    "a page of a proxy": Body(text="<html>Welcome</html>", content_type="text/html"),
}


@pytest.mark.parametrize("answer", BROKEN_STREAMS.values(), ids=BROKEN_STREAMS)
def test_an_answer_that_breaks_off_is_an_error_and_not_remembered(open_memory, server, answer):
    """Invariant 3: a failure never becomes memory."""
    server.faults.append(answer)
    memory = open_memory()
    with pytest.raises(ChatModelError):
        list(memory.stream_response("What colour is my canoe?"))

    assert memory.pages() == []
    assert "".join(memory.stream_response("What colour is my canoe?")) == SENTENCE
    assert len(memory.pages()) == 1


# -- a server in trouble, in the middle of background work ------------------------------------------------


FAULTS: dict[str, tuple[Answer, type[MemoryOSError]]] = {
    "busy": (failing(429, retry_after="17"), ChatModelError),
    "failing": (failing(500), ChatModelError),
    "overloaded": (failing(503), ChatModelError),
    "a wrong key": (failing(401), ChatModelError),
    "cut before the answer": (Cut(), ChatModelError),
    "cut within the answer": (Cut(in_body=True), ChatModelError),
    "a refusal": (Said(refusal="I will not."), ReplyRefused),
    "withheld by a filter": (Said(text="", finish_reason="content_filter"), ReplyRefused),
    "cut at its limit of tokens": (Said(text='{"pages": [', finish_reason="length"), ChatModelError),
    "nothing": (Said(text=""), ChatModelError),
    "no choices": (Said(has_choices=False), ChatModelError),
    "a page of a proxy": (Body(text="<html>Welcome</html>", content_type="text/html"), ChatModelError),
    "a page in place of an answer": (Said(text="<html><body>502 Bad Gateway</body></html>"), ConsolidationError),
    "an apology": (Said(text="I'm sorry, but I can't help with that."), ConsolidationError),
    "half a reply": (Said(text='{"pages": [{"page": "p1"'), ConsolidationError),
    "an empty object": (Said(text="{}"), ConsolidationError),
}


@pytest.mark.parametrize("stage", [0, 1], ids=["consolidation", "promotion"])
@pytest.mark.parametrize(("fault", "kind"), FAULTS.values(), ids=FAULTS)
def test_pages_wait_for_a_server_in_trouble_and_are_worked_on_once(open_memory, server, time, fault, kind, stage):
    """Invariant 3: nothing is stored of a failure, nothing marked as done, and nothing done twice."""
    answers: list[Callable[[dict[str, Any]], Answer]] = [stand_in] * stage + [lambda request: fault]
    server.respond = lambda request: (answers.pop(0) if answers else stand_in)(request)
    memory = open_memory()
    say(memory, *range(10))
    idle(memory.system)
    status = memory.status()
    assert (status.pending, status.unpromoted) == ((10, 0) if stage == 0 else (0, 10))
    assert (type(status.failure.error), status.failed) == (kind, 1)
    assert outcome(memory)[2] == []
    assert "I love" not in status.why
    assert KEY not in status.why
    assert len(memory.retrieve_memory("canoe number 3").pages) == 10

    time.advance(memory.system, status.failure.retry_in)

    assert memory.status() == MemoryStatus(pending=0)
    assert outcome(memory)[0] == outcome(memory)[2] == love(*range(10))
    assert (len(memory.segments()), len(server.requests)) == (1, 3)
    assert memory.system.check() == []


def test_a_server_that_does_not_answer_in_time_is_asked_again(open_memory, server, time):
    """timeout: seconds for each attempt; a hanging server must not hold a thread for ever."""
    server.faults.append(Held())
    memory = open_memory(model={"timeout": 0.05})
    say(memory, *range(10))
    idle(memory.system)
    assert (memory.status().pending, memory.status().failed) == (10, 1)
    assert "APITimeoutError" in memory.status().why
    server.release()

    memory.system.llm._client.timeout = TIMEOUT
    time.advance(memory.system, 1.0)

    assert memory.status() == MemoryStatus(pending=0)
    assert outcome(memory)[0] == outcome(memory)[2] == love(*range(10))


def test_a_server_that_asks_for_time_is_not_asked_before(open_memory, server, time):
    """Retry-After, from the header to the worker."""
    server.faults.append(failing(429, retry_after="17"))
    memory = open_memory()
    say(memory, *range(10))
    idle(memory.system)
    assert memory.status().failure.retry_in == 17.0
    time.advance(memory.system, 16.5)
    assert len(server.requests) == 1

    time.advance(memory.system, 0.5)

    assert memory.status() == MemoryStatus(pending=0)


def test_the_client_rides_out_a_short_trouble_on_its_own(open_memory, server):
    """max_retries: what passes within a call is no failure of the background."""
    server.faults.extend([failing(500), failing(429), failing(503)])
    memory = open_memory(model={"max_retries": 3})
    say(memory, 0, 1)
    memory.flush()

    assert memory.status() == MemoryStatus(pending=0)
    assert outcome(memory)[0] == love(0, 1)


def test_a_long_trouble_loses_nothing(open_memory, server, time):
    """The backoff grows, users go on talking, and when the server is back everything is done once."""
    memory = open_memory()
    faults = [failing(500), Cut(), Said(refusal="no"), failing(429, retry_after="30"), Said(text="<html>")]
    server.faults.extend(faults)
    said = 0
    while server.faults:
        say(memory, *range(said, said + 10))
        said += 10
        idle(memory.system)
        if failure := memory.status().failure:
            time.advance(memory.system, failure.retry_in)
    while failure := memory.status().failure:
        time.advance(memory.system, failure.retry_in)
    memory.flush()

    assert memory.status() == MemoryStatus(pending=0)
    assert outcome(memory)[0] == love(*range(said))
    assert sorted(outcome(memory)[2]) == sorted(love(*range(said)))
    assert memory.system.check() == []


def test_a_server_that_was_down_until_the_end_is_asked_by_the_next_opening(open_memory, server):
    """What is pending is derived from the store."""
    server.faults.append(failing(500))
    memory = open_memory()
    say(memory, 0, 1, 2)
    with pytest.raises(ChatModelError):
        memory.flush()
    memory.system.close()

    memory = open_memory()
    memory.flush()

    assert outcome(memory)[0] == outcome(memory)[2] == love(0, 1, 2)


# -- by name, and behind the seed's constructor ----------------------------------------------------------


def test_a_model_can_be_named(open_system, server, monkeypatch):
    """MemoryOS(llm="gpt-4o-mini"): key and address come from the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    memory = open_system(llm="gpt-4o-mini", **ONE_TOPIC).memory("tom")
    say(memory, 0, 1)
    memory.flush()

    assert memory.get_response("Which canoe?") == SENTENCE
    assert [request["model"] for request in server.requests[:3]] == ["gpt-4o-mini"] * 3
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert outcome(memory)[2] == love(0, 1)


def test_a_named_model_of_openai_is_asked_there(open_system, server, monkeypatch):
    """Without OPENAI_BASE_URL; nothing is sent here."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    system = open_system(llm="gpt-4o-mini")

    assert str(system.llm._client.base_url) == "https://api.openai.com/v1/"


def seed(tmp_path: Path, **options: Any) -> Memoryos:
    return Memoryos("tom", data_storage_path=tmp_path / "seed", openai_api_key=KEY, **options)


def test_the_seeds_constructor_reads_and_answers_with_a_model(server, tmp_path):
    """seeds/: openai_api_key, openai_base_url and llm_model are all it takes."""
    options = {"short_term_capacity": 1, "mid_term_heat_threshold": 0.0, "mid_term_similarity_threshold": -1.0}
    with seed(tmp_path, openai_base_url=server.url, llm_model="some-model", **options) as memo:
        for text in love(0, 1, 2):
            memo.add_memory(text, "Fine.")
        assert server.requests == []
        memo.flush()
        assert outcome(memo.memory)[0] == outcome(memo.memory)[2] == love(0, 1, 2)

        assert memo.get_response("Which canoe?") == SENTENCE

        assert [page.agent_response for page in memo.memory.pages()] == ["Fine."] * 3 + [SENTENCE]
    assert {request["model"] for request in server.requests} == {"some-model"}
    assert set(server.keys) == {f"Bearer {KEY}"}


@pytest.mark.parametrize("address", ["", None], ids=["empty", "left out"])
def test_an_empty_address_of_the_seed_is_openais_own(server, tmp_path, address):
    """The seed document prints openai_base_url=""."""
    with seed(tmp_path, openai_base_url=address) as memo:
        assert str(memo.system.llm._client.base_url) == "https://api.openai.com/v1/"
