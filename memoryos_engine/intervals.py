"""When each of the facts on one attribute held: until another says something else, or the user corrects it.

Entries in, entries out, and what makes one fact the same as another, or say no more than it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from memoryos_engine.records import KnowledgeEntry, KnowledgeKind

_WORD = re.compile(r"\w+")
NEVER = (datetime.max.replace(tzinfo=timezone.utc), 0)
"""The end of what nobody corrected."""


def intervals(chain: Sequence[KnowledgeEntry]) -> list[KnowledgeEntry]:
    """Return entries on one attribute by time: each holds until another says something else.

    One that says no more than what holds already never holds itself. A correction ends whatever holds when it is
    made, though it may have been made of an entry that no longer does: the user said what is so instead.
    """
    ends = sorted(corrected_at(entry) for entry in chain)
    found: list[KnowledgeEntry] = []
    holding, over = -1, NEVER
    for entry in by_time(chain):
        if found and began(entry) < over and says_no_more(entry, found[holding]):
            found.append(replace(entry, valid_until=entry.said_at))
            continue
        if found:
            found[holding] = _until(found[holding], min(over, began(entry)))
        holding, over = len(found), next((end for end in ends if end > began(entry)), NEVER)
        found.append(_until(entry, over))
    return found


def _until(entry: KnowledgeEntry, end: tuple[datetime, int]) -> KnowledgeEntry:
    return replace(entry, valid_until=None if end == NEVER else end[0])


def corrected_at(entry: KnowledgeEntry) -> tuple[datetime, int]:
    """Return when the user corrected it, as `began` says when it was said."""
    return (entry.corrected.said_at, entry.corrected.order) if entry.corrected else NEVER


def says_no_more(entry: KnowledgeEntry, held: KnowledgeEntry) -> bool:
    """Say whether who knows `held` learns nothing from `entry`."""
    if entry.kind is KnowledgeKind.USER_PROFILE:
        return begins(held.text, entry.text)
    return content(entry.kind, entry.text, entry.level) == content(held.kind, held.text, held.level)


def by_time(entries: Iterable[KnowledgeEntry]) -> list[KnowledgeEntry]:
    """Return entries in the order they were said."""
    return sorted(entries, key=began)


def began(entry: KnowledgeEntry) -> tuple[datetime, int]:
    """Return when it was said; of one moment, what was said later comes later."""
    return entry.said_at, entry.order


def begins(fuller: str, text: str) -> bool:
    """Say whether the words of `text` are the first words of `fuller`."""
    words = _WORD.findall(normalised(text))
    return bool(words) and _WORD.findall(normalised(fuller))[: len(words)] == words


def normalised(text: str) -> str:
    """Return `text` as it is compared: without case, width, spacing and closing punctuation."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" .!?。！؟।,;:\"'“”")


def content(kind: KnowledgeKind, text: str, level: str) -> str:
    """Return what makes two facts the same: a trait's level, any other fact's words."""
    return level if kind is KnowledgeKind.USER_TRAIT else normalised(text)
