"""Long-term persona memory: profile, traits and knowledge queues (paper §3.2, §3.3).

A fact is one entry however often it is said: repetition refreshes it. Facts with the same
attribute ("home") follow each other in time: each holds from when it was said until the
next was, and the last one is current. A full queue lets its least useful entry go, judged
by age, use and repetition. Values in, values out.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from types import MappingProxyType

from memoryos_engine.analysis.base import FoundFact
from memoryos_engine.heat import recency
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Owner, UserProfile, stable_id

MAX_SOURCES = 32
"""Source pages an entry keeps; the newest stay."""
FACTS_OF_A_PAGE = 1000
"""More than any page has; makes one number of a page's place and a fact's place in it."""
QUEUES = (KnowledgeKind.USER_KNOWLEDGE, KnowledgeKind.ASSISTANT_KNOWLEDGE)
"""The kinds that have a capacity."""

_WORD = re.compile(r"\w+")

Entries = Mapping[str, KnowledgeEntry]


def absorb(
    entries: Entries, facts: Iterable[FoundFact], pages: Mapping[str, DialoguePage], owner: Owner
) -> dict[str, KnowledgeEntry]:
    """Return the entries that are new or changed once `facts` are known.

    Args:
        entries: all entries of the owner, history included.
        facts: what an analyst found; absorbing the same fact of the same page again changes nothing.
        pages: the source pages, by id.
        owner: whose entries these are.
    """
    known = dict(entries)
    for statement in _statements(facts, pages):
        known.update(_absorbed(known, statement, owner))
    return {key: entry for key, entry in known.items() if entries.get(key) != entry}


def least_useful(
    entries: Iterable[KnowledgeEntry],
    *,
    capacity: int,
    now: datetime,
    time_constant: float,
    spare: Collection[str] = (),
) -> list[str]:
    """Return the ids of the current entries that must go for each queue to fit its capacity.

    Those in `spare`, just learnt, go last: a full queue must not stop learning.
    """
    gone: list[str] = []
    known = list(entries)
    for kind in QUEUES:
        queue = [entry for entry in known if entry.kind is kind and entry.valid_until is None]
        worth = {entry.id: usefulness(entry, now, time_constant=time_constant) for entry in queue}
        queue.sort(key=lambda entry: (entry.id in spare, worth[entry.id], entry.said_at, entry.order))
        gone += [entry.id for entry in queue[: max(0, len(queue) - capacity)]]
    return gone


def usefulness(entry: KnowledgeEntry, now: datetime, *, time_constant: float) -> float:
    """Return how much an entry is worth keeping: repetition and use count by their logarithm, age by recency."""
    age = recency(entry.said_at, now, time_constant=time_constant)
    return math.log1p(entry.repetitions) + math.log1p(entry.uses) + age


def user_profile(entries: Iterable[KnowledgeEntry], as_of: datetime | None = None) -> UserProfile:
    """Return the profile that holds now, or held at `as_of`."""
    held = sorted(held_at(entries, as_of), key=lambda entry: (entry.attribute, *_said(entry)))
    fields = tuple(entry for entry in held if entry.kind is KnowledgeKind.USER_PROFILE)
    traits = tuple(entry for entry in held if entry.kind is KnowledgeKind.USER_TRAIT)
    values = {entry.attribute: entry.text for entry in fields}
    return UserProfile(fields=MappingProxyType(values), traits=traits, entries=fields)


def held_at(entries: Iterable[KnowledgeEntry], as_of: datetime | None) -> list[KnowledgeEntry]:
    """Return the entries that are current, or were at `as_of`."""
    if as_of is None:
        return [entry for entry in entries if entry.valid_until is None]
    return [entry for entry in entries if entry.valid_at(as_of)]


def without_sources(entry: KnowledgeEntry, page_ids: Iterable[str]) -> KnowledgeEntry:
    """Return `entry` no longer pointing at `page_ids`."""
    gone = set(page_ids)
    return replace(entry, source_page_ids=tuple(key for key in entry.source_page_ids if key not in gone))


def reopened(entries: Iterable[KnowledgeEntry]) -> dict[str, KnowledgeEntry]:
    """Return the entries whose interval changes now that some of their kind and attribute are gone."""
    chains: dict[tuple[KnowledgeKind, str], list[KnowledgeEntry]] = {}
    for entry in entries:
        if entry.attribute:
            chains.setdefault((entry.kind, entry.attribute), []).append(entry)
    changed: dict[str, KnowledgeEntry] = {}
    for chain in chains.values():
        changed |= {new.id: new for old, new in zip(_by_time(chain), _intervals(chain), strict=True) if old != new}
    return changed


def normalised(text: str) -> str:
    """Return `text` as it is compared: without case, width, spacing and closing punctuation."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" .!?。！؟।,;:\"'“”")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Statement:
    """A fact as one page says it."""

    fact: FoundFact
    page: DialoguePage
    place: int
    """Its place among the facts of its page."""

    @property
    def order(self) -> int:
        """Where it stands in all that was said; facts of one moment follow each other in this order."""
        return self.page.sequence * FACTS_OF_A_PAGE + min(self.place, FACTS_OF_A_PAGE - 1)


