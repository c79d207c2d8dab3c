"""A store of an older version is brought up to date when it is opened; a newer one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chromadb
import pytest
from chromadb.config import Settings

from memoryos_engine import EmbedderMismatch, HashingEmbedder, MemoryOS, StoreError, UserMemory
from memoryos_engine.storage import schema

STORE = json.loads((Path(__file__).parents[1] / "data" / "stores" / "schema_1.json").read_text(encoding="utf-8"))
"""Every row of a store as commit 4d20a04 wrote them, and what that commit said was in it."""
EMBEDDER = HashingEmbedder(16)


@contextmanager
def collection(path: Path) -> Iterator[Any]:
    """The collection as Chroma has it, while no system has the path open."""
    client = chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
    try:
        with schema.without_legacy_warning():
            yield client.get_or_create_collection(
                "memoryos",
                embedding_function=None,
                configuration={"hnsw": {"space": "cosine"}},
                metadata=STORE["collection"],
            )
    finally:
        client.close()


@pytest.fixture
def old_store(tmp_path: Path) -> Path:
    """A directory with the store of schema 1."""
    rows = STORE["rows"]
    with collection(tmp_path / "store") as made:
        made.upsert(
            ids=[row["id"] for row in rows],
            documents=[row["document"] for row in rows],
            metadatas=[row["metadata"] for row in rows],
            embeddings=[row["vector"] for row in rows],
        )
    return tmp_path / "store"


@pytest.fixture
def opened(open_system: Callable[..., MemoryOS]) -> Callable[..., MemoryOS]:
    """Open it with the settings it was made with."""
    return lambda embedder=EMBEDDER: open_system(embedder=embedder, **STORE["settings"])


def described(path: Path) -> dict[str, Any]:
    with collection(path) as found:
        return dict(found.metadata)


def stored(path: Path) -> list[Any]:
    with collection(path) as found:
        rows = found.get(include=["documents", "metadatas"])
    columns = zip(rows["ids"], rows["documents"], rows["metadatas"], strict=True)
    return sorted(((key, document, dict(data)) for key, document, data in columns), key=lambda row: row[0])


def told(memory: UserMemory, queries: list[str]) -> dict[str, Any]:
    """What the memory says of itself, in the form of the test data."""
    return {
        "pages": [
            [
                *(page.id, page.session_id, page.user_input, page.agent_response, page.timestamp.isoformat()),
                *(page.sequence, page.segment_id, page.chain_id, page.meta_chain, list(page.keywords), page.promoted),
                dict(page.metadata),
            ]
            for page in memory.pages()
        ],
        "segments": [[x.id, x.summary, list(x.keywords), x.visits, x.archived] for x in memory.segments()],
        "knowledge": [
            [
                *(entry.id, entry.kind.value, entry.attribute, entry.text, entry.said_at.isoformat()),
                entry.valid_until and entry.valid_until.isoformat(),
            ]
            for entry in memory.knowledge(history=True)
        ],
        "found": {
            query: [[page.id, page.score] for page in memory.retrieve_memory(query, touch=False).pages]
            for query in queries
        },
    }


def assert_as_made(system: MemoryOS) -> None:
    for name, expected in STORE["told"].items():
        found = {  # vectors are kept to six digits in the test data
            query: [[key, pytest.approx(score, abs=1e-4)] for key, score in pages]
            for query, pages in expected["found"].items()
        }
        assert told(system.memory(*name.split("/")), list(found)) == {**expected, "found": found}
    assert system.check() == []


def test_a_store_of_schema_1_says_what_it_said_and_is_of_this_version_then(old_store, opened):
    before = stored(old_store)

    system = opened()
    assert_as_made(system)
    system.close()

    assert described(old_store) == {**STORE["collection"], "memoryos_schema": schema.SCHEMA}
    assert stored(old_store) == before


def test_a_migrated_store_goes_on(old_store, opened):
    memory = opened().memory("tom", session_id="s0")
    page = memory.add_memory("My violin is from 1890.", "Old!")
    memory.flush()

    assert [memory.page(page.id), len(memory.pages()), memory.system.check()] == [page, 13, []]


def test_the_version_before_refuses_what_this_one_opened(old_store, opened):
    """Its whole check was that the versions are equal; opening changed nothing of the metadata."""
    opened().close()

    with collection(old_store) as found:  # get_or_create_collection with schema 1, as that version did
        version = found.metadata["memoryos_schema"]

    assert version != 1


class KilledHere(BaseException):
    pass


def measuring(*, killed_after: int | None) -> schema.Migration:
    """A migration that gives every row another field, one row at a time."""

    def migrate(found: Any, step: Callable[[int], object]) -> None:
        for count, key in enumerate(found.get(include=[])["ids"]):
            if count == killed_after:
                raise KilledHere
            found.update(ids=[key], metadatas=[{"length": len(key)}])
            step(1)

    return migrate


def test_a_migration_that_is_killed_halfway_is_done_again_at_the_next_opening(old_store, opened, monkeypatch):
    before = stored(old_store)
    monkeypatch.setattr(schema, "SCHEMA", 3)
    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, 2: measuring(killed_after=7)})
    with pytest.raises(KilledHere):
        opened()
    half = stored(old_store)
    reached = described(old_store)["memoryos_schema"]

    monkeypatch.setattr(schema, "MIGRATIONS", {**schema.MIGRATIONS, 2: measuring(killed_after=None)})
    opened().close()

    measured = [(key, document, {**data, "length": len(key)}) for key, document, data in before]
    assert reached == 2
    assert sum("length" in data for _, _, data in half) == 7
    assert stored(old_store) == measured
    assert described(old_store)["memoryos_schema"] == 3


def test_a_migration_that_fails_is_a_store_error_and_the_version_stays(old_store, opened, monkeypatch):
    def failing(found: Any, step: Callable[[int], object]) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(schema, "MIGRATIONS", {1: failing})

    with pytest.raises(StoreError, match="OSError"):
        opened()

    assert described(old_store)["memoryos_schema"] == 1


def test_every_older_version_has_a_way_to_this_one():
    assert sorted(schema.MIGRATIONS) == list(range(1, schema.SCHEMA))


def test_a_newer_store_is_refused_unchanged_with_the_way_out(old_store, opened):
    newer = {**STORE["collection"], "memoryos_schema": schema.SCHEMA + 1}
    with collection(old_store) as found:
        found.modify(metadata=newer)

    with pytest.raises(StoreError, match=rf"schema {schema.SCHEMA + 1} .* up to {schema.SCHEMA}; upgrade"):
        opened()

    assert described(old_store) == newer


def test_a_store_that_is_opened_with_another_embedder_is_not_migrated(old_store, opened):
    with pytest.raises(
        EmbedderMismatch, match="memoryos reindex --path DIR --embedder hashing-v1-16 --to hashing-v1-32"
    ):
        opened(HashingEmbedder(32))

    assert described(old_store) == STORE["collection"]


@pytest.mark.parametrize("progress", [False, True])
def test_migrating_is_silent_unless_a_bar_is_asked_for(old_store, capsys, progress):
    with collection(old_store) as found:
        schema.migrate(found, progress=progress)

    assert ("migrating to schema 2" in capsys.readouterr().err) is progress
