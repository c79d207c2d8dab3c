"""MemoryOSMemory: a user's memory wherever LlamaIndex takes `memory=`.

It says whose memory a call is about and hands on; what becomes of messages, and what a model gets to read,
is decided elsewhere. It holds no state: any number of objects on one session are the same memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemory
from pydantic import ConfigDict, Field, ValidationError, field_serializer

from memoryos_engine import InvalidInput, MemoryOS, UserMemory
from memoryos_engine.settings import require_count, require_text
from memoryos_integrations.addressing import Address, whose
from memoryos_integrations.argument_names import ArgumentNames, refusal
from memoryos_integrations.handles import memory_of, memory_value, system_of, system_value
from memoryos_integrations.llama_index.asked import Asked, note_asked
from memoryos_integrations.llama_index.kept import instructions
from memoryos_integrations.llama_index.messages import said_text
from memoryos_integrations.llama_index.recalling import conversation, prompt_messages
from memoryos_integrations.llama_index.remembering import begin_hearing, checked_messages, remember
from memoryos_integrations.llama_index.run_scope import sources
from memoryos_integrations.llama_index.window import begin_conversation, set_conversation
from memoryos_integrations.saving import try_waiting

DEFAULT_MAX_TOKENS = 2000
_WINDOW_SHARE = 0.75
"""Of a model's context window, what LlamaIndex's own memories take at most."""
_NAMES = ArgumentNames(
    owner="MemoryOSMemory",
    elsewhere={
        "token_limit": "max_tokens, or token_limit to from_defaults",
        "chat_history": "chat_history to from_defaults, or call set",
        "llm": "llm= to MemoryOS",
        "chat_store": "memory or system",
        "chat_store_key": "session_id",
        "similarity_top_k": "top_k",
        "memory_blocks": "MemoryOSMemoryBlock to LlamaIndex's Memory",
        "tokenizer_fn": "nothing for it: tokens are counted by the engine",
        "path": "system=MemoryOS(path=...)",
    },
    advice={},
)
"""Names of LlamaIndex's own memory classes, and what to do here instead."""


