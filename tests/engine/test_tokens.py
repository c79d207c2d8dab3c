from __future__ import annotations

import base64
import hashlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_engine import o200k, tokens
from memoryos_engine.tokens import default_counter, estimate_tokens

SPECIAL = "<|endoftext|>"


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A machine without any table, on which opening a socket is an error."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "own"))
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr(o200k.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(o200k, "find_spec", lambda name: None)
    tokens._choose_counter.cache_clear()
    yield tmp_path
    tokens._choose_counter.cache_clear()


def write_table(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of single bytes, under the name and with the digest that are looked for."""
    rows = [base64.b64encode(bytes([byte])) + b" " + str(byte).encode() for byte in range(256)]
    table = b"\n".join(rows) + b"\n"
    folder.mkdir(parents=True)
    (folder / "fb374d419588a4632f3f557e76b4b70aebbca790").write_bytes(table)
    monkeypatch.setattr(o200k, "_TABLE_SHA256", hashlib.sha256(table).hexdigest())


# Counts by o200k_base and cl100k_base, taken once with tiktoken 0.14.
@pytest.mark.parametrize(
    ("text", "o200k_tokens", "cl100k_tokens", "estimated"),
    [
        ("Hey! I moved to Berlin last week and I really like it here. How have you been?", 20, 20, 21),
        ("Letzte Woche bin ich nach Berlin gezogen, und es gefällt mir wirklich gut. Wie geht es dir?", 21, 23, 31),
        ("Geçen hafta Berlin'e taşındım ve burayı gerçekten çok seviyorum. Sen nasılsın?", 23, 32, 38),
        ("هفته‌ی پیش به برلین اسباب‌کشی کردم و اینجا را خیلی دوست دارم. حال تو چطور است؟", 29, 56, 60),
        ("انتقلت إلى برلين الأسبوع الماضي وأنا أحب المكان هنا كثيرا. كيف حالك؟", 17, 48, 54),
        ("मैं पिछले हफ़्ते बर्लिन आ गया और मुझे यहाँ बहुत अच्छा लग रहा है। आप कैसे हैं?", 24, 82, 86),
        ("我上周搬到了柏林，真的很喜欢这里。你最近怎么样？", 17, 32, 38),
        ("先週ベルリンに引っ越しました。ここがとても気に入っています。お元気ですか。", 25, 34, 45),
        ("def heat(visits, length):\n    return sum(w * x for w, x in zip(WEIGHTS, (visits, length)))\n", 29, 30, 34),
        ("2024-05-04 13:56, 3.14159, +49 30 901820, 1000000", 29, 29, 30),
        ("😀🎉👍🏽❤️👨‍👩‍👧🇩🇪", 19, 33, 35),
    ],
)
def test_estimate_is_no_lower_than_either_encoding(
    text: str, o200k_tokens: int, cl100k_tokens: int, estimated: int
) -> None:
    assert estimate_tokens(text) == estimated
    assert estimated >= max(o200k_tokens, cl100k_tokens)


def test_estimate_of_english_chat_is_at_most_fifteen_percent_high():
    text = (
        "I finally talked to my sister about the house. She was happy for us, but she thinks we should wait until "
        "next year before we move. What do you think? I really want a garden, and the kids need more room. Anyway, "
        "we're going to look at two places on Saturday, so wish me luck!"
    )
    o200k_tokens = 64
    assert o200k_tokens <= estimate_tokens(text) <= 1.15 * o200k_tokens


def test_only_the_empty_text_is_estimated_at_nothing():
    assert [estimate_tokens(text) for text in ("", " ", "\n", "\0", "\u200b")] == [0, 1, 1, 2, 2]


@given(st.lists(st.text(), max_size=6))
def test_lines_are_estimated_at_no_less_than_the_whole(lines: list[str]) -> None:
    """So that a budget filled line by line holds for the text."""
    parts = [f"{line}\n" for line in lines]
    assert sum(map(estimate_tokens, parts)) >= estimate_tokens("".join(parts))


@given(st.text())
def test_estimate_takes_any_text(text: str) -> None:
    assert estimate_tokens(text) >= (1 if text else 0)


def test_estimate_takes_lone_surrogates():
    assert estimate_tokens("\ud800") == 4


def test_without_a_table_tokens_are_estimated_and_no_connection_is_tried(
    bare_machine: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="memoryos_engine.tokens"):
        assert default_counter() is estimate_tokens
        assert default_counter() is estimate_tokens
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert list(bare_machine.iterdir()) == []


def test_tiktokens_own_cache_is_used(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(bare_machine / "own", monkeypatch)
    assert default_counter()("naïve") == 6
    assert default_counter()(SPECIAL) == 13


def test_the_older_cache_variable_is_used(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(bare_machine / "older"))
    write_table(bare_machine / "older", monkeypatch)
    assert default_counter()("four") == 4


def test_the_temporary_cache_is_used(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(bare_machine / "temporary" / "data-gym-cache", monkeypatch)
    assert default_counter()("four") == 4


def test_the_table_that_llama_index_brings_is_used(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = bare_machine / "llama_index"
    write_table(package / "core" / "_static" / "tiktoken_cache", monkeypatch)
    found = SimpleNamespace(submodule_search_locations=[str(package)])
    monkeypatch.setattr(o200k, "find_spec", {"llama_index": found}.get)
    assert default_counter()("four") == 4


def test_a_stand_in_for_llama_index_is_no_error(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise ValueError(f"{name}.__spec__ is not set")

    monkeypatch.setattr(o200k, "find_spec", refuse)
    assert default_counter() is estimate_tokens


def test_a_damaged_table_is_left_alone_and_not_used(bare_machine: Path) -> None:
    """tiktoken itself would delete it and download."""
    table = bare_machine / "own" / "fb374d419588a4632f3f557e76b4b70aebbca790"
    table.parent.mkdir()
    table.write_bytes(b"AA== 0\n")
    assert default_counter() is estimate_tokens
    assert table.read_bytes() == b"AA== 0\n"


def test_importing_the_counters_does_not_import_tiktoken():
    program = "import sys, memoryos_engine.tokens, memoryos_engine.o200k; sys.exit('tiktoken' in sys.modules)"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    ran = subprocess.run([sys.executable, "-c", program], check=False, env={**os.environ, "PYTHONPATH": path})
    assert ran.returncode == 0
