"""What an MCP client waits for: start to first answer over stdio, time of a call, and the server's memory.

    python -m memoryos_integrations.evaluation.mcp_startup

The server is a process of its own, started anew each time, on an empty store and on one that holds a long
conversation. Beside it, a Python that only imports the libraries the server stands on.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Annotated, Any

import typer
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from memoryos_engine import MemoryOS
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.terminal import console, progress, table

USER = "startup"
QUERY = "What did I say about my work?"
BASELINE = "import mcp, chromadb"
_EXPLAINED = (
    "First answer: from the start of the process to the result of the first retrieve_memory, median. Calls: median, "
    "add_memory and retrieve_memory in turn. MB: resident memory of the process, after its first answer and after all "
    f'calls. Imports only: python -c "{BASELINE}".'
)
_RESIDENT, _PROCESSES = "VmRSS:", Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class StartupPlan:
    """How much is measured."""

    starts: int = 5
    pages: int = 1_000
    """Of the store that is not empty."""
    calls: int = 200
    """After the last start, half of them of each tool."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StartupResult:
    """What was measured on one store."""

    title: str
    first_answers: tuple[float, ...]
    """Seconds of each start."""
    adds: tuple[float, ...] = ()
    retrieves: tuple[float, ...] = ()
    resident_at_first: float | None = None
    """MB; None where the system does not tell."""
    resident_at_last: float | None = None


async def measure_startup(plan: StartupPlan, folder: Path, *, step: Callable[[], None]) -> list[StartupResult]:
    """Measure on an empty store, on a full one, and imports alone.

    Args:
        plan: how much.
        folder: where the stores are made.
        step: is told of every start.
    """
    full = folder / "full"
    _fill(full, plan.pages)
    results = [
        await _measured("empty store", folder / "empty", plan, step),
        await _measured(f"{plan.pages:,} pages", full, plan, step),
    ]
    imports = []
    for _ in range(plan.starts):
        imports.append(_imported())
        step()
    seconds = tuple(each[0] for each in imports)
    return [*results, StartupResult(title="imports only", first_answers=seconds, resident_at_first=imports[-1][1])]


def show_startup(results: Sequence[StartupResult], plan: StartupPlan) -> None:
    """Print a line for each store."""
    columns = ("", "first answer s", "add ms", "retrieve ms", "MB", f"MB, {plan.calls} calls")
    shown = table(f"memoryos-mcp over stdio, {plan.starts} starts each", columns, left=("",))
    for each in results:
        calls = (_figure(1000 * median(times), 1) if times else "-" for times in (each.adds, each.retrieves))
        sizes = (_figure(size, 0) for size in (each.resident_at_first, each.resident_at_last))
        shown.add_row(each.title, _figure(median(each.first_answers), 2), *calls, *sizes)
    screen = console()
    screen.print(shown)
    screen.print(_EXPLAINED)


def main(
    starts: Annotated[int, typer.Option(min=1, help="Of the server, on each store.")] = 5,
    pages: Annotated[int, typer.Option(min=1, help="Of the store that is not empty.")] = 1_000,
    calls: Annotated[int, typer.Option(min=2, help="Of tools, after the last start.")] = 200,
) -> None:
    """Print how long a client waits for a server's first answer and for each call, and what memory it takes."""
    plan = StartupPlan(starts=starts, pages=pages, calls=calls)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, progress() as display:
        task = display.add_task("starting servers", total=3 * starts)
        results = asyncio.run(measure_startup(plan, Path(folder), step=lambda: display.advance(task)))
    show_startup(results, plan)


async def _measured(title: str, store: Path, plan: StartupPlan, step: Callable[[], None]) -> StartupResult:
    first: list[float] = []
    for _ in range(plan.starts - 1):
        async with _answering(store, first):
            step()
    async with _answering(store, first) as client:
        at_first = _resident_of(store)
        adds, retrieves = await _called(client, plan.calls // 2)
        at_last = _resident_of(store)
    step()
    return StartupResult(
        title=title,
        first_answers=tuple(first),
        adds=adds,
        retrieves=retrieves,
        resident_at_first=at_first,
        resident_at_last=at_last,
    )


@asynccontextmanager
async def _answering(store: Path, first: list[float]) -> AsyncIterator[Client]:
    """Start a server, and note how long its first answer took."""
    arguments = ["-m", "memoryos_integrations.mcp", "--user-id", USER, "--data-storage-path", str(store)]
    start = perf_counter()
    async with Client(stdio_client(StdioServerParameters(command=sys.executable, args=arguments))) as client:
        await _call(client, "retrieve_memory", query=QUERY)
        first.append(perf_counter() - start)
        yield client


async def _called(client: Client, times: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    adds, retrieves = [], []
    for turn in islice(_turns(times, seed=1), times):
        adds.append(await _call(client, "add_memory", **turn))
        retrieves.append(await _call(client, "retrieve_memory", query=turn["user_input"]))
    return tuple(adds), tuple(retrieves)


async def _call(client: Client, tool: str, **arguments: Any) -> float:
    start = perf_counter()
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise RuntimeError(f"{tool} failed: {result.content}")
    return perf_counter() - start


def _turns(count: int, *, seed: int) -> list[dict[str, str]]:
    said = (str(turn["user_input"]) for turn in SyntheticTalk(seed).turns(count))
    return [{"user_input": text, "agent_response": f"Noted: {text}"} for text in said]


def _fill(store: Path, pages: int) -> None:
    with MemoryOS(store) as system:
        memory = system.memory(USER)
        memory.import_turns(_turns(pages, seed=0))
        memory.flush()


def _imported() -> tuple[float, float | None]:
    """Return how long a Python takes that only imports, and its MB."""
    start = perf_counter()
    code = f"{BASELINE}, pathlib; print(pathlib.Path('/proc/self/status').read_text())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return perf_counter() - start, _resident(told.stdout)


def _resident_of(store: Path) -> float | None:
    """Return the MB of the server of a store; None where there is no /proc."""
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            if str(store) in (process / "cmdline").read_text().split("\0"):
                return _resident((process / "status").read_text())
        except (OSError, ValueError):
            continue
    return None


def _resident(status: str) -> float | None:
    found = [line.split()[1] for line in status.splitlines() if line.startswith(_RESIDENT)]
    return int(found[0]) / 1024 if found else None


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


if __name__ == "__main__":
    typer.run(main)
