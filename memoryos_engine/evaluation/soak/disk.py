"""A full disk: adding is refused, nothing acknowledged is lost, and all is well once there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from memoryos_engine.errors import StoreError
from memoryos_engine.evaluation.soak.counts import Counts, Skipped, fault
from memoryos_engine.evaluation.soak.ledger import Ledger, spoken
from memoryos_engine.evaluation.soak.small_disk import small_disk
from memoryos_engine.memory import UserMemory
from memoryos_engine.settings import MemorySettings

USER, DELETED = "user", "deleted"
FEW = 20
"""Pages added before and after."""
PADDING = "word " * 400
BUSY = MemorySettings(consolidation_delay=0.0, short_term_capacity=2, mid_term_capacity=5, heat_threshold=2.5)


@dataclass(frozen=True, kw_only=True)
class DiskResult(Counts):
    """What became of a store on a disk that was full."""

    acknowledged: int
    """Pages that were added, before, on the brink and after."""
    forgotten: int
    refused: int
    """Calls that raised StoreError while the disk was full."""
    done_on_a_full_disk: int
    """Forgettings and purges that worked all the same."""
    opened_on_a_full_disk: int
    foreign_errors: int = fault()
    """Other errors than StoreError, and any error once there was room."""
    lost: int = fault()
    doubled: int = fault()
    came_back: int = fault()
    findings: int = fault()


@dataclass(slots=True)
class _Story:
    """What happened so far."""

    ledger: Ledger = field(default_factory=Ledger)
    numbers: Iterator[int] = field(default_factory=count)
    refused: int = 0
    done: int = 0
    opened: int = 0
    foreign: int = 0

    def add(self, memory: UserMemory, padding: str = "") -> bool:
        """Add a page; return whether it was acknowledged."""
        said, answer = spoken(next(self.numbers))
        page = self.tried(lambda: memory.add_memory(said, answer + padding))
        if page is not None:
            self.ledger.added(memory.owner.user_id, page.id, (said, answer + padding))
        return page is not None

    def tried(self, act: Callable[[], object]) -> Any:
        """Return what `act` does, None if the store refused it."""
        try:
            return act()
        except StoreError:
            self.refused += 1
        except Exception:  # noqa: BLE001 - whatever else comes is what is counted here
            self.foreign += 1
        return None


def fill_the_disk(
    folder: Path, *, megabytes: int = 12, step: Callable[[], object] = lambda: None
) -> DiskResult | Skipped:
    """Fill a small disk by adding, delete and open there, make room, and audit.

    Args:
        folder: where the disk is mounted.
        megabytes: its size, at least 8; a store takes about one.
        step: called after each of five parts.

    Raises:
        StoreError: the store does not open once there is room.
    """
    with small_disk(folder, megabytes=megabytes) as place:
        if isinstance(place, Skipped):
            return place
        story = _Story()
        ballast = place / "ballast"
        ballast.write_bytes(b"\0" * (megabytes << 20) // 4)
        for part in (_begin, _brink, _open_full):
            part(story, place / "store", ballast)
            step()
        ballast.unlink()
        audit = _audited(story, place / "store")
        step()
        _after(story, place / "store")
        step()
        return _result(story, audit + _audited(story, place / "store"))
