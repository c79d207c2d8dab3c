"""What an analyst is asked about next: batches of pending pages, groups of hot segments.

A batch that found no usable answer twice is halved with each further failure, and what
never failed goes first: one page that a model refuses keeps nothing else waiting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

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


def next_group(hot: Sequence[HotSegment], trouble: Mapping[str, int], *, size: int) -> list[HotSegment]:
    """Return the hot segments to read next in one call, with up to `size` pages of the same history of failures.

    A segment that does not fit begins the next group; one larger than a group comes in parts.

    Args:
        hot: the segments, hottest first.
        trouble: page id to failures in a row.
        size: most pages of a group.
    """
    least = min((trouble.get(page.id, 0) for each in hot for page in each.pages), default=0)
    alike = [replace(each, pages=tuple(p for p in each.pages if trouble.get(p.id, 0) == least)) for each in hot]
    found: list[HotSegment] = []
    room = _halved(size, least)
    for part in (each for each in alike if each.pages):
        if not room or (found and len(part.pages) > room):
            break
        found.append(replace(part, pages=part.pages[:room]))
        room -= len(found[-1].pages)
    return found


def _halved(size: int, failures: int) -> int:
    return max(1, size >> max(0, failures - PATIENCE))
