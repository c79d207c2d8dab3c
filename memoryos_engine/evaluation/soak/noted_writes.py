"""What a process writes to Chroma, noted down for another that repeats it with Chroma alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

CALLS = "upsert", "delete"
"""Methods of a collection by which the engine writes a memory."""
FILES = "writes.jsonl", "writes.npy"
"""The calls, one a line; and arrays of the vectors of those that have some, one after the other."""


@contextmanager
def noted_writes(folder: Path) -> Iterator[None]:
    """Note every write of this process meanwhile, to whichever collection, in the order they take place."""
    from chromadb.api.models.Collection import Collection

    turn = threading.Lock()
    with (folder / FILES[0]).open("w") as lines, (folder / FILES[1]).open("wb") as arrays:

        def noting(name: str) -> Callable[..., Any]:
            write = getattr(Collection, name)

            def noted(collection: Collection, **columns: Any) -> Any:
                with turn:
                    vectors = columns.get("embeddings")
                    said = {key: value for key, value in columns.items() if key != "embeddings"}
                    lines.write(json.dumps([name, said, vectors is not None]) + "\n")
                    if vectors is not None:
                        np.save(arrays, vectors)
                    return write(collection, **columns)

            return noted

        with ExitStack() as stack:
            for name in CALLS:
                stack.enter_context(mock.patch.object(Collection, name, noting(name)))
            yield


def repeat_writes(folder: Path, collection: Collection) -> None:
    """Do to a collection what was noted."""
    with (folder / FILES[0]).open() as lines, (folder / FILES[1]).open("rb") as arrays:
        for line in lines:
            name, said, with_vectors = json.loads(line)
            getattr(collection, name)(**said, **({"embeddings": np.load(arrays)} if with_vectors else {}))
