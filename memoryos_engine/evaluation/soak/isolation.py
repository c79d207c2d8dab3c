"""Users whose ids are chosen to collide, in one store: nothing of one is ever seen through another.

Each writes pages that hold a marker, a word of its own, and enough of them that there is one in
every tier; then everything that each can see is searched for the markers of all others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from memoryos_engine.errors import NotFound
from memoryos_engine.evaluation.soak.colliding_ids import pairs
from memoryos_engine.evaluation.soak.counts import Counts, fault
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import Owner, Tier
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

SETTINGS = MemorySettings(
    consolidation_delay=3600.0, short_term_capacity=2, mid_term_capacity=1, heat_threshold=0.5, similarity_threshold=0.9
)
"""One page rests in STM, one segment in mid-term memory, and all are promoted."""
MARKER = re.compile(r"zk[0-9]+m")
_TALK = (
    "My name is {0} and I am from {0}.",
    "I work as a {0} pilot in Quito.",
    "I love {0} tea and I collect stamps.",
    "The tax office lost the {0} form.",
    "And {0} again?",
)
_LAST = "One thing more: {0}."
PLACES = (*(tier.value for tier in Tier), "knowledge", "profile", "retrieval", "export")


@dataclass(frozen=True, kw_only=True)
class IsolationResult(Counts):
    """What users saw of each other."""

    pairs: int
    memories: int
    looks: int
    """Places that were searched, all memories together."""
    own_markers_seen: int
    """Places where a memory showed its own marker, so that a marker of another would have been seen."""
    tiers_without_a_marker: int = fault()
    """Places in which no memory at all showed its own: they were not tried."""
    crossings: int = fault()
    """Places where a memory showed the marker of another."""
    strangers_records_forgotten: int = fault()
    """Records that could be deleted through the id of another."""
    exports_changed: int = fault()
    """Exports of one that differ after the purge of the other."""
    left_after_purge: int = fault()
    """Purged users of whom something was seen."""
    findings: int = fault()


@dataclass(slots=True)
class _Tally:
    looks: int = 0
    own: Counter[str] = field(default_factory=Counter)
    crossings: int = 0
    forgotten: int = 0
    changed: int = 0
    left: int = 0


def collide(folder: Path, *, number: int, step: Callable[[], object] = lambda: None) -> IsolationResult:
    """Write for `number` pairs of users into one store, then look through each for the others.

    Args:
        folder: where the store and exports are made.
        number: of pairs, at least 1.
        step: called twice for each pair.

    Raises:
        MemoryOSError: an id is refused, or the store failed.
    """
    found, tally = pairs(number), _Tally()
    owners = [owner for pair in found for owner in pair]
    markers = {owner: f"zk{place}m" for place, owner in enumerate(owners)}
    with MemoryOS(folder / "store", settings=SETTINGS) as system:
        memories = {owner: system.memory(owner.user_id, owner.assistant_id) for owner in owners}
        for place, owner in enumerate(owners):
            _write(memories[owner], markers[owner])
            if place % 2:
                step()
        for one, other in found:
            _compare(tally, folder, memories[one], memories[other], markers)
            step()
        findings, left = len(system.check()), set(system.users())
    expected = {other for _, other in found}
    return IsolationResult(
        pairs=len(found),
        memories=len(owners),
        looks=tally.looks,
        own_markers_seen=tally.own.total(),
        tiers_without_a_marker=sum(not tally.own[place] for place in PLACES),
        crossings=tally.crossings,
        strangers_records_forgotten=tally.forgotten,
        exports_changed=tally.changed,
        left_after_purge=tally.left + len(left ^ expected),
        findings=findings,
    )


def _write(memory: UserMemory, marker: str) -> None:
    memory.import_turns({"user_input": text.format(marker), "agent_response": f"Yes, {marker}."} for text in _TALK)
    memory.flush()
    memory.add_memory(_LAST.format(marker))
    memory.add_memory(_LAST.format(marker), "I see.")


def _compare(tally: _Tally, folder: Path, one: UserMemory, other: UserMemory, markers: dict[Owner, str]) -> None:
    """Look through both, try to delete across, then purge the first."""
    for mine, theirs in ((one, other), (other, one)):
        _look(tally, mine, markers[mine.owner], markers[theirs.owner], folder)
        tally.forgotten += sum(_forgets(mine, record) for record in _records(theirs))
    before = _export(other, folder)
    one.purge()
    tally.changed += _export(other, folder) != before
    query = _TALK[0].format(markers[one.owner])
    rest = (one.pages(), one.knowledge(history=True), one.segments(), one.retrieve_memory(query, touch=False).pages)
    tally.left += any(rest)


def _look(tally: _Tally, memory: UserMemory, own: str, strangers: str, folder: Path) -> None:
    for place, seen in _seen(memory, own, strangers, folder):
        found = set(MARKER.findall(seen))
        tally.looks += 1
        tally.own[place] += own in found
        tally.crossings += bool(found - {own})


def _seen(memory: UserMemory, own: str, strangers: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every place of a memory with all that it shows; questions are in the stranger's words too."""
    for tier, pages in memory.tiers().items():
        yield tier.value, repr(pages)
    yield "segments", repr(memory.segments())
    yield "knowledge", repr(memory.knowledge(history=True))
    yield "profile", repr(memory.get_user_profile())
    yield "latest", memory.latest_memory().to_prompt(4000)
    for text in (*_TALK, _LAST):
        found = memory.retrieve_memory(text.format(strangers), top_k=50, touch=False)
        shown = (found.short_term, found.pages, found.sources, found.user_knowledge, found.assistant_knowledge)
        yield "question of another", repr((shown, found.user_profile, found.explanations)) + found.to_prompt(4000)
    yield "retrieval", repr(memory.retrieve_memory(_TALK[0].format(own), top_k=50, touch=False).pages)
    yield "export", _export(memory, folder).decode()


def _export(memory: UserMemory, folder: Path) -> bytes:
    file = folder / "export.jsonl"
    memory.export(file)
    return file.read_bytes()


def _records(memory: UserMemory) -> list[str]:
    pages, segments = [page.id for page in memory.pages()], [segment.id for segment in memory.segments()]
    return [*pages, *segments, *(entry.id for entry in memory.knowledge(history=True))]


def _forgets(memory: UserMemory, record_id: str) -> bool:
    try:
        memory.forget(record_id)
    except NotFound:
        return False
    return True
