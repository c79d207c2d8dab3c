"""ForeignEmbedder: what every framework's embedder does behind the engine's port, with a framework of our own."""

from __future__ import annotations

import copy
import pickle
from enum import Enum
from threading import Barrier, BrokenBarrierError, Thread

import numpy as np
import pytest

from memoryos_engine import EmbeddingError, InvalidInput
from memoryos_engine.embedding import Embedder, HashingEmbedder
from memoryos_integrations.foreign_embedder import ForeignEmbedder, derived_name

SECRET = "my secret diary"


class Calling(ForeignEmbedder):
    """A framework whose models are called."""

    def __init__(self, model, *, name="mine", dimension=None, batch_size=32, concurrent=False):
        super().__init__(model, name=name, dimension=dimension, batch_size=batch_size, concurrent=concurrent)

    def _vectors(self, texts):
        return self._model(texts)


class Hashing:
    """The engine's hashing vectors, twice as long as unit ones."""

    def __init__(self, dimension=8):
        self.dimension = dimension
        self.batches = []

    def __call__(self, texts):
        self.batches.append(texts)
        return (2 * HashingEmbedder(self.dimension).embed(texts)).tolist()


class Answering:
    """Returns, or raises, what the test says."""

    def __init__(self, answer=None, **attributes):
        self.answer = answer
        self.__dict__.update(attributes)

    def __call__(self, texts):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Meeting:
    """Calls that wait for each other for a while, and note whether they met."""

    def __init__(self, patience):
        self.barrier, self.met = Barrier(2, timeout=patience), []

    def __call__(self, texts):
        try:
            self.barrier.wait()
            self.met.append(True)
        except BrokenBarrierError:
            self.met.append(False)
        return [[1.0]]


def test_texts_become_unit_rows_in_their_order():
    texts = ["red canoe", "green kayak", "red canoe", "日本語"]
    embedder = Calling(Hashing())
    rows = embedder.embed(texts)

    assert isinstance(embedder, Embedder)
    assert (rows.shape, rows.dtype) == ((4, 8), np.float32)
    np.testing.assert_allclose(rows, HashingEmbedder(8).embed(texts), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)


def test_no_texts_are_no_rows():
    rows = Calling(Hashing()).embed([])

    assert (rows.shape, rows.dtype) == ((0, 8), np.float32)


def test_many_texts_come_in_batches():
    model = Hashing()
    texts = [f"text {number}" for number in range(70)]
    rows = Calling(model, dimension=8).embed(texts)

    assert model.batches == [texts[:32], texts[32:64], texts[64:]]
    np.testing.assert_allclose(rows, HashingEmbedder(8).embed(texts), atol=1e-6)
    Calling(small := Hashing(), dimension=8, batch_size=2).embed(["a", "b", "c"])
    assert small.batches == [["a", "b"], ["c"]]


def test_the_empty_text_is_sent_as_a_space():
    model = Hashing()
    Calling(model, dimension=8).embed(["", "red"])

    assert model.batches == [[" ", "red"]]


def test_the_dimension_is_asked_for_once_and_not_if_it_is_given():
    model = Hashing(dimension=5)
    embedder = Calling(model)
    assert model.batches == []

    assert (embedder.dimension, embedder.dimension) == (5, 5)
    assert model.batches == [[" "]]
    assert Calling(silent := Hashing(), dimension=7).dimension == 7
    assert silent.batches == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("name", ""), ("dimension", 0), ("dimension", True), ("batch_size", 0), ("batch_size", 1.5)],
)
def test_what_is_out_of_range_is_refused(parameter, value):
    with pytest.raises(InvalidInput, match=f"^{parameter} "):
        Calling(Hashing(), **{parameter: value})


# -- names --------------------------------------------------------------------------------------


class Model(str, Enum):
    SMALL = "embed-3-small"


