"""UserMemory: what a user of the library calls. It checks, delegates and returns records."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

from memoryos_engine.adding import add_answer, add_contents, answer_content
from memoryos_engine.awaiting import AwaitedMemory
from memoryos_engine.clock import as_utc
from memoryos_engine.conversing import Exchange, turn_content
from memoryos_engine.correcting import correct
from memoryos_engine.intake import Content
from memoryos_engine.memory_view import MemoryView
from memoryos_engine.moving import move_pages
from memoryos_engine.progress import bar
from memoryos_engine.records import DialoguePage, KnowledgeEntry
from memoryos_engine.reopening import reopened_memory
from memoryos_engine.retrieval import Request
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.rights import MemoryRights
from memoryos_engine.settings import require_count, require_id, require_text
from memoryos_engine.traced_retrieval import find
from memoryos_engine.transfer.turn_import import import_turns

if TYPE_CHECKING:
    from memoryos_engine.status import MemoryStatus


class UserMemory(MemoryRights, MemoryView, AwaitedMemory):
    """A handle on one user's memory in one session of a system. Holds no state of its own; thread-safe.

    Made by `MemoryOS.memory`. Leaving it as a context manager flushes it.
    """

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
            LimitReached: this user has `MemorySettings.max_pages` already; nothing was changed.
            EmbeddingError, StoreError: it was not stored.
        """
        return self.add_contents([turn_content(self, self.system, user_input, agent_response, timestamp, metadata)])[0]

    def add_response(
        self, agent_response: str, *, page_id: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> DialoguePage:
        """Remember what the agent answered to what the user said last in this session, and return the page.

        The session's last page takes the answer if it has none yet and is still in STM, which keeps its id,
        time and place; else the answer becomes a page of its own. A page that is named takes it as long as it
        belongs to no segment. For hosts that hand over the two sides
        of an exchange one by one.

        Args:
            agent_response: what the agent answered.
            page_id: the page that it answers, where that may not be this session's last because several are asked
                at once. A page that moved to another session has its answer there.
            metadata: JSON values to add to those of the page.

        Raises:
            InvalidInput: an argument cannot be stored, or the page would be too long; nothing was changed.
            NotFound: this user has no such page, or it was deleted while its answer was embedded; the answer may
                repeat what was to be forgotten, and is not stored either.
            EmbeddingError, StoreError: it was not stored.
        """
        alone = answer_content(self, self.system, agent_response, metadata)
        asked = None if page_id is None else require_text("page_id", page_id)
        return add_answer(self.system, self.owner, alone, asked)

    def add_contents(self, contents: list[Content]) -> list[DialoguePage]:
        """Store checked contents in order, in one change, and return their pages."""
        return add_contents(self.system, self.owner, contents)

    def import_turns(self, turns: Iterable[Mapping[str, Any]], *, progress: bool = False) -> int:
        """Remember a history with its own timestamps and return how many pages it made.

        Args:
            turns: mappings with `user_input`, `agent_response`, and optionally `timestamp`,
                `session_id` and `metadata`, in order. `importers.read_turns` makes them of other people's
                files, with keys: what this memory holds already is not stored again.
            progress: show a bar.

        Raises:
            InvalidInput: a turn cannot be stored; the message says which. Those before it are.
            LimitReached: the user has all pages they may have; the message says how many turns were stored.
        """
        return import_turns(self, self.system, turns, progress=progress)

    # -- finding ----------------------------------------------------------------------

    def retrieve_memory(
        self,
        query: str,
        *,
        top_k: int = 10,
        touch: bool = True,
        deep: bool = True,
        as_of: datetime | str | None = None,
        where: Callable[[DialoguePage], bool] | None = None,
    ) -> RetrievedMemory:
        """Return what memory holds for `query`. Calls no chat model and changes no page.

        Args:
            query: any text, in any language.
            top_k: most pages to return besides STM.
            touch: count the visit of the segments found, in the background.
            deep: whether pages of archived segments are searched too.
            as_of: see knowledge and profile as they were at this time.
            where: which pages may be found; STM, profile and knowledge come as they are.

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
            where=where,
        )
        return find(self.system, self.owner, request, touch=touch)

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
        return Exchange(self, self.system, query, relationship, style_hint, conversation_metadata, max_tokens).answer()

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
        return Exchange(self, self.system, query, relationship, style_hint, conversation_metadata, max_tokens).pieces()

    # -- correcting and moving (deleting is in `rights`) ------------------------------------------------

    def correct(self, entry_id: str, text: str, *, timestamp: datetime | str | None = None) -> KnowledgeEntry:
        """Say that a profile value or fact is wrong or out of date and how it is now; return the entry that holds now.

        The old one stays in history. What is said is a page, in a session named "corrections" (see `correcting`);
        forgetting that page makes the old one hold again. Text that says the same confirms a fact; a profile value
        holds anew from then on. Doing it again in the same words changes nothing more; within an hour, it finishes
        what was cut off.

        Args:
            entry_id: of a current entry other than a trait.
            text: the value or fact in its place, as `entry.text` would be: "Tokyo", "likes tea".
            timestamp: when this was said; now by default.

        Raises:
            NotFound: this user has no such entry.
            InvalidInput: the entry cannot be corrected or the text not be stored; nothing was changed.
            EmbeddingError, StoreError: it was not stored.
        """
        return correct(self.system, self.owner, require_text("entry_id", entry_id), text, timestamp)

    def move_pages(self, page_ids: Iterable[str], session_id: str) -> int:
        """Have pages belong to another session from now on, whole and in one change; return how many moved.

        For hosts whose conversations begin anew, branch or are cut: what was said stays in memory, under
        another session's name. Its order of arrival, segments and facts stay as they are.

        Args:
            page_ids: of this user's pages; those that are there already stay.
            session_id: any non-empty text.

        Raises:
            NotFound: there is no such page; none was moved.
            StoreError: nothing was changed, or the store failed when that was done already; call it again.
        """
        return move_pages(self.system, self.owner, list(page_ids), require_id("session_id", session_id))

    # -- background work ------------------------------------------------------------------

    def flush(self, *, progress: bool = False) -> None:
        """Do what is pending now.

        Args:
            progress: show a bar; worth it after a long import with a chat model.

        Raises:
            ModelError, StoreError: what went wrong; the rest stays pending.
        """
        with bar("consolidating pages", "page", self.status().pending, shown=progress) as step:
            self.system.flush(self.owner, step=step)

    def status(self) -> MemoryStatus:
        """Return how much waits for the background, whether it is at it, and why the last try failed if it did."""
        return self.system.status(self.owner)

    def in_session(self, session_id: str) -> UserMemory:
        """Return a handle on the same memory in another session."""
        return self.system.memory(self.owner.user_id, self.owner.assistant_id, session_id)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as a handle: the memory itself stays in its store (see `reopening`)."""
        return reopened_memory, (self.system.reference(), self.owner, self.session_id)

    def __enter__(self) -> UserMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
