"""Memoryos: the same memory behind the constructor of the seed document."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from memoryos_engine.embedding.by_name import embedder_by_name
from memoryos_engine.errors import InvalidInput
from memoryos_engine.llm.base import ChatModel
from memoryos_engine.records import DialoguePage, UserProfile
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.settings import MemorySettings, require_count, require_id
from memoryos_engine.system import DEFAULT_PATH, MemoryOS

logger = logging.getLogger(__name__)

PLACEHOLDERS = frozenset({"YOUR_OPENAI_API_KEY", "YOUR_API_KEY"})
"""What the documentation prints where a key belongs; no key at all."""

SEED_NAMES = {
    "heat_threshold": "mid_term_heat_threshold",
    "similarity_threshold": "mid_term_similarity_threshold",
    "knowledge_capacity": "long_term_knowledge_capacity",
    "embedder": "embedding_model_name",
    "path": "data_storage_path",
    "api_key": "openai_api_key",
    "relationship": "relationship_with_user",
    "conversation_metadata": "user_conversation_meta_data",
}
"""The engine's name of a parameter to the seed's."""


class Memoryos:
    """One user's memory with one assistant.

    Args:
        user_id: any non-empty text.
        openai_api_key: key of the chat model; left out, empty, or still the documented
            placeholder, there is no model and answers quote memory.
        openai_base_url: another endpoint that speaks the OpenAI API; "" means OpenAI's own.
        data_storage_path: directory of the store.
        llm_model: chat model, used when there is a key.
        assistant_id: memory is private to the pair of user and assistant.
        short_term_capacity: pages of a session's queue.
        mid_term_capacity: segments of mid-term memory.
        mid_term_heat_threshold: tau of promotion.
        mid_term_similarity_threshold: theta of Eq. 2.
        retrieval_queue_capacity: pages a retrieval returns.
        long_term_knowledge_capacity: entries of each knowledge queue.
        embedding_model_name: "hashing" (the default), "minilm" or another name of the registry.

    Raises:
        InvalidInput: an argument is out of range.
        StoreError: the store cannot be opened.
    """

    def __init__(
        self,
        user_id: str,
        openai_api_key: str | None = None,
        openai_base_url: str | None = None,
        data_storage_path: str | Path = DEFAULT_PATH,
        llm_model: str = "gpt-4o-mini",
        assistant_id: str = "assistant",
        short_term_capacity: int = 7,
        mid_term_capacity: int = 200,
        mid_term_heat_threshold: float = 5.0,
        mid_term_similarity_threshold: float = 0.6,
        retrieval_queue_capacity: int = 10,
        long_term_knowledge_capacity: int = 100,
        embedding_model_name: str = "hashing",
    ) -> None:
        self._top_k = require_count("retrieval_queue_capacity", retrieval_queue_capacity)
        require_id("user_id", user_id)
        require_id("assistant_id", assistant_id)
        try:
            self.system = MemoryOS(
                data_storage_path,
                llm=_chat_model(llm_model, openai_api_key, openai_base_url),
                embedder=embedder_by_name(embedding_model_name),
                settings=MemorySettings(
                    short_term_capacity=short_term_capacity,
                    mid_term_capacity=mid_term_capacity,
                    heat_threshold=mid_term_heat_threshold,
                    similarity_threshold=mid_term_similarity_threshold,
                    knowledge_capacity=long_term_knowledge_capacity,
                ),
            )
        except InvalidInput as error:
            raise error.under(SEED_NAMES.get(error.parameter, error.parameter)) from error
        self.memory = self.system.memory(user_id, assistant_id)

    def add_memory(
        self,
        user_input: str,
        agent_response: str,
        timestamp: datetime | str | None = None,
        meta_data: Mapping[str, Any] | None = None,
    ) -> DialoguePage:
        """Remember one exchange; see `UserMemory.add_memory`."""
        return self.memory.add_memory(user_input, agent_response, timestamp=timestamp, metadata=meta_data)

    def retrieve_memory(self, query: str) -> RetrievedMemory:
        """Return what memory holds for `query`; see `UserMemory.retrieve_memory`."""
        return self.memory.retrieve_memory(query, top_k=self._top_k)

    def get_response(
        self,
        query: str,
        relationship_with_user: str = "",
        style_hint: str = "",
        user_conversation_meta_data: Mapping[str, Any] | None = None,
    ) -> str:
        """Answer `query` from memory; see `UserMemory.get_response`."""
        try:
            return self.memory.get_response(
                query,
                relationship=relationship_with_user,
                style_hint=style_hint,
                conversation_metadata=user_conversation_meta_data,
            )
        except InvalidInput as error:
            raise error.under(SEED_NAMES.get(error.parameter, error.parameter)) from error

    def get_user_profile(self) -> UserProfile:
        """Return the static facts and traits of the user."""
        return self.memory.get_user_profile()

    def get_user_profile_summary(self) -> str:
        """Return the user profile as text, one line per field or trait."""
        return str(self.get_user_profile())

    def flush(self) -> None:
        """Do what is pending now."""
        self.memory.flush()

    def close(self) -> None:
        """Give the store back."""
        self.system.close()

    def __enter__(self) -> Memoryos:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _chat_model(model: str, key: str | None, base_url: str | None) -> ChatModel | None:
    if not key:
        return None
    if key in PLACEHOLDERS:
        logger.warning("openai_api_key is still the placeholder of the documentation; answering offline from memory")
        return None
    from memoryos_engine.llm.openai import OpenAIChatModel

    return OpenAIChatModel(model, api_key=key, base_url=base_url)
