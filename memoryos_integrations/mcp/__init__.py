"""MemoryOS as an MCP server, for Claude Desktop, Cline, Cursor and any other client.

Importing this loads no part of the MCP library; each name loads its own module when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("memoryos"):
            raise
        fix = 'pip install "memoryos-integrations[mcp]"'
        raise ModuleNotFoundError(f"{name} needs {error.name}: {fix}", name=error.name) from error


def __dir__() -> list[str]:
    return sorted(__all__)
