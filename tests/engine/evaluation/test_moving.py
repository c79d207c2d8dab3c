"""A memory that is moved, and re-embedded by processes that are killed, is the same memory."""

from __future__ import annotations

from memoryos_engine.evaluation.moving import KILLS, MovingResult, measure_moving


def test_a_memory_is_the_same_after_export_import_and_two_kills_while_it_is_re_embedded(tmp_path):
    result = measure_moving(tmp_path, pages=150, queries=20, seed=3)

    assert result.kills == KILLS
    assert {what: different for what, (_, different) in result.counts.items()} == dict.fromkeys(result.counts, 0)
    assert result.counts["answers after re-embedding"] == (20, 0)
    assert result.counts["vectors after re-embedding"][0] > 150
    assert result.counts["records after re-embedding"][0] == result.counts["records after export and import"][0] > 150


def test_what_differs_or_is_missing_is_counted():
    result = MovingResult()

    result.compare("letters", ["a", "b", "c"], ["a", "x"])

    assert result.counts == {"letters": (1, 2)}
    assert result.different == 2
