"""OpenAIEmbedder through the official client, against a server on loopback."""

from __future__ import annotations

import json
import traceback
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import openai
import pytest

from memoryos_engine.embedding import OpenAIEmbedder
from memoryos_engine.errors import EmbeddingError, InvalidInput

KEY = "sk-hunter2"


@pytest.fixture
def embedder(openai_server):
    return OpenAIEmbedder("trigrams", api_key=KEY, base_url=openai_server.url, dimension=96)


def sent(server):
    return [request["input"] for request in server.requests]


def test_rows_follow_the_index_not_the_order_of_the_answer(embedder, trigrams):
    vectors = embedder.embed(["cat", "budget"])

    expected = np.array([trigrams("cat"), trigrams("budget")], dtype=np.float32)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "dimension"),
    [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)],
)
def test_openais_models_are_known_without_asking(openai_server, model, dimension):
    embedder = OpenAIEmbedder(model, api_key=KEY, base_url=openai_server.url)

    assert (embedder.name, embedder.dimension, openai_server.requests) == (model, dimension, [])


def test_an_unknown_model_is_asked_once_for_its_dimension(openai_server):
    embedder = OpenAIEmbedder("trigrams", api_key=KEY, base_url=openai_server.url)

    assert embedder.dimension == embedder.dimension == 96
    assert sent(openai_server) == [[" "]]
    assert "dimensions" not in openai_server.requests[0]


def test_a_given_dimension_is_asked_for(openai_server):
    embedder = OpenAIEmbedder(api_key=KEY, base_url=openai_server.url, dimension=96)
    embedder.embed(["cat"])

    expected = {"model": "text-embedding-3-small", "input": ["cat"], "encoding_format": "float", "dimensions": 96}
    assert openai_server.requests == [expected]


def test_the_empty_text_is_sent_as_a_space(embedder, openai_server):
    embedder.embed(["", "cat"])

    assert sent(openai_server) == [[" ", "cat"]]


def test_no_texts_make_no_request(embedder, openai_server):
    assert embedder.embed([]).shape == (0, 96)
    assert openai_server.requests == []


def test_a_request_holds_at_most_256_texts(embedder, openai_server, trigrams):
    texts = [f"text {number}" for number in range(600)]
    vectors = embedder.embed(texts)

    assert [len(batch) for batch in sent(openai_server)] == [256, 256, 88]
    assert [text for batch in sent(openai_server) for text in batch] == texts
    last = np.array(trigrams("text 599"), dtype=np.float32)
    np.testing.assert_allclose(vectors[599], last / np.linalg.norm(last), atol=1e-6)


