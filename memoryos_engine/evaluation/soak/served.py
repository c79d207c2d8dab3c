"""`memoryos serve` as a process of its own, for those who kill it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from memoryos_engine.errors import StoreError
from memoryos_engine.storage.lock import read_note

PATIENCE = 120.0
"""Seconds for a server to come up on a busy machine."""


class Served:
    """Serves a directory until it is closed.

    Args:
        directory: of the store.
        port: to listen at; 0 for a free one, another one after each restart.

    Raises:
        StoreError: the server did not come up.
    """

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self._directory = directory
        self._port = port
        self.process = self._started()

    def restart(self) -> None:
        """Kill -9 the server and start another on the same directory, which may listen elsewhere."""
        self._kill()
        self.process = self._started()

    def close(self) -> None:
        """Kill the server."""
        self._kill()

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def _started(self) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "memoryos_engine",
            "serve",
            "--path",
            str(self._directory),
            "--port",
            str(self._port),
        ]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            line = process.stderr.readline() if process.stderr else ""
            if line.startswith("Serving"):
                return process
            if not line and process.poll() is not None:
                break
        process.kill()
        raise StoreError(f"`memoryos serve --path {self._directory}` did not come up; run it to see why")

    @property
    def address(self) -> str:
        """Where it listens, by its note."""
        note = read_note(self._directory)
        return "" if note is None or note.server is None else note.server
