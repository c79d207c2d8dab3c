"""Looking after a whole store: what is wrong in it, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memoryos_engine.checking import check_memories, check_unowned
from memoryos_engine.checks.findings import Finding
from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.progress import bar
from memoryos_engine.stats import StoreStats, store_stats
from memoryos_engine.storage.survey import census

if TYPE_CHECKING:
    from memoryos_engine.checks.draft import Embed
    from memoryos_engine.embedding.base import Embedder
    from memoryos_engine.similarity import Vector
    from memoryos_engine.system_protocol import System


class Care:
    """What a `MemoryOS` offers to whoever runs it."""

    def check(self: System, *, repair: bool = False, progress: bool = False) -> list[Finding]:
        """Read the whole store and return what breaks an invariant; an empty list is a sound store.

        Memory taken: that of the largest user's rows. Others may go on meanwhile; a memory in which something is
        wrong waits while it is looked at again, and while it is repaired.

        Args:
            repair: mend what is found. No text of a page is lost by it: a record that cannot be read is set aside
                whole, out of its memory, and listed by later checks until its owner is purged. What is mended of one
                user is one commit, and repairing again changes nothing.
            progress: show a bar. What a repair changes of facts is not in the audit log.

        Returns:
            What was found, each with its `state`: broken, mended by this call, or set aside by an earlier one.
            `checks.findings.is_sound` says whether nothing is broken.

        Raises:
            EmbeddingError: a vector could not be made anew; users before it in order are mended.
            EmbedderMismatch: a reindex ended meanwhile; check again.
            StoreError: the store cannot be read or written.
        """
        self.require_open()
        store, taken = self._storage.store, census(self._storage.store)
        with bar("checking", "memory", len(taken.rows), shown=progress) as step:
            found = check_memories(
                store,
                self._storage.residents,
                taken,
                embed=_embed_with(self.embedder) if repair else None,
                mended=self._resumed.discard,
                step=step,
            )
            return [*found, *check_unowned(store, taken, repair=repair)]

    def stats(self: System) -> StoreStats:
        """Return what the store holds and what runs on it, counted from its rows; opens nobody's memory.

        Raises:
            StoreError: the store cannot be read.
        """
        self.require_open()
        return store_stats(
            self._storage,
            self._worker,
            embedder=self.embedder,
            collection=self.settings.collection_name,
            directory=self._path,
        )


def _embed_with(embedder: Embedder) -> Embed:
    def embed(texts: Sequence[str]) -> Vector:
        return unit_rows(embedder.embed(texts), rows=len(texts), dimension=embedder.dimension)

    return embed
