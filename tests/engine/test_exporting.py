"""A file of an export is whole or not there, and is written from a few records at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from itertools import chain, repeat

import pytest

from memoryos_engine import InvalidInput, MemoryOS, StoreError, UserMemory
from memoryos_engine.storage import stored_rows
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.resident import ResidentSet

PAGES = 10


@pytest.fixture
def memory(system: MemoryOS, monkeypatch: pytest.MonkeyPatch) -> UserMemory:
    monkeypatch.setattr(stored_rows, "AT_ONCE", 4)
    memory = system.memory("tom")
    memory.import_turns({"user_input": f"Text {n}."} for n in range(PAGES))
    return memory


def test_records_are_read_some_at_a_time_and_in_order(memory, monkeypatch, tmp_path):
    """Never all of a large memory."""
    asked: list[int] = []
    fetch = ChromaStore.fetch

    def counted(self, owner, ids):
        asked.append(len(ids))
        return fetch(self, owner, ids)

    monkeypatch.setattr(ChromaStore, "fetch", counted)
    assert memory.export(tmp_path / "tom.jsonl") == PAGES
    assert asked == [4, 4, 2]
    ids = [line.split('"id": "')[1].split('"')[0] for line in (tmp_path / "tom.jsonl").read_text().split("\n")[1:-2]]
    assert ids == sorted(page.id for page in memory.pages())


def test_an_export_that_fails_leaves_the_file_as_it_was(memory, monkeypatch, tmp_path):
    """A backup must not be lost to the try to make a newer one."""
    file = tmp_path / "backups" / "tom.jsonl"
    file.parent.mkdir()
    file.write_text("the last good one")
    fetch, asked = ChromaStore.fetch, []

    def fails(self, owner, ids):
        asked.append(ids)
        if len(asked) == 2:
            raise StoreError("gone")
        return fetch(self, owner, ids)

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(ChromaStore, "fetch", fails)
        memory.export(file)
    assert file.read_text() == "the last good one"
    assert list(file.parent.iterdir()) == [file]

    memory.export(file)
    assert file.read_text().startswith('{"assistant_id"')


KILLED = """
import os, signal, sys
from memoryos_engine import MemoryOS
from memoryos_engine.storage import stored_rows
from memoryos_engine.storage.chroma import ChromaStore
stored_rows.AT_ONCE = 4
fetch, asked = ChromaStore.fetch, []

def killing(self, owner, ids):
    asked.append(ids)
    if len(asked) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return fetch(self, owner, ids)

ChromaStore.fetch = killing
MemoryOS(sys.argv[1]).memory("tom").export(sys.argv[2])
"""


def test_an_export_that_is_killed_leaves_no_half_file_under_its_name(memory, tmp_path):
    store, file = tmp_path / "store", tmp_path / "tom.jsonl"
    memory.system.close()
    done = subprocess.run([sys.executable, "-c", KILLED, str(store), str(file)], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert not file.exists()


def test_a_memory_that_others_write_to_is_read_again(memory, monkeypatch, tmp_path):
    """One moment's memory, not parts of two."""
    memory.export(tmp_path / "before.jsonl")
    outrun = chain([False, True, False, True, False], repeat(False))  # asked before, after each reading, and in between
    monkeypatch.setattr(ResidentSet, "is_behind", lambda _: next(outrun))
    assert memory.export(tmp_path / "tom.jsonl") == PAGES
    assert (tmp_path / "tom.jsonl").read_bytes() == (tmp_path / "before.jsonl").read_bytes()


def test_a_memory_that_others_never_leave_alone_is_not_exported(memory, monkeypatch, tmp_path):
    monkeypatch.setattr(ResidentSet, "is_behind", lambda _: True)
    with pytest.raises(StoreError, match="when they rest"):
        memory.export(tmp_path / "tom.jsonl")
    assert not (tmp_path / "tom.jsonl").exists()


def test_a_link_stays_a_link(memory, tmp_path):
    (tmp_path / "real.jsonl").write_text("old")
    link = tmp_path / "link.jsonl"
    link.symlink_to("real.jsonl")
    memory.export(link)
    assert link.is_symlink()
    assert (tmp_path / "real.jsonl").read_text().startswith('{"assistant_id"')


def test_a_pipe_is_written_to_and_not_replaced(memory, tmp_path):
    """`memoryos export /dev/stdout` must not put a file in place of the terminal."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    memory.export(pipe)
    reader.join()
    memory.export(tmp_path / "tom.jsonl")
    assert pipe.is_fifo()
    assert read == [(tmp_path / "tom.jsonl").read_bytes()]


@pytest.mark.parametrize("place", ["", "no folder/tom.jsonl"])
def test_a_place_that_cannot_be_written_is_refused(memory, tmp_path, place):
    with pytest.raises(InvalidInput, match="cannot be written"):
        memory.export(tmp_path / place)
    assert [entry.name for entry in tmp_path.iterdir()] == ["store"]


def test_an_export_is_for_its_owner_alone_unless_the_file_was_for_others(tmp_path, system):
    """Somebody's whole memory is in it."""
    memory = system.memory("tom")
    memory.add_memory("I keep bees.", "How many hives?")
    new, known = tmp_path / "new.jsonl", tmp_path / "known.jsonl"
    known.touch(mode=0o644)
    for file in (new, known):
        memory.export(file)

    assert [file.stat().st_mode & 0o777 for file in (new, known)] == [0o600, 0o644]
