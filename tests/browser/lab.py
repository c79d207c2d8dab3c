"""A JupyterLab of its own, and its notebooks in a browser, for what only a browser shows."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import Request as Asking
from urllib.request import urlopen

import psutil

from tests.notebooks.executing import CELL_TIMEOUT, bring_data, clean_environment, read, text_of

if TYPE_CHECKING:
    from nbformat import NotebookNode
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, Request

try:
    from playwright.sync_api import expect
except ImportError:  # every test of the folder is skipped then
    expect = None

__all__ = ["Lab", "LabServer", "Notebook", "chromium", "expect", "launch", "watched"]

NAMES_OF_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 60.0
"""Seconds that Lab may take to start, and a page to load, on a machine that does much else."""

_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
    # Cells outside of the view would have no size and no text.
    "notebook-extension/tracker": {"windowingMode": "none"},
}
_STATE = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const kernel = panel?.sessionContext?.session?.kernel;
    if (kernel?.status !== "idle" || !panel.content?.widgets?.length) return null;
    const cells = panel.content.widgets.map(cell => cell.model).filter(model => model.type === "code");
    const failed = cells.flatMap(model => model.sharedModel.getOutputs()).find(one => one.output_type === "error");
    const waiting = cells.filter(model => model.executionCount === null).length;
    return {waiting, failed: failed ? `${failed.ename}: ${failed.evalue}` : null};
}"""
"""What the open notebook has come to, once its kernel is idle."""
_DONE = f"""() => {{
    const state = ({_STATE})();
    return state && (state.failed || !state.waiting) ? state : null;
}}"""
"""The same, once a cell failed or none is left to run."""


def chromium() -> str | None:
    """Where the machine's Chromium is, if it has one."""
    return next(filter(None, map(shutil.which, NAMES_OF_CHROMIUM)), None)


def launch(playwright: Playwright, home: Path) -> Browser:
    """The machine's Chromium, whatever it keeps in `home`."""
    as_root = ["--no-sandbox"] if _is_root() else []
    return playwright.chromium.launch(
        executable_path=chromium(), args=[*FLAGS, *as_root], env={"HOME": str(home), "PATH": os.environ["PATH"]}
    )


def watched(page: Page) -> list[str]:
    """The errors that the page writes to its console or throws, and what it asks of other machines, from now on.

    JupyterLab itself writes no error, so that an empty list is what to expect.
    """
    errors: list[str] = []

    def add_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location['url']})")

    def add_request(request: Request) -> None:
        address = urlsplit(request.url)
        if address.hostname not in (None, "127.0.0.1"):
            errors.append(f"asked {address.hostname}")

    page.on("console", add_message)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", add_request)
    return errors


