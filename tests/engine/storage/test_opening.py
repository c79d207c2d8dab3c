"""Opening: embedders, foreign collections, and a real Chroma server shared by two clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memoryos_engine import HashingEmbedder, MemorySettings
from memoryos_engine.errors import ClosedError, EmbedderMismatch, InvalidInput, StoreError
from tests.chroma_server import ChromaServer


@pytest.fixture(autouse=True, scope="module")
def _direct_connections() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    one = ChromaServer(tmp_path_factory.mktemp("server"))
    yield one
    one.close()


@pytest.fixture
def on_server(server: ChromaServer, open_system: Callable, request: pytest.FixtureRequest) -> Callable:
    """Open a system through a client of its own, on a collection of this test's own."""

    def opening(client: Any = None, **options: Any) -> Any:
        name = f"c{abs(hash(request.node.name))}"
        return open_system(client=client or server.client(), **{"collection_name": name, **options})

    return opening


# -- the collection is what it has to be ---------------------------------------------------


def test_a_collection_that_ranks_by_something_else_is_refused(chroma, open_system):
    """What a server can do is looked at when it is opened, not when the first answer is wrong."""
    made = {"memoryos_schema": 2, "memoryos_embedder": "hashing-v1-512", "memoryos_dimension": 512}
    configuration = {"hnsw": {"space": "l2"}}
    chroma.create_collection("by-l2", embedding_function=None, configuration=configuration, metadata=made)

    with pytest.raises(StoreError, match="ranks by 'l2' and not by cosine"):
        open_system(client=chroma, collection_name="by-l2")


# -- the embedder is part of the store ------------------------------------------------


def test_another_embedder_is_refused_by_name_with_the_way_out(open_system):
    """Design part 3: an error that names both, and the command that changes them."""
    open_system(embedder=HashingEmbedder(64)).close()

    with pytest.raises(EmbedderMismatch) as caught:
        open_system(embedder=HashingEmbedder(128))

    for part in ("hashing-v1-64", "hashing-v1-128", "memoryos reindex --path DIR --embedder hashing-v1-64 --to"):
        assert part in str(caught.value)


def test_another_embedder_is_refused_while_the_store_is_open_too(open_system):
    """Two systems on one path share one collection, so its vectors are of one model."""
    first = open_system(embedder=HashingEmbedder(64))
    with pytest.raises(EmbedderMismatch):
        open_system(embedder=HashingEmbedder(128))

    assert first.users() == []


def test_a_refused_opening_lets_the_path_go(open_system):
    """The right embedder finds the store as it was."""
    system = open_system(embedder=HashingEmbedder(64))
    system.memory("tom").add_memory("I sail.", "Where?")
    system.close()
    with pytest.raises(EmbedderMismatch):
        open_system()

    pages = open_system(embedder=HashingEmbedder(64)).memory("tom").pages()
    assert [page.user_input for page in pages] == ["I sail."]


def test_the_dimension_of_a_collection_is_that_of_its_embedder(open_system, chroma):
    """An embedder of the same name and another dimension is not the same embedder."""

    class Renamed(HashingEmbedder):
        def __init__(self, dimension: int) -> None:
            super().__init__(dimension)
            self.name = "mine"

    open_system(client=chroma, collection_name="same-name", embedder=Renamed(64)).close()
    with pytest.raises(EmbedderMismatch):
        open_system(client=chroma, collection_name="same-name", embedder=Renamed(128))


# -- what is not ours ------------------------------------------------------------------


def test_a_collection_of_another_program_is_refused_and_left_alone(open_system, chroma):
    """Our rows among theirs would harm both."""
    theirs = chroma.get_or_create_collection("theirs", embedding_function=None, metadata={"made by": "them"})
    theirs.add(ids=["1"], embeddings=[[1.0, 0.0]], documents=["their text"])

    with pytest.raises(InvalidInput, match="collection of another program") as caught:
        open_system(client=chroma, collection_name="theirs")

    assert caught.value.parameter == "collection_name"
    assert (theirs.count(), chroma.get_collection("theirs").metadata) == (1, {"made by": "them"})


def test_a_store_of_a_later_schema_is_refused(open_system, chroma):
    """An older reader must not guess at a newer layout."""
    chroma.create_collection(
        "later",
        embedding_function=None,
        metadata={"memoryos_schema": 99, "memoryos_embedder": HashingEmbedder().name, "memoryos_dimension": 512},
    )
    with pytest.raises(StoreError, match=r"schema 99.*upgrade"):
        open_system(client=chroma, collection_name="later")


@pytest.mark.parametrize("name", ["x y", "ab", "-abc", "نام"])
def test_a_name_that_chroma_refuses_is_refused_before_chroma_is_asked(open_system, chroma, name):
    """Foreign errors are translated, the caller's own mistakes named as such."""
    with pytest.raises(InvalidInput) as caught:
        open_system(client=chroma, collection_name=name)

    assert caught.value.parameter == "collection_name"


