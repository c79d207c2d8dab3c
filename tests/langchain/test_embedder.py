"""LangChainEmbedder: LangChain embeddings behind the engine's port, and in a store."""

from __future__ import annotations

import copy
import pickle
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


def test_texts_are_embedded_as_documents():
    texts = ["red canoe", "green kayak", "red canoe", "日本語"]
    embedder = LangChainEmbedder(Hashing())
    rows = embedder.embed(texts)

    assert isinstance(embedder, Embedder)
    assert (rows.shape, rows.dtype) == ((4, 8), np.float32)
    np.testing.assert_allclose(rows, HashingEmbedder(8).embed(texts), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)


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
    "a place of models": ({"repo_id": "e5"}, "langchain:Answering(e5)"),
    "a folder": ({"model_path": "/home/tom/models/bge-m3"}, "langchain:Answering(bge-m3)"),
    "a length": ({"model": "embed-3", "dimensions": 256}, "langchain:Answering(embed-3, dimensions=256)"),
    "Google's length": ({"model": "e", "output_dimensionality": 8}, "langchain:Answering(e, dimensions=8)"),
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


@pytest.mark.parametrize("embeddings", ["openai:text-embedding-3-small", None, HashingEmbedder(8), SimpleNamespace()])
def test_what_are_no_embeddings_is_refused(embeddings):
    with pytest.raises(InvalidInput, match=r"^embeddings is a \w+, not LangChain embeddings\. Pass"):
        LangChainEmbedder(embeddings)


@pytest.mark.parametrize("travel", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_an_embedder_travels_if_what_it_wraps_does(travel):
    embedder = LangChainEmbedder(Hashing(), name="mine", dimension=8, batch_size=1, concurrent=True)
    arrived = travel(embedder)
    before = len(arrived._model.batches)
    rows = arrived.embed(["a", "b"])

    assert (arrived.name, arrived.dimension, arrived._concurrent) == ("mine", 8, True)
    assert arrived._model.batches[before:] == [["a"], ["b"]]
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
