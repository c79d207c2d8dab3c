"""LlamaIndexEmbedder: a LlamaIndex embedding model behind the engine's port, and in a store."""

from __future__ import annotations

import copy
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from llama_index.core import Settings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent
from llama_index.embeddings.openai import OpenAIEmbedding
from pydantic import Field

from memoryos_engine import EmbeddingError, InvalidInput
from memoryos_engine.embedding import Embedder, HashingEmbedder
from memoryos_engine.errors import EmbedderMismatch
from memoryos_integrations.llama_index.embedder import LlamaIndexEmbedder

SECRET = "my secret diary"


class Hashing(BaseEmbedding):
    """The engine's hashing vectors, as a LlamaIndex class; vectors twice as long as unit ones."""

    model_name: str = "hashing-v1"
    dimension: int = 8
    batches: list[list[str]] = Field(default_factory=list)

    def _get_text_embeddings(self, texts):
        self.batches.append(list(texts))
        return (2 * HashingEmbedder(self.dimension).embed(texts)).tolist()

    def _get_text_embedding(self, text):
        raise AssertionError("texts come in batches")

    def _get_query_embedding(self, query):
        raise AssertionError("a query must compare with texts")

    async def _aget_query_embedding(self, query):
        raise AssertionError


class Failing(Hashing):
    def _get_text_embeddings(self, texts):
        raise OSError(SECRET)


def test_texts_are_embedded_as_texts_in_batches():
    texts = ["red canoe", "", "red canoe", "日本語"]
    model = Hashing()
    embedder = LlamaIndexEmbedder(model, batch_size=3)
    rows = embedder.embed(texts)

    assert isinstance(embedder, Embedder)
    assert model.batches == [["red canoe", " ", "red canoe"], [" "], ["日本語"]]
    assert (rows.shape, rows.dtype) == ((4, 8), np.float32)
    np.testing.assert_allclose(rows, HashingEmbedder(8).embed(["red canoe", " ", "red canoe", "日本語"]), atol=1e-6)


def test_a_models_own_batch_size_cuts_further():
    model = Hashing(embed_batch_size=2)
    LlamaIndexEmbedder(model, dimension=8).embed(["a", "b", "c"])

    assert model.batches == [["a", "b"], ["c"]]


def test_what_a_model_raises_is_an_error_that_quotes_nothing():
    embedder = LlamaIndexEmbedder(Failing())
    with pytest.raises(EmbeddingError, match=r"^the embedder llama_index:Failing\(hashing-v1\) failed") as caught:
        embedder.embed([SECRET])

    assert SECRET not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)


# -- names --------------------------------------------------------------------------------------

NAMES = {
    "a model": (Hashing(), "llama_index:Hashing(hashing-v1)"),
    "a folder": (Hashing(model_name="/home/tom/models/bge-m3"), "llama_index:Hashing(bge-m3)"),
    "OpenAI's default": (OpenAIEmbedding(api_key=SECRET), "llama_index:OpenAIEmbedding(text-embedding-ada-002)"),
    "a length": (
        OpenAIEmbedding(model="text-embedding-3-small", dimensions=256, api_key=SECRET),
        "llama_index:OpenAIEmbedding(text-embedding-3-small, dimensions=256)",
    ),
}


@pytest.mark.parametrize(("model", "expected"), NAMES.values(), ids=NAMES)
def test_the_name_says_which_model_it_is(model, expected):
    assert LlamaIndexEmbedder(model).name == expected


@pytest.mark.parametrize(
    "model", [MockEmbedding(embed_dim=4), Hashing(model_name="http://localhost:8080")], ids=["mock", "address"]
)
def test_a_model_that_cannot_be_told_must_be_named(model):
    with pytest.raises(InvalidInput) as caught:
        LlamaIndexEmbedder(model)

    assert str(caught.value) == (
        f"name cannot be told from {type(model).__name__}. "
        "Pass name= with the model and its version: a store remembers it."
    )
    assert LlamaIndexEmbedder(model, name="mine-v1").name == "mine-v1"


def test_llamaindexs_mock_is_an_embedder_where_it_is_asked_for():
    embedder = LlamaIndexEmbedder(MockEmbedding(embed_dim=4), name="mock-4")

    assert embedder.dimension == 4
    np.testing.assert_array_equal(embedder.embed(["a", "b"]), np.full((2, 4), 0.5, dtype=np.float32))


@pytest.mark.parametrize("model", ["local:BAAI/bge-m3", None, HashingEmbedder(8), SimpleNamespace(), Settings])
def test_what_is_no_embedding_model_is_refused(model):
    with pytest.raises(InvalidInput, match=r"^embed_model is a \w+, not a LlamaIndex embedding model\. Pass"):
        LlamaIndexEmbedder(model)


# -- LlamaIndex's settings ----------------------------------------------------------------------


