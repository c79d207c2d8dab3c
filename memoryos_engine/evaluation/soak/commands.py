"""`python -m memoryos_engine.evaluation.soak ...`: breaks a store in one way, prints the counts, status 1 if any is amiss."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from memoryos_engine.cli_errors import Commands
from memoryos_engine.evaluation.soak.counts import Counts, Skipped
from memoryos_engine.terminal import console, progress, table

app = typer.Typer(
    help="Break a store in one way and count what is lost.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
SeedOption = Annotated[int, typer.Option("--seed", help="Another seed breaks it at other moments.")]
Step = Callable[[], object]


@app.command()
def kills(
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Processes to kill.")] = 100,
    seed: SeedOption = 0,
) -> None:
    """Kill -9 at random moments under load."""
    from memoryos_engine.evaluation.soak.kills import kill_at_random

    _run("Kill -9", rounds, lambda folder, step: kill_at_random(folder, rounds=rounds, seed=seed, step=step))


@app.command()
def clock(
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Of twenty operations each.")] = 50,
    seed: SeedOption = 0,
) -> None:
    """Let the clock jump a year both ways."""
    from memoryos_engine.evaluation.soak.clock import jump

    _run("Jumping clock", rounds, lambda folder, step: jump(folder, rounds=rounds, seed=seed, step=step))


@app.command()
def server(
    processes: Annotated[int, typer.Option("--processes", min=1, help="Processes at work.")] = 6,
    turns: Annotated[int, typer.Option("--turns", min=1, help="Turns of each.")] = 200,
    users: Annotated[int, typer.Option("--users", min=1, help="Users that all of them add to.")] = 20,
    restarts: Annotated[int, typer.Option("--restarts", min=0, help="Times the server is killed -9.")] = 3,
    seed: SeedOption = 0,
) -> None:
    """Several processes through `memoryos serve`, its server killed meanwhile."""
    from memoryos_engine.evaluation.soak.server import share_a_server

    sizes = {"processes": processes, "turns": turns, "users": users, "restarts": restarts}
    soak = lambda folder, step: share_a_server(folder, **sizes, seed=seed, step=step)  # noqa: E731
    _run("Shared server", processes * turns, soak)


@app.command()
def refusal(tries: Annotated[int, typer.Option("--tries", min=1, help="Openers.")] = 50) -> None:
    """Open a directory that another process owns."""
    from memoryos_engine.evaluation.soak.server import refuse_openers

    _run("Second opener", tries, lambda folder, step: refuse_openers(folder, tries=tries, step=step))


def _run(title: str, total: int, soak: Callable[[Path, Step], Counts | Skipped]) -> None:
    """Run a soak in a folder that is thrown away, print its counts, and exit by them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, progress() as bars:
        task = bars.add_task(title, total=total)
        result = soak(Path(folder), lambda: bars.advance(task))
    if isinstance(result, Skipped):
        console().print(f"{title}: skipped, because {result.reason}", soft_wrap=True)
        return
    _show(title, result)
    raise typer.Exit(1 if result.faults() else 0)


def _show(title: str, result: Counts) -> None:
    made = table(title, ("", "count", ""), left=("",))
    for name, value, must_be_zero in result.lines():
        amiss = must_be_zero and value != "0"
        made.add_row(name, value, "must be 0" if must_be_zero else "", style="red" if amiss else "")
    console().print(made)
