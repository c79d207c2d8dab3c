"""What a conversation costs: tokens sent in each turn with memory, and with all of its history."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from memoryos_engine.errors import InvalidInput
from memoryos_integrations.jupyter.plot_style import COLOURS, INK, TEXT_SIZE, Plot, guide_lines, styled
from memoryos_integrations.jupyter.plot_text import spread
from memoryos_integrations.jupyter.watch import MemoryWatch, checked_watch

WITH_MEMORY, FULL_HISTORY = "with memory", "full history"
LABEL_GAP = 0.13
"""Between labels of two lines, as a share of the height."""


def plot_tokens(watch: MemoryWatch) -> Plot:
    """Return the tokens of each turn that `watch` noted, with memory and with a buffer of the full history.

    Raises:
        InvalidInput: no turn was noted.
    """
    turns = checked_watch(watch).turns
    if not turns:
        raise InvalidInput("watch", "has noted no turn", "Call watch.sent(prompt) in each turn, then plot.")
    counts = {
        FULL_HISTORY: [turn.full_history for turn in turns],
        WITH_MEMORY: [turn.with_memory for turn in turns],
    }
    with styled():
        plot = Plot()
        plot.headed("Tokens sent in each turn")
        axes = plot.add_axes((0.075, 0.125, 0.735, 0.745))
        _draw(axes, counts)
    last = turns[-1]
    plot.words = (
        f"Tokens sent in each of {len(turns)} turns; in the last {last.with_memory:,} with memory and "
        f"{last.full_history:,} with the full history, in all {sum(counts[WITH_MEMORY]):,} and "
        f"{sum(counts[FULL_HISTORY]):,}."
    )
    return plot


def _draw(axes: Axes, counts: dict[str, list[int]]) -> None:
    guide_lines(axes)
    colours = {WITH_MEMORY: COLOURS[0], FULL_HISTORY: INK}
    turns = range(1, len(counts[WITH_MEMORY]) + 1)
    for name, values in counts.items():
        axes.plot(
            turns,
            values,
            color=colours[name],
            lw=1.8,
            marker="o",
            ms=4,
            markevery=[-1],
            clip_on=False,
            label=name,
            zorder=3,
        )
    top = max(1, *map(max, counts.values())) * 1.05
    axes.set(ylim=(0, top), xlim=(0.5, len(turns) + 0.5) if len(turns) == 1 else (1, len(turns)), xlabel="turn")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    heights = spread([values[-1] for values in counts.values()], gap=LABEL_GAP * top, low=0, high=top)
    for (name, values), height in zip(counts.items(), heights, strict=True):
        beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": TEXT_SIZE}
        axes.text(1.02, height, f"{name}\n{values[-1]:,}", color=colours[name], **beside)
