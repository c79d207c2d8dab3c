"""Turns from other people's files carry a key in their metadata; what a memory holds already is not stored again.

So a file can be imported twice, and an import that was killed goes on where it stopped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory

IMPORTED_FROM = "imported_from"
"""Name of the key in a page's metadata."""
_KEY = re.compile(r"[a-z0-9-]+_[0-9a-f]{32}")
"""What the importers write there; whatever a caller of another mind keeps under the name is no key."""


class KnownImports:
    """The keys of one memory's pages, read when the first turn with a key comes."""

    def __init__(self, memory: UserMemory) -> None:
        self._memory = memory
        self._keys: set[str] | None = None

    def holds(self, turn: object) -> bool:
        """Say whether the memory has this turn, or another turn asked about had its key; turns without one are new.

        Raises:
            StoreError: the memory cannot be read.
        """
        key = _key_in(turn.get("metadata")) if isinstance(turn, Mapping) else None
        if key is None:
            return False
        if self._keys is None:
            self._keys = {known for page in self._memory.pages() if (known := _key_in(page.metadata))}
        if key in self._keys:
            return True
        self._keys.add(key)
        return False


def _key_in(metadata: object) -> str | None:
    key = metadata.get(IMPORTED_FROM) if isinstance(metadata, Mapping) else None
    return key if isinstance(key, str) and _KEY.fullmatch(key) else None
