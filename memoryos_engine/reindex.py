"""Gives a store another embedder while the old one goes on answering.

Most is copied while everybody goes on. Then those who read and write for callers are let
out, background work waits at its next call of the store, what was written meanwhile is
copied, and the copy takes the name of the collection. Whoever holds the old one is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from memoryos_engine.embedding.base import Embedder
from memoryos_engine.errors import InvalidInput, StoreError
from memoryos_engine.parts import check_embedder
from memoryos_engine.progress import bar
from memoryos_engine.storage.guard import translated
from memoryos_engine.storage.opened import Storage
from memoryos_engine.storage.reindexing import Reindexing, begun_copy
from memoryos_engine.storage.schema import without_legacy_warning
from memoryos_engine.storage.switching import switch_steps
from memoryos_engine.storage.whole_rows import WholeRows

MOST_PASSES = 5
"""Times that what was written meanwhile is copied before everybody has to wait for the rest."""

GoOn = Callable[[], object]
Take = Callable[[Storage, Embedder], None]


def reindexed(storage: Storage, embedder: Embedder, *, progress: bool, go_on: GoOn, take: Take) -> int:
    """Copy a store for another embedder and put the copy in its place; see `MemoryOS.reindex`.

    Args:
        storage: the store; it is retired.
        embedder: the new one.
        progress: show a bar.
        go_on: raises if the system was closed meanwhile.
        take: is given what took the store's place, with the new embedder, while nobody else uses either.
    """
    check_embedder(embedder)
    if storage.embedder == (embedder.name, embedder.dimension):
        raise InvalidInput("embedder", "is the one that the store has", "Pass another one; nothing was changed.")
    with storage.kept_open(), _one_at_a_time(storage):
        copying = _copying(storage, embedder, go_on)
        total = copying.count() if progress else 0
        with bar("re-embedding", "record", total, shown=progress) as step, storage.store.announcing():
            changed, passes = copying.copy(step), 1
            while changed and passes < MOST_PASSES:
                changed, passes = copying.copy(), passes + 1
            # Nobody who holds such a lock may be kept waiting for it at a call of the store.
            with storage.gate.alone(), storage.store.exclusion.all_writing(), storage.store.calls.paused():
                go_on()
                _settle(copying, storage)
                _switch(storage, embedder, copying, take)
    return copying.embedded


def _copying(storage: Storage, embedder: Embedder, go_on: GoOn) -> Reindexing:
    in_turns, most = not storage.store.shared, storage.store.max_batch
    source = WholeRows(storage.collection, max_batch=most, in_turns=in_turns)
    made = begun_copy(storage.client, storage.options.collection_name, embedder)
    return Reindexing(source, WholeRows(made, max_batch=most, in_turns=in_turns), embedder, go_on=go_on)


def _settle(copying: Reindexing, storage: Storage) -> None:
    """Make the copy whole. Other processes, where there can be any, may write meanwhile: then again."""
    for _ in range(MOST_PASSES if storage.store.shared else 1):
        if copying.settle() and not (storage.store.shared and copying.copy()):
            return
    raise StoreError(
        "the store was written to all the time and its copy did not get whole; let it rest, then reindex again"
    )


def _switch(storage: Storage, embedder: Embedder, copying: Reindexing, take: Take) -> None:
    """Put the copy in its place, and retire the store: for good, if that is cut off, since it may be done in part."""
    late = copying.add_late if storage.store.shared else lambda: None
    steps = switch_steps(storage.client, storage.options.collection_name, before_deleting=late)
    reason = "the store was being given another embedder when that failed; close this MemoryOS and open it again"
    try:
        with translated("switched to its copy"), without_legacy_warning():
            for step in steps:
                step()
        take(storage.successor(embedder), embedder)
        reason = _other_embedder(storage, embedder)
    finally:
        storage.retire(reason)


def _other_embedder(storage: Storage, embedder: Embedder) -> str:
    name, dimension = storage.embedder
    return (
        f"the store was given embedder {embedder.name!r} of {embedder.dimension} dimensions (memoryos reindex) after "
        f"it was opened with {name!r} of {dimension}. Close this MemoryOS and open it again with {embedder.name!r}"
    )


@contextmanager
def _one_at_a_time(storage: Storage) -> Iterator[None]:
    if not storage.moving.acquire(blocking=False):
        raise StoreError("a reindex of this store is under way already; wait for it to end")
    try:
        yield
    finally:
        storage.moving.release()
