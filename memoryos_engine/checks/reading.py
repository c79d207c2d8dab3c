"""Rows that are no record of a memory, and the head, without which nobody knows that a memory is there."""

from __future__ import annotations

from collections.abc import Iterator

from memoryos_engine.checks.draft import Draft, Embed
from memoryos_engine.storage.heads import head_id


def unreadable(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find rows that do not decode, of unknown kinds, without text and misplaced heads."""
    yield from draft.unreadable.items()


def set_unreadable_aside(draft: Draft, embed: Embed) -> None:  # noqa: ARG001 - one signature for all repairs
    """Keep them out of the memory, so that the rest of it opens."""
    for record_id in list(draft.unreadable):
        draft.set_aside(record_id)


def headless(draft: Draft) -> Iterator[tuple[str, str]]:
    """Find an owner without a head, or with one that does not decode."""
    if draft.head_problem:
        yield head_id(draft.owner), draft.head_problem


def write_head(draft: Draft, embed: Embed) -> None:  # noqa: ARG001
    """Take it as written: every commit writes the head."""
    draft.head_problem = ""
