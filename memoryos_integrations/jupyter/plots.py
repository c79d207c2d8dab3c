"""Three pictures of a memory: its heat over time, the map of its segments, and the tokens it saves.

They are made with matplotlib, because a PNG shows in every viewer of notebooks, offline too.
"""

from __future__ import annotations

from memoryos_integrations.jupyter.heat_plot import plot_heat
from memoryos_integrations.jupyter.plot_style import Plot
from memoryos_integrations.jupyter.segment_plot import plot_segments
from memoryos_integrations.jupyter.token_plot import plot_tokens

__all__ = ["Plot", "plot_heat", "plot_segments", "plot_tokens"]
