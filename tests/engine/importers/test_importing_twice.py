"""Files imported into a memory: once whatever happens, whole after a kill, and only for who asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import MemoryOS
from memoryos_engine.importers import read_turns
from memoryos_engine.transfer import BATCH
from tests.engine.importers.reading import DATA, as_json

FILES = [
    ("reference/users/tom", 6),
    ("mem0.json", 3),
    ("conversations.json", 3),
    ("messages.json", 2),
    ("tuning.jsonl", 2),
    ("whatsapp_android.txt", 4),
]


def said(memory: Any) -> list[tuple[str, str]]:
    return [(page.user_input, page.agent_response) for page in memory.pages()]


@pytest.mark.parametrize(("name", "pages"), FILES)
def test_the_same_file_twice_is_one_memory(system: MemoryOS, name: str, pages: int) -> None:
    memory = system.memory("tom")
    turns = read_turns(DATA / name, user_name="Tom" if name.endswith("txt") else None)

    assert memory.import_turns(turns) == pages
    before = memory.pages()
    assert memory.import_turns(turns) == 0
    assert turns.count == pages
    assert memory.pages() == before


def test_what_is_known_is_known_after_reopening_and_in_segments(open_system: Any) -> None:
    first = open_system(short_term_capacity=2)
    memory = first.memory("tom")
    memory.import_turns(read_turns(DATA / "reference" / "users" / "tom"))
    memory.flush()
    assert memory.segments() != []
    first.close()
    again = open_system(short_term_capacity=2).memory("tom")

    assert again.import_turns(read_turns(DATA / "reference" / "users" / "tom")) == 0
    assert len(again.pages()) == 6


def test_another_user_has_a_memory_of_the_own(system: MemoryOS) -> None:
    for user in ("tom", "ann"):
        assert system.memory(user).import_turns(read_turns(DATA / "mem0.json")) == 3


def test_the_same_words_said_twice_are_two_pages(system: MemoryOS, tmp_path: Path) -> None:
    """Only where they stand tells them apart, and where a date stands in for that, how often it stood there."""
    yes = {"role": "user", "content": "Yes.", "timestamp": 1714840200}
    no = {"role": "assistant", "content": "No.", "timestamp": 1714840200}
    file = as_json(tmp_path, [yes, no, yes, no, yes, no])
    memory = system.memory("tom")

    assert memory.import_turns(read_turns(file)) == 3
    assert memory.import_turns(read_turns(file)) == 0
    assert said(memory) == [("Yes.", "No.")] * 3


def test_a_file_that_grew_brings_what_is_new(system: MemoryOS, tmp_path: Path) -> None:
    messages = [{"role": role, "content": f"{role} {n}"} for n in range(4) for role in ("user", "assistant")]
    memory = system.memory("tom")

    assert memory.import_turns(read_turns(as_json(tmp_path, messages[:4]))) == 2
    assert memory.import_turns(read_turns(as_json(tmp_path, messages))) == 2
    assert said(memory) == [(f"user {n}", f"assistant {n}") for n in range(4)]


def test_an_import_that_was_killed_goes_on_where_it_stopped(system: MemoryOS, tmp_path: Path) -> None:
    messages = [{"role": role, "content": f"{role} {n}"} for n in range(BATCH + 9) for role in ("user", "assistant")]
    turns = read_turns(as_json(tmp_path, messages))
    memory = system.memory("tom")

    def killed() -> Any:
        for place, turn in enumerate(turns):
            if place == BATCH + 5:
                raise KeyboardInterrupt
            yield turn

    with pytest.raises(KeyboardInterrupt):
        memory.import_turns(killed())
    assert len(memory.pages()) == BATCH

    assert memory.import_turns(turns) == 9
    assert said(memory) == [(f"user {n}", f"assistant {n}") for n in range(BATCH + 9)]


def test_metadata_of_that_name_that_is_no_key_keeps_nothing_out(system: MemoryOS) -> None:
    """Callers may have used the name for their own ends."""
    turns = [{"user_input": f"Fact {n}", "metadata": {"imported_from": "notes"}} for n in range(3)]
    memory = system.memory("tom")

    assert memory.import_turns(turns) == 3
    assert memory.import_turns(turns) == 3


def test_keys_say_nothing_of_what_was_said() -> None:
    keys = [turn["metadata"]["imported_from"] for turn in read_turns(DATA / "messages.json")]

    assert keys == ["openai_" + key.partition("_")[2] for key in keys]
    assert {len(key) for key in keys} == {len("openai_") + 32}
    assert len(set(keys)) == 2
