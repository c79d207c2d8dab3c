"""UserMemory: what a user of the library calls. It checks, delegates and returns records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from memoryos_engine.changes import Changes
from memoryos_engine.clock import as_utc
from memoryos_engine.conversing import Exchange, awaited, turn_content
from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.intake import Content, arrived
from memoryos_engine.long_term import held_at, user_profile
from memoryos_engine.mid_term import opening
from memoryos_engine.progress import bar
from memoryos_engine.records import DialoguePage, KnowledgeEntry, Owner, Segment, Tier, UserProfile
from memoryos_engine.retrieval import Request, retrieve
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.settings import require_count, require_text
from memoryos_engine.storage.user_records import arrival
from memoryos_engine.transfer import export_memory, import_turns

if TYPE_CHECKING:
    from memoryos_engine.status import MemoryStatus
    from memoryos_engine.system import MemoryOS


class UserMemory:
    """A handle on one user's memory in one session. Holds no state of its own; thread-safe.

    Made by `MemoryOS.memory`. Leaving it as a context manager flushes it.
    """

    def __init__(self, system: MemoryOS, owner: Owner, *, session_id: str) -> None:
        self._system = system
        self.owner = owner
        self.session_id = session_id

    def __repr__(self) -> str:
        return f"UserMemory({self.owner!r}, session_id={self.session_id!r})"

    # -- adding -----------------------------------------------------------------------

    def add_memory(
        self,
        user_input: str = "",
        agent_response: str = "",
        *,
        timestamp: datetime | str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> DialoguePage:
        """Remember one exchange and return its page. On disk when it returns; calls no chat model.

        Args:
            user_input: what the user said; one of the two sides may be empty.
            agent_response: what the agent answered.
            timestamp: when it was said; now by default. Without a zone it is local time.
            metadata: JSON values to keep with the page; reserved names are refused.

        Raises:
            InvalidInput: an argument cannot be stored; nothing was changed.
            EmbeddingError, StoreError: it was not stored.
        """
        return self.add_contents([turn_content(self, self._system, user_input, agent_response, timestamp, metadata)])[0]

    def add_contents(self, contents: list[Content]) -> list[DialoguePage]:
        """Store checked contents in order, in one change, and return their pages."""
        embedder = self._system.embedder
        texts = ["\n".join(side for side in (one.user_input, one.agent_response) if side) for one in contents]
        vectors = unit_rows(embedder.embed(texts), rows=len(texts), dimension=embedder.dimension)
        with self._system.resident(self.owner) as resident:
            with resident.writing:
                pages = arrived(contents, self.owner, resident.records.next_sequence, resident.records.recent)
                by_id = {page.id: vector for page, vector in zip(pages, vectors, strict=True)}
                resident.commit(Changes(pages=tuple(pages), vectors=by_id))
                resident.spoke_at = time.monotonic()
            waiting = len(self._system.updater.pending(resident))
        if waiting:
            self._system.schedule(self.owner, at_once=waiting >= self._system.updater.backlog)
        return pages

    def import_turns(self, turns: Iterable[Mapping[str, Any]], *, progress: bool = False) -> int:
        """Remember a history with its own timestamps and return how many pages it made.

        Args:
            turns: mappings with `user_input`, `agent_response`, and optionally `timestamp`,
                `session_id` and `metadata`, in order.
            progress: show a bar.

        Raises:
            InvalidInput: a turn cannot be stored; the message says which. Those before it are.
        """
        return import_turns(self, self._system, turns, progress=progress)

    # -- finding ----------------------------------------------------------------------

    def retrieve_memory(
        self,
        query: str,
        *,
        top_k: int = 10,
        touch: bool = True,
        deep: bool = True,
        as_of: datetime | str | None = None,
    ) -> RetrievedMemory:
        """Return what memory holds for `query`. Calls no chat model and changes no page.

        Args:
            query: any text, in any language.
            top_k: most pages to return besides STM.
            touch: count the visit of the segments found, in the background.
            deep: whether pages of archived segments are searched too.
            as_of: see knowledge and profile as they were at this time.

        Raises:
            InvalidInput: the query is empty or an argument is out of range.
            EmbeddingError, StoreError: nothing could be searched.
        """
        request = Request(
            query=require_text("query", query),
            session_id=self.session_id,
            top_k=require_count("top_k", top_k),
            deep=deep,
            as_of=None if as_of is None else as_utc(as_of, "as_of"),
        )
        with self._system.resident(self.owner) as resident:
            found = retrieve(request, resident, self._system.embedder, self._system.settings, self._system.clock())
        if touch:
            entries = [entry.id for entry in (*found.user_knowledge, *found.assistant_knowledge)]
            segments = dict.fromkeys(page.segment_id for page in found.pages if page.segment_id)
            self._system.visited(self.owner, list(segments), entries)
        return found

    def get_response(
        self,
        query: str,
        *,
        relationship: str = "",
        style_hint: str = "",
        conversation_metadata: Mapping[str, Any] | None = None,
        max_tokens: int = 2000,
    ) -> str:
        """Answer `query` from memory in one call of the chat model, and remember the exchange.

        Without a model the best page is quoted, marked as such, and nothing is remembered.

        Args:
            relationship: what the assistant is to the user, for example "tutor".
            style_hint: how to answer, for example "warm and brief".
            conversation_metadata: JSON values for the model to read and the page to keep.
            max_tokens: budget of the remembered context.

        Raises:
            InvalidInput: an argument cannot be asked or remembered; the model was not called.
            ChatModelError: the model did not answer; nothing was remembered.
        """
        return Exchange(self, self._system, query, relationship, style_hint, conversation_metadata, max_tokens).answer()

    def stream_response(
        self,
        query: str,
        *,
        relationship: str = "",
        style_hint: str = "",
        conversation_metadata: Mapping[str, Any] | None = None,
        max_tokens: int = 2000,
    ) -> Generator[str, None, None]:
        """Answer as `get_response` does, in pieces as they come.

        Arguments are checked at once; memory and model are asked at the first `next`. The exchange is
        remembered after the last piece, not if the model fails or says nothing or the iterator is closed early.
        Thoughts are left out where they open with a tag such as <think>, and never remembered.
        """
        return Exchange(self, self._system, query, relationship, style_hint, conversation_metadata, max_tokens).pieces()

    def get_user_profile(self, *, as_of: datetime | str | None = None) -> UserProfile:
        """Return the static facts and traits of the user, now or as they were at `as_of`."""
        moment = None if as_of is None else as_utc(as_of, "as_of")
        with self._system.resident(self.owner) as resident, resident.reading:
            return user_profile(resident.records.knowledge.values(), moment)

    # -- looking ----------------------------------------------------------------------

    def pages(self, tier: Tier | None = None) -> list[DialoguePage]:
        """Return every page in order of arrival, those of the archive too, or those of one tier."""
        tiers = self.tiers()
        wanted = tiers.values() if tier is None else [tiers[tier]]
        return sorted((page for pages in wanted for page in pages), key=arrival)

    def tiers(self) -> dict[Tier, list[DialoguePage]]:
        """Return every page by the tier it lives in: each page in exactly one."""
        with self._system.resident(self.owner) as resident, resident.writing:
            pages = list(resident.records.pages.values())
            waiting = {page.id for page in self._system.updater.pending(resident)}
            archived = {segment.id for segment in resident.records.segments.values() if segment.archived}
        return {
            Tier.SHORT_TERM: [page for page in pages if page.segment_id is None and page.id not in waiting],
            Tier.PENDING: [page for page in pages if page.id in waiting],
            Tier.SEGMENT: [page for page in pages if page.segment_id and page.segment_id not in archived],
            Tier.ARCHIVE: [page for page in pages if page.segment_id in archived],
        }

    def segments(self) -> list[Segment]:
        """Return every segment in order of opening, archived ones last."""
        with self._system.resident(self.owner) as resident, resident.reading:
            return sorted(resident.records.segments.values(), key=lambda each: (each.archived, *opening(each)))

    def heats(self) -> dict[str, float]:
        """Return the heat of each resident segment at this moment (Eq. 4), hottest first."""
        now, weights = self._system.clock(), self._system.settings.heat_weights
        with self._system.resident(self.owner) as resident, resident.reading:
            records = resident.records
            heats = {state.segment.id: state.heat(now, weights) for state in records.live_states()}
        return dict(sorted(heats.items(), key=lambda item: -item[1]))

    def knowledge(self, *, history: bool = False) -> list[KnowledgeEntry]:
        """Return the knowledge entries in the order they were said; `history` adds superseded ones."""
        with self._system.resident(self.owner) as resident, resident.reading:
            entries = list(resident.records.knowledge.values())
        return sorted(
            entries if history else held_at(entries, None), key=lambda entry: (entry.said_at, entry.order, entry.id)
        )

    # -- deleting and moving ------------------------------------------------------------

    def forget(self, record_id: str) -> None:
        """Delete a page, with what was derived from it alone, or a knowledge entry.

        Raises:
            NotFound: this user has no such record.
        """
        with self._system.resident(self.owner) as resident:
            self._system.updater.forget(resident, require_text("record_id", record_id))

    def purge(self) -> None:
        """Delete everything of this user and assistant."""
        self._system.purge(self.owner)

    def export(self, file: str | Path) -> int:
        """Write the whole memory to `file` as JSON Lines and return the number of records."""
        return export_memory(self, self._system, Path(file))

    # -- background work ------------------------------------------------------------------

    def flush(self, *, progress: bool = False) -> None:
        """Do what is pending now.

        Args:
            progress: show a bar; worth it after a long import with a chat model.

        Raises:
            ModelError, StoreError: what went wrong; the rest stays pending.
        """
        with bar("consolidating pages", "page", self.status().pending, shown=progress) as step:
            self._system.flush(self.owner, step=step)

    def status(self) -> MemoryStatus:
        """Return how much waits for the background, whether it is at it, and why the last try failed if it did."""
        return self._system.status(self.owner)

    def in_session(self, session_id: str) -> UserMemory:
        """Return a handle on the same memory in another session."""
        return self._system.memory(self.owner.user_id, self.owner.assistant_id, session_id)

    def __enter__(self) -> UserMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()

    # -- the same, awaited: each runs in a thread -------------------------------------------

    async def aadd_memory(self, *args: Any, **options: Any) -> DialoguePage:
        """Await `add_memory`."""
        return await asyncio.to_thread(self.add_memory, *args, **options)

    async def aretrieve_memory(self, query: str, **options: Any) -> RetrievedMemory:
        """Await `retrieve_memory`."""
        return await asyncio.to_thread(self.retrieve_memory, query, **options)

    async def aget_response(self, query: str, **options: Any) -> str:
        """Await `get_response`."""
        return await asyncio.to_thread(self.get_response, query, **options)

    def astream_response(self, query: str, **options: Any) -> AsyncGenerator[str, None]:
        """Do what `stream_response` does, for `async for`; closing it early closes that."""
        return awaited(self.stream_response(query, **options))

    async def aflush(self, *, progress: bool = False) -> None:
        """Await `flush`."""
        await asyncio.to_thread(self.flush, progress=progress)
