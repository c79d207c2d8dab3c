"""One process per path: embedded Chroma loses data when two write to it.

The lock is the operating system's, so it goes with the process that held it, however
that process ended. A note beside it says who the owner is, for the error of the second,
and where the owner serves the directory, if it does.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from memoryos_engine.errors import StoreError, StoreLocked
from memoryos_engine.storage.file_system import require_local

logger = logging.getLogger(__name__)

LOCK_NAME = "memoryos.lock"
NOTE_NAME = "memoryos.owner"
PATIENCE = 1.0
"""Seconds to wait for an owner that is just leaving."""
LONGEST_NOTE = 10_000
"""Characters of a note that are read."""
POLL = 0.05
"""Seconds between two tries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnerNote:
    """Who has a directory, as it said itself."""

    pid: int
    host: str
    since: str
    server: str | None = None
    """Address that its Chroma server listens at, for example "http://127.0.0.1:8000"; None if it serves nobody."""

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host} since {self.since}"


class PathLock:
    """Holds a data directory for this process until released.

    Args:
        path: the directory; made if missing.
        server: address that this process is about to serve it at, for others to find.
        patience: seconds to wait for another owner to leave.

    Raises:
        StoreLocked: another process holds it.
        StoreError: the directory cannot be made or written, or its locks cannot be relied on.
    """

    def __init__(self, path: Path, *, server: str | None = None, patience: float = PATIENCE) -> None:
        self._path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            require_local(path)
            self._lock = FileLock(path / LOCK_NAME, timeout=patience, thread_local=False)
            self._lock.acquire(poll_interval=POLL)
            _require_hard(self._lock, path)
            self._write_note(server)
        except Timeout:
            raise locked(path, read_note(path)) from None
        except OSError as error:
            raise StoreError(
                f"the directory {str(path)!r} cannot be used ({error.strerror}); pass another path"
            ) from error

    def release(self) -> None:
        """Let another process have the directory."""
        try:
            (self._path / NOTE_NAME).unlink(missing_ok=True)
        except OSError:  # a note that stays explains a lock that nobody has; the next owner writes over it
            logger.warning("the note in a directory that was given back could not be deleted")
        finally:
            self._lock.release()

    def __enter__(self) -> PathLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _write_note(self, server: str | None) -> None:
        """Replace the note of the owner before, which may have been killed; nobody reads half of one."""
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        note = asdict(OwnerNote(pid=os.getpid(), host=socket.gethostname(), since=since, server=server))
        written = self._path / f"{NOTE_NAME}.new"
        try:
            written.write_text(json.dumps({key: value for key, value in note.items() if value is not None}), "utf-8")
            written.replace(self._path / NOTE_NAME)
        except OSError:
            self._lock.release()
            raise


def acquire_or_find(path: Path, *, patience: float = 0.0) -> PathLock | OwnerNote:
    """Hold a directory, or return the note of the process that serves it.

    Args:
        path: the directory; made if missing.
        patience: seconds for which a server that was killed is expected back, so that nobody takes its place meanwhile.

    Raises:
        StoreLocked: another process holds it and serves nobody.
        StoreError: the directory cannot be used.
    """
    expected = time.monotonic() + patience
    leaving: float | None = None
    while True:
        note = read_note(path)
        if is_held(path):
            leaving = time.monotonic() + PATIENCE if leaving is None else leaving
            if note is not None and note.server is not None:
                return note
            if time.monotonic() > leaving:
                raise locked(path, note)
        elif note is None or note.server is None or time.monotonic() > expected:
            try:
                return PathLock(path, patience=0.0)
            except StoreLocked:  # somebody else was faster
                leaving = None
        time.sleep(POLL)


def is_held(path: Path) -> bool:
    """Say whether a process has a directory; a directory that cannot be looked at is nobody's as far as this goes."""
    if not (path / LOCK_NAME).exists():
        return False
    try:
        lock = FileLock(path / LOCK_NAME, timeout=0.0, thread_local=False)
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # whoever wants to have it is told why
        return False
    lock.release()
    return False


def read_note(path: Path) -> OwnerNote | None:
    """Return what the owner of a directory wrote, or None if there is nothing that can be read."""
    try:
        with (path / NOTE_NAME).open(encoding="utf-8") as file:
            note = json.loads(file.read(LONGEST_NOTE))
        return OwnerNote(
            pid=int(note["pid"]),
            host=str(note["host"]),
            since=str(note["since"]),
            server=_address(note.get("server")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _address(value: object) -> str | None:
    """Return the address of a server; raise ValueError for what is none."""
    if value is None:
        return None
    parts = urlsplit(str(value))
    if parts.scheme != "http" or not parts.hostname or not parts.port:
        raise ValueError("no address")
    return str(value)


def locked(path: Path, note: OwnerNote | None) -> StoreLocked:
    """Return the error for a directory that another process has open."""
    owner = "owner unknown: its note is missing or unreadable" if note is None else str(note)
    fix = (
        "Close it there, pass another path, or share one memory between processes: close it there, start its server "
        f"with `memoryos serve --path {path}`, and open the same path everywhere"
    )
    return StoreLocked(f"{str(path)!r} is open in another process ({owner})", fix)


def _require_hard(lock: BaseFileLock, path: Path) -> None:
    """Refuse a lock that is a mere file, which would outlive a process that is killed."""
    if isinstance(lock, SoftFileLock):
        lock.release()
        raise StoreError(f"the file system of {str(path)!r} has no locks; pass a path on a local disk")
