"""What a collection says of itself: the version of its rows and the embedder of its vectors.

A store of an older version is brought up to date when it is opened, one version at a time.
Each migration may be cut off anywhere and begun anew; the version is raised after it. A
store of a newer version is refused: its rows may be of kinds that we would misread.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import EmbedderMismatch, InvalidInput, MemoryOSError, StoreError
from memoryos_engine.progress import bar
from memoryos_engine.storage.guard import GONE
from memoryos_engine.storage.switching import complete_switch, find

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

SCHEMA = 2
"""Version of the layout of rows; raised when an older reader could not read them."""
VERSION, EMBEDDER, DIMENSION = "memoryos_schema", "memoryos_embedder", "memoryos_dimension"
"""Keys of a collection's metadata."""
CopyLate = Callable[["Collection", "Collection"], object]
"""Copies what was written to a collection after its copy was whole."""
Migration = Callable[["Collection", Callable[[int], object]], None]
"""Changes the rows of a collection from one version to the next and tells of rows done. Doing it again, or what is
left of it, must come to the same."""


def _further_kinds(collection: Collection, step: Callable[[int], object]) -> None:
    """From 1 to 2 no row changes: from 2 on there are kinds of rows, and several heads, that version 1 misreads."""


MIGRATIONS: Mapping[int, Migration] = {1: _further_kinds}
"""From which version each leads to the next."""


def description(embedder: Embedder) -> dict[str, Any]:
    """Return the metadata of a collection that this version makes."""
    return {VERSION: SCHEMA, EMBEDDER: embedder.name, DIMENSION: embedder.dimension}


def open_collection(
    client: ClientAPI, name: str, embedder: Embedder, *, copy_late: CopyLate, progress: bool = False
) -> Collection:
    """Return the collection, made if missing; an interrupted switch is completed and an older version migrated.

    Raises:
        InvalidInput: it belongs to another program.
        EmbedderMismatch: its vectors are another embedder's; nothing was migrated.
        StoreError: it cannot be opened, or a newer version of this program made it.
    """
    try:
        with without_legacy_warning():
            complete_switch(client, name, before_deleting=partial(_copied_late, embedder, copy_late))
            collection = made_collection(client, name, description(embedder))
            _check(collection, embedder)
            migrate(collection, progress=progress)
    except MemoryOSError:
        raise
    except Exception as error:
        raise StoreError(f"the collection {name!r} cannot be opened ({type(error).__name__}: {error})") from error
    return collection


def _copied_late(embedder: Embedder, copy_late: CopyLate, old: Collection, new: Collection) -> None:
    _check(new, embedder)
    copy_late(old, new)


def same_collection(client: ClientAPI, before: Collection, embedder: Embedder) -> Collection:
    """Return a collection that was open, as its server has it now that it is back; none is made.

    Raises:
        EmbedderMismatch: it has another embedder now.
        StoreError: the server has it no more: it was started on another directory, or the collection was replaced.
    """
    with without_legacy_warning():
        found = find(client, before.name)
        if found is None or found.id != before.id:
            raise StoreError(GONE)
        _check(found, embedder)
    return found


def made_collection(client: ClientAPI, name: str, metadata: Mapping[str, Any]) -> Collection:
    """Return the collection of this name, made with this metadata if there is none."""
    return client.get_or_create_collection(
        name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}, metadata=dict(metadata)
    )


def migrate(collection: Collection, *, progress: bool = False) -> None:
    """Bring the rows up to this version.

    Args:
        collection: checked to be ours and no newer.
        progress: show a bar for each version.
    """
    metadata = dict(collection.metadata or {})
    while metadata[VERSION] < SCHEMA:
        total = collection.count() if progress else 0
        with bar(f"migrating to schema {metadata[VERSION] + 1}", "record", total, shown=progress) as step:
            MIGRATIONS[metadata[VERSION]](collection, step)
        metadata[VERSION] += 1
        collection.modify(metadata=metadata)


@contextmanager
def without_legacy_warning() -> Iterator[None]:
    """Keep Chroma quiet about a collection without an embedding function whose settings were changed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="legacy embedding function config")
        yield


def _check(collection: Collection, embedder: Embedder) -> None:
    metadata = collection.metadata or {}
    if VERSION not in metadata:
        fix = "Choose another name with MemorySettings(collection_name=...)."
        raise InvalidInput("collection_name", f"names {collection.name!r}, a collection of another program", fix)
    if metadata[VERSION] > SCHEMA:
        problem = f"the store has schema {metadata[VERSION]} and this version of memoryos reads up to {SCHEMA}"
        raise StoreError(f"{problem}; upgrade memoryos. Nothing was changed")
    require_embedder((str(metadata[EMBEDDER]), int(metadata[DIMENSION])), embedder)
    _require_cosine(collection)


def _require_cosine(collection: Collection) -> None:
    """Refuse a collection whose server ranks by something else than the cosine that was asked for."""
    index = collection.configuration.get("hnsw") or collection.configuration.get("spann") or {}
    space = index.get("space", "cosine")
    if space != "cosine":
        problem = f"the collection {collection.name!r} ranks by {space!r} and not by cosine"
        raise StoreError(f"{problem}; choose another name with MemorySettings(collection_name=...)")


def require_embedder(stored: tuple[str, int], embedder: Embedder) -> None:
    """Raise EmbedderMismatch unless the embedder is the one of this name and dimension."""
    name, dimension = stored
    if (embedder.name, embedder.dimension) != stored:
        raise EmbedderMismatch(
            f"the store was made with embedder {name!r} of {dimension} dimensions and was opened with "
            f"{embedder.name!r} of {embedder.dimension}; vectors of two models do not compare. Open it with {name!r}, "
            f"or move it over: memoryos reindex --path DIR --embedder {name} --to {embedder.name}"
        )
