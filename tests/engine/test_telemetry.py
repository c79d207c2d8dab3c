"""Spans and events: counts and sizes, names of errors, and never a word of anybody."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from memoryos_engine import EventName, ManualClock, MemoryEvent, MemoryOS, MemorySettings, Owner, ScriptedChatModel
from memoryos_engine import telemetry as telemetry_module
from memoryos_engine.errors import ChatModelError, ConsolidationError, InvalidInput, NotFound
from memoryos_engine.events import Listener, note_reloaded
from memoryos_engine.telemetry import memory_name
from tests.engine.fakes import TagAnalyst, TagEmbedder

NOON = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
TOM = Owner(user_id="tom", assistant_id="assistant")
TIMEOUT = 10.0


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What an SDK in the program would export."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(telemetry_module, "_tracer", provider.get_tracer("memoryos"))
    return memory


def spans(exporter: InMemorySpanExporter) -> list[tuple[str, dict[str, Any]]]:
    """Names and attributes of the spans that ended, in that order; forgotten here."""
    found = [(span.name, dict(span.attributes)) for span in exporter.get_finished_spans()]
    assert all(span.events == () and span.links == () for span in exporter.get_finished_spans())
    exporter.clear()
    return found


def attributes(exporter: InMemorySpanExporter, name: str) -> dict[str, Any]:
    (only,) = [values for each, values in spans(exporter) if each == name]
    return only


MEMORY = {"memoryos.memory": memory_name(TOM)}


def test_adding_is_a_span_with_pages_and_bytes(system, exporter):
    system.memory("tom").add_memory("Grüße", "ok")

    assert spans(exporter) == [("memoryos.add", {**MEMORY, "memoryos.pages": 1, "memoryos.bytes": 10})]


def test_an_answer_is_one_span_whether_it_joins_a_page_or_not(system, exporter):
    memory = system.memory("tom")
    memory.add_memory("one")
    memory.add_response("ok")
    memory.add_response("ok")

    assert [name for name, _ in spans(exporter)] == ["memoryos.add"] * 3


def test_finding_is_a_span_with_what_was_found_where(open_system, exporter):
    memory = open_system(short_term_capacity=2).memory("tom")
    for word in ("canoe", "boat", "ship"):
        memory.add_memory(f"I love my {word}.", "Fine.")
    memory.flush()
    spans(exporter)
    found = memory.retrieve_memory("canoe", top_k=3, deep=False)

    assert attributes(exporter, "memoryos.retrieve") == {
        **MEMORY,
        "gen_ai.operation.name": "retrieval",
        "memoryos.mode": "hierarchical",
        "memoryos.deep": False,
        "memoryos.top_k": 3,
        "memoryos.query_bytes": 5,
        "memoryos.pages": len(found.pages),
        "memoryos.pages.segment": len(found.pages),
        "memoryos.short_term": len(found.short_term),
        "memoryos.user_knowledge": len(found.user_knowledge),
        "memoryos.assistant_knowledge": 0,
    }
    assert len(found.pages) == 2


@pytest.mark.parametrize("ask", ["get_response", "stream_response"])
def test_an_answer_of_a_model_is_a_span_around_finding_and_adding(open_system, exporter, ask):
    memory = open_system(llm=ScriptedChatModel(["Hello."])).memory("tom")
    answer = getattr(memory, ask)("Hi.")
    assert "".join(answer) == "Hello."
    ended = exporter.get_finished_spans()
    (respond,) = [span for span in ended if span.name == "memoryos.respond"]

    assert dict(respond.attributes) == {
        **MEMORY,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "scripted",
    }
    children = [span.name for span in ended if span.parent and span.parent.span_id == respond.context.span_id]
    assert children == ["memoryos.retrieve", "memoryos.add"]
    assert respond.status.status_code is StatusCode.UNSET


def test_a_stream_that_is_not_heard_to_the_end_ends_its_span(open_system, exporter):
    memory = open_system(llm=ScriptedChatModel(["Hello."])).memory("tom")
    pieces = memory.stream_response("Hi.")
    next(pieces)
    pieces.close()

    assert [name for name, _ in spans(exporter)] == ["memoryos.retrieve", "memoryos.respond"]


@pytest.mark.parametrize("ask", ["get_response", "stream_response"])
def test_of_an_error_the_type_is_told_and_no_message(open_system, exporter, ask):
    memory = open_system(llm=ScriptedChatModel([ChatModelError("said: my secret")])).memory("tom")
    with pytest.raises(ChatModelError):
        list(getattr(memory, ask)("Hi."))
    (span,) = [each for each in exporter.get_finished_spans() if each.name == "memoryos.respond"]

    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ChatModelError")
    assert span.attributes["error.type"] == "ChatModelError"
    assert span.events == ()
    assert "secret" not in span.to_json()


def test_background_steps_are_spans_inside_the_flush(open_system, exporter):
    system = open_system(
        embedder=TagEmbedder(), analyst=TagAnalyst(eager=False), short_term_capacity=1, heat_threshold=0.0
    )
    memory = system.memory("tom")
    memory.add_memory("home=Leeds #home")
    memory.add_memory("bye #bye")
    spans(exporter)
    memory.flush()

    assert spans(exporter) == [
        ("memoryos.consolidate", {**MEMORY, "memoryos.pages": 2}),
        ("memoryos.promote", {**MEMORY, "memoryos.segments": 2, "memoryos.pages": 2}),
        ("memoryos.flush", MEMORY),
    ]


def test_deleting_and_moving_out_and_in_are_spans(open_system, tmp_path, exporter):
    system = open_system()
    memory = system.memory("tom")
    first, _ = memory.add_memory("one"), memory.add_memory("two")
    spans(exporter)
    memory.forget(first.id)
    memory.export(tmp_path / "tom.jsonl")
    memory.purge()
    system.import_memory(tmp_path / "tom.jsonl")
    memory.forget_session()

    assert spans(exporter) == [
        ("memoryos.forget", {**MEMORY, "memoryos.pages": 1}),
        ("memoryos.export", {**MEMORY, "memoryos.records": 1}),
        ("memoryos.purge", {**MEMORY, "memoryos.pages": 1}),
        ("memoryos.import", {**MEMORY, "memoryos.records": 1, "memoryos.pages": 1}),
        ("memoryos.forget", {**MEMORY, "memoryos.pages": 1}),
    ]


def test_an_error_of_the_caller_is_told_too(system, exporter):
    with pytest.raises(NotFound):
        system.memory("tom").forget("page_my_secret")

    assert spans(exporter) == [("memoryos.forget", {**MEMORY, "error.type": "NotFound"})]


def test_spans_are_children_of_what_the_program_traces(system, exporter):
    with telemetry_module._tracer.start_as_current_span("request") as request:
        system.memory("tom").add_memory("one")
        inside = exporter.get_finished_spans()[0].parent.span_id

    assert inside == request.get_span_context().span_id


def test_a_program_with_an_sdk_gets_spans_and_one_without_nothing(tmp_path):
    """The wiring, in a process whose global provider is its own."""
    setup = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
"""
    use = """
from memoryos_engine import MemoryOS
{late}
with MemoryOS({path!r}) as system:
    system.memory("tom").add_memory("one")
print([span.name for span in exporter.get_finished_spans()])
"""
    for number, (early, late, expected) in enumerate(
        (
            ("trace.set_tracer_provider(provider)", "", "['memoryos.add']"),
            ("", "trace.set_tracer_provider(provider)", "['memoryos.add']"),
            ("", "", "[]"),
        )
    ):
        code = setup + early + use.format(late=late, path=str(tmp_path / str(number)))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == expected


