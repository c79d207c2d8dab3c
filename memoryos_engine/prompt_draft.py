"""A prompt being put together: what is in it, what is left of the budget.

A heading or date line is paid for by the first piece that needs it. The draft never
decides what is worth taking; it says whether something fits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from memoryos_engine.prompt_format import (
    CLOSING,
    OPENING,
    Section,
    date_line,
    neutralise,
    page_lines,
    shortened,
    sides,
)
from memoryos_engine.records import DialoguePage
from memoryos_engine.tokens import TokenCounter

LONGEST_TOKEN = 24
"""Characters. A page with more than this for each token of the budget is not even counted."""

_SHORTEST_CUT = 40
"""Characters below which a shortened page says too little to be worth its place."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """Lines that stand in the prompt together or not at all."""

    section: Section
    text: str
    """Empty for a page that is too long to be counted."""
    place: tuple[float, float] = (0.0, 0.0)
    """Where it stands within its section."""
    page: DialoguePage | None = None
    """The page it belongs to."""
    date_line: str = ""
    """The line it stands under; empty outside of pages."""
    group: tuple[str, str] = ("", "")
    """Session and day, whose pieces share one date line."""
    is_page: bool = True
    """False for a meta chain, which only stands beside its page."""
    shortened: bool = False

    @property
    def page_id(self) -> str | None:
        """Id of the page that the piece shows; None for all else."""
        return self.page.id if self.page and self.is_page else None


def page_pieces(pages: Iterable[DialoguePage], section: Section, budget: int) -> list[Piece]:
    """Return the pages that have something to show, each as a piece."""
    pieces = []
    for page in pages:
        countable = len(page.user_input) + len(page.agent_response) <= budget * LONGEST_TOKEN
        text = page_lines(page) if countable else ""
        if text or not countable:
            pieces.append(page_piece(page, section, text))
    return pieces


def page_piece(page: DialoguePage, section: Section, text: str) -> Piece:
    """Return `text` as a piece that stands where `page` stands."""
    dated = date_line(page.timestamp)
    place = (page.timestamp.timestamp(), float(page.sequence))
    group = (page.session_id, dated[:10])
    return Piece(section=section, text=text, place=place, page=page, date_line=dated, group=group)


class Draft:
    """Pieces taken so far, in the order of their value, and the room that is left.

    Args:
        budget: tokens of the whole prompt.
        cost: tokens of a text; asked about the same text more than once.
    """

    def __init__(self, budget: int, cost: TokenCounter) -> None:
        self._cost = cost
        self._taken: dict[Piece, int] = {}
        self._paid: set[object] = set()
        self.room = budget - cost(OPENING + CLOSING)

    def take(self, pieces: Iterable[Piece], share: int | None = None) -> int:
        """Take the pieces that fit, within `share` tokens if given; return how many were taken."""
        left = self.room if share is None else min(share, self.room)
        before = len(self._taken)
        for piece in pieces:
            if piece.text and piece not in self._taken:
                cost = self._cost_of(piece)
                if cost <= left:
                    self._add(piece, cost)
                    left -= cost
        return len(self._taken) - before

    def take_run(self, pieces: Sequence[Piece], share: int | None = None) -> int:
        """Take pieces up to the first that does not fit; return how many were taken."""
        left = self.room if share is None else min(share, self.room)
        for taken, piece in enumerate(pieces):
            before = self.room
            if not self.take([piece], left):
                return taken
            left -= before - self.room
        return len(pieces)

    def hold(self, tokens: int) -> int:
        """Keep up to `tokens` back from what is taken next; return how many, to be added to `room` again."""
        held = max(0, min(tokens, self.room))
        self.room -= held
        return held

    def take_shortened(self, piece: Piece) -> bool:
        """Take the beginning of a page's sides, as much as the room holds; say whether any was taken."""
        page = piece.page
        if page is None:
            return False
        longest = max(self.room, 0) * LONGEST_TOKEN
        user, assistant = neutralise(page.user_input[:longest]), neutralise(page.agent_response[:longest])
        low, high = 0, min(len(user) + len(assistant) - 1, longest)
        while low < high:
            middle = (low + high + 1) // 2
            fits = self._cost_of(replace(piece, text=beginning(user, assistant, middle))) <= self.room
            low, high = (middle, high) if fits else (low, middle - 1)
        if low < _SHORTEST_CUT:
            return False
        cut = replace(piece, text=beginning(user, assistant, low), shortened=True)
        return bool(self.take([cut]))

    def drop_least(self, tokens: int) -> None:
        """Give back the pieces taken last until about `tokens` are free."""
        while self._taken and tokens > 0:
            _, cost = self._taken.popitem()
            tokens -= max(cost, 1)

    def whole_page_ids(self) -> frozenset[str]:
        """Ids of the pages taken in full."""
        return frozenset(piece.page_id for piece in self._taken if piece.page_id and not piece.shortened)

    def in_order(self) -> list[Piece]:
        """Return the pieces as they stand in the text: by section, day and session, time."""
        pieces = sorted(self._taken, key=lambda piece: (piece.section, piece.place))
        first: dict[object, int] = {}
        for place, piece in enumerate(pieces):
            first.setdefault((piece.section, piece.group), place)
        return sorted(pieces, key=lambda piece: first[piece.section, piece.group])

    def text(self) -> str:
        """Return the prompt; empty if nothing was taken."""
        lines = []
        seen: set[object] = set()
        for piece in self.in_order():
            lines += [line for key, line in _openings(piece) if key not in seen]
            seen.update(key for key, _ in _openings(piece))
            lines.append(piece.text)
        return "".join([OPENING, *lines, CLOSING]) if lines else ""

    def _cost_of(self, piece: Piece) -> int:
        unpaid = (line for key, line in _openings(piece) if key not in self._paid)
        return self._cost(piece.text) + sum(map(self._cost, unpaid))

    def _add(self, piece: Piece, cost: int) -> None:
        self._taken[piece] = cost
        self._paid.update(key for key, _ in _openings(piece))
        self.room -= cost


def _openings(piece: Piece) -> Iterator[tuple[object, str]]:
    """Yield the lines that must stand before the piece, each with what it is shared by."""
    yield piece.section, piece.section.heading
    if piece.date_line:
        yield (piece.section, piece.group), piece.date_line


def beginning(user: str, assistant: str, length: int) -> str:
    """Return a page of about `length` characters; a side shorter than its half leaves the rest to the other."""
    for_user = max(length // 2, length - len(assistant))
    return sides(shortened(user, for_user), shortened(assistant, length - min(for_user, len(user))))
