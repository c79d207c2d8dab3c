"""Eq. 4, worked by hand."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest

from memoryos_engine.heat import HeatWeights, heat, recency

NOON = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
MU = 1e7


@pytest.mark.parametrize(
    ("visits", "interactions", "r_recency", "expected"),
    [(0, 0, 0.0, 0.0), (0, 1, 1.0, 2.0), (3, 4, 0.5, 7.5), (5, 0, 0.25, 5.25), (0, 4, 1.0, 5.0), (200, 7, 1.0, 208.0)],
)
def test_heat_is_the_sum_of_visits_interactions_and_recency(visits, interactions, r_recency, expected):
    """Eq. 4 with the paper's unit weights."""
    assert heat(visits, interactions, r_recency, HeatWeights()) == expected


def test_each_weight_scales_its_own_term():
    """Eq. 4: 0.5 * 4 + 2 * 3 + 10 * 0.25 = 10.5."""
    assert heat(4, 3, 0.25, HeatWeights(alpha=0.5, beta=2.0, gamma=10.0)) == 10.5


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [
        (timedelta(0), 1.0),
        (timedelta(days=1), 0.991397219),
        (timedelta(seconds=1e7), 0.367879441),
        (timedelta(seconds=2e7), 0.135335283),
        (timedelta(days=25 * 365.25), 5.4598e-35),
    ],
)
def test_recency_falls_by_a_factor_of_e_every_mu_seconds(elapsed, expected):
    """Eq. 4: R = exp(-dt / mu), mu = 1e7 s (§4.1)."""
    assert recency(NOON - elapsed, NOON, time_constant=MU) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), timedelta(hours=8), timedelta(days=3650)])
def test_a_timestamp_in_the_future_counts_as_now(ahead):
    """Our decision: dt is never negative, so a skewed clock cannot make a segment hotter than a new one."""
    assert recency(NOON + ahead, NOON, time_constant=MU) == 1.0


def test_recency_reaches_zero_without_an_error_at_the_ends_of_the_calendar():
    """Our decision: any two times that Python can hold have a recency."""
    first, last = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (1, 9999))
    assert recency(first, last, time_constant=MU) == 0.0


def test_time_zones_do_not_change_recency():
    """Our decision: time is one line; noon UTC is 15:30 in Tehran."""
    tehran = timezone(timedelta(hours=3, minutes=30))
    same = datetime(2024, 3, 1, 15, 30, tzinfo=tehran)
    assert recency(same, NOON, time_constant=MU) == 1.0


def test_the_heat_of_a_segment_follows_its_life():
    """Eq. 4, a golden trace: a page, two more, a visit, a promotion (L = 0), mu seconds of silence, a visit."""
    weights = HeatWeights()
    silence = math.exp(-1)
    states = [(0, 1, 1.0), (0, 3, 1.0), (1, 3, 1.0), (1, 0, 1.0), (1, 0, silence), (2, 0, 1.0)]
    assert [round(heat(*state, weights), 6) for state in states] == [2.0, 4.0, 5.0, 2.0, 1.367879, 3.0]
