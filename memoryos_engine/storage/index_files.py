"""The files of Chroma's index, and the part of them that no vector uses.

They are written as large as the index may grow, from memory that was never set: what lies
beyond the last vector is whatever the process had held there before, text included.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from memoryos_engine.errors import StoreError

_HEADER = struct.Struct("<i6Q")
"""Version, offset, room, vectors, bytes of a vector with its links, offset of its label, offset of its numbers."""
_HEADER_BYTES = 100
_LENGTH_BYTES = 4
"""Of the number that is kept for each vector in length.bin."""


def blank_unused(index: Path) -> None:
    """Overwrite what no vector uses with zeros. Nobody may have the index open.

    Raises:
        StoreError: the files have another form than those of the Chroma that we know; nothing was changed.
    """
    for name, used in used_bytes(index).items():
        with (index / name).open("r+b") as file:
            file.seek(0, 2)
            unused = file.tell() - used
            file.seek(used)
            file.write(bytes(unused))


def used_bytes(index: Path) -> Mapping[str, int]:
    """Return the files of an index that are larger than what they hold, with how many bytes that is.

    Raises:
        StoreError: they have another form than those of the Chroma that we know.
    """
    header = (index / "header.bin").read_bytes()
    _, _, room, vectors, size, label, numbers = _HEADER.unpack_from(header.ljust(_HEADER.size))
    used = {"data_level0.bin": vectors * size, "length.bin": vectors * _LENGTH_BYTES}
    ordered = vectors <= room and numbers < label < size
    if len(header) != _HEADER_BYTES or not ordered or any((index / n).stat().st_size < u for n, u in used.items()):
        fix = "unused memory of the process may be left in it; use the version of chromadb that made it"
        raise StoreError(f"the index in {str(index)!r} has a form that is not known: {fix}")
    return used