# -- events --------------------------------------------------------------------------------


Told = Callable[..., tuple[MemoryOS, list[MemoryEvent]]]


@pytest.fixture
def open_told(open_system, tmp_path, clock: ManualClock):
    """Open a system that tells its events to a list."""
    opened: list[MemoryOS] = []

    def opening(**options: Any) -> tuple[MemoryOS, list[MemoryEvent]]:
        events: list[MemoryEvent] = []
        parts = {key: options.pop(key) for key in ("llm", "embedder", "analyst", "on_event") if key in options}
        parts.setdefault("on_event", events.append)
        given = MemorySettings(**{"consolidation_delay": 3600.0, **options})
        opened.append(MemoryOS(tmp_path / f"told {len(opened)}", settings=given, clock=clock, **parts))
        return opened[-1], events

    yield opening
    for system in opened:
        system.close()


def short(events: list[MemoryEvent]) -> list[tuple[str, dict[str, int]]]:
    """Names and counts of what was told; forgotten here."""
    found = [(event.name.value, dict(event.counts)) for event in events]
    assert {event.memory for event in events} <= {memory_name(TOM)}
    events.clear()
    return found


TAGGED: dict[str, Any] = {"short_term_capacity": 1, "heat_threshold": 0.0}


def test_what_happens_to_a_memory_is_told(open_told, clock, tmp_path):
    system, events = open_told(embedder=TagEmbedder(), analyst=TagAnalyst(), **TAGGED)
    memory = system.memory("tom")
    page = memory.add_memory("home=Leeds #home")
    assert events == [
        MemoryEvent(name=EventName.PAGES_ADDED, at=NOON, memory=memory_name(TOM), counts={"pages": 1}, error="")
    ]
    memory.import_turns([{"user_input": "bye #bye"}, {"user_input": "oh #oh"}])
    assert short(events)[1:] == [("pages_added", {"pages": 2})]

    memory.flush()
    assert short(events) == [
        ("consolidated", {"pages": 3, "segments": 3}),
        ("promoted", {"pages": 3, "entries": 3}),
    ]

    memory.forget(page.id)
    assert short(events) == [("forgotten", {"pages": 1, "segments": 1, "entries": 1})]
    memory.export(tmp_path / "tom.jsonl")
    memory.purge()
    assert short(events) == [("purged", {"pages": 2})]
    system.import_memory(tmp_path / "tom.jsonl")
    ((name, counts),) = short(events)
    assert (name, counts["pages"]) == ("imported", 2)


