"""Starting the server for a check as a client would: a process of its own, with the same configuration.

Over HTTP it listens on loopback, at the configured port if that is free.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGTERM
from subprocess import DEVNULL
from typing import TextIO

import anyio
from anyio.abc import Process
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from memoryos_integrations.mcp.addresses import address_of
from memoryos_integrations.mcp.config import ServerConfig
from memoryos_integrations.mcp.config_sources import PREFIX

PATIENCE = 60.0
"""Most seconds that a start or a call may take."""
LEAVING = 10.0
"""Most seconds that a server may take to end."""
STEP = 0.05
_LOOPBACK = "127.0.0.1"
_EAGER = {"short_term_capacity": "1", "mid_term_heat_threshold": "0"}
"""What lets one exchange go the whole way from the queue to long-term memory."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How the server is started, and how it is reached."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    port: int | None = None
    """Over HTTP; None over stdio."""
    token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it answers over HTTP."""
        return f"http://{_LOOPBACK}:{self.port}/mcp"


def as_configured(file: Path | None, flags: Mapping[str, str], config: ServerConfig) -> Launch:
    """Return how a client starts the server; nothing of a memory may be asked of it."""
    token = config.users[0].token.get_secret_value() if config.users and config.http else None
    return _launch(file, flags, config, environment={}, token=token)


def as_stranger(file: Path | None, flags: Mapping[str, str], config: ServerConfig, user_id: str) -> Launch:
    """Return how the server is started with a user of the check's own, whose exchanges are read at once."""
    told = {**flags, **_EAGER}
    if not (config.users and config.http):
        return _launch(file, {**told, "user_id": user_id}, config, environment={}, token=None)
    token = secrets.token_urlsafe()
    users = {PREFIX + "USERS": json.dumps([{"user_id": user_id, "token": token}])}  # no secret among the arguments
    told.pop("users", None)
    return _launch(file, told, config, environment=users, token=token)


@asynccontextmanager
async def connected(launch: Launch, mode: str, heard: TextIO) -> AsyncIterator[Client]:
    """Start the server and give a client of it; end it afterwards.

    Args:
        launch: how.
        mode: "legacy" or "auto", by which the client chooses the protocol.
        heard: where the server's standard error goes, a file.
    """
    if launch.port is None:
        command, *arguments = _command(launch)
        server = StdioServerParameters(command=command, args=arguments, env=dict(launch.environment))
        async with Client(stdio_client(server, errlog=heard), mode=mode, read_timeout_seconds=PATIENCE) as client:
            yield client
        return
    async with _serving(launch, heard), create_mcp_http_client(_headers(launch)) as http:
        transport = streamable_http_client(launch.url, http_client=http)
        async with Client(transport, mode=mode, read_timeout_seconds=PATIENCE) as client:
            yield client


async def status_without_token(launch: Launch) -> int:
    """Return how the server answers somebody without a token: the HTTP status."""
    async with create_mcp_http_client() as http:
        return (await http.post(launch.url, json={})).status_code


def _launch(
    file: Path | None,
    flags: Mapping[str, str],
    config: ServerConfig,
    *,
    environment: Mapping[str, str],
    token: str | None,
) -> Launch:
    port = None if config.http is None else _free_port(address_of(config).port)
    told = dict(flags) if port is None else {**flags, "http": f"{_LOOPBACK}:{port}"}
    arguments = [] if file is None else ["--config", str(file)]
    arguments += [f"--{key.replace('_', '-')}={value}" for key, value in told.items()]
    return Launch(arguments=tuple(arguments), environment={**os.environ, **environment}, port=port, token=token)


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def _command(launch: Launch) -> list[str]:
    return [sys.executable, "-m", "memoryos_integrations.mcp", *launch.arguments]


def _headers(launch: Launch) -> dict[str, str]:
    return {} if launch.token is None else {"Authorization": f"Bearer {launch.token}"}


@asynccontextmanager
async def _serving(launch: Launch, heard: TextIO) -> AsyncIterator[None]:
    process = await anyio.open_process(
        _command(launch), stdin=DEVNULL, stdout=DEVNULL, stderr=heard, env=launch.environment
    )
    try:
        await _listening(process, launch.port or 0)
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _listening(process: Process, port: int) -> None:
    with anyio.fail_after(PATIENCE):
        while process.returncode is None:
            try:
                await (await anyio.connect_tcp(_LOOPBACK, port)).aclose()
            except OSError:
                await anyio.sleep(STEP)
            else:
                return
    raise ConnectionError(f"the server ended with status {process.returncode}")


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(SIGTERM if sys.platform == "win32" else SIGINT)  # as a person does with Ctrl-C
        with anyio.move_on_after(LEAVING):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()
