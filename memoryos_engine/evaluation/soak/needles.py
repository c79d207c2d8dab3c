"""Looking for text in the files of a store, byte by byte, in whatever form it may lie there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

SHORTEST = 8
"""Bytes of the shortest fragment that is looked for; shorter ones may be anywhere by chance."""


def forms(text: str) -> set[bytes]:
    """Return the bytes that `text`, whole and by words, may lie in a file as: UTF-8, UTF-16, JSON with escapes."""
    found: set[bytes] = set()
    for part in (text, *text.split()):
        escaped = json.dumps(part)[1:-1]
        unescaped = json.dumps(part, ensure_ascii=False)[1:-1]
        for shown in (part, escaped, unescaped, json.dumps(escaped)[1:-1]):
            found |= {shown.encode(), shown.encode("utf-16-le"), shown.encode("utf-16-be")}
    return {form for form in found if len(form) >= SHORTEST}


def fragments(texts: Iterable[str]) -> set[bytes]:
    """Return every form of every text."""
    return set().union(*map(forms, texts))


def held(folder: Path, needles: Iterable[bytes]) -> set[bytes]:
    """Return the needles that a file under `folder` holds, or is named by."""
    wanted, found = set(needles), set[bytes]()
    for path in folder.rglob("*"):
        content = str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b"")
        found |= {needle for needle in wanted - found if needle in content}
    return found


def size(folder: Path) -> int:
    """Return the bytes of all files under `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
