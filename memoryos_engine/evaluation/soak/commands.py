"""`python -m memoryos_engine.evaluation.soak ...`: break a store in one way; status 1 if a count is amiss."""

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


@app.command()
def disk(megabytes: Annotated[int, typer.Option("--megabytes", min=8, help="Size of the disk.")] = 12) -> None:
    """Fill a small disk. Needs to mount one; else it says so."""
    from memoryos_engine.evaluation.soak.disk import fill_the_disk

    _run("Full disk", 3, lambda folder, step: fill_the_disk(folder, megabytes=megabytes, step=step))


@app.command()
def readonly() -> None:
    """Take the permission to write away."""
    from memoryos_engine.evaluation.soak.readonly import forbid_writing

    _run("Read-only", 1, lambda folder, _step: forbid_writing(folder))


@app.command()
def sigterm(
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Processes to end.")] = 20,
    seed: SeedOption = 0,
) -> None:
    """Send SIGTERM while a model reads."""
    from memoryos_engine.evaluation.soak.sigterm import terminate

    _run("SIGTERM", rounds, lambda folder, step: terminate(folder, rounds=rounds, seed=seed, step=step))


@app.command()
def isolation(pairs: Annotated[int, typer.Option("--pairs", min=13, help="Pairs of users.")] = 1000) -> None:
    """Give users ids that collide, and look through each for the others."""
    from memoryos_engine.evaluation.soak.isolation import collide

    _run("Isolation", 2 * pairs, lambda folder, step: collide(folder, number=pairs, step=step))


@app.command()
def erasure(
    users: Annotated[int, typer.Option("--users", min=4, help="Users, a quarter of whom is purged.")] = 20,
    writes: Annotated[int, typer.Option("--writes", min=1, help="Pages of somebody else written between.")] = 5000,
) -> None:
    """Delete, vacuum, and search every file byte by byte."""
    from memoryos_engine.evaluation.soak.erasure import erase

    _run("Erasure", 4, lambda folder, step: erase(folder, users=users, writes=writes, step=step))


@app.command()
def growth(
    users: Annotated[int, typer.Option("--users", min=11, help="Users in one process.")] = 2000,
    pages: Annotated[int, typer.Option("--pages", min=1, help="Pages of each.")] = 100,
    budget_mb: Annotated[int, typer.Option("--budget-mb", min=1, help="Memory that resident users may take.")] = 128,
) -> None:
    """Store many users in one process and measure what they cost."""
    from memoryos_engine.evaluation.soak.growth import grow

    _run(
        "Growth", users + 4, lambda folder, step: grow(folder, users=users, pages=pages, budget_mb=budget_mb, step=step)
    )


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
