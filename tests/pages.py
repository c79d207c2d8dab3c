"""Pages of documentation whose examples run as they stand, each in a process and a folder of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from memoryos_engine import MemoryOS

ROOT = str(Path(__file__).parent.parent)


def examples_of(pages: dict[str, str]) -> dict[str, str]:
    """Return the Python examples of pages, by page and place."""
    return {
        f"{name} {place}": code
        for name, text in pages.items()
        for place, code in enumerate(
            re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL), start=1
        )
    }


def run_quietly(code: str, folder: Path, *, options: tuple[str, ...] = ("-W", "error"), heard: str = r"(?!)") -> None:
    """Run an example and check that it says nothing on stderr but what `heard` matches."""
    done = subprocess.run(
        [sys.executable, *options, "-c", f"import sys\nsys.path.insert(0, {ROOT!r})\n{code}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if not re.search(heard, line)]
    assert (done.returncode, said) == (0, [])


def pages_of_tom(folder: Path) -> list[tuple[str, str]]:
    """Return what Tom and his assistant said in the store of an example."""
    with MemoryOS(path=folder / "memoryos_data") as system:
        return [(page.user_input, page.agent_response) for page in system.memory("tom").pages()]


def dead_links(text: str, folder: Path) -> list[str]:
    """Return the links of a page that lead nowhere, those of the web aside."""
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)
    }
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("http")]
    return [
        link
        for link in links
        if (link.startswith("#") and link[1:] not in headings)
        or (not link.startswith("#") and not (folder / link).exists())
    ]
