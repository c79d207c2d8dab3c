"""Arguments as tools take them: one that no tool has is refused by name, never dropped, and a wrong type is told.

A model that misspells an argument must not get an answer to another question. What is told quotes no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from memoryos_engine.prompt_format import visible

_ELSEWHERE = {
    "k": "max_results",
    "top_k": "max_results",
    "limit": "max_results",
    "id": "memory_id",
    "metadata": "meta_data",
}
_NEVER = frozenset(("user_id", "assistant_id"))
"""Whose memory a call is about is not for a model to say."""
_MOST_NAME = 60
"""Characters of a wrong name that are repeated."""


class StrictServer(MCPServer[Any]):
    """A server whose tools are called with the arguments they have, or not at all."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: there is no such tool or argument, a value is of the wrong type, or the tool failed.
        """
        for tool in await self.list_tools():
            if tool.name == name:
                _require_known(arguments, tool.input_schema.get("properties") or {})
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                raise ToolError(f"Nothing was done: {'; '.join(_wrong(cause))}.") from cause
            raise


def _require_known(given: Iterable[str], known: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            shown, ours = visible(name[:_MOST_NAME]), _ELSEWHERE.get(name)
            near = [ours] if ours in known else get_close_matches(shown, known, n=1)
            near = [] if name in _NEVER else near
            fix = f"Pass {near[0]}." if near else f"Its arguments: {', '.join(known) or 'none'}."
            raise ToolError(f"Nothing was done: {shown} is no argument of this tool. {fix}")


def _wrong(error: ValidationError) -> list[str]:
    told = error.errors(include_url=False, include_context=False, include_input=False)
    return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in told]
