"""LangChain's own suites for tools, unmodified, on each of the three tools."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests import ToolsIntegrationTests
from langchain_tests.unit_tests import ToolsUnitTests

from memoryos_engine import MemoryOS
from memoryos_integrations.langchain import create_memory_tools


class _OnAnn:
    """A memory with one page, new for each test, and the tools on it."""

    place: int

    @pytest.fixture(autouse=True)
    def stored(self, system: MemoryOS) -> None:
        memory = system.memory("ann")
        self.page_id = memory.add_memory("I bought green tea.", "Enjoy it!").id
        self.tools = create_memory_tools(memory)

    @property
    def tool_constructor(self) -> BaseTool:
        return self.tools[self.place]


class _Search(_OnAnn):
    place = 0

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"query": "Which tea?", "limit": 3}


class _Save(_OnAnn):
    place = 1

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"content": "Ann drinks green tea."}


class _Forget(_OnAnn):
    place = 2

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"id": self.page_id}


class TestSearchUnit(_Search, ToolsUnitTests):
    pass


class TestSearchIntegration(_Search, ToolsIntegrationTests):
    pass


class TestSaveUnit(_Save, ToolsUnitTests):
    pass


class TestSaveIntegration(_Save, ToolsIntegrationTests):
    pass


class TestForgetUnit(_Forget, ToolsUnitTests):
    pass


class TestForgetIntegration(_Forget, ToolsIntegrationTests):
    pass
