"""What a check calls: every tool and every resource, as an official client, and what each should answer.

A server is started three times: as it is configured, where only what it offers is asked; then twice for a user of
the check's own, whose memory is filled in the first go and, in the second, found again, read, corrected and forgotten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import anyio
from mcp import Client, MCPError
from mcp.types import CallToolResult, TextContent, TextResourceContents

from memoryos_integrations.mcp.check_launch import PATIENCE, Launch, status_without_token
from memoryos_integrations.mcp.resources import PAGE, PROFILE

TURNS = (
    ("I live in Utrecht and work as a gardener.", "Then you are outdoors a lot."),
    ("My favourite tea is jasmine.", "Noted."),
)
QUESTION = "Where do I live?"
LONG_AGO = "2025-01-01T09:00:00Z"
"""When the exchanges were: what has been quiet for so long is read as soon as a server finds it."""
MOST_CALLS = 16
"""Calls of a check, about."""
_PAUSE = 0.1
_UNKNOWN = "none"
_REFUSED = 401


class UnexpectedAnswer(Exception):
    """The server answered, and not what it should."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One call, and what came of it."""

    call: str
    saw: str
    seconds: float
    good: bool


class Calls:
    """Calls a server and notes what came of it.

    Args:
        note: is told of each call.
    """

    def __init__(self, note: Callable[[Seen], None]) -> None:
        self._note = note
        self.stored = False
        """Whether anything was added that is not known to be forgotten."""

    async def timed(self, call: str, ask: Callable[[], Awaitable[str]], *, since: float | None = None) -> None:
        """Ask, and note what was seen: a text, or an error of the server's."""
        start = perf_counter() if since is None else since
        try:
            saw, good = await ask(), True
        except (MCPError, UnexpectedAnswer) as error:
            saw, good = str(error), False
        self._note(Seen(call=call, saw=saw, seconds=perf_counter() - start, good=good))

    async def offers(self, client: Client, call: str, *, since: float) -> None:
        """See what the server offers; nothing of a memory is asked."""

        async def ask() -> str:
            tools, resources = (await client.list_tools()).tools, (await client.list_resources()).resources
            templates = (await client.list_resource_templates()).resource_templates
            _require(tools, "It offers no tools.")
            served = f"{len(tools)} tools, {len(resources) + len(templates)} resources"
            return f"{served}, protocol {client.protocol_version}"

        await self.timed(call, ask, since=since)

    async def strangers_are_refused(self, launch: Launch) -> None:
        """See that nobody gets in without a token, where tokens are needed."""

        async def ask() -> str:
            status = await status_without_token(launch)
            _require(status == _REFUSED, f"It answered HTTP {status} instead of {_REFUSED}.")
            return f"refused, HTTP {status}"

        if launch.token is not None:
            await self.timed("without a token", ask)

    async def fill(self, client: Client) -> None:
        """Add exchanges, and see that they are found."""
        ids: list[str] = []
        for said, answered in TURNS:
            self.stored = True
            turn = {"user_input": said, "agent_response": answered, "timestamp": LONG_AGO}
            await self._tool(client, "add_memory", turn, lambda told: _added(told, ids))
        await self._tool(client, "retrieve_memory", {"query": QUESTION}, _found)
        await self._tool(client, "list_memories", {}, _listed)
        page = PAGE.replace("{page_id}", ids[0] if ids else _UNKNOWN)
        await self._resource(
            client,
            PAGE.replace("page_", ""),
            page,
            lambda text: _require(TURNS[0][0] in text, "Its text is not there."),
        )

    async def use(self, client: Client) -> None:
        """See that what was added is still there and read; correct it, and forget it."""
        await self.timed("memory_status", lambda: _read(client))
        known: dict[str, Any] = {}
        await self._tool(client, "get_user_profile", {}, lambda told: _known(told, known))
        await self._resource(client, PROFILE, PROFILE, lambda text: _require('"fields"' in text, "It is no profile."))
        await self.timed("update_knowledge", lambda: _corrected(client, known))
        await self.timed("forget_memory, one", lambda: _forgotten_one(client))
        await self.timed("forget_memory, all", self._forgotten_all(client))

    async def _tool(
        self, client: Client, name: str, arguments: Mapping[str, Any], look: Callable[[dict[str, Any]], str]
    ) -> None:
        async def ask() -> str:
            return look(await _told(client, name, arguments))

        await self.timed(name, ask)

    async def _resource(self, client: Client, call: str, uri: str, look: Callable[[str], None]) -> None:
        async def ask() -> str:
            contents = (await client.read_resource(uri)).contents
            text = "".join(each.text for each in contents if isinstance(each, TextResourceContents))
            look(text)
            return f"{len(text)} characters of JSON"

        await self.timed(call, ask)

    def _forgotten_all(self, client: Client) -> Callable[[], Awaitable[str]]:
        async def ask() -> str:
            everything = {"everything": True, "confirmed_by_user": True}
            gone = await _told(client, "forget_memory", everything)
            left = (await _told(client, "list_memories", {}))["total"]
            _require(not left, f"{_count(left, 'exchange')} left.")
            self.stored = False
            return f"{_gone(gone)}; nothing is left"

        return ask


