"""MemoryOSChatMessageHistory: one session of a user's memory as LangChain's message history.

It reads pages as messages and hands messages over; which of them are new is `handed_over`'s
to say, and what becomes of them the engine's.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import Any

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.outputs import ChatGeneration

from memoryos_engine import InvalidInput, MemoryOS, UserMemory
from memoryos_engine.settings import require_count
from memoryos_engine.tokens import default_counter
from memoryos_integrations.addressing import Address, whose
from memoryos_integrations.langchain.handed_over import handed, store_new
from memoryos_integrations.langchain.messages import as_messages
from memoryos_integrations.langchain.run_scope import sources
from memoryos_integrations.prompting import latest_within
from memoryos_integrations.saving import drop, try_waiting

_AT_THE_END, _ITS_MODULE = ("_exit_history", "_aexit_history"), "langchain_core.runnables.history"
"""What of LangChain asks for the messages only to cut as many off its input, see `MemoryOSChatMessageHistory`."""


class MemoryOSChatMessageHistory(BaseChatMessageHistory):
    """One session of a user's memory as a message history. Holds no messages itself; thread-safe.

    An instance is one session of one user, as the factories of RunnableWithMessageHistory make them:
    the ids given here win, and the run around a call only fills in what is missing. A call that
    nothing names a user for is an error.

    Messages may be handed over in any portions: one side of an exchange, exchanges, or all that was
    ever said, every turn again. What has an id and was stored is not stored again. System messages,
    tools and what they are asked, and summaries are no part of memory.

    RunnableWithMessageHistory without `history_messages_key` asks for the messages once more when a run
    has ended, and cuts as many off its input as there are then; if somebody else spoke in the session
    meanwhile, it would cut off what the user said. So it is given none then, and hands over all it had,
    in which what came from here is known by its ids.

    Args:
        memory: the session; no ids may be given beside it.
        system: where to find the memory that the ids name.
        user_id: whose.
        assistant_id: with which assistant; memory is private to the pair.
        session_id: which session.
        max_tokens: budget of `messages`, at least 1: the latest turns that stand whole within it.
            None for the whole session.

    Raises:
        InvalidInput: not exactly one of memory and system is given, an id beside memory, or a budget
            out of range.
    """

    def __init__(
        self,
        *,
        memory: UserMemory | None = None,
        system: MemoryOS | None = None,
        user_id: str | None = None,
        assistant_id: str | None = None,
        session_id: str | None = None,
        max_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self._address = Address(
            memory=memory, system=system, user_id=user_id, assistant_id=assistant_id, session_id=session_id
        )
        self._max_tokens = None if max_tokens is None else require_count("max_tokens", max_tokens)
        self._given: set[str] = set()

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]
        """The session's messages, oldest first; their ids lead back to their pages.

        Raises:
            InvalidInput: nothing names a user.
            StoreError: they cannot be read.
        """
        return [] if _only_cuts(inspect.currentframe()) else self._read()

    async def aget_messages(self) -> list[BaseMessage]:
        """Await `messages`; they are read in a thread."""
        return [] if _only_cuts(inspect.currentframe()) else await asyncio.to_thread(self._read)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Store what is new among the messages.

        What the user says is stored at once; what is answered then completes its page.

        Raises:
            InvalidInput: something here is no message, or can never be stored; the rest is.
            StoreError, ModelError, ClosedError: not everything was stored. The rest waits in this
                process and is stored with the next use of the session.
        """
        store_new(self._memory(), _as_langchain_messages(messages), self._given)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Await `add_messages`; the work is done in a thread."""
        await asyncio.to_thread(self.add_messages, messages)

    def clear(self) -> None:
        """Forget this session: its pages, and what was derived from them alone. For a new chat take a new session id.

        Raises:
            StoreError: not all of it could be forgotten.
        """
        memory = self._memory()
        drop(memory)
        memory.forget_session()
        handed.drop(memory)
        self._given.clear()

    async def aclear(self) -> None:
        """Await `clear`; the work is done in a thread."""
        await asyncio.to_thread(self.clear)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({whose(self._address)})"

    def _memory(self) -> UserMemory:
        return self._address.resolve(self._address, *sources())

    def _read(self) -> list[BaseMessage]:
        memory = self._memory()
        try_waiting(memory)
        pages = memory.session_pages()
        if self._max_tokens is not None:
            pages = list(latest_within(pages, self._max_tokens, default_counter()))
        messages = as_messages(pages)
        self._given.update({message.id for message in messages if message.id is not None})
        return messages


def _only_cuts(frame: FrameType | None) -> bool:
    """Say whether the caller of the function with this frame asks only to cut what it was given off its input."""
    caller = None if frame is None else frame.f_back
    if caller is None:
        return False
    return caller.f_code.co_name in _AT_THE_END and caller.f_globals.get("__name__") == _ITS_MODULE


def _as_langchain_messages(messages: Iterable[Any]) -> list[BaseMessage]:
    """Return messages as such; what else stands for one in LangChain is taken for it."""
    if isinstance(messages, (str, BaseMessage)):
        raise InvalidInput("messages", "is one message, not a list", "Pass [message], or call add_message.")
    return [message for each in messages for message in _as_langchain_message(each)]


def _as_langchain_message(value: Any) -> list[BaseMessage]:
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, ChatGeneration):
        return [value.message]
    try:
        return convert_to_messages([value])
    except (NotImplementedError, ValueError, TypeError):
        fix = "Pass LangChain messages, such as HumanMessage(...) and AIMessage(...)."
        # Not chained: the error of LangChain quotes what it was given.
        raise InvalidInput("messages", f"hold a {type(value).__name__}, which is no message", fix) from None
