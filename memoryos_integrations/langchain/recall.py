"""Asking memory inside a LangChain run: every recall is a retriever run of the trace.

The adapters that put memory into prompts ask through here, so that people see in their
traces what was recalled, for which query, and how long it took.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig
from pydantic import PrivateAttr

from memoryos_engine import DialoguePage, RetrievedMemory, UserMemory
from memoryos_engine.settings import require_text
from memoryos_integrations.langchain.documents import documents_of
from memoryos_integrations.saving import try_waiting

RUN_NAME = "MemoryOS recall"

Where = Callable[[DialoguePage], bool]


def recall(
    memory: UserMemory,
    query: str,
    *,
    top_k: int,
    where: Where | None = None,
    config: RunnableConfig | None = None,
) -> RetrievedMemory:
    """Return what memory holds for a query, traced as a retriever run.

    Args:
        memory: whose.
        query: what the user says now; where it is blank, what is in every context comes back.
        top_k: most pages to find.
        where: which pages may be found; STM, profile and knowledge come as they are.
        config: of the run around it; without one, that of the run this is called in, if any.

    Raises:
        InvalidInput: the query is no text, or `top_k` out of range.
        EmbeddingError, StoreError: nothing could be searched.
    """
    asking = _Recall(name=RUN_NAME, top_k=top_k).about(memory, where)
    asking.invoke(query, config)
    return asking.found


async def arecall(
    memory: UserMemory,
    query: str,
    *,
    top_k: int,
    where: Where | None = None,
    config: RunnableConfig | None = None,
) -> RetrievedMemory:
    """Await `recall`; the work is done in a thread."""
    asking = _Recall(name=RUN_NAME, top_k=top_k).about(memory, where)
    await asking.ainvoke(query, config)
    return asking.found


class _Recall(BaseRetriever):
    """One retrieval that also keeps the whole of what it found; made anew for each."""

    top_k: int
    _memory: UserMemory = PrivateAttr()
    _where: Where | None = PrivateAttr(default=None)
    _found: RetrievedMemory = PrivateAttr()

    def about(self, memory: UserMemory, where: Where | None) -> _Recall:
        self._memory, self._where = memory, where
        return self

    @property
    def found(self) -> RetrievedMemory:
        return self._found

    def _get_ls_params(self, **_: Any) -> LangSmithRetrieverParams:
        return LangSmithRetrieverParams(ls_retriever_name="memoryos")

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - the signature is LangChain's
    ) -> list[Document]:
        try_waiting(self._memory)
        if require_text("query", query).strip():
            self._found = self._memory.retrieve_memory(query, top_k=self.top_k, where=self._where)
        else:
            self._found = self._memory.latest_memory()
        return documents_of(self._found)
