"""MemoryOS in a notebook: displays, plots, an explorer and magics (extra `jupyter`).

`%load_ext memoryos_integrations.jupyter` shows memories, retrievals and records as more than their repr, and brings
the magics. Importing this loads no part of Jupyter; each name loads its own module when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memoryos_integrations.lazy_names import lazy_names

if TYPE_CHECKING:
    from memoryos_integrations.jupyter.display import Display, show
    from memoryos_integrations.jupyter.explorer import MemoryExplorer
    from memoryos_integrations.jupyter.extension import load_ipython_extension, unload_ipython_extension
    from memoryos_integrations.jupyter.plots import plot_heat, plot_segments, plot_tokens
    from memoryos_integrations.jupyter.watch import MemoryWatch

_HOME_OF = {
    "Display": "display",
    "MemoryExplorer": "explorer",
    "MemoryWatch": "watch",
    "load_ipython_extension": "extension",
    "plot_heat": "plots",
    "plot_segments": "plots",
    "plot_tokens": "plots",
    "show": "display",
    "unload_ipython_extension": "extension",
}
"""Name to the module it lives in."""

__all__ = [
    "Display",
    "MemoryExplorer",
    "MemoryWatch",
    "load_ipython_extension",
    "plot_heat",
    "plot_segments",
    "plot_tokens",
    "show",
    "unload_ipython_extension",
]

__getattr__ = lazy_names(__name__, _HOME_OF, extra="jupyter")


def __dir__() -> list[str]:
    return sorted(__all__)
