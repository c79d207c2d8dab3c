"""What a caller hands in becomes a dialogue page, or an error before anything changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from memoryos_engine.clock import as_utc
from memoryos_engine.errors import InvalidInput
from memoryos_engine.records import DialoguePage, JSONValue, Owner, both_sides, stable_id
from memoryos_engine.settings import require_text
from memoryos_engine.short_term import sessions_since

RESERVED_KEYS = frozenset(
    {
        "user_id", "assistant_id", "session_id", "kind", "archived", "sequence", "timestamp", "split", "metadata",
        "segment_id", "chain_id", "meta_chain", "keywords", "promoted", "head", "id", "score",
    }
)  # fmt: skip
"""Names that metadata may not use: they say whose a record is and where it lives."""

DEEPEST = 100
"""Lists and dicts of metadata inside each other: far fewer than Python can read and write wherever it is called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """The checked content of a page that is not stored yet."""

    session_id: str
    user_input: str
    agent_response: str
    timestamp: datetime
    metadata: Mapping[str, JSONValue]

    @property
    def text(self) -> str:
        """Both sides, joined by a line break, as the page's will be."""
        return both_sides(self.user_input, self.agent_response)

    def page(self, owner: Owner, *, sequence: int, sessions_since: int) -> DialoguePage:
        """Return the page at its place in the owner's memory; the same content there has the same id."""
        parts = (owner.user_id, owner.assistant_id, self.session_id, str(sequence), self.timestamp.isoformat())
        return DialoguePage(
            id=stable_id("page", *parts, self.user_input, self.agent_response),
            session_id=self.session_id,
            user_input=self.user_input,
            agent_response=self.agent_response,
            timestamp=self.timestamp,
            sequence=sequence,
            sessions_since=sessions_since,
            metadata=self.metadata,
        )


def arrived(contents: Iterable[Content], owner: Owner, sequence: int, recent: Mapping[str, None]) -> list[DialoguePage]:
    """Return the pages of contents that arrive one after the other.

    Args:
        contents: what arrives, in order.
        owner: whose pages they become.
        sequence: of the first.
        recent: the owner's sessions in the order of their latest pages.
    """
    order = dict(recent)
    pages: list[DialoguePage] = []
    for place, content in enumerate(contents, sequence):
        since = sessions_since(order, content.session_id)
        pages.append(content.page(owner, sequence=place, sessions_since=since))
        order.pop(content.session_id, None)
        order[content.session_id] = None
    return pages


def answered(page: DialoguePage, answer: Content, *, max_bytes: int) -> DialoguePage:
    """Return a page of one side with the agent's, and with the metadata of both.

    Raises:
        InvalidInput: together they are too long for a page.
    """
    metadata = MappingProxyType({**page.metadata, **answer.metadata})
    _require_size(page.user_input, answer.agent_response, metadata, max_bytes)
    return replace(page, agent_response=answer.agent_response, metadata=metadata)


def checked_content(
    *,
    session_id: str,
    user_input: object,
    agent_response: object,
    timestamp: datetime | str | None,
    metadata: object,
    now: datetime,
    max_bytes: int,
) -> Content:
    """Return the content if all of it can be stored.

    Raises:
        InvalidInput: naming the parameter that cannot, and what to pass instead.
    """
    said, response = require_text("user_input", user_input), require_text("agent_response", agent_response)
    if not (said.strip() or response.strip()):
        raise InvalidInput("user_input", "and agent_response are both empty", "Pass at least one side of the exchange.")
    kept = checked_metadata(metadata)
    _require_size(said, response, kept, max_bytes)
    moment = now if timestamp is None else as_utc(timestamp, "timestamp")
    return Content(session_id=session_id, user_input=said, agent_response=response, timestamp=moment, metadata=kept)


def _require_size(user_input: str, agent_response: str, metadata: Mapping[str, JSONValue], most: int) -> None:
    texts = (user_input, agent_response, json.dumps(dict(metadata), ensure_ascii=False))
    size = sum(len(text.encode()) for text in texts)
    if size > most:
        fix = f"Split it into pages of at most {most:,} bytes, or raise MemorySettings(max_turn_bytes=...)."
        raise InvalidInput("user_input", f"with the other side and metadata takes {size:,} bytes", fix)


def checked_metadata(metadata: object) -> Mapping[str, JSONValue]:
    """Return a copy of the metadata as it will be read back: plain JSON values under free names.

    Raises:
        InvalidInput: it is no mapping, uses a reserved name, or holds what JSON cannot.
    """
    if metadata is None:
        return MappingProxyType({})
    if not isinstance(metadata, Mapping):
        raise InvalidInput(
            "metadata", f"is a {type(metadata).__name__}, not a mapping", 'Pass a dict such as {"topic": "x"}.'
        )
    for key in metadata:
        require_text("metadata key", key)
    reserved = sorted(RESERVED_KEYS.intersection(metadata))
    if reserved:
        raise InvalidInput("metadata", f"uses the reserved names {', '.join(reserved)}", "Rename these keys.")
    return MappingProxyType(_json_copy(metadata))


def _json_copy(metadata: Mapping[str, Any]) -> dict[str, JSONValue]:
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
        require_text("metadata", text)
        copied: dict[str, JSONValue] = json.loads(text)
    except InvalidInput:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        fix = "Use str, int, finite float, bool, None, and lists or dicts of these."
        raise InvalidInput("metadata", "holds a value that JSON cannot", fix) from error
    if depth(copied) > DEEPEST:
        raise InvalidInput("metadata", f"is nested more than {DEEPEST} deep", "Flatten it.")
    return copied


def depth(value: object) -> int:
    """Return how many lists and dicts of a JSON value are inside each other."""
    levels, level = 0, [value]
    while level := [each for each in level if isinstance(each, (dict, list))]:
        levels += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return levels
