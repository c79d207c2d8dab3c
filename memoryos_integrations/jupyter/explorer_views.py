"""What the explorer shows: a request of the browser in, HTML out. Knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from memoryos_engine.errors import InvalidInput, MemoryOSError, NotFound
from memoryos_engine.memory import UserMemory
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Segment, Tier
from memoryos_engine.tier_view import KNOWLEDGE_TITLES, count
from memoryos_integrations.jupyter.explorer_parts import ROWS, Part, Place, Tab, View
from memoryos_integrations.jupyter.overview import full_bar, newest_entries, segment_views
from memoryos_integrations.jupyter.rendering import fragment

FIRST = "segments"
"""The view that it opens with."""
FOUND = 10
"""Pages of a search."""
LONGEST_QUERY = 2000
"""Characters of a query that are searched for; longer ones are pasted by mistake, and would keep the kernel busy."""
_TIERS = {
    "short_term": (Tier.SHORT_TERM, "The last pages of each session, whole in its every context."),
    "pending": (Tier.PENDING, "Left short-term memory and wait for a segment; every search finds them."),
    "archive": (Tier.ARCHIVE, "In segments that left mid-term memory. Still found, and a visit brings them back."),
}
_PLACES = {
    Tier.SHORT_TERM: "in short-term memory",
    Tier.PENDING: "pending",
    Tier.SEGMENT: "in a segment",
    Tier.ARCHIVE: "in the archive",
}


class ExplorerViews:
    """The views of one memory.

    Raises:
        InvalidInput: `memory` is no UserMemory.
    """

    def __init__(self, memory: UserMemory) -> None:
        self._memory = _checked(memory)
        self._views: Mapping[str, Callable[[str, int], View]] = {
            "short_term": self._tier("short_term"),
            "pending": self._tier("pending"),
            "segments": self._segments,
            "archive": self._tier("archive"),
            "facts": self._facts,
            "segment": self._segment,
            "page": self._page,
            "fact": self._fact,
            "found": self._found,
        }

    def opening(self) -> str:
        """Return the whole explorer as it opens."""
        first = self._view(Place(show=FIRST)).html
        return fragment("explorer.html", owner=self._memory.owner, tabs=self._tabs(), first=first)

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the view that is asked for, after forgetting what shall be forgotten first.

        Args:
            request: `show`, the view; `key`, the id or query it is of; `offset`, its first row; `forget`, an id.

        Returns:
            `html` of the view, `tabs` as they are now, `status`, a word on it, and the `place` that is shown.

        Raises:
            InvalidInput: there is no such view.
            NotFound: the record is gone.
            StoreError: the memory cannot be read, or it is not known whether all of it is forgotten.
        """
        place = Place.of(request, among=self._views)
        if "forget" in request:
            place, view = self._forgotten(request["forget"], place)
        else:
            view = self._view(place)
        tabs = fragment("explorer_tabs.html", tabs=self._tabs())
        return {"html": view.html, "status": view.status, "tabs": tabs, "place": asdict(place)}

    def _view(self, place: Place) -> View:
        return self._views[place.show](place.key, place.offset)

    def _forgotten(self, record_id: str, place: Place) -> tuple[Place, View]:
        """Forget a record, then return a view; the first one if that went with it."""
        self._memory.forget(record_id)
        try:
            html = self._view(place).html
        except NotFound:
            place = Place(show=FIRST)
            html = self._view(place).html
        except MemoryOSError as error:  # it is forgotten all the same
            html = fragment("explorer_failure.html", error=str(error))
        return place, View(html=html, status="Forgotten.")

    # -- tiers ------------------------------------------------------------------------

    def _tabs(self) -> list[Tab]:
        tiers = self._memory.tiers()
        return [
            Tab(view="short_term", title="Short-term", count=len(tiers[Tier.SHORT_TERM])),
            Tab(view="pending", title="Pending", count=len(tiers[Tier.PENDING])),
            Tab(view="segments", title="Segments", count=len(self._memory.heats())),
            Tab(view="archive", title="Archive", count=len(tiers[Tier.ARCHIVE])),
            Tab(view="facts", title="Facts", count=len(self._memory.knowledge())),
        ]

    def _tier(self, view: str) -> Callable[[str, int], View]:
        tier, note = _TIERS[view]

        def shown(_: str, offset: int) -> View:
            pages = self._memory.pages(tier)[::-1]
            return View(html=fragment("explorer_pages.html", view=view, note=note, part=Part.of(pages, offset)))

        return shown

    def _segments(self, _: str, offset: int) -> View:
        memory = self._memory
        views = segment_views(memory.segments(), memory.heats(), memory.pages(Tier.SEGMENT))
        return View(html=fragment("explorer_segments.html", part=Part.of(views, offset), **self._scale()))

    def _facts(self, _: str, offset: int) -> View:
        part = Part.of(newest_entries(self._memory.knowledge(history=True)), offset)
        return View(html=fragment("explorer_facts.html", part=part, titles=KNOWLEDGE_TITLES))

    def _scale(self) -> dict[str, float]:
        threshold = self._memory.system.settings.heat_threshold
        return {"threshold": threshold, "hottest": max([threshold, *self._memory.heats().values()])}

    # -- one record -------------------------------------------------------------------

    def _segment(self, key: str, offset: int) -> View:
        segment = self._segment_of(key)
        if segment is None:
            raise NotFound(key)
        pages = [page for page in self._memory.pages() if page.segment_id == key][::-1]
        heat = self._memory.heats().get(key)
        html = fragment(
            "explorer_segment.html", segment=segment, heat=heat, part=Part.of(pages, offset), **self._scale()
        )
        return View(html=html)

    def _page(self, key: str, _: int) -> View:
        page, tier = self._memory.page(key), self._memory.tiers_of([key]).get(key)
        if tier is None:  # forgotten in between
            raise NotFound(key)
        before, after = self._around(page)
        html = fragment(
            "explorer_page.html",
            page=page,
            tier=_PLACES[tier],
            segment=self._segment_of(page.segment_id),
            facts=[entry for entry in self._memory.knowledge(history=True) if key in entry.source_page_ids][:ROWS],
            before=before,
            after=after,
        )
        return View(html=html)

    def _fact(self, key: str, offset: int) -> View:
        entries = {entry.id: entry for entry in self._memory.knowledge(history=True)}
        if key not in entries:
            raise NotFound(key)
        entry = entries[key]
        wanted = set(entry.source_page_ids)
        sources = [page for page in self._memory.pages() if page.id in wanted][::-1]
        html = fragment(
            "explorer_fact.html",
            entry=entry,
            title=KNOWLEDGE_TITLES[entry.kind],
            others=newest_entries(other for other in entries.values() if _rivals(entry, other))[:ROWS],
            part=Part.of(sources, offset),
        )
        return View(html=html)

    def _found(self, query: str, _: int) -> View:
        found = self._memory.retrieve_memory(query[:LONGEST_QUERY], top_k=FOUND, touch=False)
        html = fragment(
            "explorer_found.html",
            found=found,
            pages=found.pages,
            scale=full_bar(found),
            facts=[entry for entry in (*found.user_knowledge, *found.assistant_knowledge) if entry.score][:ROWS],
            in_context=found.short_term[::-1][:FOUND],
            live=True,
        )
        return View(html=html, status=f"{count(len(found.pages), 'page')} found")

    def _segment_of(self, segment_id: str | None) -> Segment | None:
        return next((segment for segment in self._memory.segments() if segment.id == segment_id), None)

    def _around(self, page: DialoguePage) -> tuple[DialoguePage | None, DialoguePage | None]:
        """Return the pages before and after one in its session."""
        pages = self._memory.in_session(page.session_id).session_pages()
        place = next((number for number, each in enumerate(pages) if each.id == page.id), 0)
        return (pages[place - 1] if place else None), next(iter(pages[place + 1 : place + 2]), None)


def _checked(memory: Any) -> UserMemory:
    if not isinstance(memory, UserMemory):
        fix = 'Pass a memory, for example system.memory(user_id="tom").'
        raise InvalidInput("memory", f"is a {type(memory).__name__}", fix)
    return memory


def _rivals(entry: KnowledgeEntry, other: KnowledgeEntry) -> bool:
    """Say whether two entries say something about the same: the one may have ended the other."""
    same = (entry.kind, entry.attribute) == (other.kind, other.attribute)
    return bool(entry.attribute) and same and entry.id != other.id
