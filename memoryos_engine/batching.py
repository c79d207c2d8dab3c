"""What an analyst is asked about next: batches of pending pages, groups of hot segments.

A batch that found no usable answer twice is halved with each further failure, and what
never failed goes first: one page that a model refuses keeps nothing else waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from memoryos_engine.analysis.base import HotSegment
from memoryos_engine.records import DialoguePage

Failures = Callable[[str], int]

FAILURES_BEFORE_HALVING = 1
"""Failures before a batch is halved: the first may have been the model's bad moment."""


def next_batch(pending: Sequence[DialoguePage], failures: Failures, *, size: int) -> list[DialoguePage]:
    """Return the pages to consolidate next, in the order they left STM, all with the same history of failures.

    Args:
        pending: the pages that left STM, in that order.
        failures: gives the failures in a row of a page, by its id.
        size: most pages of a batch.
    """
    if not pending:
        return []
    least = min(failures(page.id) for page in pending)
    return [page for page in pending if failures(page.id) == least][: halved(size, least)]


def next_group(hot: Sequence[HotSegment], failures: Failures, *, size: int) -> list[HotSegment]:
    """Return the hot segments to read next in one call, with up to `size` pages of the same history of failures.

    A segment that does not fit begins the next group; one larger than a group comes in parts.

    Args:
        hot: the segments, hottest first.
        failures: gives the failures in a row of a page, by its id.
        size: most pages of a group.
    """
    least = min((failures(page.id) for each in hot for page in each.pages), default=0)
    alike = [replace(each, pages=tuple(p for p in each.pages if failures(p.id) == least)) for each in hot]
    found: list[HotSegment] = []
    room = halved(size, least)
    for part in (each for each in alike if each.pages):
        if not room or (found and len(part.pages) > room):
            break
        found.append(replace(part, pages=part.pages[:room]))
        room -= len(found[-1].pages)
    return found


def halved(size: int, failures: int) -> int:
    """Return the size of a full batch of pages with so many failures in a row."""
    return max(1, size >> max(0, failures - FAILURES_BEFORE_HALVING))
