"""MemoryOSMemoryBlock: long-term memory behind LlamaIndex's own `Memory`.

`Memory` keeps the latest messages and asks its blocks for the rest; this one answers with profile, facts and pages
under one budget. It keeps nothing from one call to the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock
from pydantic import ConfigDict, Field, ValidationError

from memoryos_engine import DialoguePage, MemoryOS, RetrievedMemory, UserMemory
from memoryos_engine.settings import require_count
from memoryos_integrations.addressing import Address
from memoryos_integrations.argument_names import ArgumentNames, refusal
from memoryos_integrations.conversations import continued, matched
from memoryos_integrations.llama_index.messages import as_said, is_users, said_text
from memoryos_integrations.llama_index.recalled_text import RecalledText
from memoryos_integrations.llama_index.run_scope import sources
from memoryos_integrations.long_sides import log_left_out, without_long_sides
from memoryos_integrations.saving import holding, save, try_waiting, waiting
from memoryos_integrations.turns import Turn, turns_of

_NAMES = ArgumentNames(
    owner="MemoryOSMemoryBlock", elsewhere={"token_limit": "max_tokens", "similarity_top_k": "top_k"}, advice={}
)


class MemoryOSMemoryBlock(BaseMemoryBlock[str]):
    """Long-term memory as a block of LlamaIndex's `Memory`. Thread-safe; one block can serve many users.

    Each time `Memory` is asked for its messages, what it holds and is not remembered yet is stored: whole
    turns, each once. So nothing is lost that would leave `Memory` only in a long conversation, or never; the
    last turn is stored when the next begins, or with `aput`.

    The session of a `Memory` is a session here; give it a `session_id` of its own, or each `Memory`
    begins a new one. Whose memory it is, is said as for `MemoryOSMemory`. A block is no handle: it cannot be written
    down with its `Memory`.

    Args:
        name: of the block, unique within its `Memory`.
        priority: 0 keeps the text whole whatever its `Memory` has room for; from 1 on it gives way, the least
            valuable first.
        memory: whose memory it is; no ids may be given beside it.
        system: where to find the memory that a call names.
        user_id: for calls that name no user. Without one such a call is an error.
        assistant_id: for calls that name none.
        session_id: for calls that name none, and no session of a `Memory`.
        max_tokens: budget of the text, at least 1.
        top_k: most pages to find, at least 1.

    Raises:
        InvalidInput: not exactly one of memory and system is given, or an argument is out of range.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str = "memoryos"
    description: str | None = "What is remembered of the user."
    priority: int = 1
    memory: UserMemory | None = Field(default=None, repr=False, exclude=True)
    system: MemoryOS | None = Field(default=None, repr=False, exclude=True)
    user_id: str | None = None
    assistant_id: str | None = None
    session_id: str | None = None
    max_tokens: int = 2000
    top_k: int = 10

    def __init__(self, **options: Any) -> None:
        _NAMES.require_known(options, type(self).model_fields)
        require_count("max_tokens", options.get("max_tokens", 1))
        require_count("top_k", options.get("top_k", 1))
        Address.of(options)
        try:
            super().__init__(**options)
        except ValidationError as error:
            raise refusal(error) from None

    async def _aget(self, messages: list[ChatMessage] | None = None, **block_kwargs: Any) -> str:
        """Return what is remembered that matters for the user's last message, and is not among the messages.

        Args:
            messages: what `Memory` holds, oldest first.
            block_kwargs: the session of the `Memory`, and what was passed to `Memory.aget`, without effect.

        Raises:
            InvalidInput: nothing names a user. A side that is too long for any page is left out, and logged once.
            EmbeddingError, StoreError: nothing could be stored or searched; turns wait in this process.
        """
        memory = self._memory(block_kwargs.get("session_id"))
        return await asyncio.to_thread(self._recalled, memory, list(messages or []))

    async def _aput(self, messages: list[ChatMessage]) -> None:
        """Store what is new among messages that leave `Memory`, as whole turns.

        Raises:
            InvalidInput: nothing names a user, or something can never be stored.
            StoreError, ModelError: not all of it was stored. It waits in this process.
        """
        memory = self._memory(messages[-1].additional_kwargs.get("session_id") if messages else None)
        await asyncio.to_thread(_store_new, memory, _turns(messages))

    async def atruncate(self, content: str, tokens_to_truncate: int) -> str | None:
        """Return the text so many tokens shorter, the least valuable gone; None if nothing is left."""
        if not isinstance(content, RecalledText):
            return None
        return await asyncio.to_thread(content.shorter, tokens_to_truncate)

    def _memory(self, session_id: str | None) -> UserMemory:
        """Return the memory of a call, in the session of its `Memory`."""
        memory = Address.of(self).resolve({"session_id": session_id}, *sources())
        return memory if session_id is None else memory.in_session(session_id)

    def _recalled(self, memory: UserMemory, messages: list[ChatMessage]) -> RecalledText:
        try_waiting(memory)
        turns = _turns(messages)
        asks = bool(turns) and not turns[-1].agent_response
        _store_new(memory, turns[:-1] if asks else turns)
        query = next((said_text(each) for each in reversed(messages) if is_users(each)), "")
        found = memory.retrieve_memory(query, top_k=self.top_k) if query.strip() else memory.latest_memory()
        return RecalledText.of(_unsaid(found, turns), self.max_tokens)


def _turns(messages: Sequence[ChatMessage]) -> list[Turn]:
    return turns_of(as_said(messages)[0])


def _store_new(memory: UserMemory, turns: Sequence[Turn]) -> None:
    """Store the turns that the session does not have: those after its last, or any if it is not among them."""
    fitting = without_long_sides(memory, turns)
    with holding(memory):
        new = _new(memory, fitting) if turns else []
        log_left_out(memory, turns, fitting, new)
        save(memory, [turn for turn in new if turn.user_input or turn.agent_response], again=False)


def _new(memory: UserMemory, turns: Sequence[Turn]) -> list[Turn]:
    held = [*memory.session_pages(last=2 * len(turns) + 1), *_waiting(memory)]
    new = continued(_without_known_halves(turns, held), held)
    if new is None:
        held = [*memory.session_pages(), *_waiting(memory)]
        new = matched(_without_known_halves(turns, held), held)[1]
    return new


def _waiting(memory: UserMemory) -> list[DialoguePage]:
    """Return as pages the turns that could not be stored yet, so that they are not handed over again."""
    now = memory.system.clock()
    return [
        DialoguePage(
            id="",
            session_id=memory.session_id,
            user_input=turn.user_input,
            agent_response=turn.agent_response,
            timestamp=now,
            sequence=0,
        )
        for turn in waiting(memory)
    ]


def _without_known_halves(turns: Sequence[Turn], stored: Sequence[DialoguePage]) -> Sequence[Turn]:
    """Return the turns without a half at either end that is a stored page's: `Memory` may cut between two sides."""
    if turns and not turns[0].user_input and turns[0].agent_response in {page.agent_response for page in stored}:
        turns = turns[1:]
    if turns and not turns[-1].agent_response and turns[-1].user_input in {page.user_input for page in stored}:
        turns = turns[:-1]
    return turns


def _unsaid(found: RetrievedMemory, turns: Sequence[Turn]) -> RetrievedMemory:
    """Return what was found without the pages that the messages say already."""
    there = {(turn.user_input, turn.agent_response) for turn in turns}

    def new(page: DialoguePage) -> bool:
        return (page.user_input, page.agent_response) not in there

    short_term, pages = (tuple(filter(new, each)) for each in (found.short_term, found.pages))
    return replace(found, short_term=short_term, pages=pages)
