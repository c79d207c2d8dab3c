"""The reference implementation's files: every page once and in time, no known junk, nobody else's memory."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import InvalidInput
from memoryos_engine.importers import read_turns
from tests.engine.importers.reading import DATA, as_json, local, page, read

TOM = DATA / "reference" / "users" / "tom"
KNOWLEDGE = "imported knowledge"


def test_a_users_folder_becomes_pages_in_time_without_doubles_and_junk() -> None:
    found, turns = read(TOM)

    assert found == [
        page(
            "Tom is calm and likes plants (openness: high).",
            at=local("2025-03-03 07:00:00"),
            session=KNOWLEDGE,
            imported_as="user profile",
        ),
        page(
            "- Tom is allergic to penicillin.",
            at=local("2025-03-03 07:00:00"),
            session=KNOWLEDGE,
            imported_as="user knowledge",
        ),
        page("I moved to Tromsø in 2019.", "A cold place!", local("2025-03-01 08:00:00")),
        page("My sister Olga keeps reindeer.", "How many?", local("2025-03-02 09:15:00")),
        page("Did I water the fig tree?", "You did, on Sunday.", local("2025-03-04 18:30:00")),
        page("And the lemon?", "", local("2025-03-04 18:31:00")),
    ]
    assert turns.format == "reference"
    assert (turns.count, turns.undated) == (6, 0)
    assert turns.left_out == {
        "knowledge that says nothing": 3,
        "pages that stood there twice": 1,
        "answers that were error messages": 1,
        "knowledge that stood there twice": 1,
        "knowledge that a page says already": 1,
        "error messages kept as knowledge": 1,
    }


def test_assistant_knowledge_is_read_only_where_its_file_is_named() -> None:
    """Defect P-23: there it is one store for all users of an assistant."""
    found, turns = read(DATA / "reference" / "assistants" / "coach" / "long_term_assistant.json")

    at = local("2025-03-03 07:00:00")
    text = "The assistant recommended repotting in spring."
    assert found == [page("", text, at, KNOWLEDGE, imported_as="assistant knowledge")]
    assert turns.left_out == {"knowledge that says nothing": 1}


def test_the_version_on_chroma_has_one_file_a_user() -> None:
    found, turns = read(DATA / "metadata_tom_coach.json")

    assert found == [
        page("Tom is calm.", at=local("2025-03-03 07:00:00"), session=KNOWLEDGE, imported_as="user profile"),
        page("I moved to Tromsø in 2019.", "A cold place!", local("2025-03-01 08:00:00")),
        page("Did I water the fig tree?", "You did, on Sunday.", local("2025-03-04 18:30:00")),
    ]
    assert (turns.format, turns.left_out) == ("reference", {})


def test_a_page_has_the_same_key_in_short_term_and_in_mid_term(tmp_path: Path) -> None:
    """A later export is imported over an earlier one without doubles, though pages moved on meanwhile."""
    mid = {"sessions": {"s": {"details": json.loads((TOM / "short_term.json").read_text(encoding="utf-8"))}}}
    later = as_json(tmp_path, mid, "mid_term.json")

    assert list(read_turns(later)) == list(read_turns(TOM / "short_term.json"))


def test_a_date_that_nobody_can_read_is_that_of_the_page_before(tmp_path: Path) -> None:
    """There any text was taken for a date."""
    pages = [
        {"user_input": "a", "agent_response": "b", "timestamp": "2025-03-01 08:00:00"},
        {"user_input": "c", "agent_response": "d", "timestamp": "1:56 pm on 8 May, 2023"},
        {"user_input": "e", "agent_response": "f"},
        {"user_input": "g", "agent_response": "h", "timestamp": "2025-02-01 08:00:00"},
    ]
    found, turns = read(as_json(tmp_path, pages, "short_term.json"))

    assert [(turn["user_input"], turn["timestamp"]) for turn in found] == [
        ("g", local("2025-02-01 08:00:00")),
        ("a", local("2025-03-01 08:00:00")),
        ("c", local("2025-03-01 08:00:00")),
        ("e", local("2025-03-01 08:00:00")),
    ]
    assert turns.left_out == {"dates that cannot be read (the page takes that of the one before it)": 1}


@pytest.mark.parametrize("junk", ["None", "- None.", "(None found)", "无", "", " - ", "**Private Data:**", "【用户】"])
def test_knowledge_that_says_nothing_is_left_out(tmp_path: Path, junk: str) -> None:
    """Defect P-16."""
    data = {"knowledge_base": [{"knowledge": junk, "timestamp": "2025-03-01 08:00:00"}]}
    found, turns = read(as_json(tmp_path, data, "long_term_user.json"))

    assert (found, turns.left_out) == ([], {"knowledge that says nothing": 1})


@pytest.mark.parametrize("text", ["Nonesuch is a band.", "**Job:** teaches physics", "Error: is the name of her cat"])
def test_knowledge_that_looks_like_junk_and_is_none_is_kept(tmp_path: Path, text: str) -> None:
    data = {"knowledge_base": [{"knowledge": text, "timestamp": "2025-03-01 08:00:00"}]}
    found, turns = read(as_json(tmp_path, data, "long_term_user.json"))

    assert found == [page(text, "", local("2025-03-01 08:00:00"), KNOWLEDGE, imported_as="user knowledge")]
    assert turns.left_out == {}


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("short_term.json", ["secret"], "short_term.json[0] is a str, not an object. Mend it"),
        ("short_term.json", [{"user_input": 5}], "short_term.json[0].user_input is a int, not text"),
        ("mid_term.json", {"sessions": []}, "mid_term.json sessions is a list, not an object"),
        ("mid_term.json", {"sessions": {"secret": 1}}, "mid_term.json sessions[0] is a int, not an object"),
        (
            "mid_term.json",
            {"sessions": {"secret": {"details": [{}, None]}}},
            "mid_term.json sessions[0].details[1] is a NoneType, not an object",
        ),
        (
            "long_term_user.json",
            {"knowledge_base": "secret"},
            "long_term_user.json knowledge_base is a str, not a list",
        ),
        (
            "long_term_user.json",
            {"user_profiles": {"secret": {"data": "x"}, "ann": {"data": "y"}}},
            "long_term_user.json user_profiles holds the profiles of 2 users",
        ),
        ("long_term_user.json", {"secret": 1}, "long_term_user.json is no file of the reference implementation"),
        ("mid_term.json", "secret", "mid_term.json is no file of the reference implementation"),
    ],
)
def test_what_is_of_another_form_is_named_by_its_place(tmp_path: Path, name: str, data: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_turns(as_json(tmp_path, data, name)))

    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kept", "problem"), [(0, "mid_term.json is empty"), (200, "file is not valid JSON at line 7")]
)
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, kept: int, problem: str) -> None:
    """Defects P-7 and P-8: killed while saving, it leaves half a file."""
    shutil.copytree(TOM, tmp_path / "tom")
    whole = (TOM / "mid_term.json").read_bytes()
    (tmp_path / "tom" / "mid_term.json").write_bytes(whole[:kept])

    with pytest.raises(InvalidInput) as caught:
        list(read_turns(tmp_path / "tom"))

    assert str(caught.value).startswith(problem)


def test_a_folder_of_several_users_is_refused(tmp_path: Path) -> None:
    """The version on Chroma keeps all users side by side; one import is one user."""
    for name in ("ann", "tom"):
        shutil.copy(DATA / "metadata_tom_coach.json", tmp_path / f"metadata_{name}_coach.json")

    with pytest.raises(InvalidInput, match="file is a folder with the memories of 2 users"):
        read_turns(tmp_path)
