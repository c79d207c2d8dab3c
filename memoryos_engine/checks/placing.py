"""Pages have one place each in the order of arrival, and segments have pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from memoryos_engine.checks.draft import Draft, Embed


def doubled_sequences(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find pages that share their place in the order of arrival."""
    sequences = Counter(page.sequence for page in draft.pages.values())
    for page in draft.pages.values():
        if sequences[page.sequence] > 1:
            yield page.id, f"shares its sequence {page.sequence} with another page"


def renumber(draft: Draft, embed: Embed) -> None:  # noqa: ARG001 - one signature for all repairs
    """Move the later of two pages up, and those after it as far as they are in its way."""
    free = 0
    for page in sorted(draft.pages.values(), key=lambda page: (page.sequence, page.timestamp, page.id)):
        if page.sequence < free:
            draft.put(replace(page, sequence=free))
        free = max(page.sequence, free) + 1


def stray_pages(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find pages that name a segment that is not there."""
    for page in draft.pages.values():
        if page.segment_id is not None and page.segment_id not in draft.segments:
            yield page.id, "names a segment that does not exist"


def make_pending(draft: Draft, embed: Embed) -> None:  # noqa: ARG001
    """Have them wait for a segment again."""
    for record_id, _ in list(stray_pages(draft)):
        draft.put(replace(draft.pages[record_id], segment_id=None))


def empty_segments(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find segments that no page is in."""
    peopled = {page.segment_id for page in draft.pages.values()}
    yield from ((key, "is a segment without pages") for key in draft.segments if key not in peopled)


def delete_empty(draft: Draft, embed: Embed) -> None:  # noqa: ARG001
    """Delete them: a segment is derived from its pages."""
    for record_id, _ in list(empty_segments(draft)):
        draft.delete(record_id)
