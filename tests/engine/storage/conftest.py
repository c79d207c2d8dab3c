"""Real Chroma collections, and records to put in them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from memoryos_engine.records import DialoguePage, Owner
from memoryos_engine.similarity import Vector, unit
from memoryos_engine.storage.chroma import ChromaStore

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

DIMENSION = 8
START = datetime(2024, 3, 1, 12, 0, tzinfo=timezone.utc)


class Watched:
    """A collection that notes the calls made to it, and can fail from a given upsert on."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.upserts_left: int | None = None
        self.failure: Exception | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**options: Any) -> Any:
            self.calls.append((name, options))
            if self.failure is not None:
                raise self.failure
            if name == "upsert" and self.upserts_left is not None:
                if self.upserts_left == 0:
                    raise ConnectionError("the machine went away")
                self.upserts_left -= 1
            return getattr(self._collection, name)(**options)

        return call

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientAPI]:
    import chromadb
    from chromadb.config import Settings

    path = str(tmp_path_factory.mktemp("chroma"))
    client = chromadb.PersistentClient(path, settings=Settings(anonymized_telemetry=False))
    yield client
    client.close()


@pytest.fixture
def make_collection(chroma: ClientAPI) -> Iterator[Callable[[], Collection]]:
    made: list[str] = []

    def making() -> Collection:
        made.append(f"test-{uuid.uuid4().hex}")
        space = {"hnsw": {"space": "cosine"}}
        return chroma.create_collection(made[-1], embedding_function=None, configuration=space)

    yield making
    for name in made:
        chroma.delete_collection(name)


@pytest.fixture
def collection(make_collection: Callable[[], Collection]) -> Collection:
    return make_collection()


@pytest.fixture
def watched(collection: Collection) -> Watched:
    return Watched(collection)


@pytest.fixture
def make_store() -> Callable[..., ChromaStore]:
    def making(collection: Any, *, max_batch: int = 5461, shared: bool = False) -> ChromaStore:
        return ChromaStore(collection, max_batch=max_batch, dimension=DIMENSION, shared=shared)

    return making


@pytest.fixture
def store(collection: Collection, make_store: Callable[..., ChromaStore]) -> ChromaStore:
    return make_store(collection)


@pytest.fixture
def owner() -> Owner:
    return Owner(user_id="tom", assistant_id="assistant")


@pytest.fixture
def other() -> Owner:
    return Owner(user_id="eve", assistant_id="assistant")


@pytest.fixture
def direction() -> Callable[[int], Vector]:
    """A unit vector per number, all different."""

    def making(number: int) -> Vector:
        return unit(np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32))

    return making


@pytest.fixture
def make_page() -> Callable[..., DialoguePage]:
    def making(number: int, *, owner: str = "tom", session: str = "default", **rest: Any) -> DialoguePage:
        return DialoguePage(
            **{
                "id": f"page_{owner}_{number}",
                "session_id": session,
                "user_input": f"{owner} said thing {number}",
                "agent_response": f"noted {number}",
                "timestamp": START + timedelta(minutes=number),
                "sequence": number,
                **rest,
            }
        )

    return making
