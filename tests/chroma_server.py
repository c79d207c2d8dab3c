"""A real Chroma server, for what only another process shows."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PATIENCE = 120
"""Seconds; a machine that runs other tests besides may take half a minute."""


class ChromaServer:
    """A `chroma run` of its own on a free port."""

    def __init__(self, path: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        program = str(Path(sys.executable).with_name("chroma"))
        command = [program, "run", "--path", str(path), "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=path)
        self._new = lambda **options: chromadb.HttpClient(
            host="127.0.0.1", port=self.port, settings=Settings(anonymized_telemetry=False), **options
        )
        self._clients: list[Any] = []
        self._await()

    def client(self, **options: Any) -> Any:
        """A client of its own, closed with the server."""
        return self.closing(self._new(**options))

    def closing(self, client: Any) -> Any:
        """Close a client that somebody else made with the server."""
        self._clients.append(client)
        return client

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(timeout=10)

    def close(self) -> None:
        self.stop()
        for client in self._clients:
            for api in (client._server, client._admin_client._server):
                api._session.close()  # Chroma's own close leaves its sockets open
            client.close()

    def _await(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                self.client().heartbeat()
            except Exception:  # noqa: BLE001 - not up yet, in whatever way
                assert self._process.poll() is None, "the server ended"
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise AssertionError(f"the server did not come up in {PATIENCE} seconds")
