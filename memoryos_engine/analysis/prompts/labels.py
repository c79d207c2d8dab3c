"""Short labels for what a prompt shows: ids cost tokens, and a model that makes one up must not hit a record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

_NUMBER = re.compile(r"[1-9]\d{0,4}")


class Labels(Generic[T]):
    """Things in order, called p1, p2, ... after a prefix of one letter."""

    def __init__(self, prefix: str, things: Sequence[T]) -> None:
        self._prefix = prefix
        self._things = things

    def __len__(self) -> int:
        return len(self._things)

    def place(self, label: str) -> int | None:
        """Return where the thing with a label stands; None if there is none. "P1" and "1" are p1."""
        number = label.strip().casefold().removeprefix(self._prefix)
        if not _NUMBER.fullmatch(number) or int(number) > len(self._things):
            return None
        return int(number) - 1

    def find(self, label: str | None) -> T | None:
        """Return the thing with a label, if there is one."""
        place = None if label is None else self.place(label)
        return None if place is None else self._things[place]

    def find_all(self, labels: Sequence[str]) -> list[T]:
        """Return the things with these labels, each once, in their order."""
        places = {self.place(label) for label in labels}
        return [thing for place, thing in enumerate(self._things) if place in places]
