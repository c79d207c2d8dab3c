"""Messages of two sides, in order, to turns: what the user says, and what is said to it.

Consecutive messages of one side are one text, joined by line breaks, unless an hour lies between
them or they are too long for a page. An answer without a question, or half a day after it, is a
turn of one side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from memoryos_engine.importers.turn import Keys, Turn, made_turn

PAUSE = timedelta(hours=1)
"""What one side says after so long is a page of its own, with its own date."""
LATE = timedelta(hours=12)
"""What the other side says after so long is no answer any more, but a page of its own."""
MOST_BYTES = 500_000
"""Of one side in UTF-8; a page holds two of them and metadata within `max_turn_bytes`. Longer messages are cut up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One message."""

    by_user: bool
    text: str
    place: str
    """Its id, date or position in the file: what its turn's key is made of."""
    at: datetime | None = None


@dataclass(slots=True)
class _Exchange:
    question: list[Said] = field(default_factory=list)
    answer: list[Said] = field(default_factory=list)
    room: int = MOST_BYTES
    """Bytes that the side which spoke last has left."""
    last: Said | None = None

    def takes(self, message: Said) -> bool:
        """Say whether a message goes on with this exchange."""
        side = self.question if message.by_user else self.answer
        if message.by_user and self.answer:
            return False
        if self.last is None:
            return True
        before = self.last.at
        waited = abs(message.at - before) if before is not None and message.at is not None else timedelta()
        return waited <= PAUSE and _size(message.text) < self.room if side else waited <= LATE

    def add(self, message: Said) -> None:
        side = self.question if message.by_user else self.answer
        self.room = (self.room if side else MOST_BYTES) - _size(message.text) - 1
        side.append(message)
        self.last = message

    @property
    def messages(self) -> list[Said]:
        return [*self.question, *self.answer]


def paired(
    messages: Iterable[Said],
    keys: Keys,
    *,
    session_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    begun: datetime | None = None,
) -> Iterator[Turn]:
    """Yield the turns of one conversation.

    Args:
        messages: in order, none of them empty.
        keys: of this reading.
        session_id: of the conversation, if it has one of its own.
        metadata: to keep with every page.
        begun: date of messages before the first that has one; later ones without take that of what came before.
    """
    at = begun
    for exchange in _exchanges(messages):
        question, answer = ("\n".join(one.text for one in side) for side in (exchange.question, exchange.answer))
        at = next((one.at for one in exchange.messages if one.at is not None), at)
        key = keys.key(exchange.messages[0].place, question, answer)
        yield made_turn(key, question, answer, at, session_id=session_id, metadata=metadata)


def _exchanges(messages: Iterable[Said]) -> Iterator[_Exchange]:
    exchange = _Exchange()
    for message in messages:
        for part in _parts(message):
            if not exchange.takes(part):
                yield exchange
                exchange = _Exchange()
            exchange.add(part)
    if exchange.messages:
        yield exchange


def _parts(message: Said) -> Iterator[Said]:
    """Yield the message, or pieces of it that each fit a page, cut at white space where there is some."""
    if _size(message.text) <= MOST_BYTES:
        yield message
        return
    at = 0
    while at < len(message.text):
        piece = _first_piece(message.text[at : at + MOST_BYTES])
        at += len(piece)
        if piece.strip():
            yield replace(message, text=piece)


def _first_piece(text: str) -> str:
    if _size(text) <= MOST_BYTES and len(text) < MOST_BYTES:
        return text  # the last
    head = text.encode()[:MOST_BYTES].decode(errors="ignore")
    at_space = max(head.rfind(" "), head.rfind("\n")) + 1
    return head[:at_space] if at_space > len(head) // 2 else head


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
