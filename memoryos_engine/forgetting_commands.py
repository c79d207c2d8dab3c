"""What `memoryos forget` and `memoryos purge` do: find what is meant, ask, delete, say what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from memoryos_engine.errors import ImportCutOff, InvalidInput
from memoryos_engine.rights import said_between
from memoryos_engine.terminal import console, stored

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory


@dataclass(frozen=True, kw_only=True, slots=True)
class Unwanted:
    """What shall be forgotten: one record, a session, or a span of time.

    Raises:
        InvalidInput: nothing is named, or more than one of them.
    """

    record_id: str | None
    session: str | None
    since: str | None
    until: str | None

    def __post_init__(self) -> None:
        span = self.since is not None or self.until is not None
        if [self.record_id is not None, self.session is not None, span].count(True) != 1:
            problem = "is one way to say what, --session another, --since and --until a third"
            raise InvalidInput("RECORD_ID", problem, "Pass exactly one of them.")


def forget_unwanted(memory: UserMemory, what: Unwanted, *, ask: bool) -> None:
    """Forget one record at once, many pages after asking."""
    if what.record_id is not None:
        memory.forget(what.record_id)
        console().print(stored(f"Forgot {what.record_id}"), soft_wrap=True)
        return
    where = memory if what.session is None else memory.in_session(what.session)
    count = len(where.session_pages() if what.session is not None else said_between(memory.pages(), *_span(what)))
    if not count:
        console().print("No page is there, so none was forgotten.")
        return
    if ask:
        typer.confirm(f"Forget {_pages(count)}, with what was learnt from them alone?", abort=True)
    gone = where.forget_session() if what.session is not None else memory.forget_between(*_span(what))
    console().print(f"Forgot {_pages(gone)}.")


def purge_memories(memories: Sequence[UserMemory], *, ask: bool) -> None:
    """Delete whole memories of one user after asking once."""
    names = [stored(f"{each.owner.user_id} with {each.owner.assistant_id}").plain for each in memories]
    if ask:
        each = (f"{page_count(memory, 'all {} pages')} of {name}" for memory, name in zip(memories, names, strict=True))
        typer.confirm(f"Delete {', '.join(each)}?", abort=True)
    for memory, name in zip(memories, names, strict=True):
        memory.purge()
        console().print(stored(f"Nothing of {name} is remembered any more."))
    console().print("Its bytes leave the files of the store with: memoryos vacuum", style="dim")


def page_count(memory: UserMemory, words: str = "{}") -> str:
    """Return how many pages a memory has, in words with a place for it, or that its import was cut off."""
    try:
        return words.format(f"{len(memory.pages()):,}")
    except ImportCutOff:
        return "import cut off"


def _span(what: Unwanted) -> tuple[str | None, str | None]:
    return what.since, what.until


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count:,} pages"
