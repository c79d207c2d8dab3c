"""From short-term to mid-term memory, through the real engine (paper §3.3)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from memoryos_engine import (
    ConsolidationError,
    EmbeddingError,
    ManualClock,
    MemoryOS,
    MemorySettings,
    ModelError,
    Tier,
)
from memoryos_engine.analysis.base import BatchReading, PageNote, PendingPage
from memoryos_engine.analysis.extractive import ExtractiveAnalyst

from .fakes import TagAnalyst, TagEmbedder

DIALOGUE = Path(__file__).parent.parent / "data" / "dialogues" / "en.json"


@pytest.fixture
def analyst() -> TagAnalyst:
    return TagAnalyst()


@pytest.fixture
def embedder() -> TagEmbedder:
    return TagEmbedder()


@pytest.fixture
def memory(open_system, analyst, embedder):
    """A memory that hands every page over at once."""
    return open_system(short_term_capacity=1, embedder=embedder, analyst=analyst).memory("tom")


def texts(memory, tier: Tier | None = None) -> list[str]:
    return [page.user_input for page in memory.pages(tier)]


def topics(memory) -> list[list[str]]:
    """The user inputs of each segment, in order of opening."""
    pages = memory.pages()
    return [[page.user_input for page in pages if page.segment_id == segment.id] for segment in memory.segments()]


def test_pages_on_one_topic_share_a_segment_and_others_open_their_own(memory):
    """Eqs. 2, 3: F is 2 for the same tag and 0 for another."""
    for text in ("#a one", "#b two", "#a three", "#c four", "#b five"):
        memory.add_memory(text)
    memory.flush()
    assert topics(memory) == [["#a one", "#a three"], ["#b two", "#b five"], ["#c four"]]


def test_a_segment_is_summarised_from_all_its_pages_each_time_it_grows(memory):
    """§3.2: the content of a segment is summarised from its pages, not frozen at its opening."""
    memory.add_memory("#a one")
    memory.flush()
    first = memory.segments()[0]
    memory.add_memory("#a #b two")
    memory.flush()
    second = memory.segments()[0]
    assert (first.summary, first.keywords) == ("#a one", ("a",))
    assert (second.id, second.summary, second.keywords) == (first.id, "#a one | #a #b two", ("a", "b"))


def test_a_page_on_two_topics_is_in_one_segment_and_found_once(memory):
    """Our decision: a page belongs to exactly one segment."""
    for text in ("#a first", "#b second", "#a #b both"):
        memory.add_memory(text)
    memory.flush()
    assert sorted(text for topic in topics(memory) for text in topic) == ["#a #b both", "#a first", "#b second"]
    found = [page.user_input for page in memory.retrieve_memory("both", touch=False).pages]
    assert sorted(found) == ["#a #b both", "#a first", "#b second"]


def test_what_is_pending_is_found_before_it_has_a_segment(memory):
    """Invariant 1: a page is searchable at every moment."""
    memory.add_memory("#a the key is under the mat")
    assert texts(memory, Tier.PENDING) == ["#a the key is under the mat"]
    assert [page.user_input for page in memory.retrieve_memory("where is the key").pages] == texts(memory)


def test_a_batch_is_one_call_of_the_analyst(memory, analyst):
    """Our decision: one structured call a batch, and none to find a page's place."""
    for number in range(5):
        memory.add_memory(f"#a {number}")
    assert analyst.calls == []
    memory.flush()
    assert [len(inputs) for inputs in analyst.said("consolidate")] == [5]
    memory.flush()
    assert len(analyst.said("consolidate")) == 1


def test_more_pages_than_a_batch_are_all_consolidated_by_one_flush(open_system, embedder):
    """Our decision: flush does what is pending, however many batches that is."""
    analyst = TagAnalyst(batch_size=3)
    memory = open_system(short_term_capacity=1, embedder=embedder, analyst=analyst).memory("tom")
    memory.import_turns({"user_input": f"#a {number}"} for number in range(8))
    memory.flush()
    assert texts(memory, Tier.SEGMENT) == [f"#a {number}" for number in range(8)]
    assert sum((inputs for inputs in analyst.said("consolidate")), ()) == tuple(f"#a {number}" for number in range(8))
    assert max(len(inputs) for inputs in analyst.said("consolidate")) <= 3


def outcome(path: Path, *, batch_size: int, flush_every: int, **settings):
    """Everything a history makes of a memory, except when it was thought about."""

    class Analyst(ExtractiveAnalyst):
        pass

    Analyst.batch_size = batch_size
    options = MemorySettings(consolidation_delay=3600.0, short_term_capacity=2, **settings)
    clock = ManualClock("2024-03-01T12:00:00+00:00")
    with MemoryOS(path, settings=options, clock=clock, analyst=Analyst()) as system:
        memory = system.memory("tom")
        for number, turn in enumerate(json.loads(DIALOGUE.read_text(encoding="utf-8"))["turns"]):
            session = memory.in_session(f"session {number % 2}")
            session.add_memory(turn["user_input"], turn["agent_response"], timestamp=clock.advance(minutes=7))
            if number % flush_every == 0:
                memory.flush()
        memory.flush()
        found = memory.retrieve_memory("Where do I work?", touch=False)
        return memory.pages(), memory.segments(), memory.knowledge(history=True), memory.heats(), found


