"""One server for a directory: Chroma's own, in the process that has the lock, and how the others find it."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from memoryos_engine.errors import InvalidInput, StoreError
from memoryos_engine.storage.connection import ServerAway
from memoryos_engine.storage.lock import OwnerNote, PathLock, is_held, locked, read_note

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

LOOPBACK = "127.0.0.1"
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
FIRST_POLL = 0.05


def serve(directory: Path, *, host: str, port: int, ready: Callable[[str], object]) -> None:
    """Serve a directory with Chroma's server until this process is told to stop (SIGINT, SIGTERM).

    Call it in the main thread of a process of its own: the server takes over its signals and standard output.

    Args:
        directory: of the store; made if missing.
        host: address to listen at. Chroma's server asks nobody who they are: whoever reaches it reads everything.
        port: to listen at; 0 takes a free one.
        ready: is told the server's address once it answers.

    Raises:
        StoreLocked: another process has the directory.
        StoreError: the directory cannot be used, or the server did not start.
        InvalidInput: the port is taken or the host is none of this machine's.
    """
    chosen = _free_port(host, port)
    address = f"http://{_reachable(host)}:{chosen}"
    lock = PathLock(directory, server=address)
    watch = _Watch(address, ready)
    try:
        watch.start()
        _run(directory, host, chosen)
    finally:
        watch.end()
        lock.release()
    if not watch.answered:
        raise StoreError(f"Chroma's server did not start on {str(directory)!r}; `chroma run` says why")


def served_client(directory: Path, note: OwnerNote, *, patience: float) -> ClientAPI:
    """Return a client of the server that a directory's note names.

    Raises:
        StoreLocked: the server is another machine's and listens to that one alone.
        StoreError: it does not answer.
    """
    server = urlsplit(note.server or "")
    if note.host != socket.gethostname() and server.hostname == LOOPBACK:
        raise locked(directory, note)
    deadline = time.monotonic() + patience
    while True:
        try:
            return _client(str(server.hostname), int(server.port or 0))
        except ServerAway as error:
            if time.monotonic() > deadline:
                problem = f"the server of {str(directory)!r} ({note}) does not answer at {note.server}"
                raise StoreError(f"{problem}; start `memoryos serve` again") from error
        time.sleep(FIRST_POLL)
        note = read_note(directory) or note
        server = urlsplit(note.server or "")


def found_again(directory: Path) -> ClientAPI:
    """Return a client of the server that serves a directory now.

    Raises:
        ServerAway: none does at the moment.
    """
    note = read_note(directory) if is_held(directory) else None  # a server that was killed leaves its note
    if note is None or note.server is None:
        raise ServerAway(f"nobody serves {str(directory)!r} now; start `memoryos serve --path {directory}` again")
    server = urlsplit(note.server)
    return _client(str(server.hostname), int(server.port or 0))


def _client(host: str, port: int) -> ClientAPI:
    import chromadb
    from chromadb.config import Settings

    try:
        return chromadb.HttpClient(
            host=f"[{host}]" if ":" in host else host, port=port, settings=Settings(anonymized_telemetry=False)
        )
    except Exception as error:  # Chroma makes a ValueError of a connection that is refused, and others of others
        raise ServerAway(f"no server answers at {host}:{port} ({type(error).__name__})") from error


def close_client(client: Any) -> None:
    """Close a client with its sockets, which Chroma's own close leaves to the garbage collector."""
    for holder in (client, getattr(client, "_admin_client", None)):
        session = getattr(getattr(holder, "_server", None), "_session", None)
        if session is not None:
            session.close()
    client.close()


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that was just stopped leaves its port so
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            problem = f"{host}:{port} cannot be listened at ({getattr(error, 'strerror', None) or error})"
            raise InvalidInput("--port", problem, "Pass another one, or 0 for a free one.") from error
        return int(probe.getsockname()[1])


def _reachable(host: str) -> str:
    """Return what a client on this machine connects to."""
    if host in _EVERY_ADDRESS:
        return LOOPBACK
    return f"[{host}]" if ":" in host else host


class _Watch(threading.Thread):
    """Tells when the server of this process answers, while it keeps the main thread."""

    def __init__(self, address: str, ready: Callable[[str], object]) -> None:
        super().__init__(name="memoryos-serve", daemon=True)
        self._address = address
        self._ready = ready
        self._over = threading.Event()
        self.answered = False

    def run(self) -> None:
        while not self._over.wait(FIRST_POLL):
            if _answers(self._address):
                self.answered = True
                self._ready(self._address)
                return

    def end(self) -> None:
        self._over.set()
        self.join()


def _answers(address: str) -> bool:
    import httpx

    try:
        return httpx.get(f"{address}/api/v2/heartbeat", timeout=1.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _run(directory: Path, host: str, port: int) -> None:
    import chromadb_rust_bindings  # type: ignore[import-untyped]

    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    command = ["chroma", "run", "--path", str(directory), "--host", host, "--port", str(port)]
    with _silenced():
        chromadb_rust_bindings.cli(command)


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the server's banner and log of requests off standard output, which it writes to below Python."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
