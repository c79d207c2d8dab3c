"""Stored text as a page shows it: cut to a length, with every character that would obey or hide made visible.

Escaping is the templates'; here it is what escaping leaves alone: control characters, and signs that turn the rest of
a line around.
"""

from __future__ import annotations

from memoryos_engine.terminal import disarmed, harmless

ONE_LINE = 160
"""Characters of a text in a list."""
WHOLE = 4000
"""Characters of a text that is shown by itself; the record keeps all of it."""
_CUT = "…"
_JOINER = "\u200d"
"""At the end of a cut it belongs to what was cut off: half a family is none."""


def one_line(text: str, limit: int = ONE_LINE) -> str:
    """Return `text` as one line of at most about `limit` characters."""
    said = text.strip()
    begun = said[: 4 * limit]  # what is shown costs no more in a long text
    line = harmless(begun, limit=limit)
    is_whole = begun == said and not line.endswith(_CUT)
    return line if is_whole else line.removesuffix(_CUT).rstrip(_JOINER) + _CUT


def whole(text: str, limit: int = WHOLE) -> str:
    """Return `text` with its line breaks, at most `limit` characters of it, and how many more there are."""
    shown = "\n".join(disarmed(line) for line in text[:limit].splitlines())
    left = len(text) - limit
    return shown if left <= 0 else f"{shown.rstrip(_JOINER)}{_CUT} ({left:,} characters more)"
