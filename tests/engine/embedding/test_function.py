"""FunctionEmbedder: any callable, with its failures told apart from its answers."""

from __future__ import annotations

import numpy as np
import pytest

from memoryos_engine.embedding import FunctionEmbedder
from memoryos_engine.errors import EmbeddingError, InvalidInput


def test_the_dimension_is_asked_for_once_and_only_when_needed(trigrams):
    calls = []

    def function(texts):
        calls.append(texts)
        return [trigrams(text) for text in texts]

    embedder = FunctionEmbedder(function, name="trigrams")
    assert calls == []

    assert embedder.dimension == embedder.dimension == 96
    assert calls == [[" "]]


def test_a_given_dimension_is_not_asked_for():
    embedder = FunctionEmbedder(lambda texts: [[3.0, 4.0]] * len(texts), name="constant", dimension=2)

    np.testing.assert_allclose(embedder.embed(["a"]), [[0.6, 0.8]], atol=1e-6)


def test_the_empty_text_reaches_the_function_as_a_space():
    seen = []
    embedder = FunctionEmbedder(lambda texts: seen.extend(texts) or np.ones((len(texts), 2)), name="x", dimension=2)

    embedder.embed(["a", ""])

    assert seen == ["a", " "]


def test_vectors_may_come_from_a_generator():
    embedder = FunctionEmbedder(lambda texts: ([1.0, float(len(text))] for text in texts), name="lengths")

    assert embedder.embed(["a", "bb"]).shape == (2, 2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="no rows"),
        pytest.param([[1.0, 0.0]], id="too few rows"),
        pytest.param([[1.0, 0.0]] * 3, id="too many rows"),
        pytest.param([[1.0], [1.0, 0.0]], id="ragged"),
        pytest.param([[1.0, 0.0, 0.0]] * 2, id="wrong dimension"),
        pytest.param([1.0, 0.0], id="no vectors"),
        pytest.param([[float("nan"), 0.0]] * 2, id="not a number"),
        pytest.param([["a", "b"]] * 2, id="text"),
    ],
)
def test_a_wrong_answer_is_an_error_not_a_vector(answer):
    embedder = FunctionEmbedder(lambda texts: answer, name="wrong", dimension=2)

    with pytest.raises(EmbeddingError):
        embedder.embed(["secret diary", "b"])


@pytest.mark.parametrize("answer", [[], [[]], [1.0], [[1.0], [1.0]]])
def test_a_wrong_answer_to_the_probe_is_an_error(answer):
    with pytest.raises(EmbeddingError, match="for one text"):
        _ = FunctionEmbedder(lambda texts: answer, name="wrong").dimension


def test_whatever_the_function_raises_is_an_embedding_error_with_its_cause():
    def function(texts):
        raise KeyError(texts[0])

    with pytest.raises(EmbeddingError, match="broken failed with KeyError") as raised:
        FunctionEmbedder(function, name="broken", dimension=2).embed(["secret diary"])

    assert isinstance(raised.value.__cause__, KeyError)
    assert "secret" not in str(raised.value)


def test_a_name_is_required():
    with pytest.raises(InvalidInput, match="name"):
        FunctionEmbedder(lambda texts: texts, name="")
    with pytest.raises(InvalidInput, match="dimension"):
        FunctionEmbedder(lambda texts: texts, name="x", dimension=0)
