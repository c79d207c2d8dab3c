"""The map of a memory's segments, and where a query falls on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm
from matplotlib.transforms import Bbox

from memoryos_engine.embedding.base import unit_rows
from memoryos_engine.errors import InvalidInput
from memoryos_engine.memory import UserMemory
from memoryos_engine.similarity import Vector
from memoryos_engine.terminal import harmless
from memoryos_engine.tier_view import count
from memoryos_integrations.jupyter.plot_style import HIGHEST_TAU, INK, SMALL, TEXT_SIZE, Plot, styled
from memoryos_integrations.jupyter.plot_text import write
from memoryos_integrations.jupyter.segment_events import segment_label
from memoryos_integrations.jupyter.segment_map import Positions, query_position, segment_positions

LABELS, SURELY_NAMED = 24, 8
"""Segments that are named where there is room, and those for which room is made farther off."""
FAR = (24, 40, 60, 85, 110, 140)
"""How far off, in points."""
LABEL_LENGTH = 26
QUERY_LENGTH = 60
ROOM_ABOVE, ROOM_BESIDE = 1.14, 1.3
"""How much larger the picture is than the map."""
SMALLEST_AREA, LARGEST_AREA = 22.0, 640.0
"""Of a segment, in square points, as long as there are not more than these:"""
UNCROWDED = 30
STAR_AREA = 230.0
QUERY_COLOUR = "#1d8b3c"
HEAT_COLOURS = LinearSegmentedColormap.from_list("heat", ["#3f87c8", "#8791a0", "#d07a1c", "#d8352f"])
"""Cold is blue and grey, from tau on it is orange to red."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Spot:
    """One segment on the map."""

    segment_id: str
    label: str
    heat: float
    pages: int
    place: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A query on the map, and the segments in which pages were found for it, best first."""

    query: str
    place: tuple[float, float]
    found: Sequence[str]


def plot_segments(memory: UserMemory, query: str | None = None) -> Plot:
    """Return the map of the segments in mid-term memory: near is similar, large has many pages, red is hot.

    Args:
        memory: the memory to look at; it is not changed, and no visit is counted.
        query: shown as a star near what it resembles, with lines to the segments in which pages are found for it.

    Raises:
        InvalidInput: there is no segment, or the query is empty.
        EmbeddingError, StoreError: nothing could be searched.
    """
    vectors = memory.segment_vectors()
    if not vectors:
        raise _no_segment()
    rows = np.stack(list(vectors.values()))
    positions = segment_positions(rows)
    asked = None if query is None else _asked(memory, query, rows, positions)
    spots = _spots(memory, list(vectors), positions)
    with styled():
        plot = Plot(height=4.6)
        plot.headed("Segments: near is similar, large has many pages")
        axes = plot.add_axes((0.01, 0.02, 0.85, 0.88))
        _draw(plot, axes, spots, memory.system.settings.heat_threshold, asked)
    plot.words = _words(spots, memory.system.settings.heat_threshold, asked)
    return plot


def _spots(memory: UserMemory, ids: Sequence[str], positions: Positions) -> list[_Spot]:
    heats, sizes = memory.heats(), Counter(page.segment_id for page in memory.pages())
    labels = {segment.id: segment_label(segment) for segment in memory.segments()}
    spots = [
        _Spot(segment_id=key, label=labels[key], heat=heats[key], pages=sizes[key], place=_place(row))
        for key, row in zip(ids, positions, strict=True)
        if key in heats and key in labels  # the background may have evicted it since
    ]
    if not spots:
        raise _no_segment()
    return sorted(spots, key=lambda spot: -spot.pages)  # the small ones are drawn last


def _no_segment() -> InvalidInput:
    fix = "Pages join segments when they leave STM: add more than its capacity and call memory.flush(), then plot."
    return InvalidInput("memory", "has no segment in mid-term memory", fix)


def _asked(memory: UserMemory, query: str, rows: Vector, positions: Positions) -> _Asked:
    found = memory.retrieve_memory(query, touch=False).pages
    embedder = memory.system.embedder
    vector = unit_rows(embedder.embed([query]), rows=1, dimension=embedder.dimension)[0]
    segments = dict.fromkeys(page.segment_id for page in found if page.segment_id)
    return _Asked(query=query, place=_place(query_position(rows, positions, vector)), found=list(segments))


def _place(row: Positions) -> tuple[float, float]:
    return float(row[0]), float(row[1])


def _draw(plot: Plot, axes: Axes, spots: Sequence[_Spot], tau: float, asked: _Asked | None) -> None:
    axes.set_axis_off()
    _fit(axes, [*(spot.place for spot in spots), *([asked.place] if asked else [])])
    norm = _norm(spots, tau)
    dots = _draw_spots(axes, spots, norm)
    _draw_heat_scale(plot, norm, tau)
    taken = _extents(plot, axes, dots)
    if asked:
        taken.append(_draw_query(plot, axes, spots, asked))
    found = set(asked.found) if asked else set()
    # Where pages were found first, then the largest and hottest.
    first = sorted(spots, key=lambda spot: (spot.segment_id not in found, -spot.pages - spot.heat))
    areas = dict(zip((spot.segment_id for spot in spots), _areas(spots), strict=True))
    for place, spot in enumerate(first[: max(LABELS, len(found))]):
        far = place < SURELY_NAMED or spot.segment_id in found
        _label(plot, axes, spot, areas[spot.segment_id], taken, far=far)


def _fit(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    """Set the limits: equal scales, everything inside, room for names at both sides."""
    low, high = np.min(places, axis=0), np.max(places, axis=0)
    middle, (across, up) = (low + high) / 2, (high - low) / 2
    ratio = axes.bbox.width / axes.bbox.height
    half = max(up * ROOM_ABOVE, across * ROOM_BESIDE / ratio, 0.1)
    axes.set(xlim=(middle[0] - half * ratio, middle[0] + half * ratio), ylim=(middle[1] - half, middle[1] + half))


def _norm(spots: Sequence[_Spot], tau: float) -> Normalize:
    """Return the scale of the colours: tau in its middle, unless all are far below it."""
    hottest = max(spot.heat for spot in spots)
    if 0 < tau <= HIGHEST_TAU * hottest:
        return TwoSlopeNorm(vmin=0, vcenter=tau, vmax=max(hottest, 2 * tau))
    return Normalize(vmin=0, vmax=2 * hottest or 1)


def _areas(spots: Sequence[_Spot]) -> list[float]:
    largest = max(10, *(spot.pages for spot in spots))
    crowd = max(1.0, len(spots) / UNCROWDED) ** 0.5
    return [(SMALLEST_AREA + (LARGEST_AREA - SMALLEST_AREA) * spot.pages / largest) / crowd for spot in spots]


def _draw_spots(axes: Axes, spots: Sequence[_Spot], norm: Normalize) -> PathCollection:
    across, up = zip(*(spot.place for spot in spots), strict=True)
    return axes.scatter(
        across, up, s=_areas(spots), c=[spot.heat for spot in spots], norm=norm, cmap=HEAT_COLOURS, alpha=0.8,
        ec=INK, lw=0.4, gid="segments", zorder=2,
    )  # fmt: skip


def _draw_heat_scale(plot: Plot, norm: Normalize, tau: float) -> None:
    axes = plot.add_axes((0.925, 0.14, 0.014, 0.62))
    bar = plot.colorbar(ScalarMappable(norm=norm, cmap=HEAT_COLOURS), cax=axes)
    bar.outline.set_visible(False)
    top = float(norm.vmax or 1)
    ticks = {0.0: "0", top: f"{top:.0f}"} | ({tau: f"tau\n{tau:g}"} if 0 < tau <= top else {})
    bar.set_ticks(list(ticks), labels=list(ticks.values()))
    axes.tick_params(length=0)
    axes.set_title("heat", fontsize=TEXT_SIZE, pad=8)


def _extents(plot: Plot, axes: Axes, dots: PathCollection) -> list[Bbox]:
    """Return the pixels that each dot takes."""
    centres = axes.transData.transform(dots.get_offsets())
    radii = np.sqrt(dots.get_sizes()) / 2 * plot.dpi / 72
    return [Bbox.from_extents(x - r, y - r, x + r, y + r) for (x, y), r in zip(centres, radii * 0.9, strict=True)]


def _draw_query(plot: Plot, axes: Axes, spots: Sequence[_Spot], asked: _Asked) -> Bbox:
    """Draw the star and its lines; return the pixels that it takes."""
    places = {spot.segment_id: spot.place for spot in spots}
    for key in asked.found:
        if key in places:
            across, up = zip(asked.place, places[key], strict=True)
            axes.plot(across, up, color=QUERY_COLOUR, lw=1, alpha=0.7, zorder=1, gid=f"found {key}")
    axes.scatter(*asked.place, s=STAR_AREA, marker="*", color=QUERY_COLOUR, ec="white", lw=0.7, gid="query", zorder=6)
    name = write(axes, (0.0, 0.0), f"★ {asked.query}", limit=QUERY_LENGTH, color=QUERY_COLOUR, fontsize=TEXT_SIZE)
    name.set(transform=plot.transFigure, position=(0.012, 0.905), va="top", gid="question")
    across, up = axes.transData.transform(asked.place)
    half = np.sqrt(STAR_AREA) / 2 * plot.dpi / 72
    return Bbox.from_extents(across - half, up - half, across + half, up + half)


def _label(plot: Plot, axes: Axes, spot: _Spot, area: float, taken: list[Bbox], *, far: bool) -> None:
    """Name a segment at the first place beside it that is free, or farther off with a line; not if there is none."""
    text = write(axes, spot.place, spot.label, limit=LABEL_LENGTH, fontsize=SMALL, color=INK, zorder=5)
    centre = axes.transData.transform(spot.place)
    for away, across, along in chain(_beside(area), _around() if far else ()):
        place = axes.transData.inverted().transform(centre + np.array(away) * plot.dpi / 72)
        text.set(position=place, ha=across, va=along)
        extent = text.get_window_extent(plot.renderer)
        if axes.bbox.count_contains(extent.corners()) == len(extent.corners()) and not extent.count_overlaps(taken):
            taken.append(extent)
            if along == "center_baseline":
                line = zip(spot.place, place, strict=True)
                axes.plot(*line, color=INK, lw=0.6, alpha=0.7, zorder=4, gid=f"name of {spot.segment_id}")
            return
    text.remove()


def _beside(area: float) -> Iterator[tuple[tuple[float, float], str, str]]:
    """Yield the places next to a dot: how far off in points, and how the text is set there."""
    away = float(np.sqrt(area)) / 2 + 2
    yield (away, 0), "left", "center"
    yield (-away, 0), "right", "center"
    yield (0, away), "center", "bottom"
    yield (0, -away), "center", "top"


def _around() -> Iterator[tuple[tuple[float, float], str, str]]:
    """Yield places farther off, the nearest first."""
    for away in FAR:
        for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False) + np.pi / 24:
            right, up = float(np.cos(angle)) * away * 1.3, float(np.sin(angle)) * away
            yield (right, up), "left" if right > 0 else "right", "center_baseline"


def _words(spots: Sequence[_Spot], tau: float, asked: _Asked | None) -> str:
    hottest = sorted(spots, key=lambda spot: -spot.heat)[:3]
    named = "; ".join(f"{harmless(spot.label, limit=60)} ({spot.heat:.1f})" for spot in hottest)
    hot = sum(spot.heat > tau for spot in spots)
    pages = count(sum(spot.pages for spot in spots), "page")
    words = f"Map of {count(len(spots), 'segment')} with {pages}; {hot} above tau = {tau:g}. "
    words += f"Hottest: {named}."
    if asked:
        labels = {spot.segment_id: harmless(spot.label, limit=60) for spot in spots}
        found = "; ".join(labels[key] for key in asked.found if key in labels) or "none on the map"
        words += f" For “{harmless(asked.query, limit=QUERY_LENGTH)}” pages were found in: {found}."
    return words