class LabServer:
    """A JupyterLab server on a free port of loopback, whose every file is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self._settings = folder / "settings"
        self._token = secrets.token_hex()
        self._environment = {**clean_environment(folder), "JUPYTER_TOKEN": self._token}
        for name, values in _SETTINGS.items():
            self.set(name, values)
        self._log = folder / "log.txt"
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", *(["--allow-root"] if _is_root() else [])]
        options = {
            "LabApp.expose_app_in_browser": True,
            "LabApp.extension_manager": "readonly",
            "LabApp.user_settings_dir": self._settings,
            "LabApp.workspaces_dir": folder / "workspaces",
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": 0,
            "ServerApp.root_dir": self.root,
            "ServerApp.terminals_enabled": False,
        }
        command += [f"--{name}={value}" for name, value in options.items()]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log, cwd=self.root)
        try:
            self._url = self._await()
        except BaseException:
            self.close()
            raise

    def url(self, path: str) -> str:
        return f"{self._url}{path}{'&' if '?' in path else '?'}token={self._token}"

    def set(self, name: str, values: dict[str, Any]) -> None:
        """Set what one of Lab's extensions reads when a page is loaded."""
        file = self._settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")

    def start_kernel(self) -> None:
        self._ask("POST", "api/kernels")

    def end_kernels(self) -> None:
        for session in self._ask("GET", "api/sessions"):
            self._ask("DELETE", f"api/sessions/{session['id']}")

    def close(self) -> None:
        """End the server and its kernels, politely where they listen."""
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            processes = [server, *server.children(recursive=True)]
            server.terminate()
            _, living = psutil.wait_procs(processes, timeout=10)
            for process in living:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(living, timeout=10)
        self._process.wait(timeout=10)

    def _ask(self, method: str, path: str) -> Any:
        request = Asking(self.url(path), method=method)
        with urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or "null")

    def _await(self) -> str:
        """Wait until the server answers; returns its address, which it writes into a file."""
        file = Path(self._environment["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{self._process.pid}.json"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self._log.read_text(encoding="utf-8")
            try:
                self._url = json.loads(file.read_text(encoding="utf-8"))["url"]
                self._ask("GET", "api/status")
            except (OSError, ValueError):  # not up yet, or half written
                time.sleep(0.05)
            else:
                return self._url
        raise AssertionError(f"the server did not come up: {self._log.read_text(encoding='utf-8')}")


class Notebook:
    """A notebook that is open in Lab, in a page of its own; `errors` are those of its console so far."""

    def __init__(self, page: Page, errors: list[str], screenshots: Path) -> None:
        self.page = page
        self.errors = errors
        self._screenshots = screenshots

    def run_all(self) -> None:
        """Run all cells as a user does, and wait until the kernel has nothing left to do.

        Raises:
            AssertionError: a cell failed.
        """
        self._await(_STATE)  # a kernel that starts would be asked twice
        self._menu("Edit", "Clear Outputs of All Cells")
        self._menu("Run", "Run All Cells")
        state = self._await(_DONE, timeout=CELL_TIMEOUT)
        assert state["failed"] is None, f"a cell failed with {state['failed']}"

    def cell(self, number: int) -> Locator:
        """The cell of that number, counted from 1 as a reader does, texts too."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number - 1)

    def output(self, number: int) -> Locator:
        """What the cell of that number shows."""
        return self.cell(number).locator(".jp-OutputArea-output")

    def screenshot(self, name: str, of: Locator | None = None) -> Path:
        """Picture the page, or a part of it, into the folder of MEMORYOS_SCREENSHOTS or the test's own."""
        file = self._screenshots / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        (of or self.page).screenshot(path=file, animations="disabled")
        return file

    def _menu(self, menu: str, item: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()

    def _await(self, state: str, timeout: float = PATIENCE) -> Any:
        return self.page.wait_for_function(state, timeout=timeout * 1000).json_value()


class Lab:
    """Opens notebooks of a server in a browser, for one test; `close` ends its pages and its kernels."""

    def __init__(self, server: LabServer, browser: Browser, screenshots: Path) -> None:
        self.server = server
        self._browser = browser
        self._screenshots = screenshots
        self._contexts: list[BrowserContext] = []

    def open(
        self,
        notebook: Path | NotebookNode,
        *,
        dark: bool = False,
        size: tuple[int, int] = (1280, 1600),
        single_document: bool = False,
    ) -> Notebook:
        """Open a copy of the notebook, in a folder where it is alone with the data.

        Args:
            notebook: a notebook, or its file.
            dark: whether in Lab's dark theme.
            size: width and height of the window.
            single_document: whether to leave out what is around the document, as is best for narrow screens.
        """
        node = read(notebook) if isinstance(notebook, Path) else notebook
        name = notebook.name if isinstance(notebook, Path) else "notebook.ipynb"
        folder = self.server.root / secrets.token_hex(4)
        folder.mkdir()
        (folder / name).write_text(text_of(node), encoding="utf-8")
        bring_data(folder)
        self.server.set("apputils-extension/themes", {"theme": f"JupyterLab {'Dark' if dark else 'Light'}"})
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
        )
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        errors = watched(page)
        page.goto(self.server.url(f"{'doc' if single_document else 'lab'}/tree/{folder.name}/{name}?reset"))
        opened = Notebook(page, errors, self._screenshots)
        expect(opened.cell(len(node.cells))).to_be_visible(timeout=PATIENCE * 1000)
        return opened

    def close(self) -> None:
        for context in self._contexts:
            context.close()
        self.server.end_kernels()


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