def _statements(facts: Iterable[FoundFact], pages: Mapping[str, DialoguePage]) -> list[_Statement]:
    """Return the facts page by page, in the order they were said."""
    places: Counter[str] = Counter()
    found: list[_Statement] = []
    for fact in facts:
        for page_id in fact.source_page_ids:
            found.append(_Statement(fact=fact, page=pages[page_id], place=places[page_id]))
            places[page_id] += 1
    return sorted(found, key=lambda statement: (statement.page.timestamp, statement.order))


def _absorbed(entries: Entries, statement: _Statement, owner: Owner) -> dict[str, KnowledgeEntry]:
    fact = statement.fact
    related = [entry for entry in entries.values() if entry.kind is fact.kind and entry.attribute == fact.attribute]
    equal = [entry for entry in related if _says(entry, fact)]
    if any(statement.page.id in entry.source_page_ids for entry in equal):
        return {}
    current = next((entry for entry in equal if entry.valid_until is None), None) or _fuller(related, statement)
    if current is not None and (not fact.attribute or _holds_since(current, statement, related)):
        new = current if statement.page.id in current.source_page_ids else _refreshed(current, statement)
        related = [entry for entry in related if entry.id != current.id]
    else:
        new = _entry(statement, owner, taken=entries)
    chain = _intervals([*related, new]) if fact.attribute else [new]
    return {each.id: each for each in chain if entries.get(each.id) != each}


def _holds_since(current: KnowledgeEntry, statement: _Statement, related: Iterable[KnowledgeEntry]) -> bool:
    """Say whether nothing else was said between a statement and the current entry that says the same."""
    return not any(_when(statement) < _said(entry) < _said(current) for entry in related)


def _fuller(related: Sequence[KnowledgeEntry], statement: _Statement) -> KnowledgeEntry | None:
    """Return the current profile value that says what is said now and more: it is not replaced by less."""
    if statement.fact.kind is not KnowledgeKind.USER_PROFILE:
        return None
    current = (entry for entry in related if entry.valid_until is None and _said(entry) <= _when(statement))
    return next((entry for entry in current if _begins(entry.text, statement.fact.text)), None)


def _begins(fuller: str, text: str) -> bool:
    """Say whether the words of `text` are the first words of `fuller`."""
    words = _WORD.findall(normalised(text))
    return bool(words) and _WORD.findall(normalised(fuller))[: len(words)] == words


def _entry(statement: _Statement, owner: Owner, *, taken: Entries) -> KnowledgeEntry:
    fact = statement.fact
    identity = (fact.kind.value, fact.attribute, _content(fact.kind, fact.text, fact.level))
    ids = (
        stable_id("knowledge", owner.user_id, owner.assistant_id, *identity, str(generation)) for generation in count()
    )
    return KnowledgeEntry(
        id=next(entry_id for entry_id in ids if entry_id not in taken),
        kind=fact.kind,
        text=fact.text,
        source_page_ids=(statement.page.id,),
        said_at=statement.page.timestamp,
        order=statement.order,
        attribute=fact.attribute,
        level=fact.level,
    )


def _refreshed(entry: KnowledgeEntry, statement: _Statement) -> KnowledgeEntry:
    """Count one more page that says so; the entry holds from the first time it was said."""
    earlier = _when(statement) < _said(entry)
    return replace(
        entry,
        source_page_ids=(*entry.source_page_ids, statement.page.id)[-MAX_SOURCES:],
        repetitions=entry.repetitions + 1,
        said_at=statement.page.timestamp if earlier else entry.said_at,
        order=statement.order if earlier else entry.order,
    )


def _intervals(chain: Sequence[KnowledgeEntry]) -> list[KnowledgeEntry]:
    """Return entries on one attribute by time: each holds until another says something else.

    One that says no more than what holds already never holds itself.
    """
    found: list[KnowledgeEntry] = []
    holding: int | None = None
    for entry in _by_time(chain):
        if holding is not None and _says_no_more(entry, found[holding]):
            found.append(replace(entry, valid_until=entry.said_at))
            continue
        if holding is not None:
            found[holding] = replace(found[holding], valid_until=entry.said_at)
        holding = len(found)
        found.append(replace(entry, valid_until=None))
    return found


def _says_no_more(entry: KnowledgeEntry, held: KnowledgeEntry) -> bool:
    if entry.kind is KnowledgeKind.USER_PROFILE:
        return _begins(held.text, entry.text)
    return _content(entry.kind, entry.text, entry.level) == _content(held.kind, held.text, held.level)


def _by_time(entries: Iterable[KnowledgeEntry]) -> list[KnowledgeEntry]:
    return sorted(entries, key=_said)


def _said(entry: KnowledgeEntry) -> tuple[datetime, int]:
    return entry.said_at, entry.order


def _when(statement: _Statement) -> tuple[datetime, int]:
    return statement.page.timestamp, statement.order


def _says(entry: KnowledgeEntry, fact: FoundFact) -> bool:
    return _content(entry.kind, entry.text, entry.level) == _content(fact.kind, fact.text, fact.level)


def _content(kind: KnowledgeKind, text: str, level: str) -> str:
    """Return what makes two facts the same: a trait's level, any other fact's words."""
    return level if kind is KnowledgeKind.USER_TRAIT else normalised(text)
