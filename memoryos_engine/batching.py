"""What an analyst is asked about next: batches of pending pages, groups of hot segments.

A batch that found no usable answer twice is halved with each further failure, and what
never failed goes first: one page that a model refuses keeps nothing else waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from memoryos_engine.analysis.base import HotSegment
from memoryos_engine.records import DialoguePage

PATIENCE = 1
"""Failures before a batch is halved: the first may have been the model's bad moment."""


def next_batch(pending: Sequence[DialoguePage], trouble: Mapping[str, int], *, size: int) -> list[DialoguePage]:
    """Return the pages to consolidate next, in the order they left STM, all with the same history of failures.

    Args:
        pending: the pages that left STM, in that order.
        trouble: page id to failures in a row.
        size: most pages of a batch.
    """
    if not pending:
        return []
    least = min(trouble.get(page.id, 0) for page in pending)
    return [page for page in pending if trouble.get(page.id, 0) == least][: _halved(size, least)]


def groups(hot: Sequence[HotSegment], trouble: Mapping[str, int], *, size: int) -> list[list[HotSegment]]:
    """Return hot segments in groups of at most `size` pages; a larger segment comes in parts.

    Args:
        hot: the segments, hottest first.
        trouble: segment id to failures in a row.
        size: most pages of a group.
    """
    parts = sorted(hot, key=lambda each: trouble.get(each.segment.id, 0))
    found: list[list[HotSegment]] = []
    for failures, alike in groupby(parts, key=lambda each: trouble.get(each.segment.id, 0)):
        found += _packed([part for each in alike for part in _parts(each, _halved(size, failures))], size, failures)
    return found


def _packed(parts: Sequence[HotSegment], size: int, failures: int) -> list[list[HotSegment]]:
    """Return parts in groups, in order; one that failed before is read alone."""
    packed: list[list[HotSegment]] = []
    room = 0
    for part in parts:
        if failures > PATIENCE or len(part.pages) > room:
            packed.append([])
            room = size
        packed[-1].append(part)
        room -= len(part.pages)
    return packed


def _parts(hot: HotSegment, size: int) -> list[HotSegment]:
    return [replace(hot, pages=hot.pages[start : start + size]) for start in range(0, len(hot.pages), size)]


def _halved(size: int, failures: int) -> int:
    return max(1, size >> max(0, failures - PATIENCE))
