"""MemoryOS as an MCP server, for Claude Desktop, Cline, Cursor and any other client.

Importing this loads no part of the MCP library; each name loads its own module when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memoryos_integrations.lazy_names import lazy_names

if TYPE_CHECKING:
    from memoryos_integrations.mcp.config import Caller, ServerConfig
    from memoryos_integrations.mcp.config_sources import load_config
    from memoryos_integrations.mcp.opening import open_system
    from memoryos_integrations.mcp.server import create_server

_HOME_OF = {
    "Caller": "config",
    "ServerConfig": "config",
    "create_server": "server",
    "load_config": "config_sources",
    "open_system": "opening",
}
"""Name to the module it lives in."""

__all__ = ["Caller", "ServerConfig", "create_server", "load_config", "open_system"]


__getattr__ = lazy_names(__name__, _HOME_OF, extra="mcp")


def __dir__() -> list[str]:
    return sorted(__all__)