def test_segments_that_leave_and_come_back_are_told(open_told):
    system, events = open_told(embedder=TagEmbedder(), analyst=TagAnalyst(), mid_term_capacity=1, **TAGGED)
    memory = system.memory("tom")
    for line in ("owl #owl", "fox #fox"):
        memory.add_memory(line)
        memory.flush()
    told = short(events)
    assert ("archived", {"segments": 1}) in told

    memory.retrieve_memory("owl #owl", top_k=1)
    memory.flush()
    assert [name for name, _ in short(events)] == ["archived", "restored"]


def test_what_makes_room_is_told(open_told):
    system, events = open_told(
        embedder=TagEmbedder(), analyst=TagAnalyst(), mid_term_capacity=1, eviction="delete", **TAGGED
    )
    memory = system.memory("tom")
    for line in ("owl #owl", "fox #fox"):
        memory.add_memory(line)
        memory.flush()

    assert ("evicted", {"pages": 1, "segments": 1, "entries": 0}) in short(events)


def test_failing_and_recovering_are_told(open_told):
    analyst = TagAnalyst()
    system, events = open_told(embedder=TagEmbedder(), analyst=analyst, **TAGGED)
    memory = system.memory("tom")
    memory.add_memory("owl #owl")
    analyst.errors["consolidate"] = ConsolidationError("my secret")
    with pytest.raises(ConsolidationError):
        memory.flush()

    assert [(event.name, event.error) for event in events] == [
        (EventName.PAGES_ADDED, ""),
        (EventName.BACKGROUND_FAILED, "ConsolidationError"),
    ]
    assert "secret" not in repr(events)
    events.clear()
    analyst.errors.clear()
    memory.flush()
    assert [name for name, _ in short(events)][-1] == "background_recovered"


