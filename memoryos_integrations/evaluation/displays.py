"""What a display of a large memory costs: seconds and kilobytes, for a memory, a retrieval and the explorer.

python -m memoryos_integrations.evaluation.displays --pages 10000
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from memoryos_engine import MemoryOS, RetrievedMemory, UserMemory
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.terminal import console, table
from memoryos_integrations.jupyter import show
from memoryos_integrations.jupyter.explorer import MemoryExplorer

KB = 1000


def main(
    pages: Annotated[int, typer.Option(help="Pages of the memory, synthetic ones.", min=1)] = 10_000,
) -> None:
    """Print the seconds and kilobytes of each display of a memory of so many pages."""
    with tempfile.TemporaryDirectory() as folder, MemoryOS(Path(folder)) as system:
        memory = system.memory("reader")
        memory.import_turns(SyntheticTalk(seed=1).turns(pages), progress=True)
        memory.flush(progress=True)
        console().print(costs(memory))


def costs(memory: UserMemory) -> Table:
    """Return a table of what each display of a memory costs."""
    found = memory.retrieve_memory(SyntheticTalk(seed=2).query(), touch=False)
    size = len(memory.pages())
    made = table(f"displays of a memory of {size:,} pages", ("display", "seconds", "kB"), left=("display",))
    for name, make in _displays(memory, found).items():
        started = time.perf_counter()
        text = make()
        seconds = time.perf_counter() - started
        made.add_row(name, f"{seconds:.2f}", f"{len(text.encode()) / KB:.0f}")
    return made


def _displays(memory: UserMemory, found: RetrievedMemory) -> dict[str, Callable[[], str]]:
    def both(thing: object) -> str:
        display = show(thing)
        return display.html + display.text

    return {
        "memory": lambda: both(memory),
        "retrieval": lambda: both(found),
        "100 pages": lambda: both(memory.pages()[:100]),
        "explorer, as it opens": lambda: MemoryExplorer(memory).opening,
    }


if __name__ == "__main__":
    typer.run(main)
