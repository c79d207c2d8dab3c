"""Leaves no byte of deleted text in the files of a store that nobody has open.

Chroma keeps a log of writes until its index is saved, which it does once enough came in:
a thousand by default, so a small store keeps deleted text for ever. Here that number is
lowered and a few rows are written and deleted until the log is empty; then Chroma's own
vacuum rewrites the database file, and what the index files hold beyond the index is blanked.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from memoryos_engine.errors import StoreError
from memoryos_engine.storage.index_files import blank_unused
from memoryos_engine.storage.schema import without_legacy_warning
from memoryos_engine.storage.switching import copy_name, drop

SAVE_AT_ONCE, SAVE_AS_USUAL = 2, 1000
"""Writes after which Chroma saves its index; the second is Chroma's default."""
_FILLERS = ["vacuum 1", "vacuum 2", "vacuum 3"]
_PATIENCE = 3600
_VACUUM = "import sys; from chromadb.cli.cli import app; sys.exit(app())"


def vacuum(directory: Path, *, collection_name: str, dimension: int) -> None:
    """Rewrite the store's files. The caller holds the path's lock and has the store closed.

    Raises:
        StoreError: Chroma could not do it; nothing is lost.
    """
    try:
        _drop_copy(directory, collection_name)
        _with_collection(directory, collection_name, lambda each: _save_after(each, SAVE_AT_ONCE))
        try:
            _with_collection(directory, collection_name, lambda each: _fill(each, dimension))
            _rewrite(directory)
            _remove_orphans(directory)
        finally:
            _with_collection(directory, collection_name, lambda each: _save_after(each, SAVE_AS_USUAL))
        for header in directory.glob("*/header.bin"):
            blank_unused(header.parent)
    except StoreError:
        raise
    except Exception as error:  # Chroma raises many unrelated types; this is where they become ours
        raise StoreError(f"the store could not be vacuumed ({type(error).__name__}: {error})") from error


def _with_collection(directory: Path, name: str, act: Any) -> None:
    """Do something with the collection in a client of its own: a changed setting counts from the next opening."""
    with _client(directory) as client, without_legacy_warning():
        act(client.get_collection(name, embedding_function=None))


def _drop_copy(directory: Path, name: str) -> None:
    """Delete what a reindex that was cut off has copied: deleted text may be in it."""
    with _client(directory) as client, without_legacy_warning():
        drop(client, copy_name(name))


@contextmanager
def _client(directory: Path) -> Iterator[Any]:
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(directory), settings=Settings(anonymized_telemetry=False))
    try:
        yield client
    finally:
        client.close()  # type: ignore[attr-defined]


def _save_after(collection: Any, writes: int) -> None:
    collection.modify(configuration={"hnsw": {"sync_threshold": writes}})


def _fill(collection: Any, dimension: int) -> None:
    vectors = np.eye(len(_FILLERS), dimension, dtype=np.float32)
    for _ in range(2):
        collection.upsert(ids=_FILLERS, embeddings=vectors, documents=[""] * len(_FILLERS))
    collection.delete(ids=_FILLERS)


def _remove_orphans(directory: Path) -> None:
    """Delete the index files of collections that are gone: Chroma leaves them, and unused memory is in them."""
    with closing(sqlite3.connect(directory / "chroma.sqlite3")) as database:
        known = {row[0] for row in database.execute("SELECT id FROM segments")}
    for index in directory.glob("*/header.bin"):
        if index.parent.name not in known:
            shutil.rmtree(index.parent)


def _rewrite(directory: Path) -> None:
    command = [sys.executable, "-c", _VACUUM, "vacuum", "--path", str(directory), "--force"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603
    if done.returncode:
        raise StoreError(f"Chroma's vacuum ended with status {done.returncode}")
