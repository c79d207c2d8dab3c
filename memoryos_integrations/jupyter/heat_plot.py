"""Heat of each segment over time, as a watch noted it (paper §3.3, Eq. 4)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import matplotlib.dates
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from memoryos_engine.errors import InvalidInput
from memoryos_engine.terminal import harmless
from memoryos_engine.tier_view import count
from memoryos_integrations.jupyter.plot_style import COLOURS, FAINT, HIGHEST_TAU, INK, SMALL, Plot, guide_lines, styled
from memoryos_integrations.jupyter.plot_text import point_out, spread, write
from memoryos_integrations.jupyter.segment_events import EventKind, Look
from memoryos_integrations.jupyter.watch import MemoryWatch, checked_watch

LABEL_LENGTH = 31
LABEL_GAP = 0.058
"""Between labels of two lines, as a share of the height."""
SHORTEST_TIME = timedelta(hours=1)
"""Looks that span less are numbered, not dated."""
MOMENT_GAP = 8
"""Pixels between the names of two looks."""

_MARKS = {EventKind.PROMOTED: "^", EventKind.EVICTED: "x", EventKind.RETURNED: "o", EventKind.FORGOTTEN: "s"}
_HOLLOW = (EventKind.RETURNED, EventKind.FORGOTTEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Course:
    """One segment through all looks: its heat at each, NaN where it was not in mid-term memory."""

    label: str
    heats: Sequence[float]

    @property
    def peak(self) -> float:
        return max((heat for heat in self.heats if not math.isnan(heat)), default=0.0)

    @property
    def last(self) -> int:
        """The last look that has its heat; -1 if none has."""
        return max((look for look, heat in enumerate(self.heats) if not math.isnan(heat)), default=-1)


def plot_heat(watch: MemoryWatch) -> Plot:
    """Return the heat of each segment at the looks of `watch`, the hottest in colour and named.

    Promotions, evictions and returns are marked at the look that saw them, and tau is a dashed line.

    Raises:
        InvalidInput: there was no look, or no segment at any.
    """
    courses = _courses(checked_watch(watch).looks)
    if not courses:
        fix = (
            "Call watch.look() once memory.flush() has put pages into segments, and again whenever it may have changed."
        )
        raise InvalidInput("watch", "has seen no segment", fix)
    colours = _colours(courses)
    with styled():
        plot = Plot()
        plot.headed("Heat of the segments")
        named_moments = any(look.label.strip() for look in watch.looks)
        axes = plot.add_axes((0.055, 0.09, 0.65, 0.75 if named_moments else 0.82))
        places = _places(axes, watch.looks)
        _draw_lines(axes, places, courses, colours)
        _draw_tau(axes, watch.memory.system.settings.heat_threshold, max(course.peak for course in courses.values()))
        _draw_events(axes, places, watch, colours)
        _name_lines(axes, places, courses, colours)
        _name_moments(axes, places, watch.looks, plot)
    plot.words = _words(watch, courses)
    return plot


def _courses(looks: Sequence[Look]) -> dict[str, _Course]:
    """Return the course of each segment that was ever in mid-term memory, the one of the highest peak first."""
    labels = {each.segment_id: each.label for look in looks for each in look.segments}
    heats = [{each.segment_id: each.heat for each in look.segments if each.heat is not None} for look in looks]
    courses = {
        key: _Course(label=label, heats=[at_look.get(key, math.nan) for at_look in heats])
        for key, label in labels.items()
    }
    seen = {key: course for key, course in courses.items() if course.last >= 0}
    return dict(sorted(seen.items(), key=lambda item: -item[1].peak))


def _colours(courses: Mapping[str, _Course]) -> dict[str, str]:
    """Return the colour of each segment that has one: the hottest."""
    return dict(zip(courses, COLOURS, strict=False))


def _places(axes: Axes, looks: Sequence[Look]) -> list[float]:
    """Return where each look lies across: at its date, or at its number where no time to speak of passed."""
    moments = [look.at for look in looks]
    if max(moments) - min(moments) < SHORTEST_TIME:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(0.5 if len(looks) == 1 else 1, len(looks) + (0.5 if len(looks) == 1 else 0))
        axes.set_xlabel("look")
        return [float(number) for number in range(1, len(looks) + 1)]
    dates: Any = matplotlib.dates  # has no types for what follows
    locator = dates.AutoDateLocator(tz=timezone.utc, minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=timezone.utc))
    places = [float(dates.date2num(moment)) for moment in moments]
    axes.set_xlim(min(places), max(places))
    return places


def _draw_lines(
    axes: Axes, places: Sequence[float], courses: Mapping[str, _Course], colours: Mapping[str, str]
) -> None:
    guide_lines(axes)
    for key, course in reversed(list(courses.items())):
        named = key in colours
        style: dict[str, Any] = {"lw": 1.7, "zorder": 3} if named else {"lw": 0.8, "alpha": 0.55, "zorder": 2}
        end: dict[str, Any] = {"marker": "o", "ms": 3.5 if named else 2, "markevery": [course.last]}
        axes.plot(places, course.heats, color=colours.get(key, INK), gid=key, clip_on=False, **style, **end)
    axes.set_ylim(0, max(course.peak for course in courses.values()) * 1.08)


def _draw_tau(axes: Axes, tau: float, hottest: float) -> None:
    if tau > HIGHEST_TAU * hottest:
        return
    axes.set_ylim(0, max(axes.get_ylim()[1], tau * 1.15))
    axes.axhline(tau, color=INK, lw=1, ls=(0, (5, 3)), gid="tau", zorder=1)
    top = axes.get_ylim()[1]
    others = [tick for tick in axes.get_yticks() if 0 <= tick <= top and abs(tick - tau) > LABEL_GAP * top]
    axes.set_yticks([*others, tau], labels=[*(f"{tick:g}" for tick in others), f"tau {tau:g}"])


def _draw_events(axes: Axes, places: Sequence[float], watch: MemoryWatch, colours: Mapping[str, str]) -> None:
    """Mark what happened, that of the named segments in their colours and larger; explain the marks above."""
    handles = []
    for kind, marker in _MARKS.items():
        events = [event for event in watch.events if event.kind is kind and event.heat is not None]
        heats = [event.heat for event in events if event.heat is not None]
        if not events:
            continue
        tints = [colours.get(event.segment_id, to_rgba(INK, 0.7)) for event in events]
        sizes = [36 if event.segment_id in colours else 14 for event in events]
        filled: dict[str, Any] = {"facecolors": "none", "edgecolors": tints} if kind in _HOLLOW else {"c": tints}
        across = [places[event.look - 1] for event in events]
        axes.scatter(across, heats, sizes, marker=marker, lw=1.2, gid=kind.value, zorder=5, clip_on=False, **filled)
        face = "none" if kind in _HOLLOW else INK
        handles.append(Line2D([], [], marker=marker, ls="", color=INK, mfc=face, ms=6, label=kind.value))
    if handles:
        corner: dict[str, Any] = {"loc": "upper right", "bbox_to_anchor": (0.995, 1.0), "ncols": len(handles)}
        axes.figure.legend(handles=handles, handletextpad=0.1, columnspacing=1.2, **corner)


def _name_lines(
    axes: Axes, places: Sequence[float], courses: Mapping[str, _Course], colours: Mapping[str, str]
) -> None:
    named = [courses[key] for key in colours]
    ends = [course.heats[course.last] for course in named]
    top = axes.get_ylim()[1]
    heights = spread(ends, gap=LABEL_GAP * top, low=0.02 * top, high=top)
    for course, end, height, colour in zip(named, ends, heights, colours.values(), strict=True):
        line = {"color": colour, "lw": 0.7, "alpha": FAINT * 2}
        point, text = (places[course.last], end), f"{end:.1f}  {course.label}"
        point_out(
            axes, point, text, limit=LABEL_LENGTH, beside=height, line=line, color=colour, fontsize=SMALL, ha="left"
        )


def _name_moments(axes: Axes, places: Sequence[float], looks: Sequence[Look], plot: Plot) -> None:
    """Write what the looks were above them, as long as no two names meet."""
    top, taken = axes.get_ylim()[1], -math.inf
    for place, look in zip(places, looks, strict=True):
        if not look.label.strip():
            continue
        name = write(axes, (place, top * 1.015), look.label, limit=24, fontsize=SMALL - 1, va="bottom")
        extent = name.get_window_extent(plot.renderer)
        if extent.x0 < taken + MOMENT_GAP:
            name.remove()
            continue
        taken = extent.x1
        axes.axvline(place, color=INK, alpha=FAINT, lw=0.6, zorder=0)


def _words(watch: MemoryWatch, courses: Mapping[str, _Course]) -> str:
    counts = Counter(event.kind.value for event in watch.events)
    happened = ", ".join(f"{number} {kind}" for kind, number in counts.items()) or "none promoted, evicted or returned"
    looks = watch.looks
    hottest = next(iter(courses.values()))
    return (
        f"Heat of {count(len(courses), 'segment')} at {count(len(looks), 'look')}, "
        f"{_day(looks[0].at)} to {_day(looks[-1].at)}: "
        f"{happened}. The hottest was {harmless(hottest.label, limit=60)} with {hottest.peak:.1f}; "
        f"tau is {watch.memory.system.settings.heat_threshold:g}."
    )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
