"""What the speed report times: the engine's operations, and the Chroma calls beside them.

Texts, queries and Chroma's vectors are made beforehand; what is timed of the engine includes
embedding, of Chroma it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.evaluation.interleaved import Operation
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.memory import UserMemory
from memoryos_engine.storage.codec import owner_metadata

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

QUERIES = 50
"""Different queries and texts; after so many they come again."""
TOP_K = 10
FILL = 1000
"""Records of one upsert that fills a collection."""


def retrieval(memory: UserMemory) -> Operation:
    """Return a retrieval of ten pages that counts no visit."""
    queries = _queries()
    return lambda: memory.retrieve_memory(next(queries), top_k=TOP_K, touch=False)


def chroma_query(collection: Collection, memory: UserMemory, embedder: Embedder) -> Operation:
    """Return Chroma's own search over the owner's rows; the vectors are made beforehand."""
    vectors = cycle(embedder.embed(list(islice(_queries(), QUERIES))))
    owned = {"$and": [{key: value} for key, value in owner_metadata(memory.owner).items()]}
    return lambda: collection.query(query_embeddings=[next(vectors)], n_results=TOP_K, where=owned)  # type: ignore[arg-type]


def addition(memory: UserMemory, seed: int) -> Operation:
    """Return the adding of one page."""
    texts = _texts(seed)
    return lambda: memory.add_memory(*next(texts))


def upsertion(collection: Collection, embedder: Embedder) -> Operation:
    """Return an upsert of one new record with a text like a page's."""
    texts = ["\n".join(sides) for sides in islice(_texts(3), QUERIES)]
    rows = enumerate(cycle(zip(texts, embedder.embed(texts), strict=True)))

    def upsert() -> None:
        place, (text, vector) = next(rows)
        collection.upsert(ids=[f"record {place}"], documents=[text], embeddings=[vector])

    return upsert


def _queries() -> Iterator[str]:
    talk = SyntheticTalk(5)
    return cycle([talk.query() for _ in range(QUERIES)])


def _texts(seed: int) -> Iterator[tuple[str, str]]:
    turns = SyntheticTalk(seed).turns(QUERIES)
    return cycle([(turn["user_input"], turn["agent_response"]) for turn in turns])


@contextmanager
def stored_collection(path: Path) -> Iterator[Collection]:
    """Give Chroma's own view of a store that this process has open."""
    with _client(path) as client:
        yield client.get_collection("memoryos", embedding_function=None)


@contextmanager
def bare_collection(path: Path, embedder: Embedder, *, records: int) -> Iterator[Collection]:
    """Give a collection of `records` texts in a store of its own, in the space that the engine's has."""
    with _client(path) as client:
        made = client.create_collection("bare", embedding_function=None, configuration={"hnsw": {"space": "cosine"}})
        talk = SyntheticTalk(4).turns(records)
        texts = [f"{turn['user_input']}\n{turn['agent_response']}" for turn in talk]
        for start in range(0, records, FILL):
            part = texts[start : start + FILL]
            ids = [f"filling {start + place}" for place in range(len(part))]
            made.upsert(ids=ids, documents=part, embeddings=list(embedder.embed(part)))
        yield made


@contextmanager
def _client(path: Path) -> Iterator[ClientAPI]:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False))
    try:
        yield client
    finally:
        client.close()  # type: ignore[attr-defined]
