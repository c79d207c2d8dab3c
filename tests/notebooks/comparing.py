"""What two runs of a notebook have to say alike, and what they cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode

NEVER_THE_SAME = (
    (re.compile(r"\b0x[0-9a-fA-F]{6,}\b"), "0x0"),  # where an object lies in memory
    (re.compile(r"\b\d+(?:\.\d+)? ?(?:ns|[µμ]s|ms|s|min)\b"), "0 ms"),  # how long something took
)
"""What two runs cannot say alike, and what is compared in its place. A notebook fixes its clock itself, or says that
it has the real one, in its metadata: `{"memoryos": {"real_clock": true}}`."""
WITH_THE_REAL_CLOCK = (
    *NEVER_THE_SAME,
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ](?:[A-Z][a-z]{2} )?\d\d:\d\d\S*(?: UTC)?)?"), "DATE"),
    (re.compile(r"\bpage_[0-9a-f]{32}\b"), "PAGE"),
)


def said(notebook: NotebookNode) -> list[list[str]]:
    """Every text of every code cell, as a comparison needs it."""
    patterns = WITH_THE_REAL_CLOCK if has_the_real_clock(notebook) else NEVER_THE_SAME
    return [
        [
            comparable(output.get("text") or output.get("data", {}).get("text/plain", ""), patterns)
            for output in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def comparable(text: str, patterns: Sequence[tuple[re.Pattern[str], str]] = NEVER_THE_SAME) -> str:
    for pattern, instead in patterns:
        text = pattern.sub(instead, text)
    return text


def is_alike(notebook: NotebookNode, other: NotebookNode) -> bool:
    """Whether two runs differ in nothing but what they cannot say alike."""
    return _whole(notebook) == _whole(other)


def _whole(notebook: NotebookNode) -> str:
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return comparable(text, WITH_THE_REAL_CLOCK) if has_the_real_clock(notebook) else text


def has_the_real_clock(notebook: NotebookNode) -> bool:
    return bool(notebook.metadata.get("memoryos", {}).get("real_clock", False))
