"""LangChainEmbedder: LangChain embeddings behind the engine's port, and in a store."""

from __future__ import annotations

import copy
import pickle
from threading import Barrier, BrokenBarrierError, Thread
from types import SimpleNamespace

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from memoryos_engine import EmbeddingError, InvalidInput
from memoryos_engine.embedding import Embedder, HashingEmbedder
from memoryos_engine.errors import EmbedderMismatch
from memoryos_integrations.langchain.embedder import LangChainEmbedder

SECRET = "my secret diary"


class Hashing(Embeddings):
    """The engine's hashing vectors, as a LangChain class; vectors twice as long as unit ones."""

    def __init__(self, dimension=8, model="hashing-v1"):
        self.dimension, self.model = dimension, model
        self.batches = []

    def embed_documents(self, texts):
        self.batches.append(texts)
        return (2 * HashingEmbedder(self.dimension).embed(texts)).tolist()

    def embed_query(self, text):
        raise AssertionError("a query must compare with documents")


class Answering(Embeddings):
    """Returns, or raises, what the test says."""

    model = "answering"

    def __init__(self, answer):
        self.answer = answer

    def embed_documents(self, texts):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def embed_query(self, text):
        raise AssertionError


class Meeting(Embeddings):
    """Calls that wait for each other for a while, and note whether they met."""

    model = "meeting"

    def __init__(self, patience):
        self.barrier, self.met = Barrier(2, timeout=patience), []

    def embed_documents(self, texts):
        try:
            self.barrier.wait()
            self.met.append(True)
        except BrokenBarrierError:
            self.met.append(False)
        return [[1.0]]

    def embed_query(self, text):
        raise AssertionError


def test_texts_become_unit_rows_in_their_order():
    texts = ["red canoe", "green kayak", "red canoe", "日本語"]
    embedder = LangChainEmbedder(Hashing())
    rows = embedder.embed(texts)

    assert isinstance(embedder, Embedder)
    assert (rows.shape, rows.dtype) == ((4, 8), np.float32)
    np.testing.assert_allclose(rows, HashingEmbedder(8).embed(texts), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)


def test_no_texts_are_no_rows():
    rows = LangChainEmbedder(Hashing()).embed([])

    assert (rows.shape, rows.dtype) == ((0, 8), np.float32)


def test_many_texts_come_in_batches():
    embeddings = Hashing()
    texts = [f"text {number}" for number in range(70)]
    rows = LangChainEmbedder(embeddings, dimension=8).embed(texts)

    assert embeddings.batches == [texts[:32], texts[32:64], texts[64:]]
    np.testing.assert_allclose(rows, HashingEmbedder(8).embed(texts), atol=1e-6)
    LangChainEmbedder(small := Hashing(), dimension=8, batch_size=2).embed(["a", "b", "c"])
    assert small.batches == [["a", "b"], ["c"]]


def test_the_empty_text_is_sent_as_a_space():
    embeddings = Hashing()
    LangChainEmbedder(embeddings, dimension=8).embed(["", "red"])

    assert embeddings.batches == [[" ", "red"]]


def test_the_dimension_is_asked_for_once_and_not_if_it_is_given():
    embeddings = Hashing(dimension=5)
    embedder = LangChainEmbedder(embeddings)
    assert embeddings.batches == []

    assert (embedder.dimension, embedder.dimension) == (5, 5)
    assert embeddings.batches == [[" "]]
    assert LangChainEmbedder(silent := Hashing(), dimension=7).dimension == 7
    assert silent.batches == []


# -- names --------------------------------------------------------------------------------------


def embeddings_with(**attributes):
    made = Answering([])
    made.model = None
    made.__dict__.update(attributes)
    return made


NAMES = {
    "a model": ({"model": "embed-3"}, "langchain:Answering(embed-3)"),
    "a model's name": ({"model": object(), "model_name": "BAAI/bge-m3"}, "langchain:Answering(BAAI/bge-m3)"),
    "a model's id": ({"model_id": "amazon.titan-v2:0"}, "langchain:Answering(amazon.titan-v2:0)"),
    "a folder": ({"model_name": "/home/tom/models/bge-m3"}, "langchain:Answering(bge-m3)"),
    "a length": ({"model": "embed-3", "dimensions": 256}, "langchain:Answering(embed-3, dimensions=256)"),
    "the model's own length": ({"model": "embed-3", "dimensions": None}, "langchain:Answering(embed-3)"),
    "not where it runs": ({"model": "http://tom:pass@localhost:80", "repo_id": "e5"}, "langchain:Answering(e5)"),
    "no secret": ({"model": "embed-3", "api_key": SECRET}, "langchain:Answering(embed-3)"),
}


@pytest.mark.parametrize(("attributes", "expected"), NAMES.values(), ids=NAMES)
def test_the_name_says_which_model_it_is(attributes, expected):
    assert LangChainEmbedder(embeddings_with(**attributes)).name == expected


