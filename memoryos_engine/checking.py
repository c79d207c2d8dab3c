"""Finds what breaks an invariant of a store, from its rows alone, and mends it (design notes in the README).

A store is read once, as many users at a time as fit a page; nobody is kept waiting for that.
Only a memory in which something looks wrong is read again with its changes held up, because
somebody may have been changing it meanwhile. What a repair changes of one memory is worked
out whole, checked, and written in one commit: the same repair again, or one that was cut
off and is done again, comes to the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from memoryos_engine.checks.draft import Draft, Embed, draft_of, set_aside_row
from memoryos_engine.checks.findings import Finding as Finding
from memoryos_engine.checks.findings import FindingState
from memoryos_engine.checks.invariants import INVARIANTS
from memoryos_engine.errors import StoreError
from memoryos_engine.records import Owner
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import QUARANTINED
from memoryos_engine.storage.heads import Heads
from memoryos_engine.storage.residency import ResidentSets
from memoryos_engine.storage.survey import Census, RawRow, heads_among, is_whole, memories, raw_rows, rows_by_id

SET_ASIDE = "was set aside by an earlier repair; purging its owner deletes it"
CUT_OFF = "says that this user's import was cut off; import the same file again, or purge the user"
TRIES = 5
"""How often a memory is read that other processes write to meanwhile."""
UNOWNED = "set it aside with all it holds"


def findings(owner: Owner, store: ChromaStore) -> list[Finding]:
    """Return everything there is to say about an owner's records; a sound memory has nothing.

    Raises:
        StoreError: the store cannot be read.
    """
    return _found(draft_of(owner, raw_rows(store, owner), dimension=store.dimension))


def check_memories(
    store: ChromaStore,
    residents: ResidentSets,
    taken: Census,
    *,
    embed: Embed | None,
    mended: Callable[[Owner], object],
    step: Callable[[int], object],
) -> Iterator[Finding]:
    """Yield what there is to say about the memories of a store, owner by owner.

    Args:
        store: of which the rows are.
        residents: which of them are in memory.
        taken: whose rows there are.
        embed: makes vectors anew; None to change nothing.
        mended: is told of each owner whose rows were changed.
        step: is told of owners done.
    """
    for owner, rows in memories(store, taken.rows):
        if _found(draft_of(owner, rows, dimension=store.dimension)):
            with residents.alone(owner) as resident:
                if embed is None:
                    yield from findings(owner, store)
                else:
                    if resident:
                        resident.outdate()
                    yield from repaired(owner, store, embed)
                    mended(owner)
                    if resident:
                        resident.load()
        step(1)


def repaired(owner: Owner, store: ChromaStore, embed: Embed) -> list[Finding]:
    """Mend an owner's rows in one commit and return what was found, and whether it is mended.

    Works on the rows themselves, because a memory with a broken row may not open. Nobody else of this process may
    change them meanwhile; another process that does is noticed by the head, and the rows are read again.

    Raises:
        EmbeddingError: a vector could not be made anew; nothing of this owner was changed.
        StoreError: nothing was changed, or of a repair that takes several upserts a part; repairing again finishes it.
    """
    for _ in range(TRIES):
        raw = raw_rows(store, owner)
        draft = draft_of(owner, raw, dimension=store.dimension)
        before, heads = _found(draft), Heads(draft.heads)
        if draft.cut_off:
            return before
        for invariant in INVARIANTS:
            if any(True for _ in invariant.find(draft)):
                invariant.mend(draft, embed)
        left = {(finding.record_id, finding.problem) for finding in _found(draft)}
        if not draft.touched:
            return before
        if store.shared and heads_among(raw_rows(store, owner)) != heads_among(raw):
            continue
        own, gone = heads.by_writer.get(store.writer), draft.forgotten(store.writer)
        store.commit(owner, draft.rows(), next_sequence=draft.next_sequence, forgotten=gone, own=own, anew=True)
        return [_after(finding, left) for finding in before]
    raise StoreError("other processes wrote to a memory each time it was to be repaired; check again when they rest")


def check_unowned(store: ChromaStore, taken: Census, *, repair: bool) -> list[Finding]:
    """Return the rows that lack an owner or half of one, set aside if they are to be repaired.

    Nobody is given the text of somebody else: such a row joins no memory. One that names a user who has one memory
    here is set aside as that memory's, so that purging it deletes the row. Called after the memories were mended: a
    head that had lost its owner is written anew by then.
    """
    rows = [row for row in rows_by_id(store, taken.unowned) if not is_whole(row.owner)]
    found = [_unowned(row) for row in rows]
    broken = [row for row, finding in zip(rows, found, strict=True) if finding.state is FindingState.BROKEN]
    if not repair or not broken:
        return found
    for owner, theirs in _by_owner(broken, taken.rows).items():
        for start in range(0, len(theirs), store.max_batch):
            aside = [set_aside_row(row, store.dimension) for row in theirs[start : start + store.max_batch]]
            if not store.append(owner, aside):
                return found  # a reindex copies these rows: what is not mended is still broken
    return [_after(finding, set()) for finding in found]


def _found(draft: Draft) -> list[Finding]:
    if draft.cut_off:
        return [Finding(owner=draft.owner, record_id=draft.cut_off, problem=CUT_OFF)]
    broken = [
        Finding(owner=draft.owner, record_id=record_id, problem=problem, repair=invariant.repair)
        for invariant in INVARIANTS
        for record_id, problem in invariant.find(draft)
    ]
    return broken + [_aside(draft.owner, record_id) for record_id in draft.aside]


def _after(finding: Finding, left: set[tuple[str, str]]) -> Finding:
    if finding.state is not FindingState.BROKEN or (finding.record_id, finding.problem) in left:
        return finding
    return replace(finding, state=FindingState.MENDED)


def _aside(owner: Owner, record_id: str) -> Finding:
    return Finding(owner=owner, record_id=record_id, problem=SET_ASIDE, state=FindingState.SET_ASIDE)


def _unowned(row: RawRow) -> Finding:
    if row.row.kind == QUARANTINED:
        return _aside(row.owner, row.id)
    missing = [key for key in ("user_id", "assistant_id") if not getattr(row.owner, key)]
    problem = f"has no {' and no '.join(missing)}"
    return Finding(owner=row.owner, record_id=row.id, problem=problem, repair=UNOWNED)


def _by_owner(rows: Iterable[RawRow], known: Iterable[Owner]) -> dict[Owner, list[RawRow]]:
    """Return rows by the one memory of their user, or by what is left of their owner."""
    owners, found = list(known), dict[Owner, list[RawRow]]()
    for row in rows:
        fits = [owner for owner in owners if owner.user_id == row.owner.user_id]
        found.setdefault(fits[0] if len(fits) == 1 else row.owner, []).append(row)
    return found
