"""What there is in a memory, to look at: nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from memoryos_engine.audit import AuditEvent
from memoryos_engine.clock import as_utc
from memoryos_engine.errors import NotFound
from memoryos_engine.long_term import held_at, user_profile
from memoryos_engine.mid_term import opening
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Owner, Segment, Tier, UserProfile
from memoryos_engine.retrieval import unasked
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.settings import require_count, require_text
from memoryos_engine.similarity import Vector
from memoryos_engine.storage.audit_log import read_audit
from memoryos_engine.storage.user_records import arrival

if TYPE_CHECKING:
    from memoryos_engine.system import MemoryOS


class MemoryView:
    """One user's memory, seen from one session."""

    def __init__(self, system: MemoryOS, owner: Owner, *, session_id: str) -> None:
        self.system = system
        self.owner = owner
        self.session_id = session_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.owner!r}, session_id={self.session_id!r})"

    def pages(self, tier: Tier | None = None) -> list[DialoguePage]:
        """Return every page in order of arrival, those of the archive too, or those of one tier."""
        if tier is not None:
            return sorted(self.tiers()[tier], key=arrival)
        with self.system.resident(self.owner) as resident, resident.reading:
            return sorted(resident.records.pages.values(), key=arrival)

    def page(self, page_id: str) -> DialoguePage:
        """Return one page, whatever session and tier it lives in.

        Raises:
            NotFound: this user has no such page.
        """
        with self.system.resident(self.owner) as resident, resident.reading:
            page = resident.records.pages.get(require_text("page_id", page_id))
        if page is None:
            raise NotFound(page_id)
        return page

    def session_pages(self, *, last: int | None = None) -> list[DialoguePage]:
        """Return the pages of this session in order of arrival, whatever tier they live in.

        Args:
            last: only so many, at least 1: those that arrived last. It costs no more in a long session.
        """
        most = None if last is None else require_count("last", last)
        with self.system.resident(self.owner) as resident, resident.reading:
            return resident.records.session(self.session_id, last=most)

    def tiers(self) -> dict[Tier, list[DialoguePage]]:
        """Return every page by the tier it lives in: each page in exactly one."""
        with self.system.resident(self.owner) as resident, resident.reading:
            return self.system.updater.tiers(resident)

    def tiers_of(self, page_ids: Iterable[str]) -> dict[str, Tier]:
        """Return the tier of each of these pages that there is, in the order given."""
        with self.system.resident(self.owner) as resident, resident.reading:
            return self.system.updater.tiers_of(resident, page_ids)

    def segments(self) -> list[Segment]:
        """Return every segment in order of opening, archived ones last."""
        with self.system.resident(self.owner) as resident, resident.reading:
            return sorted(resident.records.segments.values(), key=lambda each: (each.archived, *opening(each)))

    def heats(self) -> dict[str, float]:
        """Return the heat of each resident segment at this moment (Eq. 4), hottest first."""
        now, weights = self.system.clock(), self.system.settings.heat_weights
        with self.system.resident(self.owner) as resident, resident.reading:
            records = resident.records
            heats = {state.segment.id: state.heat(now, weights) for state in records.live_states()}
        return dict(sorted(heats.items(), key=lambda item: -item[1]))

    def segment_vectors(self) -> dict[str, Vector]:
        """Return e_s of each resident segment, the unit direction of its pages, in order of opening."""
        with self.system.resident(self.owner) as resident, resident.reading:
            return {state.segment.id: state.centroid for state in resident.records.live_states()}

    def knowledge(self, *, history: bool = False) -> list[KnowledgeEntry]:
        """Return the knowledge entries in the order they were said; `history` adds superseded ones."""
        with self.system.resident(self.owner) as resident, resident.reading:
            entries = list(resident.records.knowledge.values())
        return sorted(
            entries if history else held_at(entries, None), key=lambda entry: (entry.said_at, entry.order, entry.id)
        )

    def audit(self, *, since: datetime | str | None = None, until: datetime | str | None = None) -> list[AuditEvent]:
        """Return what happened to knowledge entries and because of which pages, without any text, oldest first.

        It is read from the store at every call, and kept until the user is purged; `MemorySettings(audit=False)` keeps
        none. Ids of what was forgotten stay in it: who guesses the exact words and ids can confirm a guess by them.

        Args:
            since: only changes made then or later.
            until: only changes made before then.

        Raises:
            StoreError: it cannot be read.
        """
        first = None if since is None else as_utc(since, "since")
        end = None if until is None else as_utc(until, "until")
        with self.system.resident(self.owner) as resident:
            events = read_audit(resident.store, self.owner)
        return [each for each in events if (not first or first <= each.at) and (not end or each.at < end)]

    def latest_memory(self) -> RetrievedMemory:
        """Return what is in every context, whatever is asked: STM, profile and the newest knowledge.

        Raises:
            StoreError: it cannot be read.
        """
        with self.system.resident(self.owner) as resident, resident.reading:
            return unasked(self.session_id, resident.records, self.system.settings)

    def get_user_profile(self, *, as_of: datetime | str | None = None) -> UserProfile:
        """Return the static facts and traits of the user, now or as they were at `as_of`."""
        moment = None if as_of is None else as_utc(as_of, "as_of")
        with self.system.resident(self.owner) as resident, resident.reading:
            return user_profile(resident.records.knowledge.values(), moment)
