"""Runs the notebooks of the folder `notebooks` in a real kernel, and cleans what they then hold for saving.

`python -m tests.notebooks.executing [NAMES...]` writes each of them back with its outputs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from .comparing import is_alike

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = ROOT / "notebooks"
CELL_TIMEOUT = 120
"""Seconds that a cell may take, generous for a machine that does much else."""

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
STATIC = ("text/html", "text/markdown", "image/png", "image/svg+xml", "image/jpeg")
"""What a viewer without a kernel shows in place of a widget."""

_KEPT_VARIABLES = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR")
_KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": NATIVE_KERNEL_NAME}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BAR = re.compile(r"\d+%\|.*\||\[[\d:]+(<[\d:?]+)?, [^\]]*/[^\]]*\]")


class NotebookError(Exception):
    """A notebook did not run to its end; the message says which cell and how."""


def notebooks(folder: Path = NOTEBOOKS) -> list[Path]:
    return sorted(folder.glob("*.ipynb"))


def bring_data(folder: Path) -> None:
    """Put beside a notebook what it reads."""
    for file in NOTEBOOKS.glob("*.jsonl"):
        shutil.copy(file, folder)


def clean_environment(folder: Path) -> dict[str, str]:
    """The environment of a newcomer: nothing set, and every file of Jupyter's, IPython's and Matplotlib's in `folder`.

    The repository is importable also where it is not installed.
    """
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    places = {
        "HOME": "home",
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "jupyter/config",
        "JUPYTER_DATA_DIR": "jupyter/data",
        "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
        "MPLCONFIGDIR": "matplotlib",
    }
    for name, place in places.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        environment[name] = str(folder / place)
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC"}
    # Without its cache of fonts Matplotlib says on stderr that it builds it, where that takes it long.
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=environment, check=True, timeout=120)
    return environment


async def executed(notebook: NotebookNode, *, timeout: float = CELL_TIMEOUT) -> NotebookNode:
    """A copy of the notebook with the outputs of a kernel of its own, cleaned; its folder held the data alone.

    Raises:
        NotebookError: a cell failed, took longer than `timeout` seconds or ended the kernel.
    """
    notebook = nbformat.from_dict(notebook)
    begun = 0

    def begin(cell: NotebookNode, cell_index: int) -> None:
        nonlocal begun
        begun = cell_index

    with tempfile.TemporaryDirectory(prefix="notebook-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "work").mkdir()
        bring_data(folder / "work")
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(
                kernel_name=NATIVE_KERNEL_NAME,
                connection_file=str(folder / "kernel.json"),
                transport="ipc",  # over TCP the kernel warns that it is not encrypted
                ip=str(folder / "kernel"),
            ),
            timeout=timeout,
            shutdown_kernel="graceful",
            on_cell_execute=begin,
        )
        try:
            await client.async_execute(env=clean_environment(folder), cwd=str(folder / "work"), cleanup_kc=True)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            cell = notebook.cells[begun]
            raise NotebookError(f"cell {begun + 1}: {_told(error)}\n\n{cell.source}") from None
    return cleaned(notebook)


def _told(error: Exception) -> str:
    if isinstance(error, CellExecutionError):
        return f"{error.ename}: {error.evalue}\n\n{_ANSI.sub('', error.traceback)}"
    if isinstance(error, CellTimeoutError):
        return "it took longer than a cell may"
    return "the kernel died"


def cleaned(notebook: NotebookNode) -> NotebookNode:
    """A copy for saving: what every viewer shows and every machine writes alike, and no more.

    Widgets keep what is static about them, and what is nothing but a widget goes, as do tqdm's bars, times of
    execution and versions. Ids of cells and counts of execution stay.
    """
    notebook = nbformat.from_dict(notebook)
    language = notebook.metadata.get("language_info", NotebookNode(name="python"))
    language.pop("version", None)
    notebook.metadata.update(kernelspec=NotebookNode(_KERNELSPEC), language_info=language)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("ExecuteTime", None)
        if cell.cell_type == "code":
            cell.outputs = _cleaned_outputs(cell.outputs)
    return notebook


def _cleaned_outputs(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in _joined(outputs):
        if output.output_type == "stream" and output.name == "stderr":
            output.text = _without_bars(output.text)
            if not output.text:
                continue
        if is_only_a_widget(output):
            continue
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
            output.metadata.pop(WIDGET_VIEW, None)
        kept.append(output)
    return _joined(kept)


def _joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Streams in one piece: where a kernel cuts them is chance."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.output_type == "stream" and output.name == last.get("name"):
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _without_bars(text: str) -> str:
    """What stderr holds besides tqdm's bars and the blanks that wipe them."""
    pieces = re.split(r"(?<=[\r\n])", text)
    if text.strip() and not any(_BAR.search(piece) for piece in pieces):
        return text
    return "".join(piece for piece in pieces if piece.strip() and not _BAR.search(piece))


def is_only_a_widget(output: NotebookNode) -> bool:
    """Whether the output is a widget that shows nothing without its kernel."""
    data = output.get("data", {})
    return WIDGET_VIEW in data and not any(mime in data for mime in STATIC)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def text_of(notebook: NotebookNode) -> str:
    """The notebook as it is written, newline at the end."""
    return nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip("\n") + "\n"


def main(arguments: Sequence[str] | None = None, *, folder: Path = NOTEBOOKS, timeout: float = CELL_TIMEOUT) -> int:
    """Execute notebooks and write them back; returns the exit status."""
    paths = notebooks(folder)
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks.executing", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAMES", help="which notebooks; all, if none is given")
    wanted = {Path(name).stem for name in parser.parse_args(arguments).names}
    if unknown := wanted - {path.stem for path in paths}:
        parser.error(f"no notebook is called {', '.join(sorted(unknown))}")
    chosen = [path for path in paths if not wanted or path.stem in wanted]
    failed = [path for path in tqdm(chosen, unit="notebook", leave=False) if not _write_back(path, tqdm.write, timeout)]
    return 1 if failed else 0


def _write_back(path: Path, tell: Callable[[str], Any], timeout: float) -> bool:
    started = time.monotonic()
    try:
        notebook = asyncio.run(executed(read(path), timeout=timeout))
    except NotebookError as error:
        tell(f"{path.name}: failed, {error}")
        return False
    if not is_alike(notebook, read(path)):
        path.write_text(text_of(notebook), encoding="utf-8")
    tell(f"{path.name}: {time.monotonic() - started:.1f} s, {path.stat().st_size / 1000:.0f} kB")
    return True


if __name__ == "__main__":
    sys.exit(main())
