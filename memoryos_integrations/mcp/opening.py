"""The system that a configuration asks for."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from memoryos_engine import InvalidInput, MemoryOS, MemorySettings, StoreLocked
from memoryos_engine.embedding.by_name import embedder_by_name
from memoryos_engine.llm.base import ChatModel
from memoryos_engine.reference import SEED_NAMES
from memoryos_integrations.mcp.config import ServerConfig

_PORTS = {"http": 8000, "https": 443}
_KEYS = {**SEED_NAMES, "model": "embedding_model_name", "api_key": "openai_api_key"}
"""The engine's name of a parameter to that of its key."""
_SHARING = (
    "End it there, or share the memory: one server over HTTP (--http 127.0.0.1:8765) for all clients, or "
    "`memoryos serve --path DIR`, which the server of each client finds by itself."
)


def open_system(config: ServerConfig) -> MemoryOS:
    """Open the store of a configuration.

    Raises:
        InvalidInput: a value is out of range, under the name it has in the configuration.
        StoreLocked: another process has the path open.
        StoreError: the store cannot be opened.
    """
    settings = {
        "short_term_capacity": config.short_term_capacity,
        "mid_term_capacity": config.mid_term_capacity,
        "heat_threshold": config.mid_term_heat_threshold,
        "similarity_threshold": config.mid_term_similarity_threshold,
        "knowledge_capacity": config.long_term_knowledge_capacity,
    }
    try:
        place: dict[str, Any] = (
            {"path": config.data_storage_path} if not config.chroma_url else {"client": _client(config.chroma_url)}
        )
        return MemoryOS(
            **place,
            llm=_chat_model(config),
            embedder=embedder_by_name(config.embedding_model_name, api_key=config.key, base_url=_base_url(config)),
            settings=MemorySettings(**settings),  # type: ignore[arg-type]
        )
    except InvalidInput as error:
        raise error.under(_KEYS.get(error.parameter, error.parameter)) from error
    except StoreLocked as error:
        raise StoreLocked(f"data_storage_path {error.problem}", _SHARING) from error


def _chat_model(config: ServerConfig) -> ChatModel | None:
    if config.key is None:
        return None
    from memoryos_engine.llm.openai import OpenAIChatModel

    return OpenAIChatModel(config.llm_model, api_key=config.key, base_url=_base_url(config))


def _base_url(config: ServerConfig) -> str | None:
    return config.openai_base_url or None


def _client(url: str) -> object:
    import chromadb
    from chromadb.config import Settings

    parts = urlsplit(url)
    try:
        return chromadb.HttpClient(
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            ssl=parts.scheme == "https",
            settings=Settings(anonymized_telemetry=False),
        )
    except Exception as error:  # noqa: BLE001 - Chroma raises many unrelated types where nobody answers
        fix = "Start it with: chroma run --path DIR"
        raise InvalidInput("chroma_url", f"leads to no Chroma server ({type(error).__name__})", fix) from None
