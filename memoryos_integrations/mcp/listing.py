"""Looking through a memory, newest first, and forgetting what is in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import BaseModel

from memoryos_engine import DialoguePage, InvalidInput, KnowledgeEntry, UserMemory
from memoryos_integrations.mcp.budget import Room
from memoryos_integrations.mcp.replies import Forgotten, Listed, fact_reply, page_reply
from memoryos_integrations.page_filter import page_filter

Record = TypeVar("Record", DialoguePage, KnowledgeEntry)
Reply = TypeVar("Reply", bound=BaseModel)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What to list."""

    limit: int
    """Most memories."""
    max_tokens: int
    """Most tokens of them; one is always in it."""
    cursor: str | None = None
    """The id of the last one that was seen; what comes after it is returned."""
    session_id: str | None = None
    """Only pages of this session."""
    since: str | None = None
    """Only those from this time on, ISO 8601."""
    until: str | None = None
    """Only those from before this time."""


def listed(memory: UserMemory, kind: Literal["pages", "facts"], asked: Listing) -> Listed:
    """Return memories of one kind, exchanges or what is known, newest first.

    Raises:
        InvalidInput: a time cannot be read, the cursor leads nowhere, or facts are asked for by session.
        StoreError: memory cannot be read.
    """
    if kind == "pages":
        passes = page_filter(None, None if asked.session_id is None else [asked.session_id], asked.since, asked.until)
        pages = sorted(filter(passes, memory.pages()), key=lambda page: (page.timestamp, page.sequence), reverse=True)
        shown, cursor = _portion(pages, page_reply, asked)
        return Listed(pages=shown, total=len(pages), next_cursor=cursor)
    if asked.session_id is not None:
        raise InvalidInput("session_id", "is no property of facts", 'Leave it out, or pass kind="pages".')
    times = page_filter(None, None, asked.since, asked.until)
    known = [entry for entry in memory.knowledge() if _within(entry.said_at, times.since, times.until)]
    known.sort(key=lambda entry: (entry.said_at, entry.order), reverse=True)
    facts, cursor = _portion(known, fact_reply, asked)
    return Listed(facts=facts, total=len(known), next_cursor=cursor)


def forgotten(memory: UserMemory, memory_id: str | None) -> Forgotten:
    """Forget one memory, or everything, and return how much is gone.

    Args:
        memory: whose.
        memory_id: of a page or a knowledge entry; None for everything.

    Raises:
        NotFound: this user has no memory with this id.
        StoreError: not all of it is gone.
    """
    pages = {page.id for page in memory.pages()}
    before = {entry.id: entry for entry in memory.knowledge(history=True)}
    if memory_id is None:
        memory.purge()
        return Forgotten(pages=len(pages), facts=len(before))
    memory.forget(memory_id)
    after = {entry.id: entry for entry in memory.knowledge(history=True)}
    again = [each for key, each in after.items() if each.valid_until is None and key in before]
    return Forgotten(
        pages=int(memory_id in pages),
        facts=len(before.keys() - after.keys()),
        holds_again=[fact_reply(each) for each in again if before[each.id].valid_until is not None],
        said_in=list(before[memory_id].source_page_ids) if memory_id in before else [],
    )


def _portion(
    records: Sequence[Record], reply: Callable[[Record], Reply], asked: Listing
) -> tuple[list[Reply], str | None]:
    """Return what is shown of records, and the cursor to the rest if there is any."""
    start, room = _after(asked.cursor, records), Room(asked.max_tokens)
    shown: list[Reply] = []
    for record in records[start : start + asked.limit]:
        each = reply(record)
        if not room.takes(each) and shown:
            break
        shown.append(each)
    end = start + len(shown)
    return shown, records[end - 1].id if end < len(records) else None


def _within(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or moment >= since) and (until is None or moment < until)


def _after(cursor: str | None, records: Sequence[Record]) -> int:
    if cursor is None:
        return 0
    place = next((place for place, record in enumerate(records) if record.id == cursor), None)
    if place is None:
        raise InvalidInput(
            "cursor", "leads nowhere: that memory is gone or not in this list", "Begin without a cursor."
        )
    return place + 1
