"""Stored text in a picture: data that is drawn, never obeyed.

No mathematics is read from it, signs that turn a line around or that no font has are replaced by pictures, and other
scripts get their fonts where the machine has them. Arabic and Persian are shaped and run from right to left with
matplotlib 3.11 and newer; older ones draw the letters apart and from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from unicodedata import category

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Annotation, Text

from memoryos_engine.terminal import harmless

FIRST_FONT = "DejaVu Sans"
"""Comes with matplotlib; has Latin, Greek, Cyrillic, Hebrew and Arabic."""
OTHER_FONTS = (
    *(f"Noto Sans {script}" for script in ("Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Telugu", "Thai")),
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK KR", "WenQuanYi Zen Hei", "PingFang SC", "Hiragino Sans"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "Arial Unicode MS", "Nirmala UI"),
    *("Noto Sans Symbols", "Noto Sans Symbols2", "Segoe UI Symbol", "Noto Emoji"),
)
MISSING = "□"


def drawable(text: str, *, limit: int) -> tuple[str, list[str]]:
    """Return stored text as one line that can be drawn, of about `limit` signs, and the fonts that it needs."""
    line = harmless(text, limit=limit)
    fonts = [FIRST_FONT]
    for font in OTHER_FONTS:
        if missing := _missing(line, fonts):
            fonts += [font] if missing & _signs(font) else []
    replaced = {ord(sign): "" if category(sign) == "Cf" else MISSING for sign in map(chr, _missing(line, fonts))}
    return line.translate(replaced), fonts


def write(axes: Axes, place: tuple[float, float], text: str, *, limit: int, **style: Any) -> Text:
    """Write stored text at a place in the data of `axes`."""
    line, fonts = drawable(text, limit=limit)
    return axes.text(*place, line, parse_math=False, fontfamily=fonts, **style)


def point_out(
    axes: Axes, point: tuple[float, float], text: str, *, limit: int, beside: float, line: dict[str, Any], **style: Any
) -> Annotation:
    """Write stored text to the right of `axes` at the height `beside`, with a line to its point."""
    written, fonts = drawable(text, limit=limit)
    return axes.annotate(
        written,
        xy=point,
        xytext=(1.025, beside),
        textcoords=axes.get_yaxis_transform(),
        arrowprops={"arrowstyle": "-", "relpos": (0, 0.5), "shrinkA": 0, "shrinkB": 3, **line},
        annotation_clip=False,
        parse_math=False,
        fontfamily=fonts,
        va="center",
        **style,
    )


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Return heights as near as can be to those wanted, in their order, at least `gap` apart, from `low` to `high`.

    Where there is no room for all of them, they leave at the top.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups: list[tuple[float, int]] = []  # mean and number of labels that lie against each other
    for place, index in enumerate(order):
        mean, count = wanted[index] - place * gap, 1
        while groups and groups[-1][0] >= mean:
            other, more = groups.pop()
            mean, count = (mean * count + other * more) / (count + more), count + more
        groups.append((mean, count))
    means = [mean for mean, count in groups for _ in range(count)]
    highest = max(low, high - (len(wanted) - 1) * gap)
    found = [0.0] * len(wanted)
    for place, (index, mean) in enumerate(zip(order, means, strict=True)):
        found[index] = min(max(mean, low), highest) + place * gap
    return found


def _missing(line: str, fonts: Sequence[str]) -> set[int]:
    return {ord(sign) for sign in line}.difference(*map(_signs, fonts))


@cache
def _signs(font: str) -> frozenset[int]:
    """Return the code points that a font has; none if it is not installed."""
    if font not in fontManager.get_font_names():
        return frozenset()
    file = fontManager.findfont(FontProperties(family=font), fallback_to_default=False)
    return frozenset(get_font(file).get_charmap())
