"""What a server is configured with: one table of keys, each also a flag and an environment variable.

The first group are the keys of the seed document, with its meanings; the second is ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from memoryos_engine.reference import PLACEHOLDERS

DEFAULT_SESSION = "mcp"
USER_PLACEHOLDER = "YOUR_USER_ID"
"""What the documentation prints where a user id belongs."""
TOKEN_PLACEHOLDERS = frozenset(("YOUR_TOKEN", "FIRST_TOKEN_OF_16_OR_MORE", "SECOND_TOKEN_OF_16_OR_MORE"))
"""What it prints where tokens belong, which everybody can read."""
LEAST_TOKEN = 16
"""Characters of a token."""

Count = Annotated[int, Field(ge=1)]
Id = Annotated[str, Field(min_length=1)]


def _named(user_id: str) -> str:
    if user_id == USER_PLACEHOLDER:
        raise ValueError("is still the placeholder of the documentation; put in whose memory this is")
    return user_id


def _sendable(token: SecretStr) -> SecretStr:
    if token.get_secret_value() in TOKEN_PLACEHOLDERS:
        raise ValueError("is still the placeholder of the documentation; make one that nobody knows")
    if len(token.get_secret_value()) < LEAST_TOKEN:
        raise ValueError(f"has fewer than {LEAST_TOKEN} characters")
    if not all("!" <= character <= "~" for character in token.get_secret_value()):
        raise ValueError("has characters that no HTTP header carries; use letters, digits and signs, without spaces")
    return token


def _sendable_key(key: SecretStr) -> SecretStr:
    if not all("!" <= character <= "~" for character in key.get_secret_value()):
        raise ValueError("has characters that no HTTP header carries, perhaps a space or a line end")
    return key


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in url
    except ValueError:
        usable = False
    if url and not usable:
        raise ValueError('is no address; write it like "http://localhost:8000"')
    return url


def _expanded(path: Path) -> Path:
    if "\0" in str(path):
        raise ValueError("has a character that no path has")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("begins with ~, and there is no such home directory") from None


UserId = Annotated[Id, AfterValidator(_named)]
Token = Annotated[SecretStr, AfterValidator(_sendable)]
Key = Annotated[SecretStr, AfterValidator(_sendable_key)]
Url = Annotated[str, AfterValidator(_address)]
StorePath = Annotated[Path, AfterValidator(_expanded)]


class Caller(BaseModel):
    """Someone who may call over HTTP, by a token of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_id: UserId
    token: Token
    """Sent as "Authorization: Bearer TOKEN"; at least 16 characters."""
    assistant_id: Id | None = None
    """Memory is private to the pair; the server's own assistant by default."""


class ServerConfig(BaseModel):
    """Everything a server can be told. Secrets do not show in its repr."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_id: UserId | None = Field(None, description="whose memory it is over stdio, and over HTTP without users")
    openai_api_key: Key | None = Field(None, description="key of the chat model; without one, no model is asked")
    openai_base_url: Url | None = Field(None, description="another endpoint that speaks the OpenAI API")
    data_storage_path: StorePath = Field(Path("./memoryos_data"), description="directory of the store")
    assistant_id: Id = Field("assistant", description="memory is private to the pair of user and assistant")
    llm_model: Id = Field("gpt-4o-mini", description="chat model, used when there is a key")
    embedding_model_name: Id = Field("hashing", description="hashing, minilm, or another embedder by name")
    short_term_capacity: Count = Field(7, description="pages of a session's queue")
    mid_term_capacity: Count = Field(200, description="segments of mid-term memory")
    long_term_knowledge_capacity: Count = Field(100, description="entries of each knowledge queue")
    retrieval_queue_capacity: Count = Field(10, description="pages that a retrieval returns unless it asks for others")
    mid_term_heat_threshold: float = Field(5.0, description="heat above which a segment is promoted")
    mid_term_similarity_threshold: float = Field(0.6, description="F above which a page joins a segment")

    session_id: Id = Field(DEFAULT_SESSION, description="session that new memories belong to")
    chroma_url: Url | None = Field(None, description="a Chroma server to use instead of a directory")
    max_tokens: Annotated[int, Field(ge=500)] = Field(
        4000, description="most tokens of what a retrieval, a list or a profile returns"
    )
    http: str | None = Field(None, description="HOST:PORT to serve streamable HTTP on, at /mcp; stdio without it")
    users: tuple[Caller, ...] = Field((), description="who may call over HTTP: user_id, token and assistant_id of each")
    allowed_hosts: tuple[str, ...] = Field(
        (), description="values of the Host header to accept besides the own address"
    )
    allowed_origins: tuple[str, ...] = Field((), description="values of the Origin header to accept besides the own")

    @property
    def key(self) -> str | None:
        """The key of the chat model; None where there is none, or still the placeholder of the documentation."""
        key = self.openai_api_key.get_secret_value() if self.openai_api_key is not None else ""
        return key if key and key not in PLACEHOLDERS else None

    @property
    def offline(self) -> bool:
        """Whether no model is asked."""
        return self.key is None


def keys() -> dict[str, Any]:
    """Return every key with its field, in the order people should read them."""
    return dict(ServerConfig.model_fields)
