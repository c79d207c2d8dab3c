"""The limit on pages of a user, checked where pages arrive. The other limits are kept by what they bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memoryos_engine.errors import LimitReached
from memoryos_engine.records import Owner
from memoryos_engine.settings import MemorySettings

if TYPE_CHECKING:
    from memoryos_engine.storage.resident import ResidentSet
    from memoryos_engine.system import MemoryOS


def require_room(resident: ResidentSet, settings: MemorySettings, pages: int) -> None:
    """Raise LimitReached unless so many pages more may be stored. Called with `resident.writing` held to be exact."""
    if settings.max_pages is not None:
        require_pages(settings, held=len(resident.records.pages), more=pages)


def require_room_for_answer(system: MemoryOS, owner: Owner) -> None:
    """Raise LimitReached before a model is asked for an answer that could not be remembered."""
    if system.settings.max_pages is not None:
        with system.resident(owner) as resident:
            require_room(resident, system.settings, 1)


def require_pages(settings: MemorySettings, *, held: int, more: int) -> None:
    """Raise LimitReached if `held` pages and so many more are too many."""
    if settings.max_pages is not None and held + more > settings.max_pages:
        raise LimitReached("max_pages", settings.max_pages, room=max(0, settings.max_pages - held))
