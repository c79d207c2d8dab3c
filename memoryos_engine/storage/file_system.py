"""Which directories a store can live in: locks and SQLite are not to be relied on over a network."""

from __future__ import annotations

import sys
from pathlib import Path

from memoryos_engine.errors import StoreError

MOUNTS = Path("/proc/self/mounts")
"""Where Linux lists what is mounted: device, directory, type, options."""
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre", "gfs2", "ocfs2", "davfs"}
)
"""Types of file systems that several machines write to."""
_REMOTE_FUSE = ("fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.glusterfs", "fuse.ceph", "fuse.davfs")


def require_local(path: Path) -> None:
    """Refuse a directory on a network file system, where the machine's table of mounts tells.

    Raises:
        StoreError: it is on one; the message says which and what to do.
    """
    kind = type_of(path.resolve())
    if kind in NETWORK or kind.startswith(_REMOTE_FUSE):
        raise StoreError(
            f"{str(path)!r} is on a network file system ({kind}), where two machines could write to one store; pass a "
            "path on a local disk, or run `memoryos serve` on the machine that has the disk and pass client="
        )


def type_of(path: Path) -> str:
    """Return the type of the file system that an absolute path is on; empty where no table of mounts says."""
    if not sys.platform.startswith("linux"):
        return ""
    found = ("", "")
    for directory, kind in _mounts():
        inside = path == Path(directory) or Path(directory) in path.parents
        if inside and len(directory) >= len(found[0]):  # the last of several on one directory is the one that shows
            found = (directory, kind)
    return found[1]


def _mounts() -> list[tuple[str, str]]:
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # a sandbox without /proc
        return []
    fields = [line.split(" ") for line in lines]
    return [(_unescaped(parts[1]), parts[2]) for parts in fields if len(parts) > 2]


def _unescaped(directory: str) -> str:
    for code, sign in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        directory = directory.replace(code, sign)
    return directory
