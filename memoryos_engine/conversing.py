"""One exchange: memory is asked, then the model, and the turn is remembered if the model answered.

Nothing is remembered of a model that failed, said nothing, or was not heard to the end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from memoryos_engine.answering import (
    answer_messages,
    checked_answer,
    checked_conversation_metadata,
    checked_hint,
    quote,
    require_model_text,
)
from memoryos_engine.errors import ChatModelError, InvalidInput
from memoryos_engine.intake import Content, checked_content
from memoryos_engine.limits import require_room_for_answer
from memoryos_engine.llm.base import ChatMessage, ChatModel, stream
from memoryos_engine.llm.reasoning import visible_pieces
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.settings import require_count, require_text
from memoryos_engine.telemetry import Span, Traced, begin, end, inside

if TYPE_CHECKING:
    from memoryos_engine.memory import UserMemory
    from memoryos_engine.system import MemoryOS


class Exchange:
    """A message of the user, checked before anything is asked, and the answer to it.

    The arguments are those of `UserMemory.get_response`.

    Raises:
        InvalidInput: an argument cannot be asked or remembered.
        ClosedError: the system was closed.
    """

    def __init__(
        self,
        memory: UserMemory,
        system: MemoryOS,
        query: object,
        relationship: object,
        style_hint: object,
        conversation_metadata: object,
        max_tokens: object,
    ) -> None:
        system.require_open()
        self._memory, self._system = memory, system
        self._relationship = checked_hint("relationship", relationship)
        self._style_hint = checked_hint("style_hint", style_hint)
        self._metadata = checked_conversation_metadata(conversation_metadata)
        self._max_tokens = require_count("max_tokens", max_tokens)
        self._query = require_text("query", query)
        if not self._query.strip():
            raise InvalidInput("query", "is empty", "Pass what the user says.")
        try:
            self._content()  # what cannot be remembered is not worth a call of the model
        except InvalidInput as error:
            raise error.under("query") from error

    def answer(self) -> str:
        """Return the model's answer and remember the turn; without a model quote memory."""
        with Traced("memoryos.respond", self._memory.owner) as span:
            span.generative("chat", _name(self._system.llm))
            return self._answered()

    def _answered(self) -> str:
        found = self._memory.retrieve_memory(self._query)
        llm = self._system.llm
        if llm is None:
            return quote(found)
        require_room_for_answer(self._system, self._memory.owner)
        answer = checked_answer(llm.complete(self._messages(found)))
        self._remember(answer)
        return answer

    def pieces(self) -> Generator[str, None, None]:
        """Yield the model's answer as it comes and remember the turn after the last piece."""
        span = begin("memoryos.respond", self._memory.owner, "chat", _name(self._system.llm))
        try:
            yield from self._spoken(span)
        except Exception as error:
            end(span, error)
            raise
        finally:  # also where it is not heard to the end
            end(span)

    def _spoken(self, span: Span) -> Generator[str, None, None]:
        with inside(span):
            found = self._memory.retrieve_memory(self._query)
        llm = self._system.llm
        if llm is None:
            yield quote(found)
            return
        require_room_for_answer(self._system, self._memory.owner)
        spoken: list[str] = []
        with closing(_heard(stream(llm, self._messages(found)), spoken)) as heard:
            yield from visible_pieces(heard, may_start_inside=False)
        answer = checked_answer("".join(spoken))
        with inside(span):
            self._remember(answer)

    def _messages(self, found: RetrievedMemory) -> list[ChatMessage]:
        return answer_messages(
            found,
            prompts=self._system.prompts,
            now=self._system.clock(),
            relationship=self._relationship,
            style_hint=self._style_hint,
            conversation_metadata=self._metadata,
            max_tokens=self._max_tokens,
        )

    def _remember(self, answer: str) -> None:
        try:
            content = self._content(answer)
        except InvalidInput as error:  # the query alone was checked at construction
            limit = f"{self._system.settings.max_turn_bytes:,} bytes of a page"
            fix = "Ask for a shorter one, or raise MemorySettings(max_turn_bytes=...)."
            problem = f"the model's answer is too long to be remembered: with its query it exceeds the {limit}"
            raise ChatModelError(f"{problem}; nothing was remembered. {fix}") from error
        self._memory.add_contents([content])

    def _content(self, answer: str = "") -> Content:
        return turn_content(self._memory, self._system, self._query, answer, metadata=self._metadata)


def _name(model: ChatModel | None) -> str:
    return str(getattr(model, "name", ""))


def turn_content(
    memory: UserMemory,
    system: MemoryOS,
    user_input: object,
    agent_response: object,
    timestamp: datetime | str | None = None,
    metadata: object = None,
) -> Content:
    """Return a turn of the memory's session as it would be stored, said now if no time is given.

    Raises:
        InvalidInput: it cannot be stored.
    """
    return checked_content(
        session_id=memory.session_id,
        user_input=user_input,
        agent_response=agent_response,
        timestamp=timestamp,
        metadata=metadata,
        now=system.clock(),
        max_bytes=system.settings.max_turn_bytes,
    )


def _heard(pieces: Iterator[str], spoken: list[str]) -> Generator[str, None, None]:
    """Yield what a model says and note it in `spoken`; closing this closes the model's own iterator."""
    try:
        for piece in pieces:
            spoken.append(require_model_text(piece))
            yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


async def awaited(pieces: Generator[str, None, None]) -> AsyncGenerator[str, None]:
    """Yield what `pieces` yields, each step in a thread; closing this closes it.

    A task that is cancelled in the middle of a step does not wait for it: the thread that
    takes the step ends first, then `pieces` is closed.
    """
    steps = _Steps(pieces)
    try:
        while (piece := await asyncio.to_thread(steps.take)) is not None:
            yield piece
    finally:
        idle = not steps.busy
        closed = asyncio.get_running_loop().run_in_executor(None, steps.close)
        if idle:
            await closed


class _Steps:
    """A generator for several threads, of which one at a time is in it."""

    def __init__(self, pieces: Generator[str, None, None]) -> None:
        self._pieces = pieces
        self._lock = threading.Lock()

    @property
    def busy(self) -> bool:
        return self._lock.locked()

    def take(self) -> str | None:
        """Return the next piece; None after the last."""
        with self._lock:
            return next(self._pieces, None)

    def close(self) -> None:
        with self._lock:
            self._pieces.close()
