"""Saved notebooks where nothing runs, neither kernel nor JavaScript, as in a viewer of files."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from matplotlib.figure import Figure
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.notebooks.executing import notebooks, read

from .lab import watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DISPLAYS = ("text/html", "text/markdown")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(java_script_enabled=False) as context:
        yield context.new_page()


def flaws_of_view(page: Page, notebook: NotebookNode, folder: Path) -> list[str]:
    """What a reader of the exported notebook misses; the page stays open."""
    exported, _ = HTMLExporter(template_name="lab", embed_images=True).from_notebook_node(notebook)
    file = folder / "notebook.html"
    file.write_text(exported, encoding="utf-8")
    errors = watched(page)
    page.goto(file.as_uri())

    for number, image in enumerate(page.locator("img").all(), start=1):
        if not image.evaluate("image => image.naturalWidth * image.naturalHeight"):
            errors.append(f"image {number} is not shown")
    displays = page.locator(", ".join(f'.jp-OutputArea-output[data-mime-type="{mime}"]' for mime in DISPLAYS)).all()
    for number, display in enumerate(displays, start=1):
        if not display.is_visible() or not (display.inner_text().strip() or display.locator("img, svg").count()):
            errors.append(f"display {number} is empty")
    if len(displays) != (expected := number_of_displays(notebook)):
        errors.append(f"there are {len(displays)} displays instead of {expected}")
    return errors


def number_of_displays(notebook: NotebookNode) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum(any(mime in output.get("data", {}) for mime in DISPLAYS) for output in outputs)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_saved_notebook_shows_its_pictures_and_displays(
    page: Page, path: Path, tmp_path: Path, screenshots: Path
) -> None:
    flaws = flaws_of_view(page, read(path), tmp_path)

    page.screenshot(path=screenshots / f"static-{path.stem}.png", full_page=True)
    assert flaws == []


def notebook_showing(**data: str) -> NotebookNode:
    mimes = {"html": "text/html", "markdown": "text/markdown", "png": "image/png"}
    shown = [new_output("display_data", data={mimes[name]: value}) for name, value in data.items()]
    return new_notebook(cells=[new_markdown_cell("Text"), new_code_cell("show()", execution_count=1, outputs=shown)])


def test_a_picture_and_displays_are_found(page: Page, tmp_path: Path) -> None:
    png = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(png)
    notebook = notebook_showing(html="<b>1</b>", markdown="**2**", png=base64.b64encode(png.getvalue()).decode())

    assert flaws_of_view(page, notebook, tmp_path) == []
    assert page.locator("img").count() == 1


def test_what_a_reader_misses_is_told(page: Page, tmp_path: Path) -> None:
    notebook = notebook_showing(html="<p></p><script>document.write('late')</script>", png="aGk=")
    notebook.cells[1].outputs += [
        new_output("display_data", data={"text/html": "<div style='display: none'>hidden</div>"}),
        new_output("display_data", data={"text/html": "seen"}),
    ]

    assert flaws_of_view(page, notebook, tmp_path) == [
        "image 1 is not shown",
        "display 1 is empty",
        "display 2 is empty",
    ]
