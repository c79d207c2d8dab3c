"""Stores and embedders that fail when they are told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from memoryos_engine import EmbeddingError, HashingEmbedder, MemoryOS, StoreError


class Moody:
    """An embedder that refuses the texts that `refuses` says, and fails while `error` is set."""

    name = "moody"

    def __init__(self) -> None:
        self._embedder = HashingEmbedder()
        self.dimension = self._embedder.dimension
        self.error: BaseException | None = None
        self.refuses: Callable[[str], bool] = lambda text: False
        self.asked = 0

    def embed(self, texts: Sequence[str]):
        self.asked += 1
        if self.error is not None:
            raise self.error
        if any(map(self.refuses, texts)):
            raise EmbeddingError("too long")
        return self._embedder.embed(texts)


def refuse_reading(system: MemoryOS, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every read of the store fail from now on."""

    def load(*_: object) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(system._storage.store, "load", load)


@contextmanager
def broken_store(system: MemoryOS, *, after: int = 0, writes: bool = False) -> Iterator[None]:
    """Have every write fail after the first `after`; with `writes` each is done and only its reply is lost."""
    store = system._storage.store
    whole = store._upsert
    left = after

    def upsert(*args: object) -> None:
        nonlocal left
        left -= 1
        if left >= 0 or writes:
            whole(*args)
        if left < 0:
            raise StoreError("the disk is full")

    store._upsert = upsert
    try:
        yield
    finally:
        del store._upsert
