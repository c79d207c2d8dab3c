"""Several processes through one server that is killed meanwhile, and openers that are refused, in their short forms."""

from __future__ import annotations

import pytest

from memoryos_engine.evaluation.soak.server import refuse_openers, share_a_server


@pytest.fixture(autouse=True)
def _direct_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_turns_of_several_processes_are_there_once_whatever_becomes_of_the_server(tmp_path):
    """Every acknowledged page once, and a store that checks clean; the command runs 6 x 200."""
    steps: list[int] = []
    result = share_a_server(tmp_path, processes=3, turns=12, users=3, restarts=1, seed=2, step=lambda: steps.append(1))

    assert result.faults() == {}
    assert (result.acknowledged + result.refused, len(steps)) == (36, 36)
    assert result.refused <= 3, result.first_refusal  # a machine that is busy enough lets a call fail


def test_a_second_opener_is_refused_each_time(tmp_path):
    """As one who would own the directory, and as one who would serve it."""
    result = refuse_openers(tmp_path, tries=4)

    assert result.faults() == {}
    assert result.tries == 4
