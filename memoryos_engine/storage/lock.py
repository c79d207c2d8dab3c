"""One process per path: embedded Chroma loses data when two write to it.

The lock is the operating system's, so it goes with the process that held it, however
that process ended. A note beside it says who the owner is, for the error of the second.
"""

from __future__ import annotations

import json
import os
import socket
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from memoryos_engine.errors import StoreError, StoreLocked

LOCK_NAME = "memoryos.lock"
NOTE_NAME = "memoryos.owner"
PATIENCE = 1.0
"""Seconds to wait for an owner that is just leaving."""

_SHARING = (
    "Close it there, pass another path, or share one memory between processes by running Chroma's server on that path "
    "and passing client=chromadb.HttpClient(...)"
)


class PathLock:
    """Holds a data directory for this process until released.

    Args:
        path: the directory; made if missing.

    Raises:
        StoreLocked: another process holds it.
        StoreError: the directory cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / LOCK_NAME, timeout=PATIENCE, thread_local=False)
            self._lock.acquire()
            self._write_note()
        except Timeout:
            raise StoreLocked(f"{str(self._path)!r} is open in another process ({self._owner()})", _SHARING) from None
        except OSError as error:
            raise StoreError(
                f"the directory {str(path)!r} cannot be used ({error.strerror}); pass another path"
            ) from error

    def release(self) -> None:
        """Let another process have the directory."""
        (self._path / NOTE_NAME).unlink(missing_ok=True)
        self._lock.release()

    def _write_note(self) -> None:
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        (self._path / NOTE_NAME).write_text(json.dumps(note), encoding="utf-8")

    def _owner(self) -> str:
        try:
            note = json.loads((self._path / NOTE_NAME).read_text(encoding="utf-8"))
            return f"pid {note['pid']} on {note['host']} since {note['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "owner unknown: its note is missing or unreadable"
