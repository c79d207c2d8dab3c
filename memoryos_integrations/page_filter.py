"""Which pages a search may find: by what was kept with them, their session and their time.

Values in, values out: knows no framework and no store.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from memoryos_engine import DialoguePage, InvalidInput
from memoryos_engine.clock import as_utc
from memoryos_engine.intake import RESERVED_KEYS
from memoryos_engine.settings import require_id

_INSTEAD = {
    "session_id": "Pass session_ids=[...].",
    "timestamp": "Pass since= or until=.",
    "kind": "Pass kinds=[...].",
}
"""Names that a page's own metadata cannot have, with what does what their user wants."""
_OPERATORS = "Pass the value itself, or a list of values of which any will do."


@dataclass(frozen=True, kw_only=True, slots=True)
class PageFilter:
    """Says of a page whether it may be found. Lets every page pass where nothing is asked of it."""

    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    session_ids: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __call__(self, page: DialoguePage) -> bool:
        """Say whether a page meets every condition."""
        return (
            (self.session_ids is None or page.session_id in self.session_ids)
            and (self.since is None or page.timestamp >= self.since)
            and (self.until is None or page.timestamp < self.until)
            and all(name in page.metadata and _fits(page.metadata[name], want) for name, want in self.metadata.items())
        )

    @property
    def asks_nothing(self) -> bool:
        """Whether every page passes."""
        return not self.metadata and (self.session_ids, self.since, self.until) == (None, None, None)


def page_filter(
    metadata: object = None, session_ids: object = None, since: object = None, until: object = None
) -> PageFilter:
    """Return a filter made of what a caller wrote.

    Args:
        metadata: names and values that a page's metadata must have; a list means any of its values. Where
            the page keeps a list itself, one value in common is enough.
        session_ids: the sessions whose pages may be found.
        since: the earliest time, as a datetime or ISO 8601 text; local time if it names no zone.
        until: the time before which the pages must lie.

    Raises:
        InvalidInput: naming the argument ("filter" for `metadata`) that cannot be used.
    """
    return PageFilter(
        metadata=_conditions(metadata),
        session_ids=None if session_ids is None else _ids(session_ids),
        since=None if since is None else as_utc(since, "since"),  # type: ignore[arg-type]
        until=None if until is None else as_utc(until, "until"),  # type: ignore[arg-type]
    )


def _conditions(metadata: object) -> Mapping[str, Any]:
    if metadata is None:
        return MappingProxyType({})
    if not isinstance(metadata, Mapping):
        problem = f"is a {type(metadata).__name__}, not a mapping"
        raise InvalidInput("filter", problem, 'Pass names and values, for example {"channel": "phone"}.')
    for name, want in metadata.items():
        _require_usable(name, want)
    return MappingProxyType(dict(metadata))


def _require_usable(name: object, want: object) -> None:
    if not isinstance(name, str):
        raise InvalidInput("filter", f"has a {type(name).__name__} among its names", "Pass names as str.")
    if name.startswith("$") or (isinstance(want, Mapping) and any(str(key).startswith("$") for key in want)):
        raise InvalidInput("filter", "uses an operator such as $eq, and there are none", _OPERATORS)
    if name in RESERVED_KEYS:
        fix = _INSTEAD.get(name, "Filter by names that were given as metadata= when pages were added.")
        raise InvalidInput("filter", f"asks for {name}, which is no metadata of a page", fix)


def _ids(session_ids: object) -> frozenset[str]:
    if isinstance(session_ids, str) or not isinstance(session_ids, Collection):
        problem = f"is a {type(session_ids).__name__}, not a list"
        raise InvalidInput("session_ids", problem, 'Pass a list of ids, for example ["monday"].')
    return frozenset(require_id("session_ids", each) for each in session_ids)


def _fits(kept: object, want: object) -> bool:
    wanted = list(want) if isinstance(want, (list, tuple, set, frozenset)) else [want]
    return kept == want or any(each in wanted for each in (kept if isinstance(kept, list) else [kept]))
