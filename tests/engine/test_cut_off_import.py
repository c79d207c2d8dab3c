"""An import that was cut off says so to whoever opens the memory, and the same file finishes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from memoryos_engine import EmbeddingError, HashingEmbedder, ImportCutOff, InvalidInput, MemoryOS, Owner, StoreError
from memoryos_engine.similarity import Vector
from memoryos_engine.transfer import importing
from tests.engine.soundness import rows

TOM = Owner(user_id="tom", assistant_id="assistant")
MAY = datetime(2023, 5, 4, 9, 30, tzinfo=timezone.utc)
SUBJECTS = ("sourdough bread", "my cat Mina", "the marathon", "my violin", "old stamps")
BUSY = {"short_term_capacity": 2, "mid_term_capacity": 2, "heat_threshold": 2.5, "similarity_threshold": 1.3}


class Failing(HashingEmbedder):
    """An embedder that fails after so many calls, and counts the texts it was given."""

    def __init__(self, calls: int | None = None) -> None:
        super().__init__()
        self.left = calls
        self.texts = 0

    def embed(self, texts: Sequence[str]) -> Vector:
        if self.left == 0:
            raise EmbeddingError("down")
        self.left = None if self.left is None else self.left - 1
        self.texts += len(texts)
        return super().embed(texts)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 4)


@pytest.fixture
def file(open_system: Callable[..., MemoryOS], tmp_path: Path) -> Path:
    """An export with pages, segments, an archive and facts."""
    memory = open_system(path=tmp_path / "source", **BUSY).memory("tom")
    memory.import_turns(
        {
            "user_input": f"I love {SUBJECTS[n % 5]}, {n}.",
            "timestamp": MAY + timedelta(hours=n),
            "session_id": f"s{n % 2}",
        }
        for n in range(14)
    )
    memory.flush()
    memory.export(tmp_path / "tom.jsonl")
    return tmp_path / "tom.jsonl"


def cut_off(open_system: Callable[..., MemoryOS], file: Path, calls: int) -> MemoryOS:
    """A system whose import of the file was ended by its embedder."""
    system = open_system(embedder=Failing(calls), **BUSY)
    with pytest.raises(EmbeddingError):
        system.import_memory(file)
    return system


def embedded(file: Path) -> int:
    """How many texts an import embeds: segments have the direction of their pages."""
    kinds = [json.loads(line).get("kind") for line in file.read_text(encoding="utf-8").split("\n") if line]
    return kinds.count("page") + kinds.count("knowledge")


def assert_whole(system: MemoryOS, file: Path) -> None:
    again = file.with_name("again.jsonl")
    system.memory("tom").export(again)
    assert again.read_bytes() == file.read_bytes()
    assert system.check() == []


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_cut_off_import_is_told_by_every_call_and_finished_by_the_same_file(open_system, file, tmp_path, calls):
    """Half a memory must not pass for a whole one; what is written need not be embedded again."""
    system = cut_off(open_system, file, calls)
    once, system.embedder.left = system.embedder.texts, None
    memory = system.memory("tom")
    for call in (
        memory.pages,
        memory.status,
        memory.flush,
        lambda: memory.add_memory("Hello."),
        lambda: memory.retrieve_memory("violin"),
        lambda: memory.export(tmp_path / "half.jsonl"),
        memory.forget_session,
    ):
        with pytest.raises(ImportCutOff, match="import the same file again"):
            call()

    assert system.users() == [TOM]
    assert "import was cut off" in str([finding.problem for finding in system.check()])
    assert not (tmp_path / "half.jsonl").exists()

    system.embedder.texts = once
    system.import_memory(file)
    assert_whole(system, file)
    assert system.embedder.texts == embedded(file)


def test_nothing_is_changed_if_the_embedder_is_down_from_the_start(open_system, file):
    system = cut_off(open_system, file, 0)

    assert rows(system) == []
    assert system.users() == []
    assert system.memory("tom").pages() == []


def test_a_cut_off_import_can_be_purged(open_system, file):
    system = cut_off(open_system, file, 2)
    system.embedder.left = None
    system.memory("eve").add_memory("I am Eve.")
    system.memory("tom").purge()

    assert [owner.user_id for owner in system.users()] == ["eve"]
    assert system.memory("tom").pages() == []
    assert system.check() == []
    system.import_memory(file)
    assert_whole(system, file)


def test_another_file_does_not_finish_a_cut_off_import(open_system, file, tmp_path):
    """Records of two files would be mixed."""
    other = open_system(path=tmp_path / "other").memory("tom")
    other.add_memory("I am another Tom.")
    other.export(tmp_path / "other.jsonl")
    system = cut_off(open_system, file, 2)
    before = rows(system)

    with pytest.raises(InvalidInput, match="not the one whose import"):
        system.import_memory(tmp_path / "other.jsonl")
    assert rows(system) == before


def test_an_import_whose_end_was_not_written_is_cut_off(open_system, file, monkeypatch):
    """All records are there, and the mark still says that nobody knows."""
    system = open_system(**BUSY)
    collection = type(system._storage.store._collection)

    def fails(*_: object, **__: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch, pytest.raises(StoreError):
        patch.setattr(collection, "delete", fails)
        system.import_memory(file)
    with pytest.raises(ImportCutOff):
        system.memory("tom").pages()

    system.import_memory(file)
    assert_whole(system, file)


def test_a_file_that_changes_while_it_is_read_does_not_become_a_memory(open_system, file):
    """What was checked is what is written, or it is not called whole."""

    class Meddling(HashingEmbedder):
        def embed(self, texts: Sequence[str]) -> Vector:
            data = file.read_bytes().replace(b"violin", b"guitar")
            with file.open("r+b") as stream:
                stream.write(data)
            return super().embed(texts)

    system = open_system(embedder=Meddling(), **BUSY)
    with pytest.raises(InvalidInput, match="checksum"):
        system.import_memory(file)
    with pytest.raises(ImportCutOff):
        system.memory("tom").pages()


KILLED = """
import os, signal, sys
from memoryos_engine import HashingEmbedder, MemoryOS
from memoryos_engine.transfer import importing
importing.BATCH = 4

