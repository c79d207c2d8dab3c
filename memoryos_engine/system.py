"""MemoryOS: one store, one embedder, one analyst, any number of users.

This is where the parts are chosen and put together; nothing here decides what is
remembered or found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from memoryos_engine.analysis.base import Analyst
from memoryos_engine.background import Background
from memoryos_engine.care import Care
from memoryos_engine.clock import Clock, as_utc, system_clock
from memoryos_engine.embedding.base import Embedder
from memoryos_engine.embedding.hashing import HashingEmbedder
from memoryos_engine.errors import ClosedError, InvalidInput
from memoryos_engine.events import Listener, OnEvent
from memoryos_engine.llm.base import ChatModel
from memoryos_engine.memory import UserMemory
from memoryos_engine.owner_work import OwnerWork
from memoryos_engine.parts import check_parts, checked_analyst, chosen_model, default_analyst, is_default_embedder
from memoryos_engine.prompts import Prompts
from memoryos_engine.recent_owners import RecentOwners
from memoryos_engine.records import Owner
from memoryos_engine.reopening import SystemReference, remember_open, reopened_system
from memoryos_engine.rights import UserRights
from memoryos_engine.settings import ASSISTANT, SESSION, MemorySettings, require_id
from memoryos_engine.storage.opened import Storage, StorageOptions
from memoryos_engine.storage.opening import open_client, open_path
from memoryos_engine.storage.resident import ResidentSet
from memoryos_engine.updater import Updater
from memoryos_engine.upkeep import Upkeep
from memoryos_engine.visits import WaitingVisits
from memoryos_engine.worker import Outcome, Worker

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

DEFAULT_PATH = "./memoryos_data"


class MemoryOS(Upkeep, Care, UserRights, OwnerWork):
    """Long-term memory for any number of users on one Chroma collection.

    Args:
        path: directory of an embedded store, made if missing; "./memoryos_data" by default.
        client: a Chroma client to use instead of a path.
        llm: chat model that reads pages in the background and answers in `get_response`, or
            the name of one of OpenAI's. Without one, pages are read by extraction and answers quote.
        embedder: turns text into vectors; by default one that needs no download.
        settings: capacities, thresholds and limits.
        analyst: reads pages and segments; by default `LLMAnalyst` if there is a model, else
            `ExtractiveAnalyst`, which can also be passed beside a model that shall only answer.
        prompts: what the model is told; by default ours.
        clock: returns the present as an aware datetime; for tests and replays.
        on_event: is told what happens to memories, without any text (see `MemoryEvent`).

    Raises:
        InvalidInput: path and client are both given, or a part is of the wrong kind.
        StoreLocked: another process has the path open.
        EmbedderMismatch: the store was made with another embedder.
        StoreError: the store cannot be opened.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        client: ClientAPI | None = None,
        llm: ChatModel | str | None = None,
        embedder: Embedder | None = None,
        settings: MemorySettings | None = None,
        analyst: Analyst | None = None,
        prompts: Prompts | None = None,
        clock: Clock = system_clock,
        on_event: OnEvent | None = None,
    ) -> None:
        self.settings = MemorySettings() if settings is None else settings
        self.embedder = HashingEmbedder() if embedder is None else embedder
        self.prompts = Prompts() if prompts is None else prompts
        self.llm = chosen_model(llm)
        self._clock = clock
        check_parts(self.settings, self.embedder, self.llm, self.prompts, clock)
        self._events = Listener(on_event, self.clock)
        chosen = default_analyst(self.llm, self.prompts, self.settings) if analyst is None else checked_analyst(analyst)
        self.updater = Updater(analyst=chosen, embedder=self.embedder, settings=self.settings, clock=self.clock)
        self._client = client
        self._storage = self._open(path, client)
        self._path = self._storage.key[0] if client is None else None  # whatever the process's directory is later
        self._plain = clock is system_clock and self.llm is None and analyst is None
        self._resumed = RecentOwners()
        self._worker = self._new_worker()
        self._visits = WaitingVisits(most=self.settings.max_pending_jobs)
        self._background = Background(
            self.updater,
            self._visits,
            model_delay=self.settings.model_delay,
            clock=self.clock,
            stopped=lambda: self._closed,
        )
        self._purges: Counter[Owner] = Counter()
        self._before_close: list[Callable[[MemoryOS], None]] = []
        self._closed = False
        self._token = remember_open(self)

    def clock(self) -> datetime:
        """Return the present in UTC, by the clock this system was given."""
        return as_utc(self._clock(), "clock")

    def memory(self, user_id: str, assistant_id: str = ASSISTANT, session_id: str = SESSION) -> UserMemory:
        """Return a handle on one user's memory. Cheap: nothing is read until it is used.

        Args:
            user_id: any non-empty text; opaque.
            assistant_id: memory is private to the pair of user and assistant.
            session_id: the conversation thread whose STM and chains the handle adds to.

        Raises:
            InvalidInput: an id is empty or no text.
        """
        self.require_open()
        owner = Owner(user_id=require_id("user_id", user_id), assistant_id=require_id("assistant_id", assistant_id))
        return UserMemory(self, owner, session_id=require_id("session_id", session_id))

    def users(self) -> list[Owner]:
        """Return every pair of user and assistant that has a memory, sorted."""
        self.require_open()
        with self.steady() as storage:
            return storage.store.owners()

    def close(self) -> None:
        """Finish running jobs and give the store back. What is pending is taken up at the next opening.

        Raises:
            StoreError: visits that waited could not be recorded; the store was given back all the same.
        """
        if self._closed:
            return
        for work in self._before_close:
            work(self)
        self._closed = True
        try:
            self._worker.close()
            for owner in self._visits.owners():
                with self._storage.residents.use(owner) as resident:
                    self._background.record_visits(resident)
        finally:
            with self.steady() as storage:
                storage.close()

    @property
    def closed(self) -> bool:
        """Whether the store was given back."""
        return self._closed

    def reference(self) -> SystemReference:
        """Return by what this system is found, or its store opened again, where a handle on it arrives."""
        place = None if self._path is None else str(self._path)
        plain = self._plain and is_default_embedder(self.embedder)
        return SystemReference(token=self._token, path=place, settings=self.settings, plain=plain)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as a handle: the store and what runs on it stay here (see `reopening`)."""
        return reopened_system, (self.reference(),)

    def __enter__(self) -> MemoryOS:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what the handles use ---------------------------------------------------------

    def require_open(self) -> None:
        """Raise ClosedError if the system was closed."""
        if self._closed:
            raise ClosedError

    @contextmanager
    def resident(self, owner: Owner, *, half: bool = False) -> Iterator[ResidentSet]:
        """Give the owner's records; what a crash left pending is taken up the first time.

        Raises:
            ImportCutOff: only a part of them was imported, and what is wanted is not the `half` of it.
        """
        self.require_open()
        with self._events.delivered(), self.steady() as storage, storage.residents.use(owner) as resident:
            if not half:
                resident.require_whole()
            if self._resumed.is_new(owner) and self._is_due(resident):
                self._worker.schedule(owner, delay=0.0)
            yield resident

    def schedule(self, owner: Owner, *, at_once: bool) -> None:
        """Have the owner's background work done soon, or when the owner has been quiet for a while."""
        self._worker.schedule(owner, delay=0.0 if at_once else self.settings.consolidation_delay)

    def before_close(self, work: Callable[[MemoryOS], None]) -> None:
        """Have `work` done at each closing, while the store is open still. It must not raise."""
        self._before_close.append(work)

    def _work(self, owner: Owner) -> Outcome:
        with self._events.delivered():
            return self.in_background(owner, self._background.work)

    def _is_due(self, resident: ResidentSet) -> bool:
        return bool(self.updater.waiting(resident) or self.updater.unpromoted(resident))

    def _new_worker(self) -> Worker:
        return Worker(
            self._work,
            threads=self.settings.workers,
            most=self.settings.max_pending_jobs,
            dropped=self._resumed.discard,
            ended=self._events.background,
        )

    def _reopen(self) -> None:
        self._storage = self._open(self._path, self._client)
        self._worker = self._new_worker()
        self._resumed.clear()
        self._closed = False

    def _open(self, path: str | Path | None, client: ClientAPI | None) -> Storage:
        options = StorageOptions(
            collection_name=self.settings.collection_name,
            embedder=self.embedder,
            budget=self.settings.resident_bytes,
            patience=self.settings.store_patience,
        )
        if client is not None:
            if path is not None:
                raise InvalidInput("path", "and client are both given", "Pass one of them.")
            return open_client(client, options)
        if path is not None and (not isinstance(path, (str, Path)) or not str(path) or "\0" in str(path)):
            raise InvalidInput("path", "is no directory name", f"Pass a str or Path, for example {DEFAULT_PATH!r}.")
        return open_path(DEFAULT_PATH if path is None else path, options)