NAMES = {
    "a model": ({"model": "embed-3"}, "ours:Answering(embed-3)"),
    "the next that says": ({"model": object(), "model_name": "BAAI/bge-m3"}, "ours:Answering(BAAI/bge-m3)"),
    "what is not the default": ({"model": "unknown", "model_name": "e5"}, "ours:Answering(e5)"),
    "a folder": ({"model_name": "/home/tom/models/bge-m3"}, "ours:Answering(bge-m3)"),
    "a length": ({"model": "embed-3", "dimensions": 256}, "ours:Answering(embed-3, dimensions=256)"),
    "the model's own length": ({"model": "embed-3", "dimensions": None}, "ours:Answering(embed-3)"),
    "not where it runs": ({"model": "http://tom:pass@localhost:80", "model_name": "e5"}, "ours:Answering(e5)"),
    "no secret": ({"model": "embed-3", "api_key": SECRET}, "ours:Answering(embed-3)"),
    "a member of an enumeration": ({"model": Model.SMALL}, "ours:Answering(embed-3-small)"),
}


def name_of(model):
    return derived_name(
        "ours", model, named_by=("model", "model_name"), shortened_by=("dimensions",), unknown="unknown"
    )


@pytest.mark.parametrize(("attributes", "expected"), NAMES.values(), ids=NAMES)
def test_the_name_says_which_model_it_is(attributes, expected):
    assert name_of(Answering(**attributes)) == expected


@pytest.mark.parametrize("attributes", [{}, {"model": ""}, {"model": "unknown"}, {"model": "http://localhost:80"}])
def test_a_model_that_cannot_be_told_must_be_named(attributes):
    with pytest.raises(InvalidInput) as caught:
        name_of(Answering(**attributes))

    assert str(caught.value) == (
        "name cannot be told from Answering. Pass name= with the model and its version: a store remembers it."
    )


# -- failures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(SECRET), ValueError(SECRET), NotImplementedError(SECRET)], ids=repr)
def test_what_a_model_raises_is_an_error_that_quotes_nothing(error):
    embedder = Calling(Answering(error))
    for ask in (lambda: embedder.embed([SECRET]), lambda: embedder.dimension):
        with pytest.raises(EmbeddingError) as caught:
            ask()

        assert str(caught.value) == (
            f"the embedder mine failed with {type(error).__name__}; nothing was stored. "
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
        Calling(Answering(answer), dimension=2).embed(["a", "b"])


@pytest.mark.parametrize("answer", [[], [[]], [1.0], [[1.0], [2.0]]], ids=str)
def test_a_dimension_that_is_none_is_an_error(answer):
    with pytest.raises(EmbeddingError, match="for one text, not one vector"):
        _ = Calling(Answering(answer)).dimension


def test_a_batch_of_another_length_is_an_error():
    class Growing(Hashing):
        def __call__(self, texts):
            self.dimension += len(self.batches)
            return super().__call__(texts)

    with pytest.raises(EmbeddingError, match=r"shape \(1, 9\), not \(1, 8\)"):
        Calling(Growing(), dimension=8, batch_size=1).embed(["a", "b"])


def test_an_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        Calling(Answering(KeyboardInterrupt())).embed(["a"])


# -- threads and processes ----------------------------------------------------------------------


@pytest.mark.parametrize(("concurrent", "patience"), [(False, 0.1), (True, 10.0)])
def test_one_thread_at_a_time_calls_unless_more_may(concurrent, patience):
    model = Meeting(patience)
    embedder = Calling(model, dimension=1, concurrent=concurrent)
    threads = [Thread(target=embedder.embed, args=(["a"],)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert model.met == [concurrent, concurrent]


@pytest.mark.parametrize("travel", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_an_embedder_travels_if_what_it_wraps_does(travel):
    embedder = Calling(Hashing(), name="mine", dimension=8, batch_size=1, concurrent=True)
    arrived = travel(embedder)
    before = len(arrived._model.batches)
    rows = arrived.embed(["a", "b"])

    assert (arrived.name, arrived.dimension, arrived._concurrent) == ("mine", 8, True)
    assert arrived._model.batches[before:] == [["a"], ["b"]]
    np.testing.assert_array_equal(rows, embedder.embed(["a", "b"]))
