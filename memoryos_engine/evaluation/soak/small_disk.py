"""A small disk that can be filled or made read-only: a tmpfs, where this process may mount one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memoryos_engine.evaluation.soak.counts import Skipped

BLOCK = 64 * 1024
CLOSING = 10.0
"""Seconds in which Chroma gives its files back after it was closed."""


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Path | Skipped]:
    """Give an empty file system of this size, mounted under `folder`, or say why there is none."""
    place = folder / "disk"
    place.mkdir()
    problem = _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(place))
    if problem:
        yield Skipped(reason=f"no tmpfs can be mounted here ({problem}); run it as root")
        return
    try:
        yield place
    finally:
        _run("umount", "-l", str(place))


@contextmanager
def made_read_only(place: Path) -> Iterator[None]:
    """Have a small disk refuse writes; a file on it that is open for writing is waited for, some seconds."""
    deadline = time.monotonic() + CLOSING
    while (problem := _run("mount", "-o", "remount,ro", str(place))) and time.monotonic() < deadline:
        time.sleep(0.1)
    if problem:
        raise OSError(f"{place} cannot be made read-only: {problem}")
    try:
        yield
    finally:
        _run("mount", "-o", "remount,rw", str(place))


def fill(file: Path) -> None:
    """Let `file` take whatever room is left on its disk, to the last byte."""
    for size in (BLOCK, 1):
        with file.open("ab", buffering=0) as ballast:
            try:
                while ballast.write(b"\0" * size):
                    pass
            except OSError:
                continue


def _run(*command: str) -> str:
    """Run a command; return why it failed, or "" if it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        return error.strerror or type(error).__name__
    return (done.stderr.strip() or f"status {done.returncode}").splitlines()[0] if done.returncode else ""
