"""After purge and vacuum no byte of the user's text is left in the store's files (design part 6, 6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from memoryos_engine import HashingEmbedder, InvalidInput, StoreError
from memoryos_engine.storage.index_files import blank_unused, used_bytes


def files_with(text: str, folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def test_after_purge_and_vacuum_no_file_holds_the_users_text(open_system, tmp_path):
    system = open_system()
    alice, bob = system.memory("alice-4711"), system.memory("bob")
    for number in range(12):
        alice.add_memory(f"My zebrafish {number} is called Marmalade.", "Lovely!")
        bob.add_memory(f"My canoe {number} is green.", "Nice!")
    alice.flush()
    alice.purge()
    assert files_with("Marmalade", tmp_path / "store") != []  # Chroma's log keeps what was deleted

    system.vacuum()

    assert files_with("Marmalade", tmp_path / "store") == []
    assert files_with("alice-4711", tmp_path / "store") == []
    assert [page.user_input for page in bob.pages()] == [f"My canoe {number} is green." for number in range(12)]
    assert bob.retrieve_memory("the colour of canoe 7").best.user_input == "My canoe 7 is green."
    assert alice.pages() == []
    assert system.check() == []


def test_a_store_that_another_system_has_open_is_not_vacuumed(open_system):
    first, second = open_system(), open_system()
    first.memory("tom").add_memory("one")

    with pytest.raises(StoreError, match="another MemoryOS"):
        first.vacuum()

    assert len(second.memory("tom").pages()) == 1


def test_a_store_behind_a_client_is_vacuumed_where_its_server_runs(open_system):
    import chromadb

    system = open_system(client=chromadb.EphemeralClient())

    with pytest.raises(InvalidInput, match="chroma vacuum --path DIR --force"):
        system.vacuum()


def test_the_unused_part_of_chromas_index_files_is_blank(open_system, tmp_path):
    """Chroma writes memory there that it never set: whatever the process had held, such as deleted text."""
    system = open_system()
    memory = system.memory("tom")
    for number in range(5):
        memory.add_memory(f"My canoe {number} is green.", "Nice!")
    memory.flush()
    system.vacuum()

    (index,) = (header.parent for header in (tmp_path / "store").glob("*/header.bin"))
    used = used_bytes(index)
    assert used["data_level0.bin"] > 0
    for name, end in used.items():
        assert any((index / name).read_bytes()[:end])
        assert not any((index / name).read_bytes()[end:])
    assert memory.retrieve_memory("the colour of canoe 3").best.user_input == "My canoe 3 is green."
    assert sorted(system._storage.store.nearest(memory.owner, HashingEmbedder().embed(["canoe"])[0], 9)) == sorted(
        page.id for page in memory.pages()
    )


def test_an_index_of_another_form_is_an_error_and_left_as_it_is(tmp_path):
    """Blanking the wrong bytes would destroy the index."""
    (tmp_path / "header.bin").write_bytes(b"x" * 100)
    (tmp_path / "data_level0.bin").write_bytes(b"y" * 1000)
    (tmp_path / "length.bin").write_bytes(b"z" * 40)

    with pytest.raises(StoreError, match="has a form that is not known"):
        blank_unused(tmp_path)

    assert (tmp_path / "data_level0.bin").read_bytes() == b"y" * 1000


def test_a_vacuum_that_cannot_begin_leaves_the_system_open(system, monkeypatch):
    """Somebody else took the directory in the moment between."""
    system.memory("tom").add_memory("I keep bees.", "How many hives?")

    def taken(directory: Path) -> None:
        raise StoreError("the directory cannot be used")

    with monkeypatch.context() as patch:
        patch.setattr("memoryos_engine.upkeep.PathLock", taken)
        with pytest.raises(StoreError):
            system.vacuum()

    assert [page.user_input for page in system.memory("tom").pages()] == ["I keep bees."]
