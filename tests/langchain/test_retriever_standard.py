"""LangChain's own suite for retrievers, unmodified, on every way to say whose memory is searched."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from memoryos_engine import MemoryOS
from memoryos_integrations.langchain import MemoryOSRetriever


class _Suite(RetrieversIntegrationTests):
    params: dict[str, Any]

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return MemoryOSRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self.params

    @property
    def retriever_query_example(self) -> str:
        return "Which tea did Ann buy?"


def store(system: MemoryOS) -> None:
    memory = system.memory("ann", session_id="shop")
    for kind in ("green", "black", "white", "red", "mint", "rice"):
        memory.add_memory(f"I bought {kind} tea.", "Enjoy it!")


class TestOfOneMemory(_Suite):
    @pytest.fixture(autouse=True)
    def stored(self, system: MemoryOS) -> None:
        store(system)
        self.params = {"memory": system.memory("ann", session_id="later")}


class TestFromTheSessionThatSaidIt(_Suite):
    """All there is stands in the asking session's STM."""

    @pytest.fixture(autouse=True)
    def stored(self, system: MemoryOS) -> None:
        store(system)
        self.params = {"memory": system.memory("ann", session_id="shop"), "k": 2}


class TestOfASystem(_Suite):
    @pytest.fixture(autouse=True)
    def stored(self, system: MemoryOS) -> None:
        store(system)
        self.params = {"system": system, "user_id": "ann", "session_id": "later", "include_recent": False}
