"""How the plots look, on white and on black, and how a notebook gets to show them.

A plot is a figure that matplotlib's pyplot knows nothing of: nothing is kept open, and a notebook shows it once, as
the value of its cell. It brings its own PNG, at twice the resolution of a screen, and says in words what it shows.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import AbstractContextManager
from io import BytesIO
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from PIL import Image

INK = "#7a7a7a"
"""Of text and axes. It and the colours have a contrast of at least 4:1 on white and on #111."""
COLOURS = ("#1f7ad8", "#c15c0a", "#1d8b3c", "#d44753", "#9560ca", "#07878b", "#c34c9b", "#8a790b")
FAINT = 0.3
"""Opacity of what only guides the eye."""
TEXT_SIZE, SMALL = 9.0, 8.0
HIGHEST_TAU = 3.0
"""A tau above so many times the hottest segment is left off the pictures, which would be empty below it."""
PIXELS_PER_INCH = 100
"""As shown; the picture has twice as many."""
LARGEST = 115_000
"""Bytes of a picture; a larger one gets a palette, which makes it a third as large."""

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
}


def styled() -> AbstractContextManager[None]:
    """Return the style of the plots as a context, whatever the user's own settings are."""
    return matplotlib.style.context(_STYLE, after_reset=True)


class Plot(Figure):
    """A figure that shows itself in a notebook; `savefig` writes it to a file.

    Args:
        width: in inches.
        height: in inches.
    """

    def __init__(self, *, width: float = 7.5, height: float = 4.0) -> None:
        super().__init__(figsize=(width, height), dpi=2 * PIXELS_PER_INCH, facecolor="none")
        self._agg: Any = FigureCanvasAgg(self)  # its methods have no types
        self.words = ""
        """What the picture shows, for those who cannot see it."""

    @property
    def renderer(self) -> RendererAgg:
        """What measures text."""
        renderer: RendererAgg = self._agg.get_renderer()
        return renderer

    def headed(self, title: str) -> None:
        """Write the title at the top left."""
        self.text(0.012, 0.975, title, fontsize=TEXT_SIZE + 1.5, fontweight="bold", va="top")

    def png(self) -> bytes:
        """Return the picture."""
        with styled():
            self._agg.draw()
        drawn = Image.fromarray(np.asarray(self._agg.buffer_rgba()))
        whole = _packed(drawn)
        return whole if len(whole) <= LARGEST else _packed(drawn.quantize(256, Image.Quantize.FASTOCTREE))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, str], dict[str, Any]]:  # noqa: ARG002
        width, height = (round(length * PIXELS_PER_INCH) for length in self.get_size_inches())
        data = {"image/png": b64encode(self.png()).decode("ascii"), "text/plain": self.words}
        return data, {"image/png": {"width": width, "height": height, "alt": self.words}}


def _packed(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, format="png", optimize=True)
    return file.getvalue()


def guide_lines(axes: Axes) -> None:
    """Draw faint level lines, and no frame but the ground."""
    axes.grid(axis="y", color=INK, alpha=FAINT / 2, linewidth=0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
