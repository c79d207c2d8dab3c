"""What a reasoning model says aloud before its answer is no part of the answer.

A reply may open with blocks of reasoning, `<think>...</think>`; `<thinking>`, `<reasoning>`
and `<thought>` are the others. These rules tell reasoning from an answer about such tags:

1. A block counts at the very start of the reply, or right after another one. It ends at the
   first closing tag of its own name; if there is none, all that follows is reasoning.
2. A reply that opens with no tag may have started inside a block, because the server's
   template wrote the opening tag into the prompt. It did if a closing tag comes with no
   opening tag anywhere before it. Everything up to that closing tag is then reasoning.
3. For rule 2 a closing tag does not count where text only mentions it: in a fenced code
   block, between quotation marks or backticks, or right before a sign that ends a clause.
4. Any other tag is text like all text. Whitespace before the answer is dropped.

Strings only: no model, no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

_NAMES = ("thinking", "think", "reasoning", "thought")
_PREFIXES = sorted({name[:length] for name in _NAMES for length in range(len(name) + 1)}, reverse=True)

# A tag has bounds, so that each "<" of a hostile text costs no more than a constant.
_HEAD = r"<\s{0,8}(?:(/)\s{0,8})?"
_ATTRIBUTES = r"\s[^<>]{0,200}"
_LONGEST = 256

_TAG = re.compile(rf"{_HEAD}({'|'.join(_NAMES)})(?:{_ATTRIBUTES})?(?<!/)>", re.IGNORECASE)
_MARK = re.compile(f"```|{_TAG.pattern}", re.IGNORECASE)
_BEGUN_TAG = re.compile(rf"{_HEAD}(?:{'|'.join(_PREFIXES)}|(?:{'|'.join(_NAMES)}){_ATTRIBUTES})\Z", re.IGNORECASE)
_BEGUN = re.compile(rf"`{{1,2}}\Z|{_BEGUN_TAG.pattern}", re.IGNORECASE)
"""The end of a text that may go on to be a mark."""
_SPACE = re.compile(r"\s*")

_QUOTES = frozenset("\"'`“”„‘’«»‹›「」『』")
_CLAUSE_ENDS = frozenset(".,;:?)。，、；：？）")


def without_reasoning(text: str, *, may_start_inside: bool = True) -> str:
    """Return the answer without the reasoning and whitespace before it.

    Args:
        text: a whole reply.
        may_start_inside: whether rule 2 applies.

    Returns:
        "" if the reply is nothing but reasoning.
    """
    return "".join(visible_pieces((text,), may_start_inside=may_start_inside))


def visible_pieces(pieces: Iterable[str], *, may_start_inside: bool = True) -> Iterator[str]:
    """Yield what `without_reasoning` returns for the pieces together, as early as it is certain.

    Args:
        pieces: a reply, cut anywhere.
        may_start_inside: whether rule 2 applies. Where it does, a reply that opens with no
            tag is certain at its first tag or its end, and not before; pass False to have it
            pass through at once.
    """
    reader = _Reader(may_start_inside=may_start_inside)
    for piece in pieces:
        if shown := reader.read(piece):
            yield shown
    if shown := reader.read("", ended=True):
        yield shown


class _Reader:
    """Reads a reply piece by piece. Each step takes what it is certain of and names the next step."""

    def __init__(self, *, may_start_inside: bool) -> None:
        self._may_start_inside = may_start_inside
        self._step: Callable[[], str] = self._at_start
        self._text, self._at, self._ended = "", 0, False
        self._block = ""
        self._held: list[str] = []
        self._fenced = False

    def read(self, piece: str, *, ended: bool = False) -> str:
        """Return what is certain to be visible after one more piece."""
        self._text, self._at, self._ended = self._text[self._at :] + piece, 0, ended
        shown = []
        step: Callable[[], str] | None = None
        while step != self._step:
            step = self._step
            shown.append(step())
        return "".join(shown)

    def _at_start(self) -> str:
        self._at = _end_of(_SPACE.match(self._text, self._at))
        tag = _TAG.match(self._text, self._at)
        if tag and not tag[1]:
            self._block, self._at, self._step = tag[2].lower(), tag.end(), self._in_block
        elif self._at < len(self._text) and (self._ended or not _BEGUN_TAG.match(self._text, self._at)):
            self._step = self._undecided if self._may_start_inside else self._in_answer
        return ""

    def _in_block(self) -> str:
        for tag in _TAG.finditer(self._text, self._at):
            if tag[1] and tag[2].lower() == self._block:
                return self._leave_block(tag.end())
        self._at = self._certain_up_to(self._at)
        return ""

    def _leave_block(self, end: int) -> str:
        self._held.clear()
        self._at, self._step, self._may_start_inside = end, self._at_start, False
        return ""

    def _undecided(self) -> str:
        read = self._at
        for mark in _MARK.finditer(self._text, self._at):
            if mark[2] is None:
                self._fenced = not self._fenced
            elif not mark[1]:
                return self._release()
            elif mark.end() == len(self._text) and not self._ended:
                return self._hold(mark.start())  # what follows the tag decides
            elif not self._is_mention(mark):
                return self._leave_block(mark.end())
            read = mark.end()
        return self._release() if self._ended else self._hold(self._certain_up_to(read))

    def _is_mention(self, tag: re.Match[str]) -> bool:
        before = self._text[tag.start() - 1] if tag.start() > self._at else "".join(self._held[-1:])[-1:]
        after = self._text[tag.end() : tag.end() + 1]
        return self._fenced or after in _CLAUSE_ENDS or (before in _QUOTES and after in _QUOTES)

    def _hold(self, end: int) -> str:
        if end > self._at:
            self._held.append(self._text[self._at : end])
            self._at = end
        return ""

    def _release(self) -> str:
        self._step = self._in_answer
        held = "".join(self._held)
        self._held.clear()
        return held

    def _in_answer(self) -> str:
        start, self._at = self._at, len(self._text)
        return self._text[start:]

    def _certain_up_to(self, start: int) -> int:
        begun = _BEGUN.search(self._text, max(start, len(self._text) - _LONGEST))
        return begun.start() if begun else len(self._text)


def _end_of(match: re.Match[str] | None) -> int:
    return match.end() if match else 0
