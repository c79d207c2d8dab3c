"""What is looked for in a saved notebook."""

from __future__ import annotations

import re
from itertools import count

from nbformat import NotebookNode

from .executing import is_only_a_widget

OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:home|private|root|tmp|Users|var|work)/")
EMBEDDED = re.compile(r";base64,[A-Za-z0-9+/=]+")
PLOTTING = re.compile(r"\bplot_\w+\(|\bplt\.")


def flaws(notebook: NotebookNode) -> list[str]:
    """What nobody should find in a saved notebook."""
    found = []
    counts = count(1)
    for number, cell in enumerate(notebook.cells, start=1):
        if OF_A_MACHINE.search(EMBEDDED.sub("", cell.source)):
            found.append(f"cell {number} names a path of a machine")
        if cell.cell_type != "code":
            continue
        if cell.execution_count != (expected := next(counts)):
            found.append(f"cell {number} has the count {cell.execution_count} instead of {expected}")
        found += [f"cell {number} {flaw}" for output in cell.outputs for flaw in flaws_of_output(output)]
    if PLOTTING.search("\n".join(cell.source for cell in notebook.cells)) and not has_picture(notebook):
        found.append("it plots, and holds no picture")
    return found


def flaws_of_output(output: NotebookNode) -> list[str]:
    found = []
    if output.output_type == "error":
        found.append(f"failed with {output.ename}")
    if output.get("name") == "stderr":
        found.append("wrote to stderr")
    if is_only_a_widget(output):
        found.append("shows only a widget")
    shown = [data for mime, data in output.get("data", {}).items() if not mime.startswith("image/")]
    text = "\n".join(map(str, [*shown, output.get("text", ""), *output.get("traceback", [])]))
    if OF_A_MACHINE.search(EMBEDDED.sub("", text)):
        found.append("shows a path of a machine")
    return found


def has_picture(notebook: NotebookNode) -> bool:
    return any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ()))
