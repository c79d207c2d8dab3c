"""Child processes that live and die: forked from one that has imported everything and opened nothing.

`Nursery` is the parent's end. The other end is this file run as a program with the name of a
module that has `live(tell, **arguments)`; what it tells comes back as lines of JSON.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any, BinaryIO

from memoryos_engine.errors import StoreError

Tell = Callable[..., None]
Told = list[Any]
BORN, ENDED = "born", "ended"
FAILED = 70
"""Status of a child whose `live` raised."""


class Nursery:
    """Runs children of one kind, one at a time."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is None or process.stdout is None:
            raise StoreError("the child process has no pipes; start it with children.nursery(module)")
        self._commands: BinaryIO = process.stdin  # type: ignore[assignment]
        self._pipe = process.stdout
        self._rest = b""

    def start(self, **arguments: Any) -> int:
        """Start a child and return its process id."""
        self._commands.write(json.dumps(arguments).encode() + b"\n")
        self._commands.flush()
        word, pid = self.told()[:2]
        if word != BORN:
            raise StoreError("a child process did not begin; see what it wrote to standard error")
        return int(pid)

    def told(self) -> Told:
        """Wait for the next line and return its words."""
        while (line := self._line()) is None:
            self._read()
        return line

    def told_until(self, deadline: float) -> Iterator[Told]:
        """Yield what is told until `deadline` by the monotonic clock, or until the child has ended."""
        while (left := deadline - time.monotonic()) > 0:
            line = self._line()
            if line is not None:
                yield line
                if line[0] == ENDED:
                    return
            elif select.select([self._pipe], [], [], left)[0]:
                self._read()

    def rest(self) -> tuple[list[Told], int]:
        """Wait for the child's end; return what it told before and its exit code, -N for signal N."""
        lines: list[Told] = []
        while (line := self.told())[0] != ENDED:
            lines.append(line)
        return lines, int(line[1])

    def _line(self) -> Told | None:
        line, end, rest = self._rest.partition(b"\n")
        if not end:
            return None
        self._rest = rest
        words: Told = json.loads(line)
        return words

    def _read(self) -> None:
        data = os.read(self._pipe.fileno(), 1 << 16)
        if not data:
            raise StoreError("the child processes ended; see what they wrote to standard error")
        self._rest += data


@contextmanager
def nursery(module: str, *, limit: float = 3600.0) -> Iterator[Nursery]:
    """Give a nursery whose children run `live` of a module; all of it, its child too, ends after `limit` seconds."""
    command = [sys.executable, "-m", __name__, module]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:  # noqa: S603
        guard = threading.Timer(limit, _kill_group, [process.pid])
        guard.daemon = True
        guard.start()
        try:
            yield Nursery(process)
        finally:
            guard.cancel()
            _kill_group(process.pid)


def _kill_group(pid: int) -> None:
    """Kill what leads a group, and the group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def tell(*words: object) -> None:
    """Tell the parent in one write, so that a line is whole or not there."""
    os.write(1, json.dumps(words).encode() + b"\n")


def _raise(child: Callable[..., None], line: str) -> None:
    """Run one child in a fork of this process and tell how it ended."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tell(BORN, os.getpid())
        status = FAILED
        try:
            child(tell, **json.loads(line))
            status = 0
        finally:
            sys.stderr.flush()
            if status:
                sys.excepthook(*sys.exc_info())
            os._exit(status)
    tell(ENDED, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def main() -> None:
    """Import what children need, then run one for each line of arguments."""
    import chromadb  # noqa: F401
    import snowballstemmer  # noqa: F401

    child = import_module(sys.argv[1]).live
    for line in sys.stdin:
        _raise(child, line)


if __name__ == "__main__":
    main()
