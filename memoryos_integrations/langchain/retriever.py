"""MemoryOSRetriever: a user's memory wherever LangChain takes a retriever.

It says whose memory a call is about and hands the search over; what is found, and in which
order, is `search`'s and the engine's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, run_in_executor
from pydantic import ConfigDict, Field

from memoryos_engine import MemoryOS, UserMemory
from memoryos_engine.settings import require_count
from memoryos_integrations.addressing import ADDRESS_NAMES, Address
from memoryos_integrations.argument_names import ArgumentNames
from memoryos_integrations.langchain.documents import documents_of
from memoryos_integrations.langchain.recall import arecall, recall
from memoryos_integrations.langchain.run_scope import sources
from memoryos_integrations.search import KINDS, Search, find, narrowed
from memoryos_integrations.search_arguments import DEFAULT_COUNT, DEFAULTS, checked

_COUNT = "k"
_ASKED = (_COUNT, *DEFAULTS)
"""Arguments that a call may give again; what it gives, None aside, replaces what was given then."""
_NAMES = ArgumentNames(
    owner="MemoryOSRetriever",
    elsewhere={
        "top_k": "k",
        "limit": "k",
        "n_results": "k",
        "num_results": "k",
        "search_kwargs": "k and filter",
        "where": "filter",
        "thread_id": "session_id",
    },
    advice=dict.fromkeys(
        ADDRESS_NAMES, 'Name the user in the run, config={"configurable": {"user_id": ...}}, or at construction.'
    ),
)


class MemoryOSRetriever(BaseRetriever):
    """Finds pages and facts of a user's memory as documents, best first. Thread-safe.

    Pass `memory=` for one user's memory, or `system=` to search the memory that each run names:
    config={"configurable": {"user_id": ..., "session_id": ...}}, where "thread_id" is a session too.
    `k`, `kinds`, `include_recent` and what filters can be given again in a call, as in
    `retriever.invoke(query, k=3)`. A blank query finds the newest pages.

    A document's metadata says what it is: `excerpts.page_excerpt` and `fact_excerpt` list it.
    Pages come first, by score. Up to a fifth of the places are then for facts that fit the query well
    and were read from pages that are not among those found.

    Raises:
        InvalidInput: an argument is unknown or out of range, or nothing says whose memory a call is
            about. At the call it is raised before the search begins.
        EmbeddingError, StoreError: nothing could be searched.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    memory: UserMemory | None = Field(default=None, repr=False, exclude=True)
    """The memory that every call is about."""
    system: MemoryOS | None = Field(default=None, repr=False, exclude=True)
    """Where the memory is looked up that a run names."""
    user_id: str | None = Field(default=None, repr=False)
    """For runs that name no user."""
    assistant_id: str | None = Field(default=None, repr=False)
    """For runs that name no assistant."""
    session_id: str | None = Field(default=None, repr=False)
    """For runs that name no session; only matters without `include_recent`, and for `as_context`."""
    k: int = DEFAULT_COUNT
    """Documents to return, at least 1; fewer come only where there are no more."""
    kinds: Sequence[str] = KINDS
    """What to return: "page", "fact", or both."""
    filter: Mapping[str, Any] | None = None
    """Metadata that pages must have been stored with: a value, or a list of which any will do."""
    session_ids: Collection[str] | None = None
    """Only pages of these sessions."""
    since: datetime | str | None = None
    """Only pages from this time on: a datetime or ISO 8601 text, local time if it names no zone."""
    until: datetime | str | None = None
    """Only pages from before this time."""
    include_recent: bool = True
    """Whether the asking session's short-term memory is searched too; leave it out where the chain has it."""

    def __init__(self, **options: Any) -> None:
        _NAMES.require_known(options, type(self).model_fields)
        Address.of(options)
        given = {name: options[name] for name in _ASKED if name in options}
        checked({name: type(self).model_fields[name].default for name in _ASKED} | given, count=_COUNT)
        super().__init__(**options)

    def invoke(self, input: str, config: RunnableConfig | None = None, **options: Any) -> list[Document]:  # noqa: A002
        """Return the documents for a query; see the class for `options`."""
        return super().invoke(input, config, **self._prepared(config, options))

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **options: Any) -> list[Document]:  # noqa: A002
        """Await `invoke`; the search is done in a thread."""
        return await super().ainvoke(input, config, **self._prepared(config, options))

    def as_context(self, max_tokens: int = 2000, *, k: int = 100) -> Runnable[str, str]:
        """Return a runnable from a query to prompt text: what is remembered that matters for it.

        The text is that of `RetrievedMemory.to_prompt`: profile, facts, pages found and the session's latest
        turns, fenced so that it reads as data, and empty if nothing is remembered. Filters, `kinds` and
        `include_recent` hold for all of it; the run is traced as a retriever run.

        Args:
            max_tokens: budget of the text, at least 1.
            k: most pages to fill it from, at least 1; the budget decides how many stand in it.

        Raises:
            InvalidInput: an argument is out of range.
        """
        context = _Context(self, require_count("max_tokens", max_tokens), require_count("k", k))
        return RunnableLambda(context.text, afunc=context.atext, name="MemoryOS context")

    def searching(self, config: RunnableConfig | None = None, options: Mapping[str, Any] | None = None) -> Search:
        """Return the search that a run with this config and these options of its own stands for.

        Raises:
            InvalidInput: an option is unknown or out of range, or nothing says whose memory is meant.
        """
        given = {} if options is None else {name: value for name, value in options.items() if value is not None}
        _NAMES.require_known(given, _ASKED)
        asked = checked({name: getattr(self, name) for name in _ASKED} | given, count=_COUNT)
        address = Address.of(self)
        return Search(memory=address.resolve(*sources(config)), **asked)

    def _prepared(self, config: RunnableConfig | None, options: dict[str, Any]) -> dict[str, Any]:
        run = {"run_id": options.pop("run_id")} if "run_id" in options else {}
        return {"search": self.searching(config, options), **run}

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the signature is LangChain's
        search: Search | None = None,
    ) -> list[Document]:
        found = find(search or self.searching(), query)
        return documents_of(found.memory, found.tiers)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, search: Search | None = None
    ) -> list[Document]:
        found: list[Document] = await run_in_executor(
            None, self._get_relevant_documents, query, run_manager=run_manager.get_sync(), search=search
        )
        return found


@dataclass(frozen=True, slots=True)
class _Context:
    """What `as_context` runs."""

    retriever: MemoryOSRetriever
    max_tokens: int
    k: int

    def text(self, query: str, config: RunnableConfig) -> str:
        search = self.retriever.searching(config)
        found = recall(search.memory, query, top_k=self.k, where=search.where, config=config)
        return narrowed(found, search).to_prompt(self.max_tokens)

    async def atext(self, query: str, config: RunnableConfig) -> str:
        search = self.retriever.searching(config)
        found = await arecall(search.memory, query, top_k=self.k, where=search.where, config=config)
        text: str = await run_in_executor(None, lambda: narrowed(found, search).to_prompt(self.max_tokens))
        return text
