"""A whole memory into a file, which is there once it is complete and not before."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from memoryos_engine.errors import InvalidInput, StoreError
from memoryos_engine.records import Owner
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.storage.stored_rows import stored_rows
from memoryos_engine.telemetry import Traced
from memoryos_engine.transfer.export_format import closing_line, header_line, record_line

if TYPE_CHECKING:
    from memoryos_engine.system_protocol import System

PRIVATE = 0o600
"""Mode of a new file: the whole memory of somebody is in it."""
TRIES = 5
"""How often a memory is read that other processes write to meanwhile."""


def export_memory(system: System, owner: Owner, file: Path) -> int:
    """Write all records of a memory; see `UserMemory.export`."""
    try:
        with Traced("memoryos.export", owner) as span:
            with system.resident(owner) as resident, resident.here, _replacing(file) as stream:
                records = _written(resident, stream)
            span.record(records=records)
            return records
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        fix = "Pass a path in a folder that exists, on a disk with room."
        why = getattr(error, "strerror", None) or type(error).__name__
        raise InvalidInput("file", f"cannot be written ({why})", fix) from error


@contextmanager
def _replacing(file: Path) -> Iterator[BinaryIO]:
    """Give a file beside `file` that takes its place at the end; after an error `file` is as it was."""
    target = file.resolve()
    if target.exists() and not target.is_file():  # a terminal or pipe, in whose place no file may be put
        with target.open("wb") as stream:
            yield stream
        return
    beside = target.with_name(f".memoryos-export-{uuid.uuid4().hex}.part")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as stream:
            if target.exists():
                shutil.copymode(target, beside)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _written(resident: ResidentSet, stream: BinaryIO) -> int:
    """Write the memory as it is at one moment; return the number of records.

    Raises:
        StoreError: other processes would not leave it alone for so long.
    """
    for _ in range(TRIES):
        records = _write(resident, stream)
        if not resident.is_behind():
            return records
        resident.refresh()
        stream.seek(0)
        stream.truncate()
    raise StoreError("other processes wrote to this memory each time it was read; export it when they rest")


def _write(resident: ResidentSet, stream: BinaryIO) -> int:
    digest, written = hashlib.sha256(), 0
    for line in chain([header_line(resident.owner)], map(record_line, stored_rows(resident.owner, resident.store))):
        stream.write(line)
        digest.update(line)
        written += 1
    records = written - 1
    stream.write(closing_line(records, digest.hexdigest()))
    return records
