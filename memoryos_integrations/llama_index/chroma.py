"""The Chroma client behind a LlamaIndex vector store, for a memory beside the vectors.

It knows Chroma by the shape of its objects, not LlamaIndex's Chroma package, and never touches
the collection it is given.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from memoryos_engine import InvalidInput
from memoryos_engine.errors import StoreError

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_FIX = "Pass a ChromaVectorStore, its collection, or the Chroma client itself."


def chroma_client(vector_store: Any) -> ClientAPI:
    """Return a Chroma client for the database that a vector store's collection is in.

    With `MemoryOS(client=chroma_client(vector_store))` memory lives beside the vectors, in a
    collection of its own. An embedded store on disk or in memory is the same one; to a server a
    connection is made with the address, headers and settings of the store's. Tenant and database
    are the collection's.

    Call it once for a store and keep what it returns: each call makes a client, which is the
    caller's to close. The store's own must stay open as long as an embedded one is used.

    Args:
        vector_store: a `ChromaVectorStore`, a Chroma collection, or a Chroma client, which is
            returned as it is.

    Raises:
        InvalidInput: it is none of these, it is asynchronous, or its client was closed.
        StoreError: the database cannot be reached.
    """
    if _is_client(vector_store):
        _require_synchronous(vector_store.get_or_create_collection)
        client: ClientAPI = vector_store
        return client
    collection: Any = vector_store if _is_collection(vector_store) else getattr(vector_store, "client", None)
    if not _is_collection(collection):
        raise InvalidInput("vector_store", f"is a {type(vector_store).__name__} without a Chroma collection", _FIX)
    _require_synchronous(collection.count)
    return _beside(collection)


def _is_client(thing: object) -> bool:
    return hasattr(thing, "get_or_create_collection") and hasattr(thing, "get_max_batch_size")


def _is_collection(thing: object) -> bool:
    return all(hasattr(thing, name) for name in ("_client", "tenant", "database", "upsert"))


def _require_synchronous(method: object) -> None:
    if inspect.iscoroutinefunction(method):
        fix = "Pass one made with chromadb.HttpClient(...) or chromadb.PersistentClient(...)."
        raise InvalidInput("vector_store", "is of an asynchronous Chroma client", fix)


def _beside(collection: Any) -> ClientAPI:
    import chromadb

    # A collection knows its server but not its client; these are Chroma's own fields, and tests watch them.
    system = collection._client._system  # noqa: SLF001
    if not system._running:  # noqa: SLF001
        raise InvalidInput("vector_store", "has a client that was closed", "Open it again.")
    try:
        return chromadb.Client(settings=system.settings, tenant=collection.tenant, database=collection.database)
    except Exception as error:
        where = f"the database {collection.database!r} of tenant {collection.tenant!r}"
        raise StoreError(f"Chroma cannot open {where} ({type(error).__name__})") from error
