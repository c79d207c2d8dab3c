"""Files as they come: every encoding and line end, cut, endless, hostile; and which format they are guessed to be."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import InvalidInput
from memoryos_engine.importers import FORMATS, read_turns
from memoryos_engine.importers.pairing import MOST_BYTES
from tests.engine.importers.reading import DATA, as_json, local, page, read

CHAT = "[2024-05-04 18:30] Tom: Grüße, 世界\n[2024-05-04 18:31] Bot: Hallo\nnoch eins\n"
MESSAGES = json.dumps([{"role": "user", "content": "Grüße, 世界"}], ensure_ascii=False, indent=1)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_chat_log_is_the_same_in_every_encoding_and_with_every_line_end(
    tmp_path: Path, encoding: str, line_end: str
) -> None:
    file = tmp_path / "chat.txt"
    file.write_bytes(CHAT.replace("\n", line_end).encode(encoding))

    expected = [page("Grüße, 世界", "Hallo\nnoch eins", local("2024-05-04 18:30:00"))]
    assert read(file, user_name="Tom")[0] == expected


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_json_is_the_same_in_every_encoding_and_with_every_line_end(
    tmp_path: Path, encoding: str, line_end: str
) -> None:
    file = tmp_path / "messages.json"
    file.write_bytes(MESSAGES.replace("\n", line_end).encode(encoding))

    assert read(file)[0] == [page("Grüße, 世界")]


@pytest.mark.parametrize("before", [0, 100, 65_535, 200_000])
def test_a_byte_that_is_no_text_is_named_by_its_place(tmp_path: Path, before: int) -> None:
    file = tmp_path / "chat.txt"
    head = b"[2024-05-04 18:30] Tom: "
    file.write_bytes(head + b"x" * before + b"\xe9\xe9 secret")

    with pytest.raises(InvalidInput) as caught:
        list(read_turns(file, "chat-log", "Tom"))

    place = len(head) + before
    assert str(caught.value) == (
        f"file is not text in UTF-8: byte {place:,} cannot be read. Save it as UTF-8 with a text editor."
    )


def test_half_a_character_at_the_end_is_named_too(tmp_path: Path) -> None:
    file = tmp_path / "chat.txt"
    file.write_bytes(codecs.BOM_UTF16_LE + "[2024-05-04 18:30] Tom: x".encode("utf-16-le") + b"\x3d")

    with pytest.raises(InvalidInput, match="file is not text in UTF-16: byte 52 cannot be read"):
        list(read_turns(file, "chat-log", "Tom"))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\n \r\n", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(content)

    for format_ in (None, name):
        with pytest.raises(InvalidInput, match=r"is empty|holds no message"):
            list(read_turns(file, format_, "Tom"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[", 1),
        ('[\n{"role": "user", "content": "a"}', 2),
        ('[{"role": "user", "content": "a"},\n\n]', 3),
        ('[{"role": "user", "content": "a"}\n{"role"', 2),
        ('[{"role": "user", "content": "a"}]\n secret', 2),
        ('{"role": "user", "content": "a"}\nsecret', 2),
        ('[{"role": "user", "content": ' + "1" * 5000 + "}]", 1),
        ("[" * 100_000, 1),
    ],
)
def test_json_that_is_broken_is_named_by_its_line(tmp_path: Path, text: str, line: int) -> None:
    file = tmp_path / "messages.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidInput) as caught:
        list(read_turns(file, "openai"))

    assert str(caught.value).startswith(f"file is not valid JSON at line {line}.")
    assert "secret" not in str(caught.value)


def test_no_messages_are_no_turns(tmp_path: Path) -> None:
    assert read(as_json(tmp_path, []), format="openai")[0] == []


def test_lists_longer_than_what_is_read_at_once_are_whole(tmp_path: Path) -> None:
    """Values lie across the borders of the pieces that are read."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": f"{n} " + "é" * (n * 37 % 900)} for n in range(1000)]
    found, turns = read(as_json(tmp_path, messages))

    assert (turns.count, turns.left_out) == (500, {})
    said = [side for turn in found for side in (turn["user_input"], turn["agent_response"])]
    assert said == [message["content"] for message in messages]


def test_a_line_of_a_megabyte_is_kept_whole_in_pages_that_a_memory_takes(tmp_path: Path, system: Any) -> None:
    words = " ".join(f"word{n}" for n in range(120_000))
    assert len(words) > 1_000_000
    file = tmp_path / "chat.txt"
    file.write_text(f"[2024-05-04 18:30] Tom: {words}\n[2024-05-04 18:31] Bot: Long!\n", encoding="utf-8")
    memory = system.memory("tom")

    assert memory.import_turns(read_turns(file, user_name="Tom")) == 3
    pages = memory.pages()
    assert "".join(one.user_input for one in pages) == words
    assert [one.agent_response for one in pages] == ["", "", "Long!"]
    assert max(len(one.user_input.encode()) for one in pages) <= MOST_BYTES


def test_many_short_messages_of_one_side_are_cut_where_a_page_is_full(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "é" * 99_999} for _ in range(6)]
    found, _ = read(as_json(tmp_path, messages))

    assert [len(turn["user_input"]) for turn in found] == [199_999, 199_999, 199_999]


def test_halves_of_surrogate_pairs_are_made_storable(tmp_path: Path, system: Any) -> None:
    file = tmp_path / "messages.json"
    file.write_text('[{"role": "user", "content": "a\\ud83d b\\ud83d\\ude00 c\\u0000"}]', encoding="utf-8")
    memory = system.memory("tom")
    memory.import_turns(read_turns(file))

    assert [one.user_input for one in memory.pages()] == ["a\ufffd b\U0001f600 c\0"]


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("reference/users/tom", "reference"),
        ("reference/users/tom/short_term.json", "reference"),
        ("metadata_tom_coach.json", "reference"),
        ("mem0.json", "mem0"),
        ("conversations.json", "openai"),
        ("messages.json", "openai"),
        ("tuning.jsonl", "openai"),
        ("plain.txt", "chat-log"),
        ("whatsapp_android.txt", "chat-log"),
        ("whatsapp_ios.txt", "chat-log"),
    ],
)
def test_the_format_is_guessed(name: str, format_: str) -> None:
    assert read_turns(DATA / name, user_name="Tom").format == format_
    assert read_turns(str(DATA / name), format_.replace("-", "_"), "Tom").format == format_


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Just some words.\n", "file is in no format that can be told. Pass format= (--from) with one of: reference,"),
        ('{"secret": 1}', "file is in no format that can be told."),
        ("[]", "file could be in the format reference or mem0 or openai. Pass format= (--from)"),
        ('{"messages": [], "memories": []}', "file could be in the format openai or mem0."),
        ('{"memoryos_export": 1}', "file is an export of MemoryOS itself. Read it with system.import_memory(file)"),
        ("PK\x03\x04", "file is a zip archive. Unpack it"),
    ],
)
def test_what_cannot_be_guessed_says_what_it_may_be(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "file"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(InvalidInput) as caught:
        read_turns(file)

    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "format_", "message"),
    [
        ("nowhere.json", None, "file does not exist"),
        ("mem0.json", "secret", "format is none that can be read. Pass one of: reference, mem0, openai, chat-log."),
        (".", None, "file could be in the format reference or openai"),
        (".", "mem0", "file is a folder, and mem0 is a format of files"),
        ("reference", None, "file is in no format that can be told"),
    ],
)
def test_a_file_or_format_that_is_none_is_refused_at_once(name: str, format_: str | None, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_turns(DATA / name, format_)

    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)
