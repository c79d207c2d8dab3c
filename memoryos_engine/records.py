"""The records that cross every boundary: frozen, keyword-only, times in aware UTC.

A dialogue page is the unit of memory, kept verbatim; segments and knowledge entries
are derived from pages and name them. Nothing here stores, ranks or reads a clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

JSONValue = str | int | float | bool | None | Sequence["JSONValue"] | Mapping[str, "JSONValue"]
NO_METADATA: Mapping[str, JSONValue] = MappingProxyType({})


def stable_id(prefix: str, *parts: str) -> str:
    """Return a 128-bit id that depends on `parts` alone and does not contain them.

    Parts are length-prefixed, so ("a", "bc") and ("ab", "c") never meet.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return f"{prefix}_{digest.hexdigest()}"


def both_sides(user_input: str, agent_response: str) -> str:
    """Return what is embedded and searched of an exchange: its sides that are not empty, joined by a line break."""
    return "\n".join(side for side in (user_input, agent_response) if side)


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Owner:
    """Whom a record belongs to: memory is private to the pair (user, assistant)."""

    user_id: str
    assistant_id: str


class Tier(str, Enum):
    """Where a page lives. Derived from the records, never stored."""

    SHORT_TERM = "short_term"
    PENDING = "pending"
    """Left STM, not yet consolidated; found by every search."""
    SEGMENT = "segment"
    ARCHIVE = "archive"
    """In a segment that left mid-term memory; still found, and a visit brings the segment back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DialoguePage:
    """One user input with the agent's response (paper §3.2)."""

    id: str
    session_id: str
    user_input: str
    agent_response: str
    timestamp: datetime
    """When it was said, UTC; the caller's own time when one was given."""
    sequence: int
    """Order of arrival within the user's memory, from 0."""
    sessions_since: int = 0
    """Sessions of the user that spoke between the page before it in its session and this one."""
    metadata: Mapping[str, JSONValue] = field(default_factory=lambda: NO_METADATA, hash=False)
    segment_id: str | None = None
    """The one segment the page belongs to; None while in STM or pending."""
    chain_id: str | None = None
    """Label of the dialogue chain: equal for consecutive pages on one thought."""
    meta_chain: str = ""
    """Running summary of the chain up to this page (Eq. 1)."""
    keywords: tuple[str, ...] = ()
    promoted: bool = False
    """Whether the page was analysed into long-term memory."""
    score: float | None = None
    """Relevance to a query; None outside a retrieval."""

    @property
    def text(self) -> str:
        """Both sides, joined by a line break."""
        return both_sides(self.user_input, self.agent_response)


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A topic of mid-term memory (paper §3.2). Its counts are derived from its pages."""

    id: str
    summary: str
    keywords: tuple[str, ...]
    created_at: datetime
    """Timestamp of the page that opened it."""
    sequence: int = 0
    """Sequence of the page that opened it; segments are in this order."""
    visits: int = 0
    """N_visit: how often a retrieval returned one of its pages."""
    last_visited_at: datetime | None = None
    archived: bool = False


class KnowledgeKind(str, Enum):
    """Which part of long-term persona memory an entry belongs to (paper §3.2)."""

    USER_PROFILE = "user_profile"
    USER_TRAIT = "user_trait"
    USER_KNOWLEDGE = "user_knowledge"
    ASSISTANT_KNOWLEDGE = "assistant_knowledge"


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """The user's word that a knowledge entry is wrong or out of date: it ends there, whatever else is known."""

    page_id: str
    """The page that says so; empty once that was deleted to make room."""
    said_at: datetime
    order: int
    """As an entry's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnowledgeEntry:
    """One fact, in the language it was said in, with its sources and its interval."""

    id: str
    kind: KnowledgeKind
    text: str
    source_page_ids: tuple[str, ...]
    said_at: datetime
    """When it was said first; it holds from then on."""
    order: int = 0
    """Orders facts of one moment by when in the conversation they were said."""
    attribute: str = ""
    """What the fact is about ("name", "home"); a newer one with the same attribute supersedes it.
    Empty for a free fact, which nothing supersedes but a correction."""
    level: str = ""
    """For a trait: "more", "less" or "unknown"."""
    valid_until: datetime | None = None
    """When it stopped being true; None while it is current."""
    repetitions: int = 1
    uses: int = 0
    corrected: Correction | None = None
    """What ended it, if the user said that it is not so; None if nothing did or only a newer fact."""
    score: float | None = None

    def valid_at(self, moment: datetime) -> bool:
        """Say whether the fact held at `moment`."""
        return self.said_at <= moment and (self.valid_until is None or moment < self.valid_until)


@dataclass(frozen=True, kw_only=True, slots=True)
class UserProfile:
    """The static facts and traits of one user, as a view over knowledge entries."""

    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Attribute to value, for example {"name": "Tom"}."""
    traits: tuple[KnowledgeEntry, ...] = ()
    entries: tuple[KnowledgeEntry, ...] = ()
    """The profile entries behind `fields`, with their sources and dates."""

    def __str__(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.fields.items()]
        lines += [f"{trait.attribute}: {trait.level} ({trait.text})" for trait in self.traits]
        return "\n".join(lines)