def test_path_and_client_together_are_refused(tmp_path, chroma):
    """system.MemoryOS: pass one of them."""
    from memoryos_engine import MemoryOS

    with pytest.raises(InvalidInput, match="both given"):
        MemoryOS(path=tmp_path / "store", client=chroma, settings=MemorySettings())
    assert not (tmp_path / "store").exists()


def test_a_closed_system_says_so(open_system):
    """ClosedError: open a new one."""
    system = open_system()
    memory = system.memory("tom")
    system.close()

    for call in (memory.pages, system.users, lambda: memory.add_memory("a", "b"), lambda: system.memory("tom")):
        with pytest.raises(ClosedError, match="open a new one"):
            call()
    system.close()  # closing twice is no mistake


def test_batches_keep_to_what_the_client_reports(open_system, chroma):
    """Design part 3: a batch may hold at most `client.get_max_batch_size()` records."""
    batches: list[int] = []

    class Small:
        """A client whose batches hold five records."""

        def __getattr__(self, name: str) -> Any:
            return getattr(chroma, name)

        def get_max_batch_size(self) -> int:
            return 5

        def get_or_create_collection(self, name: str, **options: Any) -> Any:
            return Counting(chroma.get_or_create_collection(name, **options))

    class Counting:
        def __init__(self, collection: Any) -> None:
            self._collection = collection

        def __getattr__(self, name: str) -> Any:
            return getattr(self._collection, name)

        def upsert(self, **rows: Any) -> None:
            batches.append(len(rows["ids"]))
            self._collection.upsert(**rows)

    system = open_system(client=Small(), collection_name="small-batches")
    memory = system.memory("tom")
    turns = [{"user_input": f"Fact number {n}", "agent_response": "Noted."} for n in range(23)]
    memory.import_turns(turns)
    memory.flush()

    assert len(batches) > 23 // 5
    assert max(batches) <= 5
    assert [page.user_input for page in memory.pages()] == [turn["user_input"] for turn in turns]
    assert system.check() == []
    memory.purge()
    assert memory.pages() == []


# -- a server ----------------------------------------------------------------------------


def test_two_clients_of_one_server_see_each_others_writes(on_server):
    """Design part 3: a head that moved says that another process wrote: reload before answering."""
    ours, theirs = on_server().memory("tom"), on_server().memory("tom")
    ours.add_memory("I live in Oslo.", "Cold there?")
    assert [page.user_input for page in theirs.pages()] == ["I live in Oslo."]
    theirs.add_memory("Now I live in Lima.", "Warm there.")

    expected = ["I live in Oslo.", "Now I live in Lima."]
    assert [page.user_input for page in ours.pages()] == expected
    assert [page.sequence for page in ours.pages()] == [0, 1]
    best = ours.in_session("later").retrieve_memory("Where do I live now? Lima?").pages[0]
    assert best.user_input == "Now I live in Lima."


def test_what_one_client_consolidates_the_other_sees(on_server):
    """The same for segments, forgetting and purging."""
    first = on_server(short_term_capacity=2)
    ours, theirs = first.memory("tom"), on_server(short_term_capacity=2).memory("tom")
    pages = [ours.add_memory(f"The garden needs water, day {n}.", "Yes.") for n in range(4)]
    assert theirs.status().pending == 3
    ours.flush()
    assert theirs.status().pending == 0
    assert theirs.segments() == ours.segments()
    theirs.forget(pages[0].id)
    assert [page.id for page in ours.pages()] == [page.id for page in pages[1:]]
    assert first.check() == []
    ours.purge()
    assert theirs.pages() == []
    assert theirs.segments() == []


def test_two_systems_on_one_client_share_its_records(server, on_server):
    """Inside one process, all systems on one client share what is opened."""
    client = server.client()
    first, second = on_server(client), on_server(client)
    first.memory("tom").add_memory("Shared.", "Yes.")
    first.close()

    assert [page.user_input for page in second.memory("tom").pages()] == ["Shared."]
    assert client.heartbeat() > 0  # the client stays the caller's


def test_a_server_that_stopped_is_a_store_error_and_not_an_empty_memory(tmp_path, open_system):
    """Style habit 6: no [] for "the disk is gone"."""
    server = ChromaServer(tmp_path)
    try:
        system = open_system(client=server.client(), store_patience=0.1)
        memory = system.memory("tom")
        memory.add_memory("I play chess.", "Openings?")
        server.stop()
        calls: dict[str, Callable[[], Any]] = {
            "retrieve": lambda: memory.retrieve_memory("What do I play?"),
            "add": lambda: memory.add_memory("And go.", "Nice."),
            "pages": memory.pages,
            "segments": memory.segments,
            "knowledge": memory.knowledge,
            "profile": memory.get_user_profile,
            "flush": memory.flush,
            "users": system.users,
            "check": system.check,
            "unknown user": lambda: system.memory("eve").pages(),
        }
        failures = {}
        for name, call in calls.items():
            try:
                failures[name] = call()
            except StoreError:
                failures[name] = StoreError
    finally:
        server.close()

    assert failures == dict.fromkeys(calls, StoreError)
    with pytest.raises(StoreError):
        open_system(client=server._clients[0], collection_name="unreachable")