def test_a_request_and_a_text_are_bounded_in_bytes(embedder, openai_server):
    """8,192 tokens a text and 300,000 a request, by the service's reference; a token is at least a byte."""
    embedder.embed(["猫" * 100_000] * 50)

    texts = [text for batch in sent(openai_server) for text in batch]
    assert texts == ["猫" * (8_000 // 3)] * 50
    assert all(sum(len(text.encode()) for text in batch) <= 250_000 for batch in sent(openai_server))
    assert len(openai_server.requests) == 2


def test_a_lone_surrogate_is_replaced_not_refused(embedder, openai_server):
    embedder.embed(["a\ud800b"])

    assert sent(openai_server) == [["a?b"]]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_failing_server_is_tried_again(embedder, openai_server, status):
    openai_server.faults.extend([(status, "{}")] * 3)

    assert embedder.embed(["cat"]).shape == (1, 96)
    assert len(openai_server.requests) == 4


def test_a_server_that_keeps_failing_is_an_embedding_error(embedder, openai_server):
    openai_server.faults.extend([(500, "{}")] * 9)

    with pytest.raises(EmbeddingError, match=r"HTTP 500.*try again later"):
        embedder.embed(["cat"])
    assert len(openai_server.requests) == 4


@pytest.mark.parametrize(
    ("status", "advice"), [(400, "refused"), (401, "Check the API key"), (403, "may not"), (404, "no such model")]
)
def test_a_refusal_is_not_tried_again_and_says_what_to_do(embedder, openai_server, status, advice):
    openai_server.faults.append((status, "{}"))

    with pytest.raises(EmbeddingError, match=advice):
        embedder.embed(["cat"])
    assert len(openai_server.requests) == 1


def test_neither_key_nor_text_is_in_the_error_or_its_traceback(embedder, openai_server):
    text = " ".join(["secret", "diary"])
    body = json.dumps({"error": {"message": f"bad key {KEY} for {text}", "code": text}})
    openai_server.faults.append((401, body))

    with pytest.raises(EmbeddingError) as raised:
        embedder.embed([text])

    shown = "".join(traceback.format_exception(raised.value))
    assert KEY in openai_server.keys[0]
    assert KEY not in shown
    assert text not in shown


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([[1.0] * 95], id="wrong dimension"),
        pytest.param([[1.0] * 96] * 2, id="too many rows"),
        pytest.param([], id="no rows"),
        pytest.param([[float("nan")] * 96], id="not a number"),
        pytest.param([["a"] * 96], id="text"),
        pytest.param([None], id="null"),
    ],
)
def test_a_wrong_answer_is_an_error_not_a_vector(embedder, openai_server, embeddings_body, rows):
    openai_server.faults.append((200, embeddings_body(rows)))

    with pytest.raises(EmbeddingError):
        embedder.embed(["cat"])


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"data": null}', '{"data": [1]}', "<html>"])
def test_an_answer_that_is_no_embedding_is_an_error(embedder, openai_server, body):
    openai_server.faults.append((200, body))

    with pytest.raises(EmbeddingError):
        embedder.embed(["cat"])


def test_batches_of_the_wrong_size_do_not_make_up_for_each_other(embedder, openai_server, embeddings_body, trigrams):
    row = trigrams("x")
    openai_server.faults.extend([(200, embeddings_body([row] * 257)), (200, embeddings_body([row] * 255))])

    with pytest.raises(EmbeddingError):
        embedder.embed(["x"] * 512)


def test_no_server_is_an_embedding_error():
    embedder = OpenAIEmbedder(api_key=KEY, base_url="http://127.0.0.1:9/v1", max_retries=0)

    with pytest.raises(EmbeddingError, match=r"APIConnectionError.*base_url"):
        embedder.embed(["cat"])


def test_a_missing_key_names_the_fix(openai_server):
    with pytest.raises(InvalidInput, match="OPENAI_API_KEY"):
        OpenAIEmbedder(base_url=openai_server.url)


def test_key_and_address_come_from_the_environment(openai_server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)

    OpenAIEmbedder("trigrams", base_url="", dimension=96).embed(["cat"])

    assert openai_server.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize("variable", [None, ""])
def test_an_empty_address_is_openais_own(monkeypatch, variable):
    seen = []
    monkeypatch.setattr(openai, "OpenAI", lambda **options: seen.append(options["base_url"]))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    if variable is not None:
        monkeypatch.setenv("OPENAI_BASE_URL", variable)

    OpenAIEmbedder(api_key=KEY, base_url="")

    assert seen == ["https://api.openai.com/v1"]


def test_a_client_of_the_callers_is_used_as_it_is(openai_server):
    with openai.OpenAI(api_key="sk-other", base_url=openai_server.url) as client:
        OpenAIEmbedder("trigrams", client=client).embed(["cat"])

    assert set(openai_server.keys) == {"Bearer sk-other"}


def test_unusable_values_are_refused_at_construction():
    with pytest.raises(InvalidInput, match="model"):
        OpenAIEmbedder("", api_key=KEY)
    with pytest.raises(InvalidInput, match="dimension"):
        OpenAIEmbedder(api_key=KEY, dimension=0)


def test_threads_share_one_client(embedder):
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(embedder.embed, [[f"text {number}"] for number in range(40)]))

    np.testing.assert_array_equal(np.concatenate(found), embedder.embed([f"text {number}" for number in range(40)]))