class MemoryOSMemory(BaseMemory):
    """Long-term memory for chat engines, agents and workflows. Thread-safe.

    What the user says is stored at once, and its answer with it when it comes. `get` returns what is
    remembered that matters for what the user says now, within `max_tokens`, then the latest turns.

    With `memory=`, every call is about one user's session. With `system=`, each call may say whose memory
    it is about, with `instrument_tags({"user_id": ..., "session_id": ...})` around it; the ids given here
    stand in where it does not. A call that nothing names a user for is an error.

    The object is a handle: it can be copied, pickled and written into the state of a workflow, and is the same
    memory where it arrives (see `memoryos_engine.reopening`).

    Args:
        memory: whose memory every call is about; no ids may be given beside it.
        system: where to find the memory that a call names.
        user_id: for calls that name no user.
        assistant_id: for calls that name none.
        session_id: for calls that name none.
        max_tokens: budget of what `get` adds to what is said now, at least 1: the context, of which at most
            half the latest turns.
        top_k: most pages to find, at least 1.

    Raises:
        InvalidInput: not exactly one of memory and system is given, or an argument is unknown or
            out of range.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    memory: UserMemory | None = Field(default=None, repr=False, frozen=True)
    system: MemoryOS | None = Field(default=None, repr=False, frozen=True)
    user_id: str | None = Field(default=None, frozen=True)
    assistant_id: str | None = Field(default=None, frozen=True)
    session_id: str | None = Field(default=None, frozen=True)
    max_tokens: int = DEFAULT_MAX_TOKENS
    top_k: int = 10

    def __init__(self, **options: Any) -> None:
        _NAMES.require_known(options, type(self).model_fields)
        require_count("max_tokens", options.get("max_tokens", 1))
        require_count("top_k", options.get("top_k", 1))
        found = {
            **options,
            "memory": _found(options, "memory", memory_of),
            "system": _found(options, "system", system_of),
        }
        Address.of(found)
        try:
            super().__init__(**found)
        except ValidationError as error:
            raise refusal(error) from None

    @classmethod
    def class_name(cls) -> str:
        """Return the name LlamaIndex knows the class by."""
        return "MemoryOSMemory"

    @classmethod
    def from_defaults(
        cls,
        chat_history: Sequence[ChatMessage] | None = None,
        llm: Any = None,
        token_limit: int | None = None,
        **options: Any,
    ) -> MemoryOSMemory:
        """Return a memory, as LlamaIndex's classes make theirs.

        Args:
            chat_history: the conversation so far, as for `set`; an empty one changes nothing.
            llm: a model whose context window bounds the budget, as for LlamaIndex's own memories.
            token_limit: the budget where `max_tokens` is not given, else what bounds it; at least 1.
            options: see the class.

        Raises:
            InvalidInput: as the class does.
            StoreError, ModelError, ClosedError: the conversation could not be stored; see `set`.
        """
        if not {"memory", "system"} & options.keys():
            fix = "Pass memory=MemoryOSMemory(system=..., user_id=...) to the engine: it gives memory_cls no system."
            raise InvalidInput("memory", "and system: exactly one of them is needed", fix)
        bounds = [] if token_limit is None else [require_count("token_limit", token_limit)]
        if llm is not None:
            bounds.append(max(1, int(llm.metadata.context_window * _WINDOW_SHARE)))
        budget = options.pop("max_tokens", DEFAULT_MAX_TOKENS if token_limit is None else token_limit)
        made = cls(max_tokens=min([require_count("max_tokens", budget), *bounds]), **options)
        if chat_history:
            made.set(list(chat_history))
        return made

    # -- what a model gets to read ----------------------------------------------------------

    def get(self, input: Any = None, **kwargs: Any) -> list[ChatMessage]:  # noqa: A002, ARG002 - LlamaIndex's signature
        """Return what the model shall read: see `recalling.prompt_messages`.

        Args:
            input: what the user says now, text or message, where it is not stored yet; by default what was
                stored last.
            kwargs: what hosts pass to other memories, without effect.

        Raises:
            InvalidInput: nothing names a user, or the input is neither text nor message.
            EmbeddingError, StoreError: nothing could be searched.
        """
        asked = said_text(input) if isinstance(input, ChatMessage) else require_text("input", input or "")
        return prompt_messages(self._memory(), asked, max_tokens=self.max_tokens, top_k=self.top_k)

    def get_all(self) -> list[ChatMessage]:
        """Return the conversation, oldest first: instructions, what was said in this session, nothing recalled.

        Raises:
            InvalidInput: nothing names a user.
            StoreError: it cannot be read.
        """
        memory = self._memory()
        try_waiting(memory)
        return [*instructions(memory), *conversation(memory, memory.session_pages())]

    # -- what is said -------------------------------------------------------------------------

    def put(self, message: ChatMessage) -> None:
        """Store one message; see `put_messages`."""
        self.put_messages([message])

    async def aput(self, message: ChatMessage) -> None:
        """Await `put`; the work is done in a thread."""
        await self.aput_messages([message])

    def put_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Store what is said in messages; see `remembering.remember`.

        Raises:
            InvalidInput: something here is no message or can never be stored, or nothing names a user.
            StoreError, ModelError, ClosedError: something the user said could not be stored. It waits in this
                process and is stored with the next use of the session. An answer that waits raises nothing.
        """
        memory, heard = self._address.handle(*sources()), checked_messages(messages)
        note_asked(memory, remember(memory, heard, begin_hearing(memory, heard)))

    async def aput_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Await `put_messages`; the work is done in a thread."""
        memory, heard = self._address.handle(*sources()), checked_messages(messages)
        note_asked(memory, await asyncio.to_thread(remember, memory, heard, begin_hearing(memory, heard)))

    def set(self, messages: Sequence[ChatMessage]) -> None:
        """Make messages the conversation, in place of what it was.

        Of turns that this session holds or held nothing is stored again; others are stored. What is not among
        them is no longer part of the conversation, and remembered all the same.

        Raises:
            InvalidInput, StoreError, ModelError, ClosedError: as `put_messages` does.
        """
        memory = self._memory()
        _note_question(memory, set_conversation(memory, checked_messages(messages)))

    async def aset(self, messages: Sequence[ChatMessage]) -> None:
        """Await `set`; the work is done in a thread."""
        memory = self._memory()
        _note_question(memory, await asyncio.to_thread(set_conversation, memory, checked_messages(messages)))

    def reset(self, *, forget: bool = False) -> None:
        """Begin a new conversation. What was said stays in memory, and is recalled where it matters.

        LlamaIndex resets a memory whenever `chat_repl` begins, so this deletes nothing unless it is told to. The
        pages move to a session beside this one, whose name begins with this one's.

        Args:
            forget: delete what was said in this session instead, with what was derived from it alone; what
                was said before an earlier reset too. `system.memory(user_id).purge()` deletes the user.

        Raises:
            InvalidInput: nothing names a user.
            StoreError, ModelError, ClosedError: not all of it could be done.
        """
        memory = self._memory()
        begin_conversation(memory, forget=forget)
        note_asked(memory, None)

    async def areset(self, *, forget: bool = False) -> None:
        """Await `reset`; the work is done in a thread."""
        memory = self._memory()
        await asyncio.to_thread(begin_conversation, memory, forget=forget)
        note_asked(memory, None)

    # -- whose memory, and where it goes --------------------------------------------------------

    @property
    def _address(self) -> Address:
        return Address.of(self)

    def _memory(self) -> UserMemory:
        return self._address.resolve(*sources())

    @field_serializer("memory")
    def _written_memory(self, memory: UserMemory | None) -> dict[str, Any] | None:
        return None if memory is None else memory_value(memory)

    @field_serializer("system")
    def _written_system(self, system: MemoryOS | None) -> dict[str, Any] | None:
        return None if system is None else system_value(system)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> MemoryOSMemory:
        return self.model_copy()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({whose(self._address)})"

    def __str__(self) -> str:
        return repr(self)


def _note_question(memory: UserMemory, asked: Asked | None) -> None:
    if asked is not None:
        note_asked(memory, asked)


def _found(options: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], Any]) -> Any:
    """Return the option of this name; what was written down of one is found again."""
    value = options.get(name)
    return read(value) if isinstance(value, Mapping) else value
