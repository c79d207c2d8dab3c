"""Answers that cannot be stored: an error that says why, and the question still waits."""

from __future__ import annotations

import pytest

from memoryos_engine import EmbeddingError, HashingEmbedder, InvalidInput, StoreError

from .soundness import assert_as_reloaded, rows, told

ASKED, ANSWERED = "What is a violin made of?", "Of spruce and maple, mostly."


@pytest.fixture
def memory(system):
    return system.memory("tom", session_id="desk")


class FlakyEmbedder(HashingEmbedder):
    """Fails while it is told to."""

    failing = False

    def embed(self, texts):
        if self.failing:
            raise EmbeddingError("out of order")
        return super().embed(texts)


@pytest.mark.parametrize("answer", ["", " \n\t", "\u3000", None, 5, b"bytes", "half a smile \ud83d", "x" * 1_100_000])
def test_an_answer_that_cannot_be_stored_is_refused_by_its_name(system, memory, answer):
    """InvalidInput names the parameter as the caller wrote it; the question still waits."""
    memory.add_memory(ASKED)
    before = rows(system)

    with pytest.raises(InvalidInput) as refused:
        memory.add_response(answer)
    assert refused.value.parameter == "agent_response"

    assert rows(system) == before
    assert memory.add_response(ANSWERED).user_input == ASKED


@pytest.mark.parametrize("metadata", [{"user_id": "eve"}, {"x": float("nan")}, {1: 2}, ["x"], {"x": object()}])
def test_metadata_that_cannot_be_stored_is_refused(system, memory, metadata):
    memory.add_memory(ASKED)
    before = rows(system)
    with pytest.raises(InvalidInput, match=r"^metadata"):
        memory.add_response(ANSWERED, metadata=metadata)

    assert rows(system) == before


@pytest.mark.parametrize(
    ("asked", "known", "answer", "added"),
    [
        ("q" * 60, {}, "a" * 60, {}),
        ("é" * 40, {}, "é" * 20, {}),
        ("q" * 40, {"k": "v" * 30}, "a" * 40, {}),
        ("q" * 40, {"k": "v"}, "a" * 40, {"l": "v" * 30}),
    ],
)
def test_sides_that_are_too_long_together_are_refused_and_change_nothing(open_system, asked, known, answer, added):
    """max_turn_bytes is of the whole page, in bytes, with the metadata of both sides."""
    system = open_system(max_turn_bytes=110)
    memory = system.memory("tom", session_id="desk")
    page = memory.add_memory(asked, metadata=known)
    before = rows(system)
    with pytest.raises(InvalidInput, match=r"takes 1[1-9][0-9] bytes"):
        memory.add_response(answer, metadata=added)

    assert memory.pages() == [page]
    assert rows(system) == before
    assert memory.add_response("yes").id == page.id


def test_sides_that_just_fit_together_are_one_page(open_system):
    memory = open_system(max_turn_bytes=100).memory("tom", session_id="desk")
    memory.add_memory("q" * 49)
    memory.add_response("a" * 49)  # and two bytes of metadata: {}

    assert told(memory) == [("desk", "q" * 49, "a" * 49, 0)]


def test_an_embedder_that_fails_leaves_the_question_open(open_system):
    """Nothing is stored of an answer that could not be embedded; it can come again."""
    embedder = FlakyEmbedder()
    system = open_system(embedder=embedder)
    memory = system.memory("tom", session_id="desk")
    page = memory.add_memory(ASKED)
    before = rows(system)
    embedder.failing = True
    with pytest.raises(EmbeddingError):
        memory.add_response(ANSWERED)
    embedder.failing = False

    assert (memory.pages(), rows(system)) == ([page], before)
    assert memory.add_response(ANSWERED).id == page.id
    assert_as_reloaded(system)


def test_a_store_that_fails_leaves_the_question_open(system, memory, monkeypatch):
    """Memory is never ahead of the disk."""
    page = memory.add_memory(ASKED)

    def lost(**options):
        raise ConnectionError("the disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(system._storage.store._collection, "upsert", lost)
        with pytest.raises(StoreError):
            memory.add_response(ANSWERED)

    assert memory.pages() == [page]
    assert_as_reloaded(system)
    assert memory.add_response(ANSWERED).id == page.id


def test_a_closed_system_takes_no_answer(system, memory):
    memory.add_memory(ASKED)
    system.close()
    with pytest.raises(RuntimeError, match="closed"):
        memory.add_response(ANSWERED)
