"""Chat logs: who said what and when, in every form of date, and what no file can decide is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import InvalidInput
from memoryos_engine.importers import read_turns
from tests.engine.importers.reading import DATA, local, page, read


def log(folder: Path, *lines: str) -> Path:
    path = folder / "chat.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_chat_of_an_android_phone_with_lines_that_go_on() -> None:
    found, turns = read(DATA / "whatsapp_android.txt", user_name="Tom")

    assert found == [
        page(
            "The hive is open:\nthree frames of brood\n\nand a queen",
            "Beautiful!",
            local("2024-05-04 18:31:00"),
        ),
        page("Good morning", "", local("2024-05-05 09:00:00")),
        page("Anybody there?", "", local("2024-05-05 13:00:00")),
        page("", "Back from Lima: https://example.org", local("2024-05-25 09:01:00")),
    ]
    assert turns.format == "chat-log"
    assert turns.left_out == {
        "system lines": 1,
        "pictures, sounds and notices of the app": 1,
        "deleted messages": 1,
    }


def test_a_group_of_an_iphone_keeps_the_names_of_the_others() -> None:
    found, turns = read(DATA / "whatsapp_ios.txt", user_name="tom")

    assert found == [page("Hello both", "Anna: Hi\nBen: Hey,\nTom", local("2024-05-04 18:31:00"))]
    assert turns.left_out == {"pictures, sounds and notices of the app": 2}


def test_plain_logs_in_brackets_and_with_dashes() -> None:
    found, turns = read(DATA / "plain.txt", user_name="Tom")

    assert found == [
        page("Where is the lamp?", "In the attic.", local("2024-05-04 18:30:00")),
        page("Thanks.", "Any time.", local("2024-05-04 18:32:10")),
    ]
    assert turns.left_out == {}


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("[2024-05-04 18:30] Tom: x", "2024-05-04 18:30:00"),
        ("[2024-05-04T18:30:01Z] Tom: x", "2024-05-04T18:30:01+00:00"),
        ("2024-05-04 18:30:12 - Tom: x", "2024-05-04 18:30:12"),
        ("2024-05-04T18:30:12.345+0200 - Tom: x", "2024-05-04T18:30:12+02:00"),
        ("2024/05/04, 18:30 - Tom: x", "2024-05-04 18:30:00"),
        ("14/05/2024, 18:30 - Tom: x", "2024-05-14 18:30:00"),
        ("5/14/24, 6:30 PM - Tom: x", "2024-05-14 18:30:00"),
        ("5/14/24, 12:05\u202fam – Tom: x", "2024-05-14 00:05:00"),
        ("[14.05.24, 18:30:12] Tom: x", "2024-05-14 18:30:12"),
        ("[4.5.2024 klo 18.30.12] Tom: x", "2024-05-04 18:30:12"),
        ("\u200e[14/05/2024, 6:30:12\u202fp.m.] \u202aTom\u202c: x", "2024-05-14 18:30:12"),
        ("05/05/2024, 18:30 - Tom: x", "2024-05-05 18:30:00"),
    ],
)
def test_dates_of_every_form_are_read(tmp_path: Path, line: str, moment: str) -> None:
    found, turns = read(log(tmp_path, line), user_name="Tom")

    assert (found, turns.format) == ([page("x", "", local(moment))], "chat-log")


@pytest.mark.parametrize(
    ("later", "first"),
    [("13/05/2024, 10:00 - Tom: b", "2024-05-04 18:30:00"), ("05/13/2024, 10:00 - Tom: b", "2024-04-05 18:30:00")],
)
def test_one_date_decides_for_the_whole_file(tmp_path: Path, later: str, first: str) -> None:
    found, _ = read(log(tmp_path, "04/05/2024, 18:30 - Tom: a", later), user_name="Tom")

    assert found[0] == page("a", "", local(first))


def test_dates_that_can_be_read_both_ways_are_asked_about(tmp_path: Path) -> None:
    file = log(tmp_path, "05/05/2024, 18:30 - Tom: a", "04/05/2024, 18:30 - Tom: b")

    with pytest.raises(InvalidInput) as caught:
        list(read_turns(file, user_name="Tom"))

    assert str(caught.value) == (
        "file has dates that can be read both ways, as in line 2. "
        "Pass day_first=True or day_first=False (--day-first, --month-first)."
    )
    assert read(file, user_name="Tom", day_first=True)[0][1]["timestamp"] == local("2024-05-04 18:30:00")
    assert read(file, user_name="Tom", day_first=False)[0][1]["timestamp"] == local("2024-04-05 18:30:00")


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (
            ("13/05/2024, 10:00 - Tom: a", "05/13/2024, 10:00 - Tom: b"),
            {},
            "file has the day first in line 1 and the month first in line 2. Split it where that changes.",
        ),
        (
            ("13/05/2024, 10:00 - Tom: a",),
            {"day_first": False},
            "the date in line 1 is not a time that can be read",
        ),
        (("1/5/2024, 25:00 - Tom: a",), {"day_first": True}, "the date in line 1 is not a time that can be read"),
        (("31.02.2024, 10:00 - Tom: a",), {}, "the date in line 1 is not a time that can be read"),
        (("[2024-05-04 18:30] Ann: a",), {}, "user_name says nothing in this file"),
        (("Ann: a", "Tom: b"), {"format": "chat-log"}, "file holds no message of a chat log"),
        (("[2024-05-04 18:30] somebody came in",), {}, "file holds no message of a chat log"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(
    tmp_path: Path, lines: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_turns(log(tmp_path, *lines), user_name="Tom", **options))

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", [None, "", "  "])
def test_a_chat_log_needs_the_name_of_the_user(tmp_path: Path, name: str | None) -> None:
    with pytest.raises(InvalidInput, match="user_name is missing: a chat log does not say who the user is"):
        read_turns(log(tmp_path, "[2024-05-04 18:30] Tom: a"), user_name=name)


def test_what_stands_before_the_first_message_is_left_out(tmp_path: Path) -> None:
    file = log(tmp_path, "Exported by a phone", "", "[2024-05-04 18:30] Tom: a")
    found, turns = read(file, user_name="Tom")

    assert found == [page("a", "", local("2024-05-04 18:30:00"))]
    assert turns.left_out == {"lines before the first message": 1}


def test_words_below_a_picture_are_kept(tmp_path: Path) -> None:
    file = log(tmp_path, "[2024-05-04 18:30] Tom: <Media omitted>", "my bees")

    assert read(file, user_name="Tom")[0] == [page("my bees", "", local("2024-05-04 18:30:00"))]
