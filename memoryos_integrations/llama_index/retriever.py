"""MemoryOSRetriever: a user's memory wherever LlamaIndex takes a retriever.

It says whose memory a call is about and hands the search over; what is found, and in which
order, is `search`'s and the engine's. It keeps nothing from one call to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.callbacks import CallbackManager
from llama_index.core.schema import NodeWithScore, QueryBundle

from memoryos_engine import MemoryOS, UserMemory
from memoryos_integrations.addressing import ADDRESS_NAMES, Address
from memoryos_integrations.argument_names import ArgumentNames
from memoryos_integrations.llama_index.nodes import nodes_of
from memoryos_integrations.llama_index.run_scope import sources
from memoryos_integrations.search import KINDS, Search, find
from memoryos_integrations.search_arguments import DEFAULT_COUNT, DEFAULTS, checked

_COUNT = "similarity_top_k"
_ASKED: Mapping[str, Any] = {_COUNT: DEFAULT_COUNT, **DEFAULTS}
"""What `asking` may ask for anew, with what is asked where nothing is said of it."""
_NAMES = ArgumentNames(
    owner="MemoryOSRetriever",
    elsewhere={
        "k": _COUNT,
        "top_k": _COUNT,
        "limit": _COUNT,
        "n_results": _COUNT,
        "sparse_top_k": _COUNT,
        "filters": "filter, a mapping of names to values",
        "where": "filter",
        "chat_store_key": "session_id",
        "thread_id": "session_id",
    },
    advice=dict.fromkeys(
        ADDRESS_NAMES, 'Name the user around the call, with instrument_tags({"user_id": ...}):, or at construction.'
    ),
)


class MemoryOSRetriever(BaseRetriever):
    """Finds pages and facts of a user's memory as nodes, best first. Thread-safe; one can serve many users.

    Pass `memory=` for one user's memory, or `system=` to search the memory that each call names:
    `with instrument_tags({"user_id": ..., "session_id": ...}):` around whatever retrieves. A blank query
    finds the newest pages.

    A node's id is that of the page or fact, and its metadata says what it is: `excerpts.page_excerpt` and
    `fact_excerpt` list it. Models are shown the node's text alone. Pages come first, by score. Up to a fifth of
    the places are then for facts that fit the query well and were read from pages that are not among those found.

    Scores of pages and facts are on one scale, from 0: about 1 for the best words, up to 0.3 for nearness of
    meaning; a page may have 1 more for a date, and a little for its topic and its facts. They compare what was
    found for one query. The newest pages have none, so that a cutoff leaves none of them.

    Args:
        memory: whose memory every call is about; no ids may be given beside it.
        system: where to find the memory that a call names.
        user_id: for calls that name no user. Without one such a call is an error.
        assistant_id: for calls that name none.
        session_id: for calls that name none; only matters without `include_recent`.
        similarity_top_k: nodes to return, at least 1; fewer come only where there are no more.
        kinds: what to return: "page", "fact", or both.
        filter: metadata that pages must have been stored with: a value, or a list of which any will do.
        session_ids: only pages of these sessions.
        since: only pages from this time on: a datetime or ISO 8601 text, local time if it names no zone.
        until: only pages from before this time.
        include_recent: whether the asking session's short-term memory is searched too; leave it out where
            the chat engine has it.
        callback_manager: LlamaIndex's, as for its own retrievers.
        verbose: LlamaIndex's, as for its own retrievers.
        unknown: nothing else is taken; a wrong name is answered with the right one.

    Raises:
        InvalidInput: an argument is unknown or out of range, or nothing says whose memory a call is
            about. At the call it is raised before the search begins.
        EmbeddingError, StoreError: nothing could be searched.
    """

    def __init__(
        self,
        *,
        memory: UserMemory | None = None,
        system: MemoryOS | None = None,
        user_id: str | None = None,
        assistant_id: str | None = None,
        session_id: str | None = None,
        similarity_top_k: int = DEFAULT_COUNT,
        kinds: Sequence[str] = KINDS,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - named as in LangChain
        session_ids: Collection[str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        include_recent: bool = True,
        callback_manager: CallbackManager | None = None,
        verbose: bool = False,
        **unknown: Any,
    ) -> None:
        _NAMES.require_known(unknown, (*ADDRESS_NAMES, *_ASKED, "callback_manager", "verbose"))
        self._address = Address(
            memory=memory, system=system, user_id=user_id, assistant_id=assistant_id, session_id=session_id
        )
        self._asked: Mapping[str, Any] = {
            _COUNT: similarity_top_k,
            "kinds": kinds,
            "filter": filter,
            "session_ids": session_ids,
            "since": since,
            "until": until,
            "include_recent": include_recent,
        }
        checked(self._asked, count=_COUNT)
        super().__init__(callback_manager=callback_manager, verbose=verbose)

    @property
    def similarity_top_k(self) -> int:
        """Nodes to return; `asking` returns a retriever with another number."""
        count: int = self._asked[_COUNT]
        return count

    def asking(self, **options: Any) -> MemoryOSRetriever:
        """Return a retriever of the same memory that asks for something else, as for one call; this one stays.

        Args:
            options: `similarity_top_k`, `kinds`, `filter`, `session_ids`, `since`, `until` and `include_recent`,
                as for the class. What is given, None aside, replaces what was given then.

        Raises:
            InvalidInput: an option is unknown or out of range.
        """
        given = {name: value for name, value in options.items() if value is not None}
        _NAMES.require_known(given, _ASKED)
        other, asked = copy(self), {**self._asked, **given}
        checked(asked, count=_COUNT)
        other._asked = asked  # noqa: SLF001 - it is of this class
        return other

    def __repr__(self) -> str:
        """Say what is asked for; never whose memory it is, because traces show it."""
        said = [f"{name}={value!r}" for name, value in self._asked.items() if value != _ASKED[name]]
        return f"{type(self).__name__}({', '.join(said)})"

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asked = checked(self._asked, count=_COUNT)
        found = find(Search(memory=self._address.resolve(*sources()), **asked), query_bundle.query_str)
        return nodes_of(found.memory, found.tiers)

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)