@pytest.fixture
def settings(monkeypatch):
    for name in ("OPENAI_API_KEY", "IS_TESTING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Settings, "_embed_model", None)
    return Settings


FIX = "Set it, for example Settings.embed_model = OpenAIEmbedding(), or pass a model: LlamaIndexEmbedder(model)."


def test_the_model_of_the_settings_is_the_one_of_that_moment(settings):
    settings.embed_model = Hashing()
    first = LlamaIndexEmbedder.from_settings()
    settings.embed_model = Hashing(model_name="hashing-v2", dimension=16)
    second = LlamaIndexEmbedder.from_settings(name="mine", dimension=16, batch_size=1, concurrent=True)

    assert (first.name, first.dimension) == ("llama_index:Hashing(hashing-v1)", 8)
    assert (second.name, second.dimension, second._batch_size, second._concurrent) == ("mine", 16, 1, True)


def test_llamaindexs_default_is_a_model_where_it_can_be_made(settings, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-" + 48 * "a")

    assert LlamaIndexEmbedder.from_settings().name == "llama_index:OpenAIEmbedding(text-embedding-ada-002)"


def test_settings_without_a_model_are_refused_with_the_way_out(settings, monkeypatch):
    with pytest.raises(InvalidInput) as caught:
        LlamaIndexEmbedder.from_settings()
    assert str(caught.value) == (
        f"Settings.embed_model is not set, and LlamaIndex's default cannot be made (ValueError). {FIX}"
    )
    assert (caught.value.__cause__, caught.value.__suppress_context__) == (None, True)

    monkeypatch.setitem(sys.modules, "llama_index.embeddings.openai", None)
    with pytest.raises(InvalidInput, match=r"cannot be made \(ImportError\)\. Set it"):
        LlamaIndexEmbedder.from_settings()


def test_llamaindexs_mock_is_never_taken_for_a_model_unasked(settings, monkeypatch):
    settings.embed_model = None
    with pytest.raises(InvalidInput) as caught:
        LlamaIndexEmbedder.from_settings(name="mine")
    assert str(caught.value) == f"Settings.embed_model is a MockEmbedding, which is no model. {FIX}"

    monkeypatch.setattr(Settings, "_embed_model", None)
    monkeypatch.setenv("IS_TESTING", "1")
    with pytest.raises(InvalidInput, match=r"^Settings\.embed_model is a MockEmbedding"):
        LlamaIndexEmbedder.from_settings()


# -- where it is used ---------------------------------------------------------------------------


@pytest.mark.parametrize("travel", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_an_embedder_travels_if_what_it_wraps_does(travel):
    embedder = LlamaIndexEmbedder(Hashing(), name="mine", dimension=8, batch_size=1, concurrent=True)
    arrived = travel(embedder)

    assert (type(arrived), arrived.name, arrived.dimension) == (LlamaIndexEmbedder, "mine", 8)
    np.testing.assert_array_equal(arrived.embed(["a", "b"]), embedder.embed(["a", "b"]))


class Embedded(BaseEventHandler):
    """Notes what LlamaIndex's instrumentation is told was embedded, and with which tags."""

    told: list = Field(default_factory=list)

    def handle(self, event, **kwargs):
        if isinstance(event, EmbeddingEndEvent):
            self.told.append((event.chunks, event.tags))


def test_what_is_embedded_has_none_of_the_tags_of_the_call_it_happens_in(monkeypatch):
    """While a memory is consolidated in one user's workflow, another's texts may be embedded."""
    heard = Embedded()
    monkeypatch.setattr(get_dispatcher(), "event_handlers", [heard])
    with instrument_tags({"user_id": "tom"}):
        LlamaIndexEmbedder(Hashing(), dimension=8).embed(["a"])

    assert heard.told == [(["a"], {})]


def test_a_store_is_searched_with_it_and_opened_again_with_it_alone(open_system):
    texts = ["I paddle a red canoe.", "Mia starts school in Lyon.", "The train leaves at nine."]
    system = open_system(embedder=LlamaIndexEmbedder(Hashing(dimension=64)))
    for text in texts:
        system.memory("tom").add_memory(text, "Fine.")
    system.close()
    with pytest.raises(EmbedderMismatch, match="hashing-v2"):
        open_system(embedder=LlamaIndexEmbedder(Hashing(dimension=64, model_name="hashing-v2")))

    memory = open_system(embedder=LlamaIndexEmbedder(Hashing(dimension=64))).memory("tom", session_id="later")

    assert [page.user_input for page in memory.pages()] == texts
    assert memory.retrieve_memory("canoeing").pages[0].user_input == texts[0]
    assert memory.system.check() == []


def test_nothing_is_stored_when_the_embedder_fails(open_system):
    memory = open_system(embedder=LlamaIndexEmbedder(Failing(), dimension=4)).memory("tom")
    with pytest.raises(EmbeddingError, match="failed with OSError"):
        memory.add_memory("I paddle.", "Fine.")

    assert memory.pages() == []
