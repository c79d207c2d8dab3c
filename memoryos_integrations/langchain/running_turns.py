"""What this process knows of the turns that agents are about: which began here, and what was recalled for them.

A turn that goes on in another process is unknown there; nothing may depend on its being known.
"""

from __future__ import annotations

from memoryos_engine import RetrievedMemory, UserMemory
from memoryos_integrations.latest_values import LatestValues

_ended: LatestValues[str, bool] = LatestValues(10_000)
_begun: LatestValues[str, int] = LatestValues(10_000)
_recalled: LatestValues[str, RetrievedMemory] = LatestValues(256)
"""Kept here and not in the state of the run, where it would outlive what is forgotten."""


def begin(turn_id: str, purges: int) -> None:
    """Note that a turn began in this process, and how often its owner had been purged by then."""
    _begun.put(turn_id, purges)


def end(turn_id: str) -> int | None:
    """Return what `begin` noted; None unless the turn began in this process and ends for the first time."""
    _recalled.take(turn_id)
    _ended.put(turn_id, True)
    return _begun.take(turn_id)


def ended(turn_id: str) -> bool:
    """Return whether the turn ended in this process, whatever its state says: a cancelled run cannot note it."""
    return _ended.get(turn_id) is not None


def keep(turn_id: str, found: RetrievedMemory) -> None:
    """Keep what was recalled for a turn until it ends."""
    _recalled.put(turn_id, found)


def recalled(turn_id: str, memory: UserMemory) -> RetrievedMemory | None:
    """Return what was recalled for a turn; None if nothing was, or some of it was forgotten meanwhile, as tools can.

    Raises:
        StoreError: it cannot be read.
    """
    found = _recalled.get(turn_id)
    return found if found is not None and _is_true_still(found, memory) else None


def _is_true_still(found: RetrievedMemory, memory: UserMemory) -> bool:
    pages = {page.id for page in (*found.short_term, *found.pages)}
    entries = {entry.id for entry in (*found.user_knowledge, *found.assistant_knowledge)}
    if pages - memory.tiers_of(pages).keys() or entries - {entry.id for entry in memory.knowledge(history=True)}:
        return False
    return memory.get_user_profile() == found.user_profile
