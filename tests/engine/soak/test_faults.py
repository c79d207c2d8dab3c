"""Short forms of the soaks that break the disk, the permissions, the clock and the process."""

from __future__ import annotations

import pytest

from memoryos_engine.evaluation.soak.clock import jump
from memoryos_engine.evaluation.soak.counts import Skipped
from memoryos_engine.evaluation.soak.disk import fill_the_disk
from memoryos_engine.evaluation.soak.readonly import forbid_writing
from memoryos_engine.evaluation.soak.sigterm import terminate


def test_a_full_disk_refuses_and_loses_nothing(tmp_path):
    result = fill_the_disk(tmp_path, megabytes=8, patience=10.0)
    if isinstance(result, Skipped):
        pytest.skip(result.reason)

    assert result.faults() == {}
    assert result.refused >= 2
    assert result.acknowledged > 20


def test_where_nothing_can_be_written_opening_and_changing_are_refused(tmp_path):
    result = forbid_writing(tmp_path)

    assert result.faults() == {}
    assert (result.openings_refused, result.calls_refused) == (2 + 2 * result.mounts, 8)
    assert result.acknowledged + result.read_only_until_reopened == 22


def test_a_clock_that_jumps_a_year_both_ways_harms_nothing(tmp_path):
    result = jump(tmp_path, rounds=6, seed=3)

    assert result.faults() == {}
    assert result.jumps > 20
    assert min(result.corrections, result.facts) > 0


def test_sigterm_while_a_model_reads_leaves_its_pages_to_the_next_opening(tmp_path):
    """In all four ways: at once or by a handler that closes, while the main thread adds or waits."""
    result = terminate(tmp_path, rounds=4, seed=2)

    assert result.faults() == {}
    assert result.closed_by_the_handler == 2
    assert result.pending_when_reopened > 0
