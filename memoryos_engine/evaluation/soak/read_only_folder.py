"""A folder without write permission, for this process too if it runs as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


def is_root() -> bool:
    """Say whether permissions do not bind this process."""
    return os.geteuid() == 0


@contextmanager
def without_permission(folder: Path) -> Iterator[None]:
    """Take the permission to write in `folder` and to its files away; root acts as nobody meanwhile.

    What is open for writing already stays so, but nothing new can be made. Folders above must let everyone in.
    """
    paths = [folder, *folder.rglob("*")]
    modes = [(path, path.stat().st_mode) for path in paths]
    for path in reversed(paths):
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = is_root()
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes:
            path.chmod(mode)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Return every file under `folder` with what it holds, and every folder with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
