"""Segment heat (paper §3.3, Eq. 4).

    heat = alpha * N_visit + beta * L_interaction + gamma * R_recency,    R_recency = exp(-dt / mu)

Arithmetic only: no store, no model, no clock. The caller says what time it is, and
heat is never stored, because it changes with every second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatWeights:
    """Coefficients of Eq. 4. Defaults are the paper's (§4.1)."""

    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 1.0
    recency_constant: float = 1e7
    """mu, in seconds (about 116 days)."""


def recency(last_active_at: datetime, now: datetime, *, time_constant: float) -> float:
    """Return R_recency: 1.0 at the moment of the visit, falling towards 0; never above 1."""
    elapsed = max(0.0, (now - last_active_at).total_seconds())
    return math.exp(-elapsed / time_constant)


def heat(visits: int, interactions: int, recency: float, weights: HeatWeights) -> float:
    """Return the heat of a segment (Eq. 4).

    Args:
        visits: N_visit, how often a retrieval returned one of its pages.
        interactions: L_interaction, its pages since the last promotion.
        recency: R_recency, 0 to 1.
        weights: alpha, beta and gamma.
    """
    return weights.alpha * visits + weights.beta * interactions + weights.gamma * recency
