"""The command `memoryos-mcp`: a server on stdio, or on HTTP with --http; or a check of one with --check.

On stdio, standard output belongs to the protocol: whatever there is to tell goes to standard error.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from memoryos_engine import MemoryOSError
from memoryos_integrations.mcp.config import ServerConfig, keys
from memoryos_integrations.mcp.config_sources import PREFIX, load_config

INTERRUPTED = 130
_NOT_FLAGS = frozenset(("config", "check"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    0 if it ended well, 1 for a failed check, 2 if it could not begin, 130 if a check was interrupted.
    """
    parser = _parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown:  # what stands beside an unknown flag may be a secret
        names = [each.partition("=")[0] for each in unknown if each.startswith("--")]
        parser.error(f"unknown arguments: {', '.join(names) or 'not shown'}")
    told = vars(parsed)
    flags = {key: value for key, value in told.items() if key not in _NOT_FLAGS and value is not None}
    try:
        config = load_config(told["config"], environment=os.environ, flags=flags)
        if told["check"]:
            from memoryos_integrations.mcp.check import check

            return check(told["config"], flags, config)
        _serve(config)
    except MemoryOSError as error:
        sys.stderr.write(f"memoryos-mcp: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("memoryos-mcp: interrupted\n")
        return INTERRUPTED
    return 0


def run() -> None:
    """Be the command."""
    sys.exit(main())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="memoryos-mcp",
        description="Long-term memory as an MCP server: on stdio, or over HTTP with --http.",
        epilog=f"Every key can stand in the file, in {PREFIX}KEY in the environment, or here; the last wins.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a JSON object with any of the keys below")
    parser.add_argument("--version", action="version", version=f"memoryos-mcp {version('memoryos-integrations')}")
    parser.add_argument("--check", action="store_true", help="start the server, call every tool, print what it said")
    for name, field in keys().items():
        parser.add_argument(_flag(name), dest=name, metavar=name.upper(), help=_help(field.description, field.default))
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _help(description: str | None, default: object) -> str:
    shown = "" if default in (None, ()) else f" ({default})"
    return f"{description}{shown}".replace("%", "%%")


def _serve(config: ServerConfig) -> None:
    from memoryos_integrations.mcp.addresses import address_of
    from memoryos_integrations.mcp.callers import require_callers
    from memoryos_integrations.mcp.opening import open_system
    from memoryos_integrations.mcp.server import create_server

    require_callers(config)
    address = None if config.http is None else address_of(config)
    system = open_system(config)
    try:
        server = create_server(system, config)
        if address is None:
            from memoryos_integrations.mcp.leaving import leave_when_told

            leave_when_told(system)
            server.run()
        else:
            from memoryos_integrations.mcp.listening import serve_http

            signal.signal(signal.SIGTERM, signal.default_int_handler)  # else it ends us before the store is closed
            serve_http(server, config, address)
    except KeyboardInterrupt:
        pass
    finally:
        system.close()