def test_background_threads_tell_too(open_told):
    changed = threading.Condition()
    events: list[MemoryEvent] = []

    def listen(event: MemoryEvent) -> None:
        with changed:
            events.append(event)
            changed.notify_all()

    system, _ = open_told(
        embedder=TagEmbedder(), analyst=TagAnalyst(), on_event=listen, consolidation_delay=0.0, **TAGGED
    )
    system.memory("tom").add_memory("owl #owl")
    with changed:
        assert changed.wait_for(lambda: EventName.CONSOLIDATED in {event.name for event in events}, TIMEOUT)


def test_who_is_told_may_use_the_memory_for_no_lock_is_held(open_told):
    """In another thread even: what it waits for would never come if the teller held a lock."""
    seen: list[tuple[str, int]] = []

    def listen(event: MemoryEvent) -> None:
        thread = threading.Thread(target=lambda: seen.append((event.name.value, memory.forget_session())))
        thread.start()
        thread.join(TIMEOUT)
        assert not thread.is_alive()

    system, _ = open_told(on_event=listen)
    memory = system.memory("tom")
    memory.add_memory("one")
    memory.purge()

    assert seen == [("forgotten", 0), ("pages_added", 1), ("purged", 0)]


def test_a_listener_that_raises_breaks_nothing_and_is_logged_once(open_told, caplog):
    def failing(event: MemoryEvent) -> None:
        raise RuntimeError("my secret")

    system, _ = open_told(on_event=failing)
    memory = system.memory("tom")
    with caplog.at_level(logging.DEBUG, logger="memoryos_engine"):
        memory.add_memory("one")
        memory.add_memory("two")

    assert len(memory.pages()) == 2
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", "on_event raised RuntimeError; what it raises from now on is not logged")
    ]
    assert caplog.records[0].exc_info is None


def test_what_failed_is_not_told(open_told, monkeypatch):
    system, events = open_told()
    memory = system.memory("tom")

    def failing(self, **columns):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(type(system._storage.store._collection), "upsert", failing)
        with pytest.raises(Exception, match="could not be written"):
            memory.add_memory("one")

    assert events == []


def test_being_read_again_because_another_process_wrote_can_be_told(clock):
    events: list[MemoryEvent] = []
    listener = Listener(events.append, clock)
    note_reloaded(TOM)
    with listener.delivered():
        note_reloaded(TOM)
        assert events == []

    assert short(events) == [("reloaded", {})]


def test_a_listener_is_a_function(tmp_path):
    with pytest.raises(InvalidInput, match="on_event"):
        MemoryOS(tmp_path, on_event="print")  # type: ignore[arg-type]
    with MemoryOS(tmp_path):
        pass


# -- nobody's words -------------------------------------------------------------------------

NAMES = {"add", "retrieve", "respond", "consolidate", "promote", "forget", "purge", "export", "import", "flush"}
WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=8, max_size=8).map(lambda word: "zq" + word)
FIELDS = (
    "user",
    "assistant",
    "session",
    "said",
    "answered",
    "key",
    "value",
    "asked",
    "fixed",
    "style",
    "error",
    "home",
)


