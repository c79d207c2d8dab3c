"""What lies in the directory of a store, and that whoever can read it reads everything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import memoryos_engine
from memoryos_engine import HashingEmbedder, MemoryOS
from memoryos_engine.evaluation.soak.served import Served
from memoryos_engine.storage import codec

PAGE = (Path(memoryos_engine.__file__).parent / "SECURITY.md").read_text(encoding="utf-8")
WORDS = ("sourdough", "tom@example.com", "helper-9", "desk-77", "channel-4", "+41 79")
"""Of a page, its user, assistant and session, and its metadata."""
FILES = (
    r"chroma\.sqlite3",
    r"[0-9a-f-]{36}/(data_level0|header|length|link_lists)\.bin",
    r"[0-9a-f-]{36}/index_metadata\.pickle",
    r"memoryos\.lock",
    r"memoryos\.owner",
    r"memoryos\.locks/(writing|thinking)\.[0-9a-f]{2}",
)


def names(store: Path) -> list[str]:
    return sorted(str(file.relative_to(store)) for file in store.rglob("*") if file.is_file())


def strangers(store: Path) -> list[str]:
    return [name for name in names(store) if not any(re.fullmatch(pattern, name) for pattern in FILES)]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an index on disk, segments, facts and an audit log, closed."""
    store = tmp_path_factory.mktemp("lived") / "store"
    with MemoryOS(store) as system:
        memory = system.memory("tom@example.com", "helper-9", "desk-77")
        memory.import_turns(
            {
                "user_input": f"I love sourdough bread, loaf {number}.",
                "agent_response": "Tell me more.",
                "metadata": {"channel-4": "+41 79"},
            }
            for number in range(1010)
        )
        memory.add_memory("My name is Tom and I live in Oslo.", "Nice.")
        memory.flush()
    return store


def test_every_file_of_a_store_is_of_a_kind_that_the_page_names(lived: Path) -> None:
    assert strangers(lived) == []
    assert {name.rpartition("/")[2] for name in names(lived)} >= {"chroma.sqlite3", "data_level0.bin", "memoryos.lock"}
    for named in ("chroma.sqlite3", "data_level0.bin", "index_metadata.pickle", "memoryos.lock", "memoryos.owner"):
        assert f"`{named}`" in PAGE


def test_behind_a_server_there_are_lock_files_besides_and_all_locks_are_empty(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    store = tmp_path / "store"
    served = Served(store)
    try:
        with MemoryOS(store) as system:
            system.memory("tom").add_memory("Hello.")
            system.memory("tom").flush()
        found = names(store)
    finally:
        served.close()
    locks = [name for name in found if name.startswith("memoryos.lock")]

    assert strangers(store) == []
    assert {name.partition("/")[0] for name in locks} == {"memoryos.lock", "memoryos.locks"}
    assert {(store / name).stat().st_size for name in locks} == {0}
    assert "`memoryos.locks/`" in PAGE


@pytest.mark.parametrize("word", WORDS)
def test_text_ids_and_metadata_stand_readable_in_the_database(lived: Path, word: str) -> None:
    """No encryption at rest: this is what a thief of the file reads."""
    assert word.encode() in (lived / "chroma.sqlite3").read_bytes()


def test_every_kind_of_row_is_one_that_the_page_names(open_system: Callable[..., MemoryOS], lived: Path) -> None:
    kinds = {codec.PAGE, codec.SEGMENT, codec.KNOWLEDGE, codec.HEAD, codec.AUDIT, codec.IMPORT, codec.QUARANTINED}
    constants = {value for name, value in vars(codec).items() if name.isupper() and isinstance(value, str)}
    rows = open_system(path=lived)._storage.store._collection.get(include=["metadatas"])["metadatas"]

    assert constants == kinds
    assert [kind for kind in kinds if f"`{kind}`" not in PAGE] == []
    assert {row["kind"] for row in rows} == {"page", "segment", "knowledge", "head", "audit"}


def test_heads_and_the_audit_log_hold_no_text(open_system: Callable[..., MemoryOS], lived: Path) -> None:
    rows = open_system(path=lived)._storage.store._collection.get(
        where={"kind": {"$in": ["head", "audit"]}}, include=["documents", "metadatas"]
    )

    assert set(rows["documents"]) == {""}
    told = " ".join(row["data"] for row in rows["metadatas"])
    assert "page_" in told
    assert [word for word in ("sourdough", "Tom", "Oslo", "desk-77", "+41") if word in told] == []


def test_a_copy_of_the_directory_is_the_whole_memory(
    open_system: Callable[..., MemoryOS], lived: Path, tmp_path: Path
) -> None:
    """A backup needs no key, and neither does who finds it."""
    shutil.copytree(lived, tmp_path / "copy")

    memory = open_system(path=tmp_path / "copy").memory("tom@example.com", "helper-9")

    assert len(memory.pages()) == 1011
    assert memory.knowledge() != []


def test_a_vector_tells_whether_a_guess_was_said(system: MemoryOS) -> None:
    """The default embedder is public and has no secret, so vectors are no anonymous form of the text."""
    page = system.memory("tom").add_memory("I was diagnosed with hepatitis.")
    (row,) = system._storage.store.fetch(system.memory("tom").owner, [page.id])
    right, wrong = HashingEmbedder().embed(["I was diagnosed with hepatitis.", "I was diagnosed with diabetes."])

    assert row.vector is not None
    assert np.allclose(row.vector, right, atol=1e-6)
    assert not np.allclose(row.vector, wrong, atol=1e-6)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize(("umask", "others_read"), [(0o022, True), (0o077, False)])
def test_a_store_is_as_readable_as_the_umask_makes_it_and_an_export_is_its_owners(
    tmp_path: Path, umask: int, others_read: bool
) -> None:
    program = """
import os, sys
os.umask(int(sys.argv[2]))
from memoryos_engine import MemoryOS
with MemoryOS(sys.argv[1]) as system:
    system.memory("tom").add_memory("Hello.")
    system.memory("tom").export(sys.argv[1] + ".jsonl")
"""
    store = tmp_path / "store"
    subprocess.run([sys.executable, "-c", program, str(store), str(umask)], check=True, timeout=120)
    made = [store, store / "chroma.sqlite3", tmp_path / "store.jsonl"]

    assert [bool(path.stat().st_mode & 0o044) for path in made] == [others_read, others_read, False]
