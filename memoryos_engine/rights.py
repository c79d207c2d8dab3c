"""What users may ask for their data: that some of it goes, or all, or that they get it.

`MemoryRights` is what a memory offers, `UserRights` what a system does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from memoryos_engine.clock import as_utc
from memoryos_engine.errors import InvalidInput
from memoryos_engine.memory_view import MemoryView
from memoryos_engine.records import DialoguePage
from memoryos_engine.settings import require_id, require_text
from memoryos_engine.transfer.exporting import export_memory
from memoryos_engine.transfer.importing import import_file

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system_protocol import System

FORGOTTEN_AT_ONCE = 500
"""Pages that one change deletes: the rest of memory is gone through once for each change."""


class MemoryRights(MemoryView):
    """Deleting a part of one user's memory, all of it, or taking it along."""

    def forget(self, record_id: str) -> None:
        """Delete a page, with what was derived from it alone, or a knowledge entry.

        The pages that an entry was read from stay, and what it had ended or corrected holds again.

        Raises:
            NotFound: this user has no such record.
            StoreError: it is not known whether all of it is gone; doing it again finishes it.
        """
        with self.system.resident(self.owner) as resident:
            self.system.updater.forget(resident, require_text("record_id", record_id))

    def forget_session(self) -> int:
        """Delete every page of this session, with what was derived from them alone; return how many there were.

        Raises:
            StoreError: not all of them are gone; those of earlier changes are. Doing it again finishes it.
        """
        return self._forget_pages([page.id for page in self.session_pages()])

    def forget_between(
        self,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        *,
        session_only: bool = False,
    ) -> int:
        """Delete every page that was said in a span of time, with what was derived from them alone.

        Args:
            since: the first moment of the span; from the beginning if None. Without a zone it is local time.
            until: the first moment after it; to the end if None.
            session_only: leave the pages of other sessions alone.

        Returns:
            How many pages there were.

        Raises:
            InvalidInput: neither bound is given, one is no time, or the span is empty; nothing was changed.
            StoreError: not all of them are gone; those of earlier changes are. Doing it again finishes it.
        """
        pages = self.session_pages() if session_only else self.pages()
        return self._forget_pages([page.id for page in said_between(pages, since, until)])

    def purge(self) -> None:
        """Delete everything of this user and assistant, also what an import that was cut off left."""
        self.system.purge(self.owner)

    def export(self, file: str | Path) -> int:
        """Write the whole memory to `file` as JSON Lines and return the number of records.

        It is written beside `file` and takes its place in the end: a call that fails leaves `file` as it was.

        Raises:
            InvalidInput: the file cannot be written.
            StoreError: the memory cannot be read.
        """
        return export_memory(self.system, self.owner, Path(file))

    def _forget_pages(self, ids: Sequence[str]) -> int:
        forgotten = 0
        for start in range(0, len(ids), FORGOTTEN_AT_ONCE):
            with self.system.resident(self.owner) as resident:  # somebody else may have forgotten some meanwhile
                forgotten += self.system.updater.forget_pages(resident, ids[start : start + FORGOTTEN_AT_ONCE])
        return forgotten


class UserRights:
    """Taking a user in, and letting one go."""

    def import_memory(self: System, file: str | Path, *, progress: bool = False) -> UserMemory:
        """Read a memory written by `export` into this store and return it.

        The file is checked to its end before anything changes. An import that is cut off later leaves a memory that
        raises ImportCutOff; importing the same file again finishes it.

        Args:
            file: it is read several times, never whole.
            progress: show bars.

        Raises:
            InvalidInput: the file is not an export, is damaged, or its user already has a memory here; nothing was
                changed.
            LimitReached: it has more pages than `MemorySettings.max_pages`; nothing was changed.
            EmbeddingError, StoreError: it is not whole, or nothing of it is here.
        """
        return import_file(self, Path(file), progress=progress)

    def forget_user(self: System, user_id: str) -> int:
        """Delete every memory of a user, with all assistants, and every record that names the user; return how many
        memories there were.

        Raises:
            InvalidInput: the id is empty or no text.
            StoreError: not all of them are gone. Doing it again finishes it.
        """
        wanted = require_id("user_id", user_id)
        owners = [owner for owner in self.users() if owner.user_id == wanted]
        for owner in owners:
            self.purge(owner)
        with self.steady() as storage:
            storage.store.purge_user(wanted)
        return len(owners)


def said_between(
    pages: Iterable[DialoguePage], since: datetime | str | None, until: datetime | str | None
) -> list[DialoguePage]:
    """Return the pages that were said in a span of time; see `MemoryRights.forget_between`.

    Raises:
        InvalidInput: neither bound is given, one is no time, or the span is empty.
    """
    first, end = _span(since, until)
    late = (page for page in pages if first is None or first <= page.timestamp)
    return [page for page in late if end is None or page.timestamp < end]


def _span(since: datetime | str | None, until: datetime | str | None) -> tuple[datetime | None, datetime | None]:
    if since is None and until is None:
        raise InvalidInput("since", "and until are both missing", "Pass at least one; purge() deletes everything.")
    first = None if since is None else as_utc(since, "since")
    end = None if until is None else as_utc(until, "until")
    if first is not None and end is not None and end <= first:
        raise InvalidInput("until", "is not after since", "Pass the first moment that shall stay.")
    return first, end
