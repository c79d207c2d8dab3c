"""After purge and vacuum no byte of the user's text is left in the store's files (design part 6, 6)."""

from __future__ import annotations

from pathlib import Path

import pytest

from memoryos_engine import InvalidInput, StoreError


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