@pytest.mark.parametrize(
    "settings",
    [{}, {"similarity_threshold": 0.2}, {"similarity_threshold": 0.2, "mid_term_capacity": 3, "heat_threshold": 2.5}],
)
def test_batches_and_flushes_do_not_change_what_is_remembered(tmp_path, settings):
    """Invariant 8: the order of the pages alone decides chains, segments, facts and what is found."""
    one_by_one = outcome(tmp_path / "a", batch_size=1, flush_every=1, **settings)
    now_and_then = outcome(tmp_path / "b", batch_size=5, flush_every=9, **settings)
    at_the_end = outcome(tmp_path / "c", batch_size=64, flush_every=1000, **settings)
    for part, name in enumerate(("pages", "segments", "knowledge", "heats", "retrieval")):
        assert one_by_one[part] == now_and_then[part] == at_the_end[part], name


@pytest.mark.parametrize("flush_each", [True, False])
def test_pages_are_consolidated_in_the_order_they_left_short_term_memory(open_system, analyst, embedder, flush_each):
    """§3.3: first in, first out of each queue; between queues, the one that left first comes first (invariant 8)."""
    memory = open_system(short_term_capacity=3, embedder=embedder, analyst=analyst).memory("tom")
    for session, number in (("phone", 0), ("desk", 1), ("desk", 2), ("desk", 3), ("phone", 4), ("phone", 5)):
        memory.in_session(session).add_memory(f"#a {session} {number}")
        if flush_each:
            memory.flush()
    memory.flush()
    assert sum(analyst.said("consolidate"), ()) == ("#a desk 1", "#a phone 0")
    assert [segment.summary for segment in memory.segments()] == ["#a phone 0 | #a desk 1"]


def test_segments_keep_their_order_over_a_reopening(open_system, analyst, embedder):
    """Invariant 8: the order decides ties of F, so it is the same in a process and after a load."""
    options = {"short_term_capacity": 3, "similarity_threshold": 2.0, "embedder": embedder, "analyst": analyst}
    first = open_system(**options)
    memory = first.memory("tom")
    for session, number in (("phone", 0), ("desk", 1), ("desk", 2), ("desk", 3), ("phone", 4), ("phone", 5)):
        memory.in_session(session).add_memory(f"#a {session} {number}")
    memory.flush()
    before = memory.segments()
    first.close()
    assert len(before) == 2
    assert open_system(**options).memory("tom").segments() == before


@pytest.mark.parametrize("method", ["consolidate", "summarise"])
def test_a_failing_analyst_leaves_pages_pending_and_says_so(memory, analyst, method):
    """Invariant 3: a failure marks no work as done; status() reports it and the next try succeeds."""
    memory.add_memory("#a one")
    analyst.errors[method] = ConsolidationError("no answer")
    with pytest.raises(ConsolidationError, match="no answer"):
        memory.flush()
    status = memory.status()
    assert (status.pending, status.failure.error, status.failure.attempts) == (1, analyst.errors[method], 1)
    assert (texts(memory, Tier.PENDING), memory.segments(), memory.knowledge()) == (["#a one"], [], [])

    analyst.errors.clear()
    memory.flush()
    assert (texts(memory, Tier.SEGMENT), memory.status().pending, memory.status().failure) == (["#a one"], 0, None)


def test_a_failure_that_goes_on_is_tried_less_and_less_often(memory, analyst):
    """Our decision: backoff doubles; pages stay pending for as long as it takes."""
    memory.add_memory("#a one")
    analyst.errors["consolidate"] = ConsolidationError("no answer")
    waits = []
    for attempt in range(1, 5):
        with pytest.raises(ConsolidationError):
            memory.flush()
        assert memory.status().failure.attempts == attempt
        waits.append(memory.status().failure.retry_in)
    assert [round(wait) for wait in waits] == [1, 2, 4, 8]
    assert memory.status().pending == 1


def test_an_analyst_that_breaks_in_an_unforeseen_way_is_a_failure_like_any_other(memory, analyst):
    """Invariant 3: a bug in somebody's analyst is reported and tried again, not forgotten."""
    memory.add_memory("#a one")
    analyst.errors["consolidate"] = ZeroDivisionError("a bug")
    with pytest.raises((ZeroDivisionError, ModelError)):
        memory.flush()
    status = memory.status()
    assert (status.pending, status.failure is not None) == (1, True)
    analyst.errors.clear()
    memory.flush()
    assert texts(memory, Tier.SEGMENT) == ["#a one"]


