"""The embedder that needs no download."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memoryos_engine.embedding import HashingEmbedder

TEXTS = ["I adopted a grey cat.", "من گربه‌ای دارم", "我养了一只猫", "मेरे पास बिल्ली है", "", "👋", "Donaudampfschifffahrt"]
PROGRAM = f"""
import hashlib
from memoryos_engine.embedding import HashingEmbedder
print(hashlib.sha256(HashingEmbedder().embed({TEXTS!r}).tobytes()).hexdigest())
"""


def digest_in_another_process(seed: str) -> str:
    environment = {"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60).stdout


def test_the_vectors_are_the_same_in_every_process():
    """Invariant 8: the name holds all that the vectors depend on; Python's own hashes change with each process."""
    assert digest_in_another_process("1") == digest_in_another_process("2") != ""


@pytest.mark.parametrize("dimension", [1, 2, 64, 512, 1000])
def test_the_dimension_is_the_one_asked_for_and_part_of_the_name(dimension):
    """A store remembers the name: two dimensions are two embedders."""
    embedder = HashingEmbedder(dimension)
    vectors = embedder.embed(TEXTS)

    assert (embedder.name, embedder.dimension) == (f"hashing-v1-{dimension}", dimension)
    assert (vectors.shape, vectors.dtype) == ((len(TEXTS), dimension), np.dtype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_the_default_is_512_dimensions():
    """What stores of the default embedder record."""
    assert (HashingEmbedder().name, HashingEmbedder().dimension) == ("hashing-v1-512", 512)


@given(text=st.text(), dimension=st.sampled_from([1, 3, 64]))
@example(text="\x00", dimension=1)
@settings(deadline=None)
def test_any_text_becomes_a_unit_row(text, dimension):
    """Terms may cancel each other out; the row is of length one all the same."""
    (row,) = HashingEmbedder(dimension).embed([text])

    assert np.linalg.norm(row) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("near", "also", "far"),
    [
        ("I am sailing", "He sails", "She paints"),
        ("Donaudampfschiff", "Dampfschifffahrt", "Regenwetter"),
        ("accommodation", "accomodation", "restaurant"),
        ("من کتاب می‌خوانم", "کتابخانه", "ورزش می‌کنم"),
        ("我喜欢编程", "编程很有趣", "天气不好"),
    ],
)
def test_words_that_share_pieces_are_near_in_any_script(near, also, far):
    """hashing: it catches what exact terms miss: inflections, compounds, misspellings."""
    a, b, c = HashingEmbedder().embed([near, also, far])

    assert a @ b > a @ c + 0.1


def test_texts_without_a_common_word_are_nearly_orthogonal():
    """Style habit 2: discriminating, unlike an embedder whose vectors are all equal."""
    rows = HashingEmbedder().embed(["quarterly budget report", "sourdough bread", "marathon training", "violin"])
    cosines = (rows @ rows.T)[~np.eye(4, dtype=bool)]

    assert np.abs(cosines).max() < 0.2


def test_texts_without_words_have_one_direction():
    """Text without words is fixed, and of length one like all others."""
    empty, marks, emoji = HashingEmbedder().embed(["", "?!", "👋"])

    np.testing.assert_array_equal(empty, marks)
    np.testing.assert_array_equal(empty, emoji)


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "".join(chr(97 + n * 7 % 26) for n in range(1_000_000)), "中" * 333_333]
)
def test_a_megabyte_is_embedded_quickly(text):
    """Adding a page of the largest size stays interactive."""
    began = time.process_time()
    HashingEmbedder().embed([text])

    assert time.process_time() - began < 3.0
