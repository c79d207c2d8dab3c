"""JSON of others, value by value: the elements of one array, or values that follow each other, as in JSON Lines.

Only the value at hand is in memory, so a list may be longer than memory is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.text_file import opened_text

_CHUNK = 1 << 16
_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"


def values(file: Path, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each value with where it stands: "name[12]" in an array, "line 12" outside of one.

    Raises:
        InvalidInput: the file is empty, cannot be read, or is not JSON from some line on.
    """
    with opened_text(file) as stream:
        text = _Text(stream)
        if not text.next_sign():
            raise InvalidInput("file", "is empty", "Pass a file that holds what was exported.")
        yield from text.elements(name) if text.next_sign() == "[" else text.sequence()


def whole(file: Path) -> Any:
    """Return the one value that a file holds.

    Raises:
        InvalidInput: as `values`; also if more than one value is there.
    """
    with opened_text(file) as stream:
        text = _Text(stream)
        if not text.next_sign():
            raise InvalidInput(file.name, "is empty", "Leave it out, or pass a file that holds what was saved.")
        value = text.value()
        text.end()
        return value


class _Text:
    """A window on the text that moves forward."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._window = ""
        self._at = 0
        self._line = 1
        self._counted = 0
        self._ended = False

    def elements(self, name: str) -> Iterator[tuple[str, Any]]:
        self._at += 1
        place = 0
        while self.next_sign() != "]" or place:
            yield f"{name}[{place}]", self.value()
            place += 1
            if self.next_sign() == "]":
                break
            if self.next_sign() != ",":
                raise self._broken(self._at)
            self._at += 1
        self._at += 1
        self.end()

    def sequence(self) -> Iterator[tuple[str, Any]]:
        while self.next_sign():
            yield f"line {self._line_of(self._at)}", self.value()

    def end(self) -> None:
        if self.next_sign():
            raise self._broken(self._at)

    def next_sign(self) -> str:
        """Move to what is no white space and return it; nothing at the end."""
        while True:
            while self._at < len(self._window) and self._window[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._window) or not self._more():
                return self._window[self._at : self._at + 1]

    def value(self) -> Any:
        self.next_sign()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise self._broken(error.pos) from error
                continue
            except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
                raise self._broken(self._at) from error
            if end == len(self._window) and isinstance(value, (int, float)) and self._more():
                continue  # its last digits may be among what was not read yet
            self._at = end
            return value

    def _more(self) -> bool:
        """Read on, ever larger pieces for ever larger values, so that no value is begun more than a few times."""
        if self._ended:
            return False
        self._line_of(self._at)
        piece = self._stream.read(max(_CHUNK, len(self._window) - self._at))
        self._window = self._window[self._at :] + piece
        self._at = self._counted = 0
        self._ended = not piece
        return not self._ended

    def _line_of(self, at: int) -> int:
        """Return the line of a place at or after the last one asked about."""
        self._line += self._window.count("\n", self._counted, at)
        self._counted = max(self._counted, at)
        return self._line

    def _broken(self, at: int) -> InvalidInput:
        fix = "Export it again: it may have been cut off."
        return InvalidInput("file", f"is not valid JSON at line {self._line_of(at)}", fix)
