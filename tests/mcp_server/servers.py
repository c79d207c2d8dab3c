"""Servers for tests: in this process, as a process that is driven line by line, and over HTTP."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import httpx
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from memoryos_integrations.mcp import ServerConfig, create_server

LEGACY, MODERN = "2025-11-25", "2026-07-28"
MODES = {"legacy": LEGACY, "auto": MODERN}
"""How a client chooses the protocol, and which one that is."""
PATIENCE = 30.0
"""Seconds after which a test that waits for a server fails."""
TOOLS = (
    "add_memory",
    "retrieve_memory",
    "get_user_profile",
    "list_memories",
    "forget_memory",
    "update_knowledge",
    "memory_status",
)


def client_of(system: Any, mode: str = "auto", *, answers: Any = None, **keys: Any) -> Client:
    """A client of a server in this process; `keys` of its configuration, `answers` to what the user is asked."""
    server = create_server(system, ServerConfig(**{"user_id": "tom", **keys}))
    return Client(server, mode=mode, elicitation_callback=answers)


async def called(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a tool returned."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """Why a tool did nothing, without the prefix of the SDK."""
    result = await client.call_tool(tool, arguments)
    assert (result.is_error, result.structured_content) == (True, None)
    return result.content[0].text.removeprefix(f"Error executing tool {tool}: ")


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "memoryos_integrations.mcp", *flags]


def environment(**ours: str) -> dict[str, str]:
    """This process's environment, with no setting of ours or OpenAI's but those given."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MEMORYOS_", "OPENAI_"))}
    return {**plain, "NO_PROXY": "127.0.0.1", **ours}


def stdio(path: Any, *flags: str) -> StdioServerParameters:
    """A server of Tom's on a path, for the official client to start."""
    head, *rest = command("--user-id", "tom", "--data-storage-path", str(path), *flags)
    return StdioServerParameters(command=head, args=rest, env=environment())


def ran(*flags: str, **ours: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end with nothing on standard input."""
    return subprocess.run(
        command(*flags),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
        env=environment(**ours),
    )


@dataclass
class Raw:
    """A server process, driven line by line."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str | None] = field(default_factory=queue.Queue)
    heard: list[str] = field(default_factory=list)
    """Every line of standard output that was read."""
    errors: list[str] = field(default_factory=list)
    """Every line of standard error."""
    listening: Event = field(default_factory=Event)
    """Set when it has said where it listens, or has ended."""

    def __post_init__(self) -> None:
        self.readers = [Thread(target=self._read), Thread(target=self._read_errors)]
        for reader in self.readers:
            reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _read_errors(self) -> None:
        for line in self.process.stderr:
            self.errors.append(line)
            if "listening on " in line:
                self.listening.set()
        self.listening.set()

    def send(self, **message: Any) -> None:
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.process.stdin.flush()

    def call(self, number: int, tool: str, **arguments: Any) -> None:
        self.send(id=number, method="tools/call", params={"name": tool, "arguments": arguments})

    def hear(self) -> dict[str, Any] | None:
        """The next message; None when there is no more."""
        line = self.lines.get(timeout=PATIENCE)
        if line is None:
            self.lines.put(None)
            return None
        self.heard.append(line)
        return json.loads(line)

    def hear_all(self) -> list[dict[str, Any]]:
        """What is left, to the end."""
        return list(iter(self.hear, None))

    def introduce(self) -> None:
        """The handshake of the previous protocol."""
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        self.send(id="hello", method="initialize", params=params)
        assert self.hear()["result"]["protocolVersion"] == LEGACY
        self.send(method="notifications/initialized")

    def end(self) -> int:
        with suppress(OSError):
            self.process.stdin.close()
        return self.process.wait(PATIENCE)


@contextmanager
def raw(*flags: str, **ours: str) -> Iterator[Raw]:
    """A process that is there for the length of a `with`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command(*flags), **pipes, text=True, env=environment(**ours))
    running = Raw(process)
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        for reader in running.readers:
            reader.join()
        with suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        process.stderr.close()


def listening_on(server: Raw) -> str:
    """The address that a server says it listens on."""
    assert server.listening.wait(PATIENCE)
    (line,) = [line for line in list(server.errors) if "listening on " in line]
    return line.rpartition(" ")[2].strip()


@asynccontextmanager
async def over_http(url: str, mode: str = "auto", token: str | None = None) -> AsyncIterator[Client]:
    """The official client, with a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx.AsyncClient(headers=headers, timeout=PATIENCE) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client
