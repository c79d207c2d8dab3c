"""The short form of the growth soak, and what the commands print."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import typer

from memoryos_engine.evaluation.soak import commands
from memoryos_engine.evaluation.soak.counts import Counts, Skipped, fault
from memoryos_engine.evaluation.soak.growth import grow


def test_more_users_than_are_timed_fit_in_one_process(tmp_path):
    result = grow(tmp_path, users=12, pages=8, budget_mb=1, rounds=3)

    assert result.faults() == {}
    assert result.pages_stored == 12 * 8
    assert result.resident_mb <= 1.0
    assert min(result.add_ratio, result.retrieve_ratio, result.first_touch_ms) > 0
    assert min(result.bare_chroma_once_mb, result.bare_chroma_mb) > 0


@dataclass(frozen=True, kw_only=True)
class Result(Counts):
    pages: int
    lost: int = fault()


@pytest.mark.parametrize(("lost", "status"), [(0, 0), (2, 1)])
def test_a_command_prints_the_counts_and_ends_by_them(lost, status, capsys):
    with pytest.raises(typer.Exit) as ended:
        commands._run("Trial", 1, lambda folder, step: Result(pages=1234, lost=lost))

    assert ended.value.exit_code == status
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"pages 1,234", f"lost {lost} must be 0"} <= set(shown)


def test_a_skipped_soak_says_why_and_is_no_failure(capsys):
    commands._run("Trial", 1, lambda folder, step: Skipped(reason="there is no disk"))

    assert capsys.readouterr().out == "Trial: skipped, because there is no disk\n"