def use_everything(system: MemoryOS, words: dict[str, str], folder: Any) -> None:
    """Go through all that is traced, told or logged, with a word of its own in each field."""
    memory = system.memory(words["user"], words["assistant"], words["session"])
    page = memory.add_memory(f"My name is {words['said']}.", words["answered"], metadata={words["key"]: words["value"]})
    memory.add_response(words["answered"])
    memory.retrieve_memory(words["asked"])
    for ask in (memory.get_response, lambda query, **options: list(memory.stream_response(query, **options))):
        for _ in range(2):
            attempt(
                ask, words["asked"], style_hint=words["style"], conversation_metadata={words["key"]: words["value"]}
            )
    memory.add_memory(f"{words['home']}={words['home']} #home")
    for _ in range(2):
        attempt(memory.flush)
    for entry in memory.knowledge():
        attempt(memory.correct, entry.id, words["fixed"])
    memory.export(folder / "out.jsonl")
    attempt(system.import_memory, folder / "out.jsonl")
    attempt(memory.forget, words["asked"])
    memory.forget(page.id)
    memory.forget_session()
    memory.purge()
    system.import_memory(folder / "out.jsonl")
    attempt(memory.add_memory, "x" * 4000)


def attempt(call: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Do what may fail: what is told of failures is what is looked at."""
    with contextlib.suppress(Exception):
        call(*args, **options)


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.getMessage()} {record.exc_info} {record.exc_text}")


@settings(
    max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(WORDS, min_size=len(FIELDS), max_size=len(FIELDS), unique=True))
def test_no_span_event_or_log_record_holds_a_word_of_anybody(exporter, tmp_path_factory, values):
    """Design invariant 2, for what leaves the store: whatever is said, and whatever fails with it."""
    words, folder = dict(zip(FIELDS, values, strict=True)), tmp_path_factory.mktemp("words")
    exporter.clear()
    events: list[MemoryEvent] = []
    records = Records()
    logger = logging.getLogger("memoryos_engine")
    level = logger.level
    logger.addHandler(records)
    logger.setLevel(logging.DEBUG)

    def listen(event: MemoryEvent) -> None:
        events.append(event)
        raise RuntimeError(words["error"])

    analyst = TagAnalyst(eager=False)
    analyst.errors["promote"] = ConsolidationError(words["error"])
    replies = [ValueError(words["error"]), words["answered"], ValueError(words["error"]), words["answered"]]
    try:
        for analysed in (analyst, TagAnalyst(eager=False)):
            with MemoryOS(
                folder / f"{len(analysed.errors)} errors",
                llm=ScriptedChatModel(list(replies)),
                embedder=TagEmbedder(),
                analyst=analysed,
                on_event=listen,
                settings=MemorySettings(consolidation_delay=3600.0, max_turn_bytes=2000, **TAGGED),
            ) as system:
                use_everything(system, words, folder)
    finally:
        logger.removeHandler(records)
        logger.setLevel(level)

    told = "\n".join([span.to_json() for span in exporter.get_finished_spans()] + [repr(each) for each in events])
    told += "\n".join(records.texts)
    assert {span.name.removeprefix("memoryos.") for span in exporter.get_finished_spans()} == NAMES
    assert {event.name for event in events} >= {EventName.PAGES_ADDED, EventName.BACKGROUND_FAILED, EventName.PURGED}
    assert records.texts
    assert [field for field, word in words.items() if word in told] == []


def test_who_is_told_may_wait_for_a_thread_that_a_reindex_keeps_out(tmp_path):
    """Events are told when nothing is held any more, the gate of a reindex neither."""
    told: list[str] = []
    system: MemoryOS

    def listener(event: MemoryEvent) -> None:
        if not told:
            told.append(event.name.value)
            held = threading.Thread(target=lambda: system.memory("eve").pages())
            alone = threading.Thread(target=lambda: passed(system._storage.gate))
            for thread in (alone, held):
                thread.start()
            for thread in (alone, held):
                thread.join(timeout=20)
                assert not thread.is_alive()

    def passed(gate: Any) -> None:
        with gate.alone():
            pass

    system = MemoryOS(tmp_path, on_event=listener)
    system.memory("tom").add_memory("I keep bees.", "How many hives?")
    system.close()

    assert told == ["pages_added"]
