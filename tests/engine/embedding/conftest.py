"""A Chroma function and an OpenAI server on loopback, both made of character trigrams."""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

DIMENSION = 96


def trigram_vector(text: str) -> list[float]:
    """Counts of hashed character trigrams: close for texts that share words, never normalised."""
    vector = [0.0] * DIMENSION
    padded = f" {text} "
    for start in range(len(padded) - 2):
        vector[zlib.crc32(padded[start : start + 3].encode()) % DIMENSION] += 1.0
    return vector


@dataclass
class OpenAIServer:
    """What the loopback server was asked, and what it will do wrong first."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    faults: deque[tuple[int, str]] = field(default_factory=deque)
    """Status and body of the next answers; when none is left, the server embeds."""

    def answer(self, request: dict[str, Any]) -> tuple[int, str]:
        if self.faults:
            return self.faults.popleft()
        rows = [trigram_vector(text) for text in request["input"]]
        return 200, embeddings(rows)


def embeddings(rows: list[Any]) -> str:
    """The body of a successful answer, items in reverse order as the protocol allows."""
    items = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": items[::-1], "model": "trigrams", "usage": usage})


@contextmanager
def serving() -> Iterator[OpenAIServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(request)
            state.keys.append(self.headers["Authorization"])
            status, body = state.answer(request)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 64

    server = Server(("127.0.0.1", 0), Handler)
    state = OpenAIServer(url=f"http://127.0.0.1:{server.server_port}/v1")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True, scope="module")
def _direct_connections() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture
def openai_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def shared_openai_server() -> Iterator[OpenAIServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def chroma_function_class() -> Any:
    """A registered embedding function as Chroma's users write them."""
    from chromadb.api.types import Documents, EmbeddingFunction, Embeddings
    from chromadb.utils.embedding_functions import register_embedding_function

    @register_embedding_function
    class Trigrams(EmbeddingFunction[Documents]):
        def __init__(self, **config: Any) -> None:
            self.config = config
            self.calls: list[list[str]] = []

        def __call__(self, input: Documents) -> Embeddings:  # noqa: A002 - Chroma's name
            self.calls.append(list(input))
            return [trigram_vector(text) for text in input]

        @staticmethod
        def name() -> str:
            return "memoryos_test_trigrams"

        def get_config(self) -> dict[str, Any]:
            return self.config

        @staticmethod
        def build_from_config(config: dict[str, Any]) -> Trigrams:
            return Trigrams(**config)

    return Trigrams


@pytest.fixture
def trigrams() -> Any:
    return trigram_vector


@pytest.fixture
def embeddings_body() -> Any:
    return embeddings
