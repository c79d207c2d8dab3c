"""MemoryOSChatMemory: memory for the chains of langchain-classic, and whatever else takes `memory=`.

It says whose memory a call is about and what the chain said; recalling, storing and cutting to a
budget are others'.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_classic.memory.chat_memory import BaseChatMemory
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import BaseMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs
from pydantic import Field, ValidationError

from memoryos_engine import MemoryOS, RetrievedMemory, UserMemory
from memoryos_engine.settings import require_count, require_id
from memoryos_integrations.addressing import ADDRESS_NAMES, Address, whose
from memoryos_integrations.argument_names import ArgumentNames, refusal
from memoryos_integrations.langchain.chain_values import ANSWERED, SAID, spoken
from memoryos_integrations.langchain.chat_history import MemoryOSChatMessageHistory
from memoryos_integrations.langchain.messages import as_messages
from memoryos_integrations.langchain.recall import arecall, recall
from memoryos_integrations.langchain.run_scope import sources
from memoryos_integrations.prompting import recollection
from memoryos_integrations.saving import save
from memoryos_integrations.turns import Turn

_NAMES = ArgumentNames(
    owner="MemoryOSChatMemory",
    elsewhere={
        "k": "top_k",
        "max_token_limit": "max_tokens",
        "thread_id": "session_id",
        "retriever": "memory or system",
        "chat_memory": "memory or system, of which it is made",
        "llm": "llm= to MemoryOS",
        "human_prefix": "nothing for it: the text says User and Assistant",
        "ai_prefix": "nothing for it: the text says User and Assistant",
    },
    advice={},
)
"""Names of LangChain's own memory classes, and what to do here instead."""


class MemoryOSChatMemory(BaseChatMemory):
    """Long-term memory for chains: ConversationChain, LLMChain, AgentExecutor and their like.

    Its one variable holds what is remembered that matters for the chain's input: profile, knowledge,
    found pages and the session's recent turns, within `max_tokens`. Each exchange is stored when the
    chain has answered.

    With `system=`, each call says whose memory it is about: the config of the run around it, then the
    chain's inputs ("user_id", "session_id" or "thread_id" beside the question), then the ids given here.
    A chain that is called by itself shows its config to nobody, least of all to its memory: name the user
    in the inputs, or call it as part of a sequence (`RunnablePassthrough() | chain`), which shows it;
    on Python 3.10 not where it is awaited.

    What the chain's inputs and outputs are called is found out; where several may be meant, the error
    says so before the model is asked, and `input_key` or `output_key` settles it.

    `clear()` forgets the session for good. For a new chat take a new session id; `memory.purge()`
    deletes the user.

    Args:
        memory: whose memory every call is about; no ids may be given beside it.
        system: where to find the memory that a call names.
        user_id: for calls that name no user. Without one such a call is an error.
        assistant_id: for calls that name none.
        session_id: for calls that name none.
        max_tokens: budget of the variable, at least 1.
        top_k: most pages to find, at least 1.
        memory_key: name of the variable.
        input_key: which of the chain's inputs is what the user says; None to find it.
        output_key: which of its outputs is the answer; None to find it.
        return_messages: give a system message with what is remembered, then the recent turns as
            messages, instead of one text.
        callbacks: told of each recall, as of a retriever run; those of a run around it are anyway.

    Raises:
        InvalidInput: not exactly one of memory and system is given, or an argument is unknown or
            out of range.
    """

    memory: UserMemory | None = Field(default=None, repr=False, exclude=True, frozen=True)
    system: MemoryOS | None = Field(default=None, repr=False, exclude=True, frozen=True)
    user_id: str | None = Field(default=None, frozen=True)
    assistant_id: str | None = Field(default=None, frozen=True)
    session_id: str | None = Field(default=None, frozen=True)
    max_tokens: int = 2000
    top_k: int = 10
    memory_key: str = "history"
    callbacks: Any = Field(default=None, repr=False, exclude=True)
    chat_memory: BaseChatMessageHistory = Field(repr=False, exclude=True, frozen=True)
    """The session as messages; made here."""

    def __init__(self, **options: Any) -> None:
        _NAMES.require_known(options, [name for name in type(self).model_fields if name != "chat_memory"])
        history = _RunHistory(**{name: options.get(name) for name in ADDRESS_NAMES})
        require_count("max_tokens", options.get("max_tokens", 1))
        require_count("top_k", options.get("top_k", 1))
        require_id("memory_key", options.get("memory_key", "history"))
        try:
            super().__init__(**options, chat_memory=history)
        except ValidationError as error:
            raise refusal(error) from None

    @property
    def memory_variables(self) -> list[str]:
        """The one variable this gives to a prompt."""
        return [self.memory_key]

    def load_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return what is remembered that matters for a chain's inputs, under `memory_key`.

        Raises:
            InvalidInput: nothing says whose memory is meant, or which input is the question.
            EmbeddingError, StoreError: nothing could be searched.
        """
        memory, query = self._memory(inputs), self._query(inputs)
        return self._shown(recall(memory, query, top_k=self.top_k, config=self._config()))

    async def aload_memory_variables(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Await `load_memory_variables`; the work is done in threads."""
        memory, query = self._memory(inputs), self._query(inputs)
        found = await arecall(memory, query, top_k=self.top_k, config=self._config())
        return await asyncio.to_thread(self._shown, found)

    def save_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Store what was said and answered; nothing if neither says anything.

        Raises:
            InvalidInput: nothing says whose memory is meant, or which value is the question or the
                answer, or the exchange can never be stored.
            StoreError, ModelError, ClosedError: it was not stored. It waits in this process and is
                stored with the next use of the session.
        """
        said = spoken(inputs, SAID, key=self.input_key, ignored=self.memory_variables)
        answered = spoken(outputs, ANSWERED, key=self.output_key, ignored=self.memory_variables)
        if said.strip() or answered.strip():
            turn = Turn(user_input=said if said.strip() else "", agent_response=answered if answered.strip() else "")
            save(self._memory(inputs), [turn], again=False)

    async def asave_context(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Await `save_context`; the work is done in a thread."""
        await asyncio.to_thread(self.save_context, inputs, outputs)

    def __repr__(self) -> str:
        ids = whose(self._address)
        return f"{type(self).__name__}({ids}{', ' if ids else ''}memory_key={self.memory_key!r})"

    def __str__(self) -> str:
        return repr(self)

    @property
    def _address(self) -> Address:
        return Address.of(self)

    def _memory(self, inputs: Mapping[str, Any]) -> UserMemory:
        return self._address.resolve(*sources(), inputs)

    def _query(self, inputs: Mapping[str, Any]) -> str:
        if self.input_key is not None and self.input_key not in inputs:
            return ""
        return spoken(inputs, SAID, key=self.input_key, ignored=self.memory_variables)

    def _config(self) -> RunnableConfig | None:
        return merge_configs(ensure_config(), {"callbacks": self.callbacks}) if self.callbacks else None

    def _shown(self, found: RetrievedMemory) -> dict[str, Any]:
        if not self.return_messages:
            return {self.memory_key: found.to_prompt(self.max_tokens)}
        parts = recollection(found, self.max_tokens)
        context: list[BaseMessage] = [SystemMessage(parts.context)] if parts.context else []
        return {self.memory_key: context + as_messages(parts.recent)}


class _RunHistory(MemoryOSChatMessageHistory):
    """The history of whichever session a call is about: here the ids of the run come before those given."""

    def _memory(self) -> UserMemory:
        return self._address.resolve(*sources())
