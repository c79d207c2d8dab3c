"""What a magic shows below its cell: a line of its own, or an answer that grows as it is said.

Answers of models are full of Markdown, and what they say may come from anywhere, also from what is remembered. Front
ends trust what a notebook made itself, and their own Markdown lets formulas, diagrams and pictures run scripts and
carry text to other machines. So it is rendered here, and only into what can do nothing but be read: no HTML, link,
picture or formula.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from IPython.display import DisplayHandle, display
from markdown_it import MarkdownIt

from memoryos_engine.terminal import disarmed
from memoryos_integrations.jupyter.rendering import render

PAUSE = 0.1
"""Seconds between two views of an answer that is still being said."""

_LAYOUT = ("\n", "\t")
_BY_LAYOUT = re.compile(r"([\n\t])")
_MARKS = ("backticks", "blockquote", "code", "emphasis", "escape", "fence", "heading", "hr", "list", "newline", "table")


put_below: Callable[..., Any] = display
"""IPython's `display`, which has no types."""


def say(line: str) -> None:
    """Show a line of ours."""
    put_below({"text/plain": line}, raw=True)


def spoken(text: str) -> dict[str, str]:
    """Return what a model said in the forms that a front end may choose from."""
    harmless = "".join(part if part in _LAYOUT else disarmed(part) for part in _BY_LAYOUT.split(text))
    return {"text/plain": harmless, "text/html": render("answer.html", html=_markdown().render(harmless))}


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("zero").enable(list(_MARKS))


class GrowingAnswer:
    """An answer below a cell.

    Args:
        live: whether what is shown can be replaced; if not, the answer is shown once it is whole.
        clock: seconds that only go forward.
    """

    def __init__(self, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.text = ""
        self._live = live
        self._clock = clock
        self._next_view = clock()
        self._place: Any = DisplayHandle()  # type: ignore[no-untyped-call]
        self._is_shown = False

    def add(self, piece: str) -> None:
        """Take the next piece; it is seen when the next view is due."""
        self.text += piece
        now = self._clock()
        if self._live and now >= self._next_view:
            self._next_view = now + PAUSE
            self._show(spoken(self.text))

    def finish(self) -> None:
        """Show all of it."""
        self._show(spoken(self.text))

    def break_off(self, why: str) -> None:
        """Show as much as was said, and that it is no answer."""
        if self.text:
            said = spoken(self.text)["text/plain"]
            self._show({"text/plain": f"{said}\n[{why}]"})

    def _show(self, data: dict[str, str]) -> None:
        # Noted before it is shown: interrupted in between, what comes next would be a second view below the first.
        shown, self._is_shown = self._is_shown, True
        view = self._place.update if shown else self._place.display
        view(data, raw=True)