async def _told(client: Client, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    result = await client.call_tool(name, dict(arguments))
    if result.is_error or result.structured_content is None:
        raise UnexpectedAnswer(_text(result) or "It returned nothing.")
    return dict(result.structured_content)


def _text(result: CallToolResult) -> str:
    return " ".join(each.text for each in result.content if isinstance(each, TextContent))


def _require(met: object, otherwise: str) -> None:
    if not met:
        raise UnexpectedAnswer(otherwise)


def _added(told: dict[str, Any], ids: list[str]) -> str:
    ids.append(told["id"])
    return str(told["status"])


def _found(told: dict[str, Any]) -> str:
    pages = told["retrieved_pages"] + told["short_term_memory"]
    best = pages[0]["user_input"] if pages else ""
    _require(best == TURNS[0][0], f'"{QUESTION}" found {best!r} first.')
    return f"best: {best}"


def _listed(told: dict[str, Any]) -> str:
    _require(told["total"] == len(TURNS), f"{_count(told['total'], 'exchange')} instead of {len(TURNS)}.")
    return _count(told["total"], "exchange")


async def _read(client: Client) -> str:
    """Wait until what is stored was read, and say by what; its error if it was not."""
    status: dict[str, Any] = {}
    with anyio.move_on_after(PATIENCE):
        while not status or (_waiting(status) and not status["consolidation"]["failed"]):
            status = await _told(client, "memory_status", {})
            await anyio.sleep(_PAUSE)
    reader, stored = status["model"] or "no model", _count(status["pages"], "exchange")
    _require(status["pages"] == len(TURNS), f"{stored} after a restart instead of {len(TURNS)}.")
    why = status["consolidation"]["why"] or f"no answer in {PATIENCE:.0f} s"
    _require(not _waiting(status), f"{stored} stored and pending; {reader}: {why}")
    return f"{_count(status['facts'], 'fact')} out of {stored}, {reader}"


def _waiting(status: dict[str, Any]) -> int:
    return int(status["consolidation"]["pending"] + status["consolidation"]["unpromoted"])


def _known(told: dict[str, Any], known: dict[str, Any]) -> str:
    known.update(told)
    fields = ", ".join(f"{name}: {value}" for name, value in told["user_profile"]["fields"].items())
    return f"{fields or 'no field yet'}; {_count(len(told['user_knowledge']), 'fact')}"


async def _corrected(client: Client, known: dict[str, Any]) -> str:
    """Correct what is known; where nothing is, see that an unknown id is refused."""
    ids = list(known.get("user_profile", {}).get("field_ids", {}).values())
    ids += [fact["id"] for fact in known.get("user_knowledge") or ()]
    if ids:
        told = await _told(client, "update_knowledge", {"knowledge_id": ids[0], "text": "Leiden"})
        return f"now: {told['fact']['attribute'] or 'a fact'}, {told['fact']['text']}"
    result = await client.call_tool("update_knowledge", {"knowledge_id": _UNKNOWN, "text": "Leiden"})
    _require(result.is_error, "An unknown id was not refused.")
    return "nothing known yet; an unknown id was refused"


async def _forgotten_one(client: Client) -> str:
    pages = (await _told(client, "list_memories", {}))["pages"]
    _require(pages, "There is nothing to forget.")
    return _gone(await _told(client, "forget_memory", {"memory_id": pages[-1]["id"]}))


def _gone(told: dict[str, Any]) -> str:
    return f"{_count(told['pages'], 'exchange')}, {_count(told['facts'], 'fact')}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")
