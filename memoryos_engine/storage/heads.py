"""Heads: what each writer's last commit to an owner left, so that the others notice.

A store has no transactions, so two processes that commit at once must not overwrite each
other's word: each has a head row of its own. What one has seen of all heads tells whether
anything is new, and whether the new can be fetched alone: every row carries the number of
the commit that wrote it last.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.records import Owner, stable_id
from memoryos_engine.storage.codec import HEAD, Row
from memoryos_engine.storage.columns import is_of
from memoryos_engine.storage.unsearched import unsearched

EMBEDDED = 0
"""The writer of a store that one process owns: there is only one."""
WRITER_BITS, COUNT_BITS = 31, 32
KEPT = 32
"""Heads of an owner that stay; processes come and go, and each leaves one."""
MOST_HEADS = 2 * KEPT
"""Heads of a user that are read by the user alone; of one who has more, with many assistants, by the assistant too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """What one writer's last commit left."""

    mark: str = ""
    """Different after every commit; "" before the first."""
    next_sequence: int = 0
    """The sequence of the next page. Kept here because the newest page may have been forgotten."""
    writer: int = EMBEDDED
    count: int = 0
    """Number of the writer's commit, counted over all owners; 0 if it does not number them."""
    base: int = 0
    """Number of the writer's last commit after which rows written before it cannot be fetched alone: it deleted some,
    or was the first."""

    def next(self, number: int, next_sequence: int, *, deleted: bool) -> Head:
        """Return the head after one more commit of its writer."""
        base = number if deleted or not self.count else self.base
        return replace(self, mark=uuid.uuid4().hex, next_sequence=next_sequence, count=number, base=base)


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of one owner, by writer."""

    by_writer: Mapping[int, Head]

    @property
    def next_sequence(self) -> int:
        """The sequence of the next page."""
        return max((head.next_sequence for head in self.by_writer.values()), default=0)

    def __getitem__(self, writer: int) -> Head:
        return self.by_writer.get(writer, Head(writer=writer))

    def __bool__(self) -> bool:
        return bool(self.by_writer)

    def put(self, head: Head) -> Heads:
        """Return them with one writer's head replaced."""
        return Heads({**self.by_writer, head.writer: head})

    def without(self, writers: Collection[int]) -> Heads:
        """Return them without those of some writers."""
        return Heads({writer: head for writer, head in self.by_writer.items() if writer not in writers})

    def news(self, later: Heads) -> list[Head] | None:
        """Return the heads of `later` whose writers' new rows can be fetched alone, or None if all must be read."""
        if not self.by_writer.keys() <= later.by_writer.keys():
            return None  # somebody deleted everything, or took old heads away
        moved = [head for writer, head in later.by_writer.items() if head != self.by_writer.get(writer)]
        known = all(head.writer in self.by_writer and head.base <= self[head.writer].count for head in moved)
        return moved if known and all(head.count for head in moved) else None

    def surplus(self, writer: int) -> list[int]:
        """Return the writers whose heads may go: others than `writer`, beyond the number that is kept, oldest first."""
        others = [head for head in self.by_writer.values() if head.writer not in (writer, EMBEDDED)]
        others.sort(key=lambda head: head.next_sequence)
        return [head.writer for head in others[: max(0, len(others) - KEPT)]]


NONE = Heads({})


def new_writer() -> int:
    """Return a number for one who writes beside others: nobody else's."""
    return random.SystemRandom().randrange(1, 1 << WRITER_BITS)


def head_id(owner: Owner, writer: int = EMBEDDED) -> str:
    """Return the id of a writer's head row."""
    signed = [] if writer == EMBEDDED else [f"{writer:08x}"]
    return stable_id("head", owner.user_id, owner.assistant_id, *signed)


def head_row(owner: Owner, head: Head, *, dimension: int) -> Row:
    """Return the row of a head; what says nothing is left out of it."""
    row_id = head_id(owner, head.writer)
    said = {key: value for key, value in asdict(head).items() if value or key in ("mark", "next_sequence")}
    return Row(id=row_id, kind=HEAD, document="", data=json.dumps(said), vector=unsearched(row_id, dimension))


def decode_head(row_id: str, data: str) -> Head:
    """Return the head of a row.

    Raises:
        CorruptRecord: it does not decode.
    """
    try:
        said = json.loads(data)
        numbers = {name: int(said.get(name, 0)) for name in ("next_sequence", "writer", "count", "base")}
        return Head(mark=str(said["mark"]), **numbers)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CorruptRecord(f"head {row_id!r} does not decode; it was left as it is") from error


def decode_heads(owner: Owner, found: Mapping[str, Any]) -> Heads:
    """Return the owner's heads among what a read with metadatas found.

    Raises:
        CorruptRecord: one does not decode.
    """
    columns = zip(found["ids"], found["metadatas"], strict=True)
    heads = [decode_head(row_id, str(data.get("data"))) for row_id, data in columns if is_of(owner, data)]
    return Heads({head.writer: head for head in heads})


def commit_number(head: Head) -> int:
    """Return the number a row carries of the commit that wrote it: greater for later commits of one writer."""
    return head.writer << COUNT_BITS | head.count


def commits_between(writer: int, after: int) -> dict[str, object]:
    """Return the condition on a row's commit number: of this writer, and later than its commit `after`."""
    first, end = writer << COUNT_BITS | after, (writer + 1) << COUNT_BITS
    return {"$and": [{"commit": {"$gt": first}}, {"commit": {"$lt": end}}]}
