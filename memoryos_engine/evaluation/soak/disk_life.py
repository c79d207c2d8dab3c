"""A child of the disk soak: writes until the disk is full, then tries whatever else writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from memoryos_engine.errors import StoreError
from memoryos_engine.evaluation.soak.children import Tell
from memoryos_engine.evaluation.soak.kill_life import ADDED, FORGETTING, FORGOT
from memoryos_engine.evaluation.soak.ledger import SUBJECTS, spoken
from memoryos_engine.evaluation.soak.small_disk import fill
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

USER, DELETED = "user", "deleted"
PURGING, PURGED, REFUSED, FOREIGN, OPENED = "purging", "purged", "refused", "foreign", "opened"
FEW = 10
MOST_PAGES = 100_000
PADDING = {"padding": "word " * 4000}
BUSY = MemorySettings(consolidation_delay=0.0, short_term_capacity=2, mid_term_capacity=5, heat_threshold=2.5)


def live(tell: Tell, *, path: str, ballast: str, first: int) -> None:
    """Open the store, add until that is refused, fill what room is left, then forget, purge, add, ask and close."""
    try:
        system = MemoryOS(path, settings=BUSY)
    except StoreError:
        return tell(REFUSED)
    tell(OPENED)
    memory, deleted = system.memory(USER), system.memory(DELETED)
    added: list[str] = []

    def add(number: int) -> None:
        to = deleted if len(added) < FEW else memory
        page = to.add_memory(*spoken(number), metadata=PADDING)
        tell(ADDED, to.owner.user_id, page.id, number)
        added.append(page.id)

    for number in range(first, first + MOST_PAGES):
        if not _tried(tell, lambda number=number: add(number)):  # type: ignore[misc]
            break
    fill(Path(ballast))
    for page_id in added[FEW : FEW + 3]:
        tell(FORGETTING, USER, page_id)
        if _tried(tell, lambda page_id=page_id: memory.forget(page_id)):  # type: ignore[misc]
            tell(FORGOT, USER, page_id)
    if added:
        tell(PURGING, DELETED)
        if _tried(tell, deleted.purge):
            tell(PURGED, DELETED)
    _tried(tell, lambda: add(number + 1))
    _tried(tell, lambda: memory.retrieve_memory(SUBJECTS[0]))
    _tried(tell, system.close)
    return None


def _tried(tell: Tell, act: Callable[[], object]) -> bool:
    """Return whether the store did it; tell if it was refused, or failed in another way."""
    try:
        act()
    except StoreError:
        tell(REFUSED)
    except Exception as error:  # noqa: BLE001 - whatever else comes is what is counted
        tell(FOREIGN, type(error).__name__)
    else:
        return True
    return False
