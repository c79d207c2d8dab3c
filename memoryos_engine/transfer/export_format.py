"""The file of an exported memory, line by line: a header, one line for each record, a closing line with a checksum.

Vectors are not part of it: they are computed anew, so a memory moves between embedders. Reading believes nothing:
whatever is not as `export` writes it is an error that says so, and of a line that never ends little is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from memoryos_engine.errors import CorruptRecord, InvalidInput
from memoryos_engine.intake import DEEPEST, depth
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Owner, Segment
from memoryos_engine.settings import require_id, require_text
from memoryos_engine.storage.audit_codec import AuditRecord, decode_audit
from memoryos_engine.storage.codec import (
    AUDIT,
    KNOWLEDGE,
    PAGE,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    owner_metadata,
)
from memoryos_engine.storage.fields import read_json

VERSION = 1
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of a line that are read, where pages are not allowed to be so long that a line may be longer."""
ESCAPED = 8
"""Most bytes of a line that a byte of a page takes, with some to spare."""
_NESTED = DEEPEST + 2
"""Lists and objects of a line inside each other: metadata is in the data of a record."""

Record = DialoguePage | Segment | KnowledgeEntry | AuditRecord
_DECODE: dict[str, Callable[[Row], Record]] = {
    PAGE: decode_page,
    SEGMENT: decode_segment,
    KNOWLEDGE: decode_knowledge,
    AUDIT: decode_audit,
}
_NOT_OF_RECORDS = ("head_", "import_")
"""How ids begin of rows that an import must not write over, anybody's."""
_AGAIN = "Export it again."
_FROM_EXPORT = "Pass a file made by export()."


def header_line(owner: Owner) -> bytes:
    """Return the first line."""
    return _line({"memoryos_export": VERSION, **owner_metadata(owner)})


def record_line(row: Row) -> bytes:
    """Return the line of a record."""
    return _line({"id": row.id, "kind": row.kind, "document": row.document, "data": json.loads(row.data)})


def closing_line(records: int, sha256: str) -> bytes:
    """Return the last line: how many records there are, and the checksum of all lines before."""
    return _line({"records": records, "sha256": sha256})


class ExportReader:
    """Reads an export from its beginning, one line at a time.

    Args:
        stream: the file, at its beginning.
        longest: bytes of the longest line that is read.

    Raises:
        InvalidInput: here and from `rows`, where the file is not as `export` writes it.
    """

    def __init__(self, stream: BinaryIO, *, longest: int) -> None:
        self._lines = _lines(stream, longest)
        header = next(self._lines, b"")
        self._digest = hashlib.sha256(header)
        self.owner = _owner(_object(header, 1))
        self.records = 0
        self.sha256 = ""
        """The checksum, once all rows were read and it was found true."""

    def rows(self) -> Iterator[Row]:
        """Yield the records as rows without vectors, then check the closing line."""
        held = next(self._lines, b"")
        for line in self._lines:
            self._digest.update(held)
            yield _row(_object(held, self.records + 2), self.records + 2)
            self.records += 1
            held = line
        self._close(_object(held, self.records + 2))

    def _close(self, closing: Mapping[str, Any]) -> None:
        sha256 = self._digest.hexdigest()
        if closing.get("sha256") != sha256:
            raise InvalidInput("file", "is damaged or incomplete: its checksum does not match", _AGAIN)
        if not _is_number(closing.get("records"), self.records):
            raise InvalidInput("file", "has not as many records as its last line says", _AGAIN)
        self.sha256 = sha256


def decoded(row: Row) -> Record:
    """Return the record of a row.

    Raises:
        CorruptRecord: it does not decode.
    """
    if row.kind not in _DECODE:
        raise CorruptRecord(f"record {row.id!r} is of no kind that a memory has")
    return _DECODE[row.kind](row)


def _line(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _lines(stream: BinaryIO, longest: int) -> Iterator[bytes]:
    # Not splitlines(): JSON leaves characters raw that Unicode counts as line ends.
    try:
        while line := stream.readline(longest + 1):
            if len(line) > longest:
                raise InvalidInput("file", f"has a line of more than {longest:,} bytes", _FROM_EXPORT)
            yield line
    except OSError as error:
        raise unreadable(error) from error


def unreadable(error: Exception, where: str = "") -> InvalidInput:
    """Return the error of a file that cannot be read at all."""
    return InvalidInput("file", f"cannot be read as an export ({type(error).__name__}{where})", _FROM_EXPORT)


def _object(line: bytes, number: int) -> dict[str, Any]:
    try:
        value = read_json(line.decode("utf-8")) if line else None
    except (ValueError, RecursionError) as error:
        raise unreadable(error, f" in line {number}") from error
    if not isinstance(value, dict):
        raise InvalidInput("file", "is not an export", _FROM_EXPORT)
    if line.count(b"[") + line.count(b"{") > _NESTED and depth(value) > _NESTED:
        raise InvalidInput("file", f"holds a record nested too deeply, in line {number}", _AGAIN)
    return value


def _owner(header: Mapping[str, Any]) -> Owner:
    if not _is_number(header.get("memoryos_export"), VERSION):
        raise InvalidInput("file", f"is not an export of version {VERSION}", "Export it with a matching version.")
    user_id = require_id("user_id", header.get("user_id"))
    return Owner(user_id=user_id, assistant_id=require_id("assistant_id", header.get("assistant_id")))


def _is_number(value: object, wanted: int) -> bool:
    return type(value) is int and value == wanted


def _row(record: Mapping[str, Any], number: int) -> Row:
    try:
        row = Row(
            id=require_id("id", record["id"]),
            kind=require_text("kind", record["kind"]),
            document=require_text("document", record["document"]),
            data=json.dumps(record["data"], ensure_ascii=False),
        )
        decoded(row)
        if row.id.startswith(_NOT_OF_RECORDS):
            raise ValueError("an id that is no record's")  # noqa: TRY301 - one error for all of it
    except (KeyError, TypeError, ValueError, RecursionError, CorruptRecord) as error:
        raise InvalidInput("file", f"holds a record that does not decode, in line {number}", _AGAIN) from error
    return row