def note(page_id: str, **parts) -> PageNote:
    return PageNote(**{"page_id": page_id, "continues": False, "meta_chain": "m", "keywords": ("k",), **parts})


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda ids: [], id="no notes"),
        pytest.param(lambda ids: None, id="nothing"),
        pytest.param(lambda ids: "Here are the notes:", id="prose"),
        pytest.param(lambda ids: ["travel", "food"], id="list of words"),
        pytest.param(lambda ids: {"notes": []}, id="object"),
        pytest.param(lambda ids: [[note(each)] for each in ids], id="nested list"),
        pytest.param(lambda ids: [{"page_id": each} for each in ids], id="dicts"),
        pytest.param(lambda ids: [note(ids[0])], id="one too few"),
        pytest.param(lambda ids: [note(each) for each in (*ids, "page_x")], id="one too many"),
        pytest.param(lambda ids: [note(each) for each in reversed(ids)], id="wrong order"),
        pytest.param(lambda ids: [note(ids[0]), note(ids[0])], id="the same twice"),
        pytest.param(lambda ids: [note(each, keywords=None) for each in ids], id="no keywords"),
        pytest.param(lambda ids: [note(each, keywords=(1, 2)) for each in ids], id="keywords that are no words"),
        pytest.param(lambda ids: [note(each, meta_chain=None) for each in ids], id="no meta chain"),
        pytest.param(lambda ids: [note(each, meta_chain="\ud83d") for each in ids], id="lone surrogate"),
    ],
)
def test_notes_that_do_not_fit_the_pages_leave_them_pending(open_system, embedder, answer):
    """Invariant 3: an analyst that babbles is a model that failed; nothing of it is stored."""

    class Babbling(TagAnalyst):
        babbles = True

        def consolidate(self, pages: Sequence[PendingPage], segments):
            if self.babbles:
                said = answer([item.page.id for item in pages])
                return BatchReading(notes=tuple(said)) if isinstance(said, list) else said
            return super().consolidate(pages, segments)

    analyst = Babbling()
    memory = open_system(short_term_capacity=1, embedder=embedder, analyst=analyst).memory("tom")
    before = [memory.add_memory(text) for text in ("#a one", "#b two")]
    with pytest.raises(ModelError):
        memory.flush()
    assert (memory.pages(Tier.PENDING), memory.segments()) == (before, [])
    assert memory.status().failure is not None
    analyst.babbles = False
    memory.flush()
    assert topics(memory) == [["#a one"], ["#b two"]]


def test_a_failing_embedder_stores_nothing_and_loses_nothing(memory, embedder):
    """Invariant 1: the turn that failed is not remembered, every other is, and it can be added again."""
    memory.add_memory("#a one")
    embedder.error = EmbeddingError("no vectors")
    with pytest.raises(EmbeddingError):
        memory.add_memory("#a two")
    assert texts(memory) == ["#a one"]
    embedder.error = None
    memory.add_memory("#a two")
    memory.flush()
    assert topics(memory) == [["#a one", "#a two"]]


def test_an_embedder_that_fails_while_facts_are_stored_leaves_everything_pending(open_system, analyst, embedder):
    """Invariant 3: the commit is one; without the fact's vector there is no segment either."""
    memory = open_system(short_term_capacity=1, embedder=embedder, analyst=analyst, heat_threshold=0.0).memory("tom")
    memory.add_memory("#a name=Tom")
    embedder.error = EmbeddingError("no vectors")
    with pytest.raises(EmbeddingError):
        memory.flush()
    assert (texts(memory, Tier.PENDING), memory.segments(), memory.knowledge()) == (["#a name=Tom"], [], [])
    embedder.error = None
    memory.flush()
    assert texts(memory, Tier.SEGMENT) == ["#a name=Tom"]
    assert dict(memory.get_user_profile().fields) == {"name": "Tom"}


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([[1.0]], id="wrong dimension"),
        pytest.param([], id="no rows"),
        pytest.param(None, id="nothing"),
        pytest.param([[float("nan")] * 32], id="NaN"),
        pytest.param([[float("inf")] * 32], id="infinity"),
        pytest.param([["x"] * 32], id="words"),
    ],
)
def test_vectors_that_cannot_be_stored_are_refused(memory, embedder, monkeypatch, rows):
    """Our decision: a broken embedder is an EmbeddingError, and nothing was stored."""
    monkeypatch.setattr(embedder, "embed", lambda texts: rows)
    with pytest.raises(EmbeddingError):
        memory.add_memory("#a one")
    assert memory.pages() == []


def test_what_was_pending_at_a_close_is_taken_up_at_the_next_opening(open_system, analyst, embedder):
    """Our decision: pending is derived from the store, so nothing has to be saved at the end."""
    options = {"short_term_capacity": 1, "embedder": embedder, "analyst": analyst}
    first = open_system(**options)
    first.memory("tom").add_memory("#a one")
    first.close()
    memory = open_system(**options).memory("tom")
    assert texts(memory) == ["#a one"]
    memory.flush()
    assert texts(memory, Tier.SEGMENT) == ["#a one"]


def test_a_flush_with_nothing_to_do_does_nothing(memory, analyst):
    """Our decision: flush is safe to call at any time."""
    memory.flush()
    assert (memory.pages(), memory.segments(), analyst.calls) == ([], [], [])