class Killing(HashingEmbedder):
    calls = 0
    def embed(self, texts):
        self.calls += 1
        if self.calls == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed(texts)

MemoryOS(sys.argv[1], embedder=Killing()).import_memory(sys.argv[2])
"""


def test_an_import_that_was_killed_is_told_by_the_next_process(open_system, file, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "store"), str(file)], check=False, env=os.environ
    )
    assert done.returncode == -signal.SIGKILL
    system = open_system(embedder=Failing(), **BUSY)

    assert system.users() == [TOM]
    with pytest.raises(ImportCutOff):
        system.memory("tom").pages()
    system.import_memory(file)
    assert_whole(system, file)
    assert 0 < system.embedder.texts < embedded(file)


def test_the_command_line_tells_of_a_cut_off_import_and_purges_it(open_system, file, monkeypatch, tmp_path):
    from typer.testing import CliRunner

    from memoryos_engine.cli import app

    cut_off(open_system, file, 2).close()
    monkeypatch.setenv("MEMORYOS_PATH", str(tmp_path / "store"))
    listed = CliRunner().invoke(app, ["users"])
    assert listed.exit_code == 0
    assert "import cut off" in listed.output
    assert CliRunner().invoke(app, ["show", "--user", "tom"]).exit_code == 1
    assert CliRunner().invoke(app, ["check"]).exit_code == 1

    purged = CliRunner().invoke(app, ["purge", "--user", "tom"], input="y\n")
    assert purged.output.startswith("Delete import cut off of tom with assistant?")
    assert CliRunner().invoke(app, ["check"]).exit_code == 0


def test_an_import_while_a_reindex_copies_the_store_is_whole(open_system, file):
    """Every write must be one that the copying notices, or it is none."""
    system = open_system(**BUSY)
    with system._storage.store.announcing():
        memory = system.import_memory(file)

    assert len(memory.pages()) == 14
    assert system.check() == []


def test_a_mark_that_cannot_be_read_keeps_nobody_from_purging(open_system, file):
    """The way out that the error names has to be open."""
    system = cut_off(open_system, file, calls=2)
    collection = system._storage.store._collection
    (mark,) = collection.get(where={"kind": "import"})["ids"]
    collection.update(ids=[mark], metadatas=[{"data": "damaged"}])
    system.close()
    again = open_system(embedder=Failing(), **BUSY)
    with pytest.raises(ImportCutOff):
        again.memory("tom").pages()
    again.memory("tom").purge()

    assert (again.users(), again.check()) == ([], [])
    assert len(again.import_memory(file).pages()) == 14


def test_records_that_a_repair_set_aside_come_back_from_an_export(open_system, tmp_path):
    """A row that was set aside is not one that an earlier try wrote."""
    system = open_system(**BUSY)
    memory = system.memory("tom")
    said = [memory.add_memory(f"Page {number}.", "Noted.") for number in range(2)]
    memory.export(tmp_path / "tom.jsonl")
    system._storage.store._collection.update(ids=[page.id for page in said], metadatas=[{"data": "damaged"}] * 2)
    system.check(repair=True)
    system.close()
    again = open_system(**BUSY)
    assert again.memory("tom").pages() == []
    again.import_memory(tmp_path / "tom.jsonl")

    assert again.memory("tom").pages() == said
    assert again.check() == []
