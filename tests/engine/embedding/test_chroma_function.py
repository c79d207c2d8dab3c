"""ChromaFunctionEmbedder: names that tell models apart, and errors that are ours."""

from __future__ import annotations

import httpx
import pytest
from chromadb.utils.embedding_functions import DefaultEmbeddingFunction, ONNXMiniLM_L6_V2

from memoryos_engine.embedding import ChromaFunctionEmbedder
from memoryos_engine.errors import EmbeddingError, InvalidInput


def test_a_function_without_configuration_is_named_by_its_name(chroma_function_class):
    assert ChromaFunctionEmbedder(chroma_function_class()).name == "chroma:memoryos_test_trigrams"


def test_configuration_that_tells_models_apart_is_part_of_the_name(chroma_function_class):
    function = chroma_function_class(size=96, model_name="tiny", note=None, kwargs={})

    assert ChromaFunctionEmbedder(function).name == 'chroma:memoryos_test_trigrams(model_name="tiny", size=96)'


def test_devices_addresses_and_secrets_are_not_part_of_the_name(chroma_function_class):
    function = chroma_function_class(
        device="cuda",
        preferred_providers=["CPU"],
        api_base="http://user:hunter2@host",
        api_key="sk-hunter2",
        api_key_env_var="KEY",
        default_headers={"Authorization": "hunter2"},
        token="hunter2",
    )

    assert ChromaFunctionEmbedder(function).name == "chroma:memoryos_test_trigrams"


def test_chromas_own_functions_have_stable_names():
    assert ChromaFunctionEmbedder(DefaultEmbeddingFunction()).name == "chroma:default"
    assert ChromaFunctionEmbedder(ONNXMiniLM_L6_V2(["CPUExecutionProvider"])).name == "chroma:onnx_mini_lm_l6_v2"


def test_a_given_name_wins(chroma_function_class):
    assert ChromaFunctionEmbedder(chroma_function_class(size=1), name="mine-v2").name == "mine-v2"


def test_a_function_that_does_not_say_what_it_is_needs_a_name(trigrams):
    def function(texts):
        return [trigrams(text) for text in texts]

    with pytest.raises(InvalidInput, match="Pass name="):
        ChromaFunctionEmbedder(function)
    assert ChromaFunctionEmbedder(function, name="trigrams").dimension == 96


def test_a_function_of_the_old_protocol_needs_a_name(trigrams):
    from chromadb.api.types import EmbeddingFunction

    class Old(EmbeddingFunction):
        def __init__(self):
            pass

        def __call__(self, input):  # noqa: A002 - Chroma's name
            return [trigrams(text) for text in input]

    with pytest.raises(InvalidInput, match="Pass name="):
        ChromaFunctionEmbedder(Old())


def test_configuration_that_is_not_json_needs_a_name(chroma_function_class):
    with pytest.raises(InvalidInput, match="Pass name="):
        ChromaFunctionEmbedder(chroma_function_class(model=object()))


def test_construction_does_not_call_the_function(chroma_function_class):
    function = chroma_function_class()
    embedder = ChromaFunctionEmbedder(function)
    assert function.calls == []

    assert embedder.dimension == 96
    embedder.embed(["a", ""])

    assert function.calls == [[" "], ["a", " "]]


def test_chromas_default_function_without_network_is_an_embedding_error(tmp_path, monkeypatch):
    def offline(*args, **kwargs):
        raise httpx.ConnectError("Name or service not known")

    monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", tmp_path)
    monkeypatch.setattr(httpx, "stream", offline)

    with pytest.raises(EmbeddingError, match=r"chroma:default failed with ConnectError.*network") as raised:
        ChromaFunctionEmbedder(DefaultEmbeddingFunction()).embed(["secret diary"])

    assert "secret" not in str(raised.value)
