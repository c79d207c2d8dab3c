"""JupyterLab itself in a browser, with a notebook that shows whatever ours do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .lab import Lab, LabServer, expect, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

COUNTER = '''
import anywidget
import traitlets


class Counter(anywidget.AnyWidget):
    _esm = """
    export default {
        render({ model, el }) {
            const button = document.createElement("button");
            const show = () => { button.textContent = `clicked ${model.get("value")} times`; };
            button.addEventListener("click", () => {
                model.set("value", model.get("value") + 1);
                model.save_changes();
            });
            model.on("change:value", show);
            show();
            el.append(button);
        },
    };
    """
    value = traitlets.Int(0).tag(sync=True)


Counter()
'''


def notebook_of(*sources: str) -> NotebookNode:
    return new_notebook(
        cells=[new_markdown_cell("# What a notebook shows"), *map(new_code_cell, sources)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}},
    )


@pytest.fixture
def notebook() -> NotebookNode:
    return notebook_of(
        "import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);",
        "from IPython.display import HTML\nHTML('<details><summary>more</summary><p>the rest</p></details>')",
        COUNTER,
    )


@pytest.mark.parametrize(
    ("name", "options", "background"),
    [
        ("light", {}, "rgb(255, 255, 255)"),
        ("dark-narrow", {"dark": True, "size": (400, 800), "single_document": True}, "rgb(17, 17, 17)"),
    ],
    ids=["light", "dark and narrow"],
)
def test_text_picture_html_and_widget_are_shown(
    lab: Lab, notebook: NotebookNode, name: str, options: dict[str, Any], background: str
) -> None:
    opened = lab.open(notebook, **options)
    opened.run_all()

    expect(opened.cell(1).get_by_role("heading")).to_contain_text("What a notebook shows")
    assert opened.output(2).locator("img").evaluate("image => image.naturalWidth") > 300
    hidden = opened.output(3).get_by_text("the rest")
    expect(hidden).to_be_hidden()
    opened.output(3).get_by_text("more").click()
    expect(hidden).to_be_visible()
    button = opened.output(4).get_by_role("button")
    expect(button).to_have_text("clicked 0 times")
    button.click()
    expect(button).to_have_text("clicked 1 times")
    expect(opened.page.locator(".jp-Notebook")).to_have_css("background-color", background)
    opened.screenshot(f"lab-{name}")
    assert opened.errors == []


def test_a_cell_that_fails_is_told(lab: Lab) -> None:
    opened = lab.open(notebook_of("1 / 0", "'after'"))

    with pytest.raises(AssertionError, match="a cell failed with ZeroDivisionError: division by zero"):
        opened.run_all()


def test_errors_of_a_page_and_what_it_asks_of_others_are_told(browser: Browser) -> None:
    with browser.new_context(offline=True) as context:
        page = context.new_page()
        errors = watched(page)
        with page.expect_event("pageerror"):
            page.evaluate("() => { console.error('ours'); setTimeout(() => { throw new Error('thrown'); }); }")
        with page.expect_event("requestfailed"):
            page.evaluate("() => { new Image().src = 'http://elsewhere.invalid/picture.png'; }")

    assert [error.split(" (")[0] for error in errors[:3]] == ["ours", "thrown", "asked elsewhere.invalid"]


def test_a_server_that_is_closed_takes_its_kernels_along(tmp_path: Path) -> None:
    server = LabServer(tmp_path)
    server.start_kernel()
    assert sorted(modules_run_in(tmp_path)) == ["ipykernel_launcher", "jupyterlab"]

    server.close()

    assert modules_run_in(tmp_path) == []


def modules_run_in(folder: Path) -> list[str]:
    """What `python -m` runs with a file of the folder in its arguments."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [command[command.index("-m") + 1] for command in commands if str(folder) in " ".join(command)]
