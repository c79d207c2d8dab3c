"""Serving over HTTP: the socket is open, and its address told, before the first call can come."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer

from memoryos_engine import InvalidInput
from memoryos_integrations.mcp.addresses import Address, accepted
from memoryos_integrations.mcp.config import ServerConfig

GRACE = 5
"""Seconds that calls may still take when the server is told to end; clients that only listen hold it up no longer."""


def serve_http(server: MCPServer[Any], config: ServerConfig, address: Address) -> None:
    """Serve until the process is told to end.

    Raises:
        InvalidInput: nothing can listen there.
    """
    with _listening(address) as listener:
        app = server.streamable_http_app(host=address.host, transport_security=accepted(config, address))
        port = listener.getsockname()[1]
        sys.stderr.write(f"memoryos-mcp: listening on http://{address.shown_host}:{port}/mcp\n")
        sys.stderr.flush()
        how = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACE)
        uvicorn.Server(how).run(sockets=[listener])


def _listening(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else "no such host"
        problem = f"cannot be listened on ({why})"
        raise InvalidInput("http", problem, "Choose another port, or end what listens there.") from None
