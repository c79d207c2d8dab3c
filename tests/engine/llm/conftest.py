"""Chat models that speak with a server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memoryos_engine.llm import OpenAIChatModel
from tests.loopback import ChatServer, chat_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with chat_server() as running:
        yield running


@pytest.fixture
def connect(server: ChatServer) -> Callable[..., OpenAIChatModel]:
    """Make models that speak with the server, without retries unless they are asked for."""

    def connecting(**options: Any) -> OpenAIChatModel:
        return OpenAIChatModel("m", **{"api_key": "sk-hunter2", "base_url": server.url, "max_retries": 0, **options})

    return connecting


@pytest.fixture
def model(connect: Callable[..., OpenAIChatModel]) -> OpenAIChatModel:
    return connect()
