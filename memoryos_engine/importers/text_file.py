"""Text files of others: whatever encoding their byte order mark or their zeros show, UTF-8 without either.

Errors say where a file cannot be read, never what it says there.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from memoryos_engine.errors import InvalidInput

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 16
_ARCHIVE = b"PK\x03\x04"


@contextmanager
def opened_text(file: Path) -> Iterator[TextIO]:
    """Give the file's text, line ends as "\\n" whatever they are there.

    Raises:
        InvalidInput: it cannot be opened, is an archive, or is no text in its encoding; also while it is read.
    """
    try:
        with file.open("rb") as raw:
            head = raw.read(_CHUNK)
    except OSError as error:
        raise InvalidInput("file", f"cannot be read ({error.strerror})", "Pass the path of a readable file.") from error
    if head.startswith(_ARCHIVE):
        raise InvalidInput("file", "is a zip archive", "Unpack it, and pass the file or the folder in it.")
    encoding = _encoding(head)
    try:
        with file.open(encoding=encoding) as stream:
            yield stream
    except UnicodeError as error:
        where = _bad_byte(file, encoding)
        fix = "Save it as UTF-8 with a text editor."
        raise InvalidInput("file", f"is not text in {encoding.upper()}: byte {where:,} cannot be read", fix) from error


def _encoding(head: bytes) -> str:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if head[:1] and head[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\0" else "utf-8"


def _bad_byte(file: Path, encoding: str) -> int:
    """Return where the file stops being text, counted from 0."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    with file.open("rb") as raw:
        while chunk := raw.read(_CHUNK):
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                return offset - waiting + error.start
            offset += len(chunk)
    return offset - len(decoder.getstate()[0])
