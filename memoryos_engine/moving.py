"""Pages that move to another session of their user: one change, and what depends on sessions is derived anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from memoryos_engine.errors import NotFound
from memoryos_engine.records import Owner

if TYPE_CHECKING:
    from memoryos_engine.storage.resident import ResidentSet
    from memoryos_engine.system import MemoryOS


def move_pages(system: MemoryOS, owner: Owner, page_ids: Sequence[str], session_id: str) -> int:
    """Have pages belong to `session_id`, and work scheduled for what left STM; see `UserMemory.move_pages`."""
    with system.resident(owner) as resident:
        count = _moved(resident, page_ids, session_id)
        waiting = bool(count and system.updater.waiting(resident))
    if waiting:
        system.schedule(owner, at_once=False)
    return count


def _moved(resident: ResidentSet, page_ids: Sequence[str], session_id: str) -> int:
    """Move pages. Plans that were made meanwhile are dropped and made again: they rest on the old neighbours."""
    with resident.consolidating, resident.writing:
        pages = resident.records.pages
        for page_id in page_ids:
            if page_id not in pages:
                raise NotFound(page_id)
        moved = [pages[key] for key in dict.fromkeys(page_ids) if pages[key].session_id != session_id]
        if moved:
            resident.move([replace(page, session_id=session_id) for page in moved])
        return len(moved)
