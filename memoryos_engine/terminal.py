"""The terminal: where text meets rich, and the only place that decides how records look there.

Whatever was stored is data. It reaches rich as `Text`, never as markup, and its control
characters are replaced by pictures of themselves, so that no memory can move the cursor,
change a colour, ring a bell or turn the line around.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from memoryos_engine.records import DialoguePage
    from memoryos_engine.retrieved import Explanation

BAR_WIDTH = 10
LONGEST_WORD = 20
"""A cut falls between words, unless it would have to go back further than this."""
REASONS = ("words", "similarity", "chain", "segment", "date", "knowledge")
SMALLEST_REASON = 0.005
"""Parts of a score below this are not worth a word."""

_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "�")
"""Signs that reorder the rest of the line."""
_HARMLESS: dict[int, int | str] = {
    **dict.fromkeys(range(0x80, 0xA0), "�"),
    **_PICTURES,
    **_TURNING,
    **dict.fromkeys((0x2028, 0x2029), " "),
}


def console(*, errors: bool = False) -> Console:
    """Return a console on standard output, or on standard error; plain where that is no terminal."""
    return Console(stderr=errors, highlight=False, emoji=False, markup=False)


def disarmed(text: str) -> str:
    """Return stored text with every character that a terminal would obey made visible, line ends too."""
    return text.translate(_HARMLESS)


def harmless(text: str, *, limit: int | None = None) -> str:
    """Return stored text as one line that a terminal shows and never obeys.

    Args:
        text: anything.
        limit: cut to about so many characters, with an ellipsis; whole if None.
    """
    line = disarmed(" ".join(text.split()))
    if limit is None or len(line) <= limit:
        return line
    cut = line[: limit - 1]
    at_word, _, broken = cut.rpartition(" ")
    return (at_word if at_word and len(broken) < LONGEST_WORD else cut).rstrip(" ,;:.") + "…"


def stored(text: str, *, limit: int | None = None, style: str = "") -> Text:
    """Return stored text for rich: no markup, no control characters, one line."""
    return Text(harmless(text, limit=limit), style=style)


def bar(share: float, *, width: int = BAR_WIDTH) -> str:
    """Return a bar of `width` characters, filled to `share` (0 to 1; beyond is cut)."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return "█" * filled + "░" * (width - filled)


def reason(explanation: Explanation | None) -> str:
    """Return the parts of a score that matter, largest first: "words 0.83, chain 0.17"."""
    if explanation is None:
        return ""
    parts = [(float(getattr(explanation, name)), name) for name in REASONS]
    telling = sorted((part for part in parts if part[0] >= SMALLEST_REASON), key=lambda part: -part[0])
    return ", ".join(f"{name} {value:.2f}" for value, name in telling)


def table(title: str, columns: Sequence[str], *, left: Iterable[str] = ()) -> Table:
    """Return an empty table; columns not named in `left` hold figures and are set to the right."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    wanted = set(left)
    for column in columns:
        if column in wanted:
            made.add_column(column, overflow="fold")
        else:
            made.add_column(column, justify="right", no_wrap=True)
    return made


def pages_table(pages: Sequence[DialoguePage], explanations: Mapping[str, Explanation]) -> Table:
    """Return found pages, best first: date, score as a bar, both sides, and why."""
    made = table("", ("date", "score", "page"), left=("date", "page"))
    best = max((page.score or 0.0 for page in pages), default=0.0) or 1.0
    for page in pages:
        score = page.score or 0.0
        shown = Text(f"{bar(score / max(1.0, best))} {score:.2f}", style="cyan")
        made.add_row(f"{page.timestamp:%Y-%m-%d}", shown, page_lines(page, reason(explanations.get(page.id))))
    return made


def page_lines(page: DialoguePage, why: str = "") -> Text:
    """Return both sides of a page, one line each, and the reason it was found below."""
    lines = [stored(page.user_input, style="bold")] if page.user_input.strip() else []
    lines += [stored(page.agent_response)] if page.agent_response.strip() else []
    lines += [Text(why, style="dim italic")] if why else []
    lines.append(Text(page.id, style="dim"))
    return Text("\n").join(lines)


def progress(*, quiet: bool = False) -> Progress:
    """Return a progress display on standard error; nothing is drawn where that is no terminal."""
    screen = console(errors=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn())
    hidden = quiet or not screen.is_terminal
    return Progress(*columns, TimeRemainingColumn(), console=screen, transient=True, disable=hidden)
