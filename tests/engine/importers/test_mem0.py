"""mem0's exports: each memory a page with its id and date, of one user only."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import InvalidInput
from memoryos_engine.importers import read_turns
from tests.engine.importers.reading import DATA, as_json, page, read

IDS = ("8f7c2a10-5d1e-4f5e-9a53-0c1d2e3f4a5b", *(f"0a1b2c3d-0000-4000-8000-00000000000{n}" for n in (1, 2)))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]


EXPECTED = [
    page(
        "Name is Tom",
        "",
        utc(2025, 1, 1),
        "onboarding",
        mem0_id=IDS[1],
        mem0={"categories": ["personal_details"], "run_id": "onboarding"},
    ),
    page(
        "Works as a lighthouse keeper",
        "",
        utc(2025, 2, 3, 18, 20, 30, 123456),
        "mem0",
        mem0_id=IDS[0],
        mem0={"metadata": {"source": "phone"}, "updated_at": "2025-02-05T10:20:30.123456-08:00"},
    ),
    page("", "Recommended a warmer coat", utc(2025, 3, 1), "mem0", mem0_id=IDS[2]),
]


def test_what_get_all_returns_becomes_a_page_for_each_memory_oldest_first() -> None:
    found, turns = read(DATA / "mem0.json")

    assert found == EXPECTED
    assert turns.format == "mem0"
    assert turns.left_out == {"relations of a graph": 1, "memories without text": 1}


def test_a_list_and_lines_hold_the_same_memories(tmp_path: Path) -> None:
    memories = json.loads((DATA / "mem0.json").read_text(encoding="utf-8"))["results"]
    lines = tmp_path / "memories.jsonl"
    lines.write_text("".join(json.dumps(memory) + "\r\n" for memory in memories), encoding="utf-8")

    wanted = list(read_turns(DATA / "mem0.json"))
    assert list(read_turns(as_json(tmp_path, memories))) == wanted
    assert list(read_turns(lines)) == wanted


def test_a_backup_of_openmemory_is_read_without_what_was_deleted(tmp_path: Path) -> None:
    memories = [
        {"id": "1", "content": "Likes tea", "state": "active", "created_at": 1735689600, "metadata": {}},
        {"id": "2", "content": "Likes rum", "state": "deleted", "created_at": 1735689600},
    ]
    found, turns = read(as_json(tmp_path, {"user": {"user_id": "tom"}, "memories": memories}))

    assert found == [page("Likes tea", "", utc(2025, 1, 1), "mem0", mem0_id="1")]
    assert turns.left_out == {"memories that were deleted there": 1}


def test_memories_of_several_users_are_read_for_the_one_that_is_named(tmp_path: Path) -> None:
    """Invariant 2: no text of one user reaches another."""
    memories = [{"id": str(n), "memory": f"Fact {n}", "user_id": user} for n, user in enumerate(("ann", "tom", 7))]
    file = as_json(tmp_path, memories)

    with pytest.raises(InvalidInput) as caught:
        list(read_turns(file))
    assert str(caught.value).startswith("file holds the memories of 3 users. Pass user_name= (--user-name)")
    found, turns = read(file, user_name="tom")
    assert found == [page("Fact 1", "", None, "mem0", mem0_id="1")]
    assert turns.left_out == {"memories of other users": 2}
    assert turns.undated == 1


def test_metadata_that_no_page_can_keep_is_left_out_and_counted(tmp_path: Path) -> None:
    memory = {"id": "1", "memory": "Likes tea", "metadata": {"long": "x" * 40_000}}
    found, turns = read(as_json(tmp_path, [memory]))

    assert found == [page("Likes tea", "", None, "mem0", mem0_id="1")]
    assert turns.left_out == {"metadata that a page cannot keep": 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([{"memory": "a"}, "secret"], "memories[1] is a str, not a memory. Export it again with get_all()"),
        ({"results": [{"memory": "a"}, ["secret"]]}, "results[1] is a list, not a memory"),
        ([{"memory": {"secret": 1}}], "memories[0].memory is a dict, not text"),
        ([{"memory": "a"}, {"id": "secret"}], 'memories[1] has no "memory"'),
        ([{"memory": "a", "created_at": "secret"}], "memories[0].created_at is not a time that can be read"),
        ([{"memory": "a", "created_at": {"secret": 1}}], "memories[0].created_at is a dict, not a time"),
        ([{"memory": "a", "created_at": 1e40}], "memories[0].created_at is no time"),
        ([{"memory": "a", "created_at": float("nan")}], "memories[0].created_at is no time"),
    ],
)
def test_what_is_of_another_form_is_named_by_its_place(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_turns(as_json(tmp_path, data), "mem0"))

    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)