@pytest.mark.parametrize(
    "embeddings",
    [embeddings_with(), embeddings_with(model="http://localhost:8080"), DeterministicFakeEmbedding(size=4)],
)
def test_a_model_that_cannot_be_told_must_be_named(embeddings):
    with pytest.raises(InvalidInput) as caught:
        LangChainEmbedder(embeddings)

    assert str(caught.value) == (
        f"name cannot be told from {type(embeddings).__name__}. "
        "Pass name= with the model and its version: a store remembers it."
    )
    assert LangChainEmbedder(embeddings, name="mine-v1").name == "mine-v1"


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("name", ""), ("dimension", 0), ("dimension", True), ("batch_size", 0), ("batch_size", 1.5)],
)
def test_what_is_out_of_range_is_refused(parameter, value):
    with pytest.raises(InvalidInput, match=f"^{parameter} "):
        LangChainEmbedder(Hashing(), **{parameter: value})


@pytest.mark.parametrize("embeddings", ["openai:text-embedding-3-small", None, HashingEmbedder(8), SimpleNamespace()])
def test_what_are_no_embeddings_is_refused(embeddings):
    with pytest.raises(InvalidInput, match=r"^embeddings is a \w+, not LangChain embeddings\. Pass"):
        LangChainEmbedder(embeddings)


# -- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(SECRET), ValueError(SECRET), NotImplementedError(SECRET)], ids=repr)
def test_what_a_model_raises_is_an_error_that_quotes_nothing(error):
    embedder = LangChainEmbedder(Answering(error))
    for ask in (lambda: embedder.embed([SECRET]), lambda: embedder.dimension):
        with pytest.raises(EmbeddingError) as caught:
            ask()

        assert str(caught.value) == (
            f"the embedder langchain:Answering(answering) failed with {type(error).__name__}; nothing was stored. "
            "Check the network, the key, and the length of texts it takes."
        )
        assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


@pytest.mark.parametrize(
    "answer",
    [None, [], [[1.0, 2.0]], [[1.0, 2.0]] * 3, [[1.0], [2.0]], [[1.0, 2.0], [1.0]], [1.0, 2.0], [["x", "y"]] * 2,
     [[1.0, float("nan")]] * 2, [[1.0, float("inf")]] * 2, [[None, None]] * 2, {"a": [1.0, 2.0]}],
    ids=str,
)  # fmt: skip
def test_what_are_no_two_finite_vectors_of_two_is_an_error(answer):
    with pytest.raises(EmbeddingError, match="nothing was stored"):
        LangChainEmbedder(Answering(answer), dimension=2).embed(["a", "b"])


@pytest.mark.parametrize("answer", [[], [[]], [1.0], [[1.0], [2.0]]], ids=str)
def test_a_dimension_that_is_none_is_an_error(answer):
    with pytest.raises(EmbeddingError, match="for one text, not one vector"):
        _ = LangChainEmbedder(Answering(answer)).dimension


def test_a_batch_of_another_length_is_an_error():
    class Growing(Hashing):
        def embed_documents(self, texts):
            self.dimension += len(self.batches)
            return super().embed_documents(texts)

    with pytest.raises(EmbeddingError, match=r"shape \(1, 9\), not \(1, 8\)"):
        LangChainEmbedder(Growing(), dimension=8, batch_size=1).embed(["a", "b"])


def test_an_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        LangChainEmbedder(Answering(KeyboardInterrupt())).embed(["a"])


# -- threads and processes ----------------------------------------------------------------------


@pytest.mark.parametrize(("concurrent", "patience"), [(False, 0.1), (True, 10.0)])
def test_one_thread_at_a_time_calls_unless_more_may(concurrent, patience):
    embeddings = Meeting(patience)
    embedder = LangChainEmbedder(embeddings, dimension=1, concurrent=concurrent)
    threads = [Thread(target=embedder.embed, args=(["a"],)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert embeddings.met == [concurrent, concurrent]


@pytest.mark.parametrize("travel", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_an_embedder_travels_if_what_it_wraps_does(travel):
    embedder = LangChainEmbedder(Hashing(), name="mine", dimension=8, batch_size=1, concurrent=True)
    arrived = travel(embedder)
    before = len(arrived._embeddings.batches)
    rows = arrived.embed(["a", "b"])

    assert (arrived.name, arrived.dimension, arrived._concurrent) == ("mine", 8, True)
    assert arrived._embeddings.batches[before:] == [["a"], ["b"]]
    np.testing.assert_array_equal(rows, embedder.embed(["a", "b"]))


# -- in a store ---------------------------------------------------------------------------------


def test_a_store_is_searched_with_it_and_opened_again_with_it_alone(open_system):
    texts = ["I paddle a red canoe.", "Mia starts school in Lyon.", "The train leaves at nine."]
    system = open_system(embedder=LangChainEmbedder(Hashing(64)))
    for text in texts:
        system.memory("tom").add_memory(text, "Fine.")
    system.close()
    with pytest.raises(EmbedderMismatch, match="hashing-v2"):
        open_system(embedder=LangChainEmbedder(Hashing(64, model="hashing-v2")))

    memory = open_system(embedder=LangChainEmbedder(Hashing(64))).memory("tom", session_id="later")

    assert [page.user_input for page in memory.pages()] == texts
    assert memory.retrieve_memory("canoeing").pages[0].user_input == texts[0]
    assert memory.system.check() == []


def test_nothing_is_stored_when_the_embedder_fails(open_system):
    memory = open_system(embedder=LangChainEmbedder(Answering(OSError(SECRET)), dimension=4)).memory("tom")
    with pytest.raises(EmbeddingError, match="failed with OSError"):
        memory.add_memory("I paddle.", "Fine.")

    assert memory.pages() == []
