"""Which pages each session has, in order of arrival: links between neighbours, for pages that come and go.

Knows ids and the order of pages; what a page is in, STM or segment, is not its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from memoryos_engine.records import DialoguePage


class SessionLinks:
    """The pages of every session of one user, linked.

    Args:
        pages: the user's pages by id, as they are at any moment; whoever owns them tells of each change.
    """

    def __init__(self, pages: Mapping[str, DialoguePage]) -> None:
        self._pages = pages
        self._before: dict[str, str | None] = {}
        self._after: dict[str, str | None] = {}
        self._last: dict[str, str] = {}
        self.recent: dict[str, None] = {}
        """Sessions in the order of their latest pages."""

    def backwards(self, session_id: str) -> Iterator[str]:
        """Yield the ids of a session's pages, the one that arrived last first."""
        page_id = self._last.get(session_id)
        while page_id is not None:
            yield page_id
            page_id = self._before[page_id]

    def before(self, page_id: str) -> str | None:
        """Return the page before this one in its session, if any."""
        return self._before[page_id]

    def append(self, page: DialoguePage) -> None:
        """Link a page that arrived last."""
        before = self._last.get(page.session_id)
        self._before[page.id], self._after[page.id] = before, None
        if before is not None:
            self._after[before] = page.id
        self._last[page.session_id] = page.id
        self.recent.pop(page.session_id, None)
        self.recent[page.session_id] = None

    def leave(self, page: DialoguePage) -> None:
        """Unlink a page."""
        before, after = self._before.pop(page.id), self._after.pop(page.id)
        if before is not None:
            self._after[before] = after
        if after is not None:
            self._before[after] = before
        else:
            self._end_at(page.session_id, before)

    def relink(self, sessions: Mapping[str, Sequence[DialoguePage]]) -> None:
        """Make these, each in order of arrival, the pages of these sessions; other sessions stay as they are."""
        for session_id, pages in sessions.items():
            ids: list[str | None] = [None, *(page.id for page in pages), None]
            for before, page, after in zip(ids, pages, ids[2:], strict=False):
                self._before[page.id], self._after[page.id] = before, after
            self._last.pop(session_id, None)
            self.recent.pop(session_id, None)
            if pages:
                self._last[session_id], self.recent[session_id] = pages[-1].id, None
        self._order()

    def _end_at(self, session_id: str, page_id: str | None) -> None:
        """Make `page_id` the last of its session, which moves the session back among the others."""
        if page_id is None:
            del self._last[session_id], self.recent[session_id]
            return
        self._last[session_id] = page_id
        self._order()

    def _order(self) -> None:
        self.recent = dict.fromkeys(sorted(self.recent, key=lambda session: arrival(self._pages[self._last[session]])))


def arrival(page: DialoguePage) -> tuple[int, str]:
    """Return the key that sorts pages by arrival."""
    return page.sequence, page.id
