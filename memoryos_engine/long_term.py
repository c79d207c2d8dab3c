"""Long-term persona memory: profile, traits and knowledge queues (paper §3.2, §3.3).

A fact is one entry however often it is said: repetition refreshes it. Facts with the same
attribute ("home") follow each other in time: each holds from when it was said until the
next was, and the last one is current. What the user corrects ends at that moment: no older
page that is read later, and no rule on what says more, brings it back. A full queue lets its
least useful entry go, judged by age, use and repetition. Values in, values out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from types import MappingProxyType

from memoryos_engine.analysis.base import FoundFact
from memoryos_engine.heat import recency
from memoryos_engine.intervals import (
    NEVER,
    began,
    begins,
    by_time,
    content,
    corrected_at,
    intervals,
)
from memoryos_engine.intervals import normalised as normalised  # how facts are compared, for those who ask of facts
from memoryos_engine.records import (
    Correction,
    DialoguePage,
    KnowledgeEntry,
    KnowledgeKind,
    Owner,
    UserProfile,
    stable_id,
)

MAX_SOURCES = 32
"""Source pages an entry keeps; the newest stay."""
FACTS_OF_A_PAGE = 1000
"""More than any page has; makes one number of a page's place and a fact's place in it."""
QUEUES = (KnowledgeKind.USER_KNOWLEDGE, KnowledgeKind.ASSISTANT_KNOWLEDGE)
"""The kinds that have a capacity."""

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


def corrected(entries: Entries, wrong: KnowledgeEntry, page: DialoguePage, owner: Owner) -> dict[str, KnowledgeEntry]:
    """Return the entries that are new or changed once a page says, of a current entry, how it is instead.

    Saying the same is a repetition of a free fact; of what has an attribute it is said anew, so that what was said in
    between and is read later does not end it. The wrong one comes last: where a store is cut off, it has not ended
    without what takes its place, and correcting it again finishes that.
    """
    statement = _of(wrong, page)
    if wrong.text == statement.fact.text and not wrong.attribute:
        return {wrong.id: _refreshed(wrong, statement)}
    ending = Correction(page_id=page.id, said_at=page.timestamp, order=statement.order)
    ended = replace(wrong, valid_until=page.timestamp, corrected=ending)
    known = {**entries, wrong.id: ended}
    known |= _absorbed(known, statement, owner)
    known |= reopened(_related(known, statement.fact))
    changed = {key: entry for key, entry in known.items() if entries.get(key) != entry}
    return {key: changed[key] for key in sorted(changed, key=lambda key: key == wrong.id)}


def said_of(entries: Entries, wrong: KnowledgeEntry, page: DialoguePage) -> KnowledgeEntry | None:
    """Return the entry that says what a page says of `wrong`, if it is known yet; the current one if several do."""
    fact = _of(wrong, page).fact
    found = [entry for entry in _related(entries, fact) if page.id in entry.source_page_ids and _says(entry, fact)]
    return max(found, key=lambda entry: (entry.valid_until is None, *began(entry)), default=None)


def uncorrected(entry: KnowledgeEntry, page_ids: Collection[str]) -> KnowledgeEntry:
    """Return `entry` as if none of `page_ids` had corrected it; when it ends is for `reopened` to say."""
    return replace(entry, corrected=None) if entry.corrected and entry.corrected.page_id in page_ids else entry


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
    held = sorted(held_at(entries, as_of), key=lambda entry: (entry.attribute, *began(entry)))
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
    """Return `entry` no longer pointing at `page_ids`; what one of them corrected stays corrected."""
    gone = set(page_ids)
    ending = entry.corrected
    if ending is not None and ending.page_id in gone:
        ending = replace(ending, page_id="")
    kept = tuple(key for key in entry.source_page_ids if key not in gone)
    return replace(entry, source_page_ids=kept, corrected=ending)


def reopened(entries: Iterable[KnowledgeEntry]) -> dict[str, KnowledgeEntry]:
    """Return the entries whose interval changes now that some of their kind and attribute, or corrections, are gone."""
    chains: dict[tuple[KnowledgeKind, str, str], list[KnowledgeEntry]] = {}
    for entry in entries:
        alone = "" if entry.attribute else entry.id
        chains.setdefault((entry.kind, entry.attribute, alone), []).append(entry)
    changed: dict[str, KnowledgeEntry] = {}
    for chain in chains.values():
        changed |= {new.id: new for old, new in zip(by_time(chain), intervals(chain), strict=True) if old != new}
    return changed


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


def _of(wrong: KnowledgeEntry, page: DialoguePage) -> _Statement:
    """Return what a page says in place of an entry."""
    text, sources = page.user_input.strip(), (page.id,)
    fact = FoundFact(kind=wrong.kind, text=text, attribute=wrong.attribute, source_page_ids=sources)
    return _Statement(fact=fact, page=page, place=0)


def _related(entries: Entries, fact: FoundFact) -> list[KnowledgeEntry]:
    return [entry for entry in entries.values() if entry.kind is fact.kind and entry.attribute == fact.attribute]


def _absorbed(entries: Entries, statement: _Statement, owner: Owner) -> dict[str, KnowledgeEntry]:
    fact = statement.fact
    related = _related(entries, fact)
    equal = [entry for entry in related if _says(entry, fact)]
    if any(statement.page.id in entry.source_page_ids for entry in equal):
        return {}
    current = (
        _corrected_since(equal, statement)
        or next((entry for entry in equal if entry.valid_until is None), None)
        or _fuller(related, statement)
    )
    if current is not None and (not fact.attribute or _holds_since(current, statement, related)):
        new = current if statement.page.id in current.source_page_ids else _refreshed(current, statement)
        related = [entry for entry in related if entry.id != current.id]
    else:
        new = _entry(statement, owner, taken=entries)
    chain = intervals([*related, new]) if fact.attribute else [new]
    return {each.id: each for each in chain if entries.get(each.id) != each}


def _holds_since(current: KnowledgeEntry, statement: _Statement, related: Iterable[KnowledgeEntry]) -> bool:
    """Say whether nothing was said or corrected between a statement and the current entry that says the same."""
    said, until = _when(statement), began(current)
    return not any(said < began(entry) < until or said < corrected_at(entry) <= until for entry in related)


def _corrected_since(equal: Iterable[KnowledgeEntry], statement: _Statement) -> KnowledgeEntry | None:
    """Return the free fact that a statement repeats from before its correction, which stays."""
    ended = [entry for entry in equal if not entry.attribute and _when(statement) < corrected_at(entry) != NEVER]
    return min(ended, key=corrected_at, default=None)


def _fuller(related: Sequence[KnowledgeEntry], statement: _Statement) -> KnowledgeEntry | None:
    """Return the current profile value that says what is said now and more: it is not replaced by less."""
    if statement.fact.kind is not KnowledgeKind.USER_PROFILE:
        return None
    current = (entry for entry in related if entry.valid_until is None and began(entry) <= _when(statement))
    return next((entry for entry in current if begins(entry.text, statement.fact.text)), None)


def _entry(statement: _Statement, owner: Owner, *, taken: Entries) -> KnowledgeEntry:
    fact = statement.fact
    identity = (fact.kind.value, fact.attribute, content(fact.kind, fact.text, fact.level))
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
    earlier = _when(statement) < began(entry)
    return replace(
        entry,
        source_page_ids=(*entry.source_page_ids, statement.page.id)[-MAX_SOURCES:],
        repetitions=entry.repetitions + 1,
        said_at=statement.page.timestamp if earlier else entry.said_at,
        order=statement.order if earlier else entry.order,
    )


def _when(statement: _Statement) -> tuple[datetime, int]:
    return statement.page.timestamp, statement.order


def _says(entry: KnowledgeEntry, fact: FoundFact) -> bool:
    return content(entry.kind, entry.text, entry.level) == content(fact.kind, fact.text, fact.level)
