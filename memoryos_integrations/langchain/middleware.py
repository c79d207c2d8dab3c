"""MemoryOS for `create_agent`: what was said before stands in the system prompt, and each turn is remembered.

Recalls, injects and saves. It does not know how memory finds or keeps anything, and it never
costs an answer: what fails is logged, and what could not be stored waits.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from memoryos_engine import InvalidInput, MemoryOS, MemoryOSError, Owner, RetrievedMemory, UserMemory
from memoryos_engine.settings import require_count, require_id
from memoryos_integrations.addressing import Address
from memoryos_integrations.content import storable
from memoryos_integrations.langchain.injection import not_in, with_memory, without_said
from memoryos_integrations.langchain.recall import arecall, recall
from memoryos_integrations.langchain.run_scope import sources
from memoryos_integrations.langchain.running_turns import begin, end, ended, keep, recalled
from memoryos_integrations.langchain.turn_state import NotedTurn, TurnState, begun, query_of, turns_held
from memoryos_integrations.saving import save, waiting
from memoryos_integrations.turns import Turn

if TYPE_CHECKING:
    from langgraph.runtime import Runtime

_logger = logging.getLogger(__name__)

_NO_CONFIG: RunnableConfig = {}


class MemoryOSMiddleware(AgentMiddleware[TurnState, Any]):
    """Long-term memory for an agent made by `create_agent`.

    Before the model is called, what memory holds for the user's message is added to the end of
    the system prompt, for this call alone; neither messages nor checkpoints hold it. When the run
    has ended, what the user said and what was answered become a page.

    Whose memory it is, is looked up for each run: in its context, then in its config's
    "configurable" and "metadata", under `user_id`, `assistant_id`, and `session_id` or `thread_id`;
    then come the ids given here. Place it after middleware that replaces the system prompt.

    What fails is logged as a WARNING and costs no answer. A turn that could not be stored waits in
    this process and is stored when its session is next used.

    Args:
        memory: the memory of every run; no ids may be given beside it.
        system: where to find the memory of the user that a run names.
        user_id: for runs that name no user.
        assistant_id: for runs that name none.
        session_id: for runs that name neither a session nor a thread.
        max_tokens: most tokens that memory adds to the prompt, at least 1.
        top_k: most pages to find for a message, at least 1.
        tools: whether the agent also gets tools to recall, remember and forget by itself.
        name: of the middleware within its agent; give one to each of several memories.

    Raises:
        InvalidInput: not exactly one of memory and system is given, or an argument is unusable.
    """

    state_schema = TurnState

    def __init__(
        self,
        *,
        memory: UserMemory | None = None,
        system: MemoryOS | None = None,
        user_id: str | None = None,
        assistant_id: str | None = None,
        session_id: str | None = None,
        max_tokens: int = 2000,
        top_k: int = 10,
        tools: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self._address = Address(
            memory=memory, system=system, user_id=user_id, assistant_id=assistant_id, session_id=session_id
        )
        self._max_tokens = require_count("max_tokens", max_tokens)
        self._top_k = require_count("top_k", top_k)
        self._name = type(self).__name__ if name is None else require_id("name", name)
        self.tools: Sequence[BaseTool] = _tools(self._address) if tools else []

    @property
    def name(self) -> str:
        """By which the agent and its state know this memory."""
        return self._name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self._name!r})"

    # -- the hooks of an agent's run ----------------------------------------------------

    def before_agent(
        self, state: TurnState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Note what the user says in this run, and whose memory that is.

        Raises:
            InvalidInput: nothing says who the user is.
        """
        try:
            return self._begin(state, runtime.context, *sources(config))
        except InvalidInput:
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails in memory must not cost an answer
            self._warn("is not available", error)
            return None

    async def abefore_agent(
        self, state: TurnState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Do what `before_agent` does; nothing in it blocks unless an earlier run broke off in another process."""
        return self.before_agent(state, runtime, config)

    def wrap_model_call(self, request: ModelRequest, handler: Callable[[ModelRequest], ModelResponse]) -> ModelResponse:
        """Call the model with what memory holds for this turn at the end of the system prompt."""
        return handler(self._informed(request))

    async def awrap_model_call(
        self, request: ModelRequest, handler: Callable[[ModelRequest], Awaitable[ModelResponse]]
    ) -> ModelResponse:
        """Do what `wrap_model_call` does; memory works in a thread."""
        return await handler(await self._ainformed(request))

    def after_agent(
        self, state: TurnState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Store the turn, if something was said and answered, and it is not stored yet."""
        return self._end(state, runtime.context, *sources(config))

    async def aafter_agent(
        self, state: TurnState, runtime: Runtime[Any], config: RunnableConfig = _NO_CONFIG
    ) -> dict[str, Any] | None:
        """Do what `after_agent` does; memory works in a thread."""
        return await asyncio.to_thread(self._end, state, runtime.context, *sources(config))

    # -- recalling ------------------------------------------------------------------------

    def _informed(self, request: ModelRequest) -> ModelRequest:
        try:
            memory, noted = self._turn_of(request)
            found = _known(memory, noted)
            if found is None:
                found = _kept(noted, recall(memory, **self._asked(noted, request)))
            return self._with(found, request)
        except Exception as error:  # noqa: BLE001 - see above
            self._warn("could not be recalled", error)
            return request

    async def _ainformed(self, request: ModelRequest) -> ModelRequest:
        try:
            memory, noted = self._turn_of(request)
            found = await asyncio.to_thread(_known, memory, noted)
            if found is None:
                found = _kept(noted, await arecall(memory, **self._asked(noted, request)))
            return await asyncio.to_thread(self._with, found, request)
        except Exception as error:  # noqa: BLE001 - see above
            self._warn("could not be recalled", error)
            return request

    def _turn_of(self, request: ModelRequest) -> tuple[UserMemory, NotedTurn | None]:
        """Return the run's memory and turn; no turn if the run went to its model before it could be noted."""
        noted = NotedTurn.of(request.state, self._name)
        if noted is None or noted.stored:
            return self._address.resolve(request.runtime.context, *sources()), None
        return self._memory_of(noted), noted

    def _memory_of(self, noted: NotedTurn) -> UserMemory:
        """Return the memory of a turn, even if its system was closed meanwhile: what is to be saved can wait."""
        if self._address.memory is not None:
            return self._address.memory
        assert self._address.system is not None  # noqa: S101 - checked at construction
        owner = Owner(user_id=noted.ids["user_id"], assistant_id=noted.ids["assistant_id"])
        return UserMemory(self._address.system, owner, session_id=noted.ids["session_id"])

    def _asked(self, noted: NotedTurn | None, request: ModelRequest) -> dict[str, Any]:
        messages = request.messages
        return {"query": query_of(noted, messages), "top_k": self._top_k, "where": not_in(messages)}

    def _with(self, found: RetrievedMemory, request: ModelRequest) -> ModelRequest:
        text = without_said(found, request.messages).to_prompt(self._max_tokens)
        return with_memory(request, text)

    # -- remembering ----------------------------------------------------------------------

    def _begin(self, state: TurnState, *where: object) -> dict[str, Any]:
        memory, turn_id = self._address.resolve(*where), uuid.uuid4().hex
        earlier, now = NotedTurn.of(state, self._name), memory.system.clock().isoformat()
        if earlier is not None and not _waits(memory, earlier):
            earlier = earlier.done()
        turn = begun(earlier, state["messages"], turn_id=turn_id, ids=_ids(memory), begun_at=now)
        begin(turn_id, memory.system.purges(memory.owner))
        return turn.as_state(self._name)

    def _end(self, state: TurnState, *where: object) -> dict[str, Any] | None:
        try:
            return self._remember(state, *where)
        except Exception as error:  # noqa: BLE001 - see above
            self._warn("could not store a turn", error)
            return None

    def _remember(self, state: TurnState, *where: object) -> dict[str, Any] | None:
        noted = NotedTurn.of(state, self._name)
        turns = turns_held(noted, state["messages"], state.get("structured_response"))
        if not turns:
            return None
        if noted is None or noted.stored:
            self._save(self._address.resolve(*where), turns)
            return None
        memory = self._memory_of(noted)
        if not _is_settled(memory, noted, turns[-1]):
            self._save(memory, turns)
        return noted.done().as_state(self._name)

    def _save(self, memory: UserMemory, turns: list[Turn]) -> None:
        try:
            save(memory, turns, again=False)
        except Exception as error:  # noqa: BLE001 - see above
            self._warn("could not store a turn now", error)

    def _warn(self, what: str, error: Exception) -> None:
        """Log what went wrong; of errors that are not the engine's, only where: they may quote what was said."""
        why = str(error) if isinstance(error, MemoryOSError) else _place(error)
        _logger.warning("%s %s; the agent goes on without (%s: %s)", self._name, what, type(error).__name__, why)


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"


def _tools(address: Address) -> Sequence[BaseTool]:
    from memoryos_integrations.langchain.tools import create_memory_tools

    return create_memory_tools(
        address.memory,
        system=address.system,
        user_id=address.user_id,
        assistant_id=address.assistant_id,
        session_id=address.session_id,
    )


def _ids(memory: UserMemory) -> dict[str, str]:
    owner = memory.owner
    return {"user_id": owner.user_id, "assistant_id": owner.assistant_id, "session_id": memory.session_id}


def _known(memory: UserMemory, noted: NotedTurn | None) -> RetrievedMemory | None:
    return None if noted is None else recalled(noted.id, memory)


def _kept(noted: NotedTurn | None, found: RetrievedMemory) -> RetrievedMemory:
    if noted is not None:
        keep(noted.id, found)
    return found


def _is_settled(memory: UserMemory, noted: NotedTurn, last: Turn) -> bool:
    """Return whether there is nothing left to store.

    The owner was purged since it was said; or the turn went on in another process, or goes on a second
    time, and was stored before.
    """
    purges = end(noted.id)
    if purges is not None:
        return purges != memory.system.purges(memory.owner)
    return _is_stored(memory, noted, last.user_input)


def _waits(memory: UserMemory, earlier: NotedTurn) -> bool:
    """Return whether what was said in the thread's last run still waits for an answer, and for being stored."""
    if earlier.stored or ended(earlier.id):
        return False
    purges = end(earlier.id)
    if purges is not None:
        return purges == memory.system.purges(memory.owner)
    return not any(_is_stored(memory, earlier, text) for _, text in earlier.said)


def _is_stored(memory: UserMemory, noted: NotedTurn, said: str) -> bool:
    since = datetime.fromisoformat(noted.begun_at)
    try:
        pages = [page.user_input for page in memory.session_pages() if page.timestamp >= since]
    except MemoryOSError:  # then saving fails as well, and the turn waits
        pages = []
    return storable(said) in (*pages, *(turn.user_input for turn in waiting(memory)))
