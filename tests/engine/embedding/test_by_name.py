"""embedder_by_name, and what importing the package loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import memoryos_engine.embedding as embedding
from memoryos_engine.embedding import OpenAIEmbedder, embedder_by_name, sentence_transformer
from memoryos_engine.errors import InvalidInput


@pytest.fixture
def loaded(monkeypatch):
    """Sources of the sentence-transformers models that would have been loaded."""
    sources = []

    class Model:
        def encode(self, texts, **options):
            return [[1.0, 0.0]] * len(texts)

    def load(source, *, name, device):
        sources.append(source)
        return Model()

    monkeypatch.setattr(sentence_transformer, "_load", load)
    monkeypatch.setattr(sentence_transformer, "_packaged_minilm", lambda: None)
    return sources


def test_hashing_is_the_default_embedder():
    assert isinstance(embedder_by_name("hashing"), embedding.HashingEmbedder)


@pytest.mark.parametrize("name", ["minilm", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_minilm_has_one_name_however_it_is_asked_for(loaded, name):
    assert embedder_by_name(name).name == "all-MiniLM-L6-v2"
    assert loaded == ["sentence-transformers/all-MiniLM-L6-v2"]


def test_openai_models_take_their_key_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    embedder = embedder_by_name("text-embedding-3-large")

    assert isinstance(embedder, OpenAIEmbedder)
    assert (embedder.name, embedder.dimension) == ("text-embedding-3-large", 3072)


def test_a_name_with_a_slash_is_a_hub_name(loaded):
    assert embedder_by_name("BAAI/bge-m3").name == "bge-m3"
    assert loaded == ["BAAI/bge-m3"]


def test_a_folder_is_a_model(loaded, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)

    assert embedder_by_name("mine").name == "mine"
    assert embedder_by_name(str(tmp_path / "mine")).name == "mine"
    assert loaded == [(tmp_path / "mine").resolve()] * 2


@pytest.mark.parametrize("name", ["gpt-4o", "", "Hashing"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(InvalidInput) as raised:
        embedder_by_name(name)

    assert raised.value.parameter == "embedder"
    assert not name or all(word in str(raised.value) for word in ("hashing", "minilm", "text-embedding", "folder"))


@pytest.mark.parametrize("name", embedding.__all__)
def test_every_public_name_is_there(name):
    assert getattr(embedding, name).__name__ == name


def test_an_unknown_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = embedding.Nothing


def test_importing_the_adapters_loads_no_framework():
    program = (
        "import sys, memoryos_engine.embedding as e\n"
        "assert [getattr(e, name) for name in e.__all__]\n"
        "heavy = {'chromadb', 'openai', 'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("[]\n", "")
