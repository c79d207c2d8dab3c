"""`memoryos-mcp --check`: start the server as a client would, call all it offers, and say what is wrong.

Nobody's memory is touched: the calls are about a user made up for the check, who is forgotten at the end, also
when something fails.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TextIO
from uuid import uuid4

from mcp import Client
from rich.progress import Progress

from memoryos_engine import MemoryOSError
from memoryos_engine.terminal import console, progress, stored
from memoryos_integrations.mcp.check_calls import MOST_CALLS, Calls, Seen
from memoryos_integrations.mcp.check_launch import Launch, as_configured, as_stranger, connected
from memoryos_integrations.mcp.check_view import calls_table, opening_lines, show_end
from memoryos_integrations.mcp.config import ServerConfig

USER = "memoryos check"
"""What the user id of every check begins with."""
_OURS = "memoryos-mcp: "
_LISTENING = f"{_OURS}listening on "
_GONE = "Connection closed"
"""What a client says of each call to a server that is no more."""
_LAST_LINES = 3

Ask = Callable[[Client], Awaitable[None]]


@dataclass
class _Check:
    """One check as it goes on."""

    config: ServerConfig
    configured: Launch
    strange: Launch
    user_id: str
    heard: TextIO
    display: Progress
    seen: list[Seen] = field(default_factory=list)
    ended: bool = False
    """Whether a server was gone that should have answered."""

    def __post_init__(self) -> None:
        self.calls = Calls(self._note)
        self._task = self.display.add_task("starting the server", total=MOST_CALLS)

    async def run(self) -> None:
        """Start the server three times, the next time only if the last went well."""
        stranger = self.strange

        async def nothing(_: Client) -> None:
            await self.calls.strangers_are_refused(self.configured)

        await self._go(self.configured, "auto", "start, as configured", nothing)
        if self._well():
            await self._go(stranger, "auto", "start, for the check", self.calls.fill)
        if self._well():
            await self._go(stranger, "legacy", "start, once more", self.calls.use)

    async def _go(self, launch: Launch, mode: str, title: str, ask: Ask) -> None:
        self.display.update(self._task, description=title)
        start = perf_counter()
        try:
            async with connected(launch, mode, self.heard) as client:
                await self.calls.offers(client, title, since=start)
                await ask(client)
        except Exception as error:  # noqa: BLE001 - a client reports that its server ended in many unrelated types
            if self._well():
                self.ended = True
                saw = f"The server ended or did not answer ({_leaf(error)})."
                self._note(Seen(call=title, saw=saw, seconds=perf_counter() - start, good=False))

    def _note(self, seen: Seen) -> None:
        self.seen.append(seen)
        self.display.update(self._task, advance=1, description=seen.call)

    def _well(self) -> bool:
        return all(each.good for each in self.seen)


def check(file: Path | None, flags: Mapping[str, str], config: ServerConfig) -> int:
    """Check the server of a configuration and print what was seen; return 0 if all is well, else 1.

    Args:
        file: the configuration file that the server is started with.
        flags: key to value as it was written.
        config: what both and the environment come to.

    Raises:
        InvalidInput: there is no such address to listen on.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every encoding has what was said
    screen, user_id = console(), f"{USER} {uuid4().hex}"
    launches = as_configured(file, flags, config), as_stranger(file, flags, config, user_id)
    screen.print(opening_lines(config, launches[0].port))
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as heard:
        with progress() as display:
            running = _Check(config, *launches, user_id, heard, display)
            left_behind = _run(running)
        screen.print(calls_table(running.seen, screen=screen))
        ended = running.ended or any(each.saw == _GONE for each in running.seen)
        words = _last_words(heard) if ended else ""
        show_end(running.seen, words, left_behind, screen=screen)
    return 0 if not left_behind and all(each.good for each in running.seen) else 1


def _run(running: _Check) -> str:
    """Run a check and forget its user, whatever happens; return what is to be said if that failed."""
    try:
        asyncio.run(running.run())
    except BaseException:
        left_behind = _left_behind(running)
        if left_behind:
            running.display.console.print(stored(left_behind, style="red"))
        raise
    return _left_behind(running)


def _left_behind(running: _Check) -> str:
    return _forget(running.config, running.user_id) if running.calls.stored else ""


def _forget(config: ServerConfig, user_id: str) -> str:
    """Forget the check's user without the server; return what is to be said if that fails."""
    from memoryos_integrations.mcp.opening import open_system

    try:
        system = open_system(config)
        try:
            system.memory(user_id, config.assistant_id).purge()
        finally:
            system.close()
    except MemoryOSError as error:
        return f"What the check stored could not be forgotten ({error}); it is the memory of user {user_id!r}."
    return ""


def _last_words(heard: TextIO) -> str:
    """Return why the server ended: its own last message, or else its last lines."""
    heard.seek(0)
    lines = [line for line in heard.read().splitlines() if line.strip() and not line.startswith(_LISTENING)]
    ours = [line.removeprefix(_OURS) for line in lines if line.startswith(_OURS)]
    return ours[-1] if ours else " ".join(lines[-_LAST_LINES:])


def _leaf(error: BaseException) -> str:
    """Return the name of the first error of a group of them."""
    inner = getattr(error, "exceptions", ())
    return _leaf(inner[0]) if inner else str(error) or type(error).__name__
