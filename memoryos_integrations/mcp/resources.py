"""Resources: the caller's profile, status, and each page whole, for clients that show or attach them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError

from memoryos_engine import DialoguePage, MemoryOSError, NotFound
from memoryos_integrations.mcp.callers import Callers
from memoryos_integrations.mcp.replies import profile_reply, whole_page_reply

PROFILE, PAGE = "memoryos://profile", "memoryos://pages/{page_id}"
_JSON = "application/json"


class MemoryResources:
    """What of a memory can be read as a resource. Every read is about the memory of its caller.

    Args:
        callers: whose memory a read is about.
    """

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def add_to(self, server: MCPServer[Any]) -> None:
        """Serve the resources."""
        server.resource(PROFILE, title="What is known of you", mime_type=_JSON)(self.profile)
        server.resource(PAGE, title="One remembered exchange", mime_type=_JSON)(self.page)

    def profile(self) -> str:
        """Who the user is, as learnt from past conversations."""
        with _telling():
            return profile_reply(self._callers.memory().get_user_profile()).model_dump_json(indent=2)

    def page(self, page_id: str, ctx: Context[Any, Any]) -> str:
        """One exchange, whole."""
        with _telling():
            return whole_page_reply(self._page(page_id, ctx)).model_dump_json(indent=2)

    def _page(self, page_id: str, ctx: Context[Any, Any]) -> DialoguePage:
        try:
            return self._callers.memory(ctx.request_context.request).page(page_id)
        except NotFound as error:
            raise ResourceNotFoundError("There is no such page.") from error


@contextmanager
def _telling() -> Iterator[None]:
    """Have a client told what went wrong; our messages quote nothing that is stored."""
    try:
        yield
    except (MemoryOSError, ToolError) as error:
        raise ResourceError(str(error)) from error
