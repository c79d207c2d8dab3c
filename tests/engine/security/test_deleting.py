"""What is left of deleted text before and after vacuum, and where copies of it outlive that."""

from __future__ import annotations

import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import memoryos_engine
from memoryos_engine import MemoryOS
from memoryos_engine.similarity import Vector
from tests.pages import dead_links

FOLDER = Path(memoryos_engine.__file__).parent
PAGE = (FOLDER / "SECURITY.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition("#")[0].strip()
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


def holds(word: str, folder: Path) -> bool:
    return any(word.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_forgotten_span_is_found_no_more_and_leaves_the_files_with_vacuum(system: MemoryOS, tmp_path: Path) -> None:
    memory = system.memory("tom")
    for day, word in ((1, "heron"), (2, "marmalade"), (3, "otter")):
        memory.add_memory(f"I saw the {word}.", timestamp=f"2024-03-0{day}T12:00:00+00:00")
    memory.flush()

    assert memory.forget_between(since="2024-03-02T00:00:00Z", until="2024-03-03T00:00:00Z") == 1
    assert "marmalade" not in repr((memory.pages(), memory.retrieve_memory("the marmalade").pages))
    assert holds("marmalade", tmp_path / "store")  # until Chroma's log is rewritten

    system.vacuum()
    assert not holds("marmalade", tmp_path / "store")
    assert holds("otter", tmp_path / "store")


def test_all_of_a_users_memories_leave_the_files_and_nobody_elses(system: MemoryOS, tmp_path: Path) -> None:
    for user, assistant in (("tom-4711", "cook"), ("tom-4711", "coach"), ("ann-4712", "cook")):
        system.memory(user, assistant).add_memory(f"{user} told the {assistant}.")

    assert system.forget_user("tom-4711") == 2
    system.vacuum()

    assert not holds("tom-4711", tmp_path / "store")
    assert holds("ann-4712 told the cook.", tmp_path / "store")


def test_who_forgets_a_fact_keeps_the_page_that_said_it(open_system: Callable[..., MemoryOS]) -> None:
    memory = open_system(short_term_capacity=1, heat_threshold=0.0).memory("tom")
    memory.add_memory("I live in Reykjavik.", "Cold?")
    memory.add_memory("Bye.", "Bye.")
    memory.flush()
    (entry,) = [entry for entry in memory.knowledge() if entry.text == "Reykjavik"]
    memory.forget(entry.id)

    assert "Reykjavik" not in [entry.text for entry in memory.knowledge(history=True)]
    assert memory.pages()[0].user_input == "I live in Reykjavik."


def test_an_export_outlives_purge_and_vacuum_and_brings_everything_back(system: MemoryOS, tmp_path: Path) -> None:
    memory = system.memory("tom")
    memory.add_memory("I saw the marmalade.")
    memory.export(tmp_path / "tom.jsonl")
    memory.purge()
    system.vacuum()

    assert not holds("marmalade", tmp_path / "store")
    assert "marmalade" in (tmp_path / "tom.jsonl").read_text(encoding="utf-8")
    assert system.import_memory(tmp_path / "tom.jsonl").pages()[0].user_input == "I saw the marmalade."


def test_what_was_forgotten_comes_back_with_its_source(system: MemoryOS) -> None:
    memory = system.memory("tom")
    turn = {"user_input": "I saw the marmalade.", "metadata": {"imported_from": "chat_1"}}
    memory.import_turns([turn])
    memory.forget(memory.pages()[0].id)
    memory.import_turns([turn])

    assert [page.user_input for page in memory.pages()] == ["I saw the marmalade."]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_an_export_that_was_killed_leaves_its_part_with_text_in_it(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from memoryos_engine import MemoryOS
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
memory = MemoryOS(sys.argv[1]).memory("tom")
memory.add_memory("I saw the marmalade.")
memory.export(sys.argv[2])
"""
    folder = tmp_path / "exports"
    folder.mkdir()
    command = [sys.executable, "-c", program, str(tmp_path / "store"), str(folder / "tom.jsonl")]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    (part,) = folder.iterdir()

    assert re.fullmatch(r"\.memoryos-export-[0-9a-f]{32}\.part", part.name)
    assert "marmalade" in part.read_text(encoding="utf-8")


def test_the_vector_of_a_forgotten_page_stays_in_the_index(system: MemoryOS, tmp_path: Path) -> None:
    """Chroma marks vectors as deleted and keeps them: no text, but a guess can be compared with it."""
    memory = system.memory("tom")
    page = memory.add_memory("I saw the marmalade.")
    for number in range(5):
        memory.add_memory(f"I saw heron {number}.")
    (row,) = system._storage.store.fetch(memory.owner, [page.id])
    assert row.vector is not None
    memory.forget(page.id)

    system.vacuum()
    assert max(similarities(tmp_path / "store", row.vector)) > 0.999
    assert not holds(page.id, tmp_path / "store")


def similarities(store: Path, vector: Vector) -> list[float]:
    """Compare a vector with those of its length in the indexes of a store, deleted ones too."""
    found: list[float] = []
    for header in store.glob("*/header.bin"):
        _, _, _, count, size, end, begin = struct.unpack_from("<i6Q", header.read_bytes())
        if end - begin == vector.nbytes:
            rows = np.frombuffer((header.parent / "data_level0.bin").read_bytes()[: count * size], dtype=np.uint8)
            found += (rows.reshape(count, size)[:, begin:end].copy().view("<f4") @ vector).tolist()
    return found


def test_the_commands_of_the_page_do_what_it_says(tmp_path: Path) -> None:
    """In order, in one store: after each, what it deletes is gone; at the end nothing of the user is in a file."""
    store = tmp_path / "memoryos_data"
    with MemoryOS(store) as system:
        memory = system.memory("tom", session_id="monday")
        page = memory.add_memory("The first marmalade.", timestamp="2024-02-01T12:00:00Z")
        memory.add_memory("The second marmalade.", timestamp="2024-02-02T12:00:00Z")
        memory.in_session("x").add_memory("The third marmalade.", timestamp="2024-03-02T12:00:00Z")
        memory.in_session("x").add_memory("The fourth marmalade.", timestamp="2024-05-02T12:00:00Z")
        system.memory("tom", "cook").add_memory("The fifth marmalade.")
    left = []
    for command in COMMANDS:
        words = command.replace("ID", page.id).split()
        assert words.pop(0) == "memoryos"
        yes = ["--yes"] if words[0] in ("forget", "purge") and page.id not in words else []
        run = [sys.executable, "-m", "memoryos_engine", *words, *yes]
        subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, timeout=120)
        with MemoryOS(store) as system:
            left.append((words[0], sum(len(system.memory(*each).pages()) for each in map(owner, system.users()))))

    assert left == [("show", 5), ("forget", 4), ("forget", 3), ("forget", 2), ("purge", 0), ("vacuum", 0)]
    assert not holds("marmalade", store)


def owner(whose: object) -> tuple[str, str]:
    return whose.user_id, whose.assistant_id  # type: ignore[attr-defined]


def test_the_page_is_linked_and_leads_nowhere_wrong() -> None:
    assert "memoryos_engine/SECURITY.md" in (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    assert dead_links(PAGE, FOLDER) == []
