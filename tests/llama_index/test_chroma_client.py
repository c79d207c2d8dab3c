"""chroma_client: memory beside the vectors of a ChromaVectorStore, in a collection of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import chromadb
import pytest
from chromadb.config import Settings
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore, VectorStoreQuery
from llama_index.vector_stores.chroma import ChromaVectorStore

from memoryos_engine.errors import InvalidInput, StoreError
from memoryos_integrations.llama_index.chroma import chroma_client
from tests.chroma_server import ChromaServer

QUIET = Settings(anonymized_telemetry=False)
DIRECTION = [1.0, 0.0, 0.0]
FIX = "Pass a ChromaVectorStore, its collection, or the Chroma client itself."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        one = ChromaServer(tmp_path_factory.mktemp("server"))
        yield one
        one.close()


@pytest.fixture
def opened() -> Iterator[list]:
    """Clients to be closed at the end."""
    clients: list = []
    yield clients
    for client in reversed(clients):
        client.close()


Connect = Callable[..., chromadb.ClientAPI]


@pytest.fixture(params=["on disk", "in memory", "of a server"])
def connect(request: pytest.FixtureRequest, opened: list) -> Connect:
    """Make a client of one kind for a tenant and a database, which are there."""

    def connecting(**place: str) -> chromadb.ClientAPI:
        if request.param == "of a server":
            return request.getfixturevalue("server").client(**place)
        if request.param == "in memory":
            opened.append(chromadb.EphemeralClient(**place))
        else:
            path = request.getfixturevalue("tmp_path") / "chroma"
            opened.append(chromadb.PersistentClient(path, settings=QUIET, **place))
        return opened[-1]

    return connecting


@pytest.fixture
def beside(request: pytest.FixtureRequest, opened: list) -> Callable:
    """Return chroma_client() of a thing, to be closed at the end."""

    def making(thing):
        client = chroma_client(thing)
        if "connect" in request.fixturenames and "[of a server]" in request.node.name:
            return request.getfixturevalue("server").closing(client)
        opened.append(client)
        return client

    return making


def vectors(client: chromadb.ClientAPI) -> ChromaVectorStore:
    """A vector store with one vector of the user's."""
    collection = client.get_or_create_collection(f"docs-{uuid.uuid4().hex}", embedding_function=None)
    store = ChromaVectorStore(chroma_collection=collection)
    store.add([TextNode(id_="1", text="A page of a book.", embedding=DIRECTION)])
    return store


def found(store: ChromaVectorStore) -> list[tuple[str, str]]:
    nodes = store.query(VectorStoreQuery(query_embedding=DIRECTION, similarity_top_k=10)).nodes
    return [(node.node_id, node.text) for node in nodes]


def contents(store: ChromaVectorStore) -> tuple:
    rows = store.client.get(include=["embeddings", "documents", "metadatas"])
    return rows["ids"], rows["documents"], rows["metadatas"], rows["embeddings"].tolist(), store.client.metadata


def test_memory_lives_beside_the_vectors_and_leaves_them_alone(connect, beside, open_system):
    store = vectors(connect())
    before = contents(store)
    client = beside(store)
    name = f"memory-{uuid.uuid4().hex}"
    system = open_system(client=client, collection_name=name)
    system.memory("tom").add_memory("I paddle a red canoe.", "Lovely.")
    system.close()

    memory = open_system(client=client, collection_name=name).memory("tom", session_id="later")
    assert [page.user_input for page in memory.retrieve_memory("canoe").pages] == ["I paddle a red canoe."]
    assert memory.system.check() == []
    assert (contents(store), found(store)) == (before, [("1", "A page of a book.")])
    assert {name, store.client.name} <= {each.name for each in client.list_collections()}


def test_the_store_its_collection_and_the_client_lead_to_the_same_database(connect, beside):
    client = connect()
    store = vectors(client)

    assert chroma_client(client) is client
    for thing in (store, store.client):
        assert store.client.name in {each.name for each in beside(thing).list_collections()}


def test_tenant_and_database_are_the_collections(connect, beside, request):
    tenant, database = f"tenant-{uuid.uuid4().hex}", f"database-{uuid.uuid4().hex}"
    admin = connect()._admin_client
    admin.create_tenant(tenant)
    admin.create_database(database, tenant)
    store = vectors(connect(tenant=tenant, database=database))
    client = beside(store)
    client.get_or_create_collection("memory", embedding_function=None)

    assert (client.tenant, client.database) == (tenant, database)
    assert {each.name for each in client.list_collections()} == {store.client.name, "memory"}
    assert "memory" not in {each.name for each in connect().list_collections()}


def test_a_store_that_made_its_own_client_is_enough(tmp_path, beside):
    store = ChromaVectorStore.from_params(collection_name="docs", persist_dir=str(tmp_path / "chroma"))

    assert [each.name for each in beside(store).list_collections()] == ["docs"]


def test_headers_and_address_of_a_server_are_the_stores(server, beside):
    theirs = server.client(headers={"x-team": "canoes"})
    store = vectors(theirs)
    client = server.closing(chroma_client(store))

    assert client._server.get_request_headers()["x-team"] == "canoes"
    assert client._server.get_api_url() == theirs._server.get_api_url()


NO_STORES = {
    "nothing": (None, "NoneType"),
    "a path": ("./chroma", "str"),
    "a store of another kind": (SimpleVectorStore(), "SimpleVectorStore"),
    "what has a client of another kind": (SimpleNamespace(client=object()), "SimpleNamespace"),
}


@pytest.mark.parametrize(("thing", "kind"), NO_STORES.values(), ids=NO_STORES)
def test_what_leads_to_no_chroma_is_refused_with_the_way_out(thing, kind):
    with pytest.raises(InvalidInput) as caught:
        chroma_client(thing)

    assert str(caught.value) == f"vector_store is a {kind} without a Chroma collection. {FIX}"


class Awaited:
    """As Chroma's asynchronous clients and collections are."""

    _client = tenant = database = upsert = get_max_batch_size = None

    async def get_or_create_collection(self):
        raise AssertionError

    async def count(self):
        raise AssertionError


class AwaitedCollection(Awaited):
    get_or_create_collection = property()


@pytest.mark.parametrize("thing", [Awaited(), AwaitedCollection(), SimpleNamespace(client=AwaitedCollection())])
def test_what_is_asynchronous_is_refused_with_the_way_out(thing):
    with pytest.raises(InvalidInput, match=r"^vector_store is of an asynchronous Chroma client\. Pass one made with"):
        chroma_client(thing)


def test_a_store_whose_client_was_closed_is_refused(tmp_path):
    """In memory, what it held is gone; a new client would silently be another database."""
    theirs = chromadb.PersistentClient(tmp_path / "chroma", settings=QUIET)
    store = vectors(theirs)
    theirs.close()
    with pytest.raises(InvalidInput) as caught:
        chroma_client(store)

    assert str(caught.value) == "vector_store has a client that was closed. Open it again."


def test_a_server_that_is_gone_is_an_error_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = ChromaServer(tmp_path)
    store = vectors(server.client())
    server.stop()
    try:
        with pytest.raises(StoreError, match="Chroma cannot open the database 'default_database' of tenant"):
            chroma_client(store)
    finally:
        server.close()
