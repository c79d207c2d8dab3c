"""What a check finds: one record, what is wrong with it, and what becomes of that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from memoryos_engine.records import Owner


class FindingState(str, Enum):
    """What became of a finding."""

    BROKEN = "broken"
    """The record breaks an invariant."""
    MENDED = "mended"
    """It did, and this check repaired it."""
    SET_ASIDE = "set aside"
    """An earlier repair could not read it and keeps it out of the memory, whole; purging its owner deletes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One record that a check has something to say about."""

    owner: Owner
    """Whose it is; a part that the record lacks is empty."""
    record_id: str
    problem: str
    repair: str = ""
    """What repairing does, or did; empty where there is nothing to do."""
    state: FindingState = FindingState.BROKEN


def is_sound(found: Iterable[Finding]) -> bool:
    """Say whether a check left nothing broken; what was set aside breaks nothing."""
    return all(finding.state is not FindingState.BROKEN for finding in found)
