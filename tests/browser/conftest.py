"""One JupyterLab and one browser for the whole folder; both start when the first test needs them.

With `pytest -n` too they start once: the folder is the first in order, and comes to one worker as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .lab import Lab, LabServer, chromium, expect, launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).parent
NO_CHROMIUM = "no Chromium on this machine: `make test-browser` installs it"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if expect is None or chromium() is None:
        for item in items:
            if item.path.is_relative_to(FOLDER):
                item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    # Between its calls Playwright leaves a running event loop behind: no test of this folder can be asynchronous.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright, tmp_path_factory.mktemp("browser"))
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    server = LabServer(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: to MEMORYOS_SCREENSHOTS, for who wants to look at them."""
    return Path(os.environ.get("MEMORYOS_SCREENSHOTS", tmp_path))


@pytest.fixture
def lab(lab_server: LabServer, browser: Browser, screenshots: Path) -> Iterator[Lab]:
    lab = Lab(lab_server, browser, screenshots)
    yield lab
    lab.close()
