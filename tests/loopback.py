"""A server on loopback that speaks OpenAI's chat completions, well or badly, as a test tells it."""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Request = dict[str, Any]
FORMATS = frozenset(("json_schema", "json_object"))
PATIENCE = 30.0
"""Seconds after which a server that nobody releases gives up, so that a failing test ends."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """A completion. Streamed, it comes in `pieces`, which are its words if not given."""

    text: str | None = "ok"
    pieces: tuple[str, ...] | None = None
    refusal: str | None = None
    finish_reason: str | None = "stop"
    usage: tuple[int, int] | None = (7, 3)
    """Tokens of prompt and completion; None is a server that does not tell."""
    has_choices: bool = True
    held_after: int | None = None
    """Pieces of a stream after which the server waits for release()."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """Any answer, byte for byte."""

    status: int = 200
    text: str = "{}"
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=lambda: {"retry-after-ms": "1"})


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A connection that ends too early: before the answer, within its body or after some events."""

    events: int | None = None
    in_body: bool = False
    politely: bool = False
    """The stream is ended by the rules of HTTP, only without the end of the answer."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """Nothing at all until release(), then a completion."""


@dataclass(frozen=True, kw_only=True)
class Endless:
    """A stream that goes on until the client closes it."""


Answer = str | Said | Body | Cut | Held | Endless


@dataclass
class ChatServer:
    """What the server was asked, what it will answer, and what it knows of the protocol."""

    url: str
    requests: list[Request] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    faults: deque[Answer] = field(default_factory=deque)
    """The next answers whatever is asked."""
    replies: deque[Answer] = field(default_factory=deque)
    """The next answers to requests that the server understands."""
    respond: Callable[[Request], Answer] = field(default=lambda request: "ok")
    """What is answered when no reply is left."""
    formats: frozenset[str] = FORMATS
    """Response formats it takes; others are refused."""
    counts_streams: bool = True
    """Whether it takes stream_options."""
    refusal_status: int = 400
    released: Event = field(default_factory=Event)
    disconnected: Event = field(default_factory=Event)
    """Set when a client has gone away in the middle of an answer."""

    def release(self) -> None:
        """Let go of every answer that is held."""
        self.released.set()

    def answer(self, request: Request) -> Answer:
        if self.faults:
            return self.faults.popleft()
        problem = self.problem_of(request)
        if problem:
            return failing(self.refusal_status, problem)
        return self.replies.popleft() if self.replies else self.respond(request)

    def problem_of(self, request: Request) -> str | None:
        wanted = request.get("response_format", {}).get("type")
        if wanted and wanted not in self.formats:
            return f"response_format {wanted} is not supported"
        if wanted == "json_object" and "json" not in json.dumps(request["messages"]).lower():
            return "messages must contain the word json to use response_format json_object"
        if "stream_options" in request and not self.counts_streams:
            return "unknown field stream_options"
        return None

    def formats_asked(self) -> list[str | None]:
        """The response format of each request, None where it had none."""
        return [request.get("response_format", {}).get("type") for request in self.requests]


def failing(status: int, message: str = "failed", **headers: str) -> Body:
    """An error of the server's; header names with underscores for hyphens, a retry after 1 ms if none is given."""
    named = {name.replace("_", "-"): value for name, value in headers.items()} or {"retry-after-ms": "1"}
    return Body(status=status, text=json.dumps({"error": {"message": message}}), headers=named)


def completion(said: Said) -> Request:
    message = {"role": "assistant", "content": said.text, "refusal": said.refusal}
    choice = {"index": 0, "message": message, "finish_reason": said.finish_reason}
    return _envelope("chat.completion", [choice] if said.has_choices else [], said.usage)


def chunks(said: Said, *, counted: bool) -> Iterator[Request]:
    """The events of a stream: pieces, the reason of the end, and the usage if it was asked for."""
    words = (said.text or "").split(" ")
    pieces = said.pieces or (words[0], *(f" {word}" for word in words[1:]))
    if said.refusal is not None:
        yield _chunk({"refusal": said.refusal})
    else:
        yield from (_chunk({"content": piece}) for piece in pieces)
    yield _chunk({}, said.finish_reason)
    if counted and said.usage is not None:
        yield _envelope("chat.completion.chunk", [], said.usage)


def _chunk(delta: Request, finish_reason: str | None = None) -> Request:
    return _envelope("chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": finish_reason}], None)


def _envelope(kind: str, choices: list[Any], usage: tuple[int, int] | None) -> Request:
    body: Request = {"id": "c1", "object": kind, "created": 1, "model": "test", "choices": choices}
    if usage is not None:
        prompt, answer = usage
        body["usage"] = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    return body


class ChatHandler(BaseHTTPRequestHandler):
    """One request. The connection is closed after it, so that no thread waits for a next one."""

    protocol_version = "HTTP/1.1"
    state: ChatServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.state.requests.append(request)
        self.state.keys.append(self.headers["Authorization"])
        self.state.paths.append(self.path)
        self.close_connection = True
        try:
            self.say(self.state.answer(request), request)
        except ConnectionError:
            self.state.disconnected.set()

    def say(self, answer: Answer, request: Request) -> None:
        if isinstance(answer, Held):
            self.state.released.wait(PATIENCE)
        if isinstance(answer, str | Held):
            answer = Said(text=answer if isinstance(answer, str) else "ok")
        if isinstance(answer, Body):
            self.say_body(answer)
        elif isinstance(answer, Cut):
            self.say_cut(answer)
        elif isinstance(answer, Endless):
            self.start_events()
            while True:
                self.event(_chunk({"content": "and on "}))
        elif request.get("stream"):
            self.say_chunks(answer, counted="stream_options" in request)
        else:
            self.say_body(Body(text=json.dumps(completion(answer)), headers={}))

    def say_body(self, body: Body, *, missing: int = 0) -> None:
        length = len(body.text.encode()) + missing
        self.send_response(body.status)
        headers = {"Content-Type": body.content_type, "Content-Length": str(length), "Connection": "close"}
        for name, value in {**headers, **body.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.text.encode())

    def say_chunks(self, said: Said, *, counted: bool) -> None:
        self.start_events()
        for number, chunk in enumerate(chunks(said, counted=counted)):
            if number == said.held_after:
                self.state.released.wait(PATIENCE)
            self.event(chunk)
        self.end_events()

    def say_cut(self, cut: Cut) -> None:
        if cut.in_body:
            self.say_body(Body(text='{"choices": ['), missing=1000)
        elif cut.events is not None:
            self.start_events()
            for _ in range(cut.events):
                self.event(_chunk({"content": "cut "}))
            if cut.politely:
                self.end_events(done=False)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def start_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()

    def event(self, data: Request | str) -> None:
        line = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def end_events(self, *, done: bool = True) -> None:
        if done:
            self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *args: object) -> None:
        pass


class _Listener(ThreadingHTTPServer):
    request_queue_size = 64


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A server that is there for the length of a `with`."""
    listener = _Listener(("127.0.0.1", 0), ChatHandler)
    state = ChatServer(url=f"http://127.0.0.1:{listener.server_port}/v1")
    listener.RequestHandlerClass = type("Handler", (ChatHandler,), {"state": state})
    thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.release()
        listener.shutdown()
        thread.join()
        listener.server_close()
