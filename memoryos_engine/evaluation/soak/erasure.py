"""Deleting, then vacuum: nothing of what was deleted is in any file, and the exports of all others are unchanged.

Every field of a user holds a word that stands nowhere else, in several scripts. A quarter of
the users is purged, a quarter forgets a page, a quarter a session, and the rest stays; all of
it was consolidated and promoted, and many other pages were written between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from memoryos_engine.evaluation.soak.counts import Counts, fault
from memoryos_engine.evaluation.soak.needles import fragments, held, size
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_engine.memory import UserMemory
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

SETTINGS = MemorySettings(
    consolidation_delay=3600.0, short_term_capacity=2, mid_term_capacity=3, heat_threshold=0.5, knowledge_capacity=50
)
FIELDS = ("name", "answer", "key", "value", "detail")
PAGES = 6
"""Of each session of a user."""
STAYS, GOES = "stays", "goes"
BULK = "someone else"


@dataclass(frozen=True, kw_only=True)
class ErasureResult(Counts):
    """What was left of deleted text."""

    users: int
    purged: int
    pages_forgotten: int
    sessions_forgotten: int
    needles: int
    """Byte strings that were looked for."""
    needles_before: int
    """Those that the files held before: the search finds what is there."""
    needles_deleted_but_not_vacuumed: int
    megabytes_before: float
    megabytes_after: float
    needles_left: int = fault()
    exports_changed: int = fault()
    """Memories that nothing was deleted from and that say something else now."""
    seen_again: int = fault()
    """Deleted words that a memory still tells."""
    words_missing: int = fault()
    """Words of what stayed that are in no file any more."""
    findings: int = fault()


def erase(
    folder: Path, *, users: int = 20, writes: int = 5000, step: Callable[[], object] = lambda: None
) -> ErasureResult:
    """Fill a store, delete, vacuum, and search its files byte by byte.

    Args:
        folder: where the store and exports are made.
        users: at least 4.
        writes: pages of somebody else written between; above 1,000 Chroma has saved its index on the way.
        step: called after each of four parts.

    Raises:
        StoreError: the store failed.
    """
    store = folder / "store"
    with MemoryOS(store, settings=SETTINGS) as system:
        memories = [system.memory(_user(place), _word(place, "assistant")) for place in range(users)]
        for place, memory in enumerate(memories):
            _write(memory, place)
        _bulk(store, writes)
        step()
        gone = [text for place, memory in enumerate(memories) for text in _to_go(place, memory)]
        needles, stays = fragments(gone), fragments(_to_stay(users))
        needles -= {needle for needle in needles if any(needle in other for other in stays)}
        before, exports = held(store, needles), _exports(memories, folder)
        megabytes = size(store) / 1e6
        for place, memory in enumerate(memories):
            _delete(memory, place)
        deleted = held(store, needles)
        step()
        system.vacuum()
        step()
        left, kept = held(store, needles), held(store, (text.encode() for text in _to_stay(users)))
        after = _exports(memories, folder)
        told = [_told(memory) for memory in memories]
        step()
        return ErasureResult(
            users=users,
            purged=len(range(0, users, 4)),
            pages_forgotten=len(range(1, users, 4)),
            sessions_forgotten=len(range(2, users, 4)),
            needles=len(needles),
            needles_before=len(before),
            needles_deleted_but_not_vacuumed=len(deleted),
            megabytes_before=megabytes,
            megabytes_after=size(store) / 1e6,
            needles_left=len(left),
            exports_changed=sum(exports[place] != after[place] for place in range(3, users, 4)),
            seen_again=sum(text in shown for shown in told for text in gone),
            words_missing=len({text.encode() for text in _to_stay(users)} - kept),
            findings=len(system.check()),
        )


def _word(place: int, *parts: str) -> str:
    """Return a word that stands nowhere else, with letters of three scripts; digits would be cut off by tokenisers."""
    number = "".join(chr(ord("a") + int(digit)) for digit in f"{place:04d}")
    return f"qx{number}{''.join(parts)}\u0436\u0443\u043a\u732b"


def _user(place: int) -> str:
    return _word(place, "userid")


def _write(memory: UserMemory, place: int) -> None:
    """Write two sessions whose words are all this user's own, and have them consolidated and promoted."""
    for session in (STAYS, GOES):
        name, answer, key, value, detail = (_word(place, session, field) for field in FIELDS)
        spoken = memory.in_session(_word(place, session, "session"))
        for number in range(PAGES):
            said = f"I love {name}{chr(97 + number)} and I live in {name}{chr(97 + number)}town."
            spoken.add_memory(
                said, f"{answer}{chr(97 + number)}: noted.", metadata={key: value, "deep": [{"d": detail}]}
            )
    memory.flush()
    memory.retrieve_memory(_word(place, STAYS, "name"))
    memory.flush()


def _bulk(store: Path, writes: int) -> None:
    """Add pages of somebody else, all of which stay in STM: only their bytes matter."""
    with MemoryOS(store, settings=MemorySettings(short_term_capacity=writes + 1)) as system:
        system.memory(BULK).import_turns({**turn, "session_id": BULK} for turn in SyntheticTalk(7).turns(writes))


def _texts(place: int, session: str, pages: Iterable[int]) -> list[str]:
    name, answer = (_word(place, session, field) for field in FIELDS[:2])
    return [text + chr(97 + number) for number in pages for text in (name, answer)]


def _to_go(place: int, memory: UserMemory) -> list[str]:
    """Return what must be in no file once this user has deleted: by turns all, one page, one session, nothing."""
    fields = [_word(place, GOES, field) for field in FIELDS]
    if place % 4 == 0:
        whole = [_word(place, STAYS, field) for field in (*FIELDS, "session")]
        ids = [page.id for page in memory.pages()] + [entry.id for entry in memory.knowledge(history=True)]
        return [*fields, *whole, *ids, _user(place), _word(place, "assistant"), _word(place, GOES, "session")]
    if place % 4 == 1:
        return _texts(place, GOES, [PAGES - 1])
    return [*fields, _word(place, GOES, "session")] if place % 4 == 2 else []


def _to_stay(users: int) -> list[str]:
    """Return words that must still be there."""
    kept = [(place, session) for place in range(users) for session in (STAYS, GOES)]
    return [
        text
        for place, session in kept
        if place % 4 in (1, 3) or (place % 4 == 2 and session == STAYS)
        for text in (*_texts(place, session, range(PAGES - 1)), _user(place))
    ]


def _delete(memory: UserMemory, place: int) -> None:
    goes = memory.in_session(_word(place, GOES, "session"))
    if place % 4 == 0:
        memory.purge()
    elif place % 4 == 1:
        memory.forget(goes.session_pages()[-1].id)
    elif place % 4 == 2:
        goes.forget_session()


def _exports(memories: Iterable[UserMemory], folder: Path) -> list[bytes]:
    found = []
    for memory in memories:
        memory.export(folder / "export.jsonl")
        found.append((folder / "export.jsonl").read_bytes())
    return found


def _told(memory: UserMemory) -> str:
    return repr((memory.pages(), memory.segments(), memory.knowledge(history=True), memory.get_user_profile()))
