"""The notebooks as a reader has them: run in JupyterLab, and the explorer clicked through."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.notebooks.executing import NOTEBOOKS, read

from .lab import Lab, Notebook, expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator

NARROW = (320, 700)


def cell_with(name: str, words: str) -> int:
    """The number of the first code cell that holds these words, as `Notebook.cell` counts."""
    cells = read(NOTEBOOKS / f"{name}.ipynb").cells
    return next(number for number, cell in enumerate(cells, 1) if cell.cell_type == "code" and words in cell.source)


def too_wide(place: Locator) -> list[str]:
    """What inside `place` is wider than it, and cut or to be scrolled to."""
    return place.evaluate(
        """place => [...place.querySelectorAll("*")]
            .filter(each => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline")
            .map(each => each.className || each.tagName)"""
    )


def faint(place: Locator) -> list[str]:
    """The texts inside `place` whose contrast with what is behind them is below 4.5 (WCAG 2.1, level AA)."""
    return place.evaluate(
        """place => {
            const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
            const over = (colour, below) => {
                canvas.clearRect(0, 0, 1, 1);
                for (const each of [below, colour]) { canvas.fillStyle = each; canvas.fillRect(0, 0, 1, 1); }
                const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
                return `rgb(${r}, ${g}, ${b})`;
            };
            const light = colour => {
                const [r, g, b] = colour.match(/\\d+/g).map(Number).map(value => value / 255)
                    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const behind = each => {
                const layers = [];
                for (let at = each; at; at = at.parentElement) layers.push(getComputedStyle(at).backgroundColor);
                return layers.reverse().reduce((below, colour) => over(colour, below), "rgb(255, 255, 255)");
            };
            return [...place.querySelectorAll("*")]
                .filter(each => [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
                .filter(each => each.checkVisibility() && each.tagName !== "STYLE")
                .filter(each => {
                    const ground = behind(each);
                    const [a, b] = [light(over(getComputedStyle(each).color, ground)), light(ground)];
                    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5;
                })
                .map(each => `${each.className || each.tagName}: ${each.textContent.trim().slice(0, 40)}`);
        }"""
    )


def test_the_quickstart_runs_in_lab(lab: Lab) -> None:
    notebook = lab.open(NOTEBOOKS / "01_quickstart.ipynb")
    notebook.run_all()

    recall = notebook.output(cell_with("01_quickstart", "Which animals"))
    expect(recall.locator("ol > li").first).to_contain_text("My sister Olga keeps reindeer.")
    assert (faint(recall), too_wide(recall)) == ([], [])
    notebook.screenshot("quickstart")
    assert notebook.errors == []


@pytest.fixture
def whole_year() -> nbformat.NotebookNode:
    """Notebook 04 up to the explorer, and no further: what follows closes the memory that the explorer shows."""
    notebook = read(NOTEBOOKS / "04_inside_the_memory.ipynb")
    notebook.cells = notebook.cells[: cell_with("04_inside_the_memory", "MemoryExplorer(memory)")]
    return notebook


@pytest.fixture
def two_months(whole_year: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The same with fewer evenings and what needs none of the others."""
    shown = ("import json", "MemoryOS(", "def live", "live(evenings[0])", "tqdm(", "MemoryExplorer(memory)")
    whole_year.cells = [
        cell for cell in whole_year.cells if cell.cell_type == "code" and any(part in cell.source for part in shown)
    ]
    for cell in whole_year.cells:
        cell.source = cell.source.replace("evenings[1:]", "evenings[1:9]")
    return whole_year


def test_what_is_saved_can_be_read_before_anything_is_run(lab: Lab) -> None:
    """Lab shows no style of a notebook that it does not trust, such as one that was just downloaded."""
    notebook = lab.open(NOTEBOOKS / "04_inside_the_memory.ipynb")

    expect(notebook.page.locator(".jp-OutputArea-output img")).to_have_count(3)
    year = notebook.output(cell_with("04_inside_the_memory", "a year")).last
    expect(year.get_by_role("heading", name="Mid-term memory")).to_be_visible()
    expect(year.get_by_text("tile conservator").first).to_be_visible()
    notebook.screenshot("untrusted", year)
    assert notebook.errors == []


def explorer_of(notebook: Notebook) -> Locator:
    explorer = notebook.page.locator(".mo-explorer")
    expect(explorer).to_be_visible()
    return explorer


def test_the_year_runs_in_lab_to_its_end(lab: Lab) -> None:
    notebook = lab.open(NOTEBOOKS / "04_inside_the_memory.ipynb")
    notebook.run_all()

    pictures = notebook.page.locator(".jp-OutputArea-output img")
    expect(pictures).to_have_count(3)
    for number in range(3):
        assert pictures.nth(number).evaluate("each => each.naturalWidth") > 1000
    notebook.screenshot("year")
    assert notebook.errors == []


def test_the_explorer_is_clicked_through(lab: Lab, whole_year: nbformat.NotebookNode) -> None:
    notebook = lab.open(whole_year)
    notebook.run_all()
    explorer = explorer_of(notebook)
    view, status = explorer.locator(".mo-view"), explorer.locator(".mo-status")
    explorer.scroll_into_view_if_needed()
    notebook.screenshot("explorer-segments", explorer)

    # Search as you type: the best page first, and why.
    explorer.get_by_role("searchbox").press_sequentially("What was folded up inside the globe?", delay=10)
    expect(status).to_have_text("10 pages found")
    expect(view.locator("ol > li").first).to_contain_text("The seven of hearts, folded once.")
    expect(view.locator("ol > li").first).to_contain_text(re.compile(r"words 0\.\d\d"))
    notebook.screenshot("explorer-search", explorer)

    # A page, its segment, and back.
    view.locator("ol > li").first.get_by_role("button").click()
    expect(view.get_by_role("heading", name="Page")).to_be_focused()
    expect(view).to_contain_text("Somebody hid a seven of hearts inside the world.")
    notebook.screenshot("explorer-page", explorer)
    view.get_by_role("button", name="Back").click()
    expect(view.locator("ol > li")).to_have_count(10)

    # A fact, to the pages it was read from.
    explorer.get_by_role("button", name="Facts").click()
    view.get_by_role("button", name="home Porto", exact=True).click()
    expect(view).to_contain_text("Other values of home")
    expect(view.get_by_role("heading", name="Read from 1 page")).to_be_visible()
    notebook.screenshot("explorer-fact", explorer)
    view.locator("ul").last.get_by_role("button").first.click()
    expect(view).to_contain_text("I live in Porto now")

    # Forget it, but not by one click.
    view.get_by_role("button", name="Forget this page").click()
    expect(view.get_by_role("button", name="Keep it")).to_be_focused()
    notebook.screenshot("explorer-forget", explorer)
    view.get_by_role("button", name="Keep it").click()
    expect(view.get_by_role("button", name="Forget this page")).to_be_focused()
    view.get_by_role("button", name="Forget this page").click()
    view.get_by_role("button", name="Forget it").click()
    expect(status).to_have_text("Forgotten.")
    explorer.get_by_role("button", name="Facts").click()
    expect(view.locator(".mo-open").first).to_be_visible()
    expect(view.get_by_role("button", name="home Porto", exact=True)).to_have_count(0)
    assert notebook.errors == []


def test_the_explorer_is_used_by_keyboard_alone(lab: Lab, two_months: nbformat.NotebookNode) -> None:
    notebook = lab.open(two_months)
    notebook.run_all()
    explorer, keyboard = explorer_of(notebook), notebook.page.keyboard
    view = explorer.locator(".mo-view")
    explorer.get_by_role("searchbox").focus()

    for _ in range(3):
        keyboard.press("Tab")
    expect(explorer.get_by_role("button", name="Segments")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(explorer.get_by_role("button", name="Facts")).to_have_attribute("aria-current", "true")
    expect(explorer.get_by_role("button", name="Facts")).to_be_focused()
    keyboard.press("Tab")  # the list scrolls, so it is a stop of its own
    if not view.locator(".mo-open").first.evaluate("each => each === document.activeElement"):
        keyboard.press("Tab")
    keyboard.press("Enter")
    expect(view.locator("h4")).to_be_focused()
    keyboard.press("Shift+Tab")
    expect(view.get_by_role("button", name="Back")).to_be_focused()
    keyboard.press("Enter")
    expect(view.locator("h4")).to_have_count(0)
    assert notebook.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_readable_on_a_narrow_screen(lab: Lab, two_months: nbformat.NotebookNode, dark: bool) -> None:
    notebook = lab.open(two_months, dark=dark, size=NARROW, single_document=True)
    notebook.run_all()
    explorer = explorer_of(notebook)
    display = notebook.page.locator(".jp-OutputArea-output .memoryos:not(.mo-explorer)").last
    explorer.get_by_role("searchbox").fill("What am I allergic to?")
    expect(explorer.locator(".mo-status")).to_have_text("10 pages found")

    for place in (display, explorer):
        assert (too_wide(place), faint(place)) == ([], [])
    theme = "dark" if dark else "light"
    explorer.scroll_into_view_if_needed()
    notebook.screenshot(f"narrow-{theme}")
    notebook.screenshot(f"narrow-explorer-{theme}", explorer)
    assert notebook.errors == []
