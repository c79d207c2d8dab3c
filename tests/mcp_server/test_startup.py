"""The command that measures the start of a server prints its figures: here few, on a small store."""

from __future__ import annotations

import subprocess
import sys

from .servers import environment

MODULE = "memoryos_integrations.evaluation.mcp_startup"


def test_every_figure_is_printed():
    options = ["--starts", "1", "--pages", "20", "--calls", "4"]
    done = subprocess.run(
        [sys.executable, "-m", MODULE, *options], capture_output=True, text=True, timeout=120, env=environment()
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    figures = {row[0]: row[-5:] for row in rows if row and row[0] in ("empty", "20", "imports")}

    assert (done.returncode, done.stderr) == (0, "")
    assert set(figures) == {"empty", "20", "imports"}
    assert all(float(each) > 0 for name in ("empty", "20") for each in figures[name][:3])
    if sys.platform == "linux":
        assert all(int(each) > 10 for name in ("empty", "20") for each in figures[name][3:])
