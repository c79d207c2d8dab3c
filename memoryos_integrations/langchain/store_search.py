"""Searching the items of one memory: ranked by the engine where there is a query, else the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from langgraph.store.base import SearchItem, SearchOp

from memoryos_engine import DialoguePage, UserMemory
from memoryos_integrations.langchain.store_items import Items, StoredItem
from memoryos_integrations.langchain.store_ops import Namespace, matches, window

ASKING = "langgraph-store-search"
"""A session without pages: what is in the asking session's STM would not be ranked."""
_TRIES = 3
"""After so many searches during which items were replaced, the last one's result does."""


def search(memory: UserMemory, op: SearchOp, knowledge: Namespace | None) -> list[SearchItem]:
    """Return the items that an operation asks for, best or newest first.

    Args:
        memory: whose.
        op: a checked operation.
        knowledge: the namespace in which facts and profile are items; None for none.

    Raises:
        EmbeddingError, StoreError: nothing could be searched.
    """
    for _ in range(_TRIES):
        asked = [item for item in Items(memory, knowledge) if _asked(item, op)]
        newest_first = sorted(asked, key=lambda item: (item.updated_at, item.order), reverse=True)
        if not asked or op.query is None or not op.query.strip():
            return [item.as_found(None) for item in window(newest_first, op)]
        among = _Among(item.record_id for item in asked if item.is_page)
        scores = _scores(memory, op.query, among)
        if among.complete:
            break
    ranked = sorted(newest_first, key=lambda item: -scores.get(item.record_id, -1.0))
    found = window(ranked, op)
    _visit(memory, found)
    return [item.as_found(scores.get(item.record_id)) for item in found]


class _Among:
    """Says which pages may be found, and afterwards whether all of them were still there."""

    def __init__(self, page_ids: Iterable[str]) -> None:
        self._pages = set(page_ids)
        self._seen: set[str] = set()

    def __call__(self, page: DialoguePage) -> bool:
        if page.id not in self._pages:
            return False
        self._seen.add(page.id)
        return True

    @property
    def count(self) -> int:
        return len(self._pages)

    @property
    def complete(self) -> bool:
        return self._seen == self._pages


def _asked(item: StoredItem, op: SearchOp) -> bool:
    namespace, _ = item.place
    prefix = op.namespace_prefix
    return namespace[: len(prefix)] == prefix and matches(item.value, op.filter or {})


def _scores(memory: UserMemory, query: str, among: _Among) -> dict[str, float]:
    """Return the score of every page among those asked for, and of the entries that the engine ranks: 0 to 2.3."""
    found = memory.in_session(ASKING).retrieve_memory(query, top_k=max(1, among.count), where=among, touch=False)
    # Without what neighbours in the session add: items that were put one after the other are no conversation.
    scores: dict[str, float | None] = {
        page_id: why.words + why.similarity + why.date for page_id, why in found.explanations.items()
    }
    profile = found.user_profile
    for entry in (*found.user_knowledge, *found.assistant_knowledge, *profile.entries, *profile.traits):
        scores[entry.id] = entry.score
    return {record_id: score for record_id, score in scores.items() if score is not None}


def _visit(memory: UserMemory, found: Sequence[StoredItem]) -> None:
    """Have what was found counted as visited and used, as any retrieval has."""
    segments = dict.fromkeys(item.segment_id for item in found if item.segment_id)
    memory.system.visited(memory.owner, list(segments), [item.record_id for item in found if not item.is_page])
