"""`memoryos serve` asks nobody who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from memoryos_engine import MemoryOS
from memoryos_engine.evaluation.soak.served import Served
from memoryos_engine.storage.lock import read_note
from memoryos_engine.storage.serving import close_client


def test_who_reaches_the_server_reads_and_deletes_everything_without_a_password(
    tmp_path: Path, monkeypatch: Any
) -> None:
    import chromadb
    from chromadb.config import Settings

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    store = tmp_path / "store"
    served = Served(store)
    try:
        with MemoryOS(store) as system:
            for user in ("tom", "ann"):
                system.memory(user).add_memory(f"The diary of {user}.")
            note = read_note(store)
            assert note is not None
            address = urlsplit(str(note.server))
            assert address.hostname == "127.0.0.1"
            stranger = chromadb.HttpClient(
                "127.0.0.1", int(address.port or 0), settings=Settings(anonymized_telemetry=False)
            )
            (collection,) = (stranger.get_collection(each.name) for each in stranger.list_collections())
            read = {text for text in collection.get()["documents"] if text}
            collection.delete(where={"user_id": "ann"})
            left = [owner.user_id for owner in system.users()]
            close_client(stranger)
    finally:
        served.close()

    assert read == {"The diary of tom.", "The diary of ann."}
    assert left == ["tom"]
