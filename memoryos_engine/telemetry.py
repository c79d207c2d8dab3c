"""Spans of OpenTelemetry, through its API alone: without an SDK in the program they cost microseconds and go nowhere.

A span says how many, how large, how long and what kind of error. It never holds text, ids of
users, assistants, sessions or records, nor the message of an error, which may quote: the owner
is a hash, an error the name of its type.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from opentelemetry import context, trace
from opentelemetry.trace import Span as Span  # for those who hold one
from opentelemetry.trace import Status, StatusCode

from memoryos_engine.records import Owner, stable_id

Value = str | bool | int | float

_tracer = trace.get_tracer("memoryos")


def memory_name(owner: Owner) -> str:
    """Return what a memory is called where its owner must not be named: the same for ever, and not to be reversed.

    Whoever knows an owner's ids can tell which memory is theirs.
    """
    return stable_id("memory", owner.user_id, owner.assistant_id)


class Traced:
    """A span around a block of code, as a context manager; what happens inside is its child.

    Args:
        name: of the operation, such as "memoryos.add".
        owner: whose memory it is about; None where that is not known yet.
    """

    __slots__ = ("_name", "_owner", "_span", "_token")

    def __init__(self, name: str, owner: Owner | None = None) -> None:
        self._name = name
        self._owner = owner

    @property
    def wanted(self) -> bool:
        """Whether anybody will see it: what is costly to count need not be counted else."""
        return self._span.is_recording()

    def __enter__(self) -> Traced:
        self._span = _tracer.start_span(self._name)
        self._token: Any = None
        if self._span is not trace.INVALID_SPAN:
            self._token = context.attach(trace.set_span_in_context(self._span))
        if self._owner is not None:
            self.about(self._owner)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        if self._token is not None:
            context.detach(self._token)
        end(self._span, error)

    def about(self, owner: Owner) -> None:
        """Say whose memory it is about."""
        if self.wanted:
            self._span.set_attribute("memoryos.memory", memory_name(owner))

    def record(self, **values: Value) -> None:
        """Add counts, sizes and names of modes: `pages=3` is the attribute memoryos.pages."""
        if self.wanted:
            self._span.set_attributes({f"memoryos.{name}": value for name, value in values.items()})

    def generative(self, operation: str, model: str = "") -> None:
        """Name the operation, and the model if one is asked, as OpenTelemetry's conventions do."""
        if self.wanted:
            self._span.set_attributes(_generative(operation, model))


def begin(name: str, owner: Owner, operation: str, model: str) -> Span:
    """Return a span that is nobody's parent yet, for what runs in several steps; `end` ends it. See `Traced`."""
    span = _tracer.start_span(name)
    if span.is_recording():
        span.set_attributes({"memoryos.memory": memory_name(owner), **_generative(operation, model)})
    return span


def inside(span: Span) -> AbstractContextManager[object]:
    """Make a span the parent of what happens in a block."""
    return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def end(span: Span, error: BaseException | None = None) -> None:
    """End a span, unless it has ended; of an error it is told the type."""
    if not span.is_recording():
        return
    if error is not None:
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        span.set_attribute("error.type", type(error).__name__)
    span.end()


def _generative(operation: str, model: str) -> dict[str, str]:
    return {"gen_ai.operation.name": operation, **({"gen_ai.request.model": model} if model else {})}


def utf8_bytes(*texts: str) -> int:
    """Return how large texts are together."""
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
