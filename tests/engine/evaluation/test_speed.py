"""The speed report prints ratios and never judges; its talk is made up, and always the same."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from statistics import fmean

from rich.console import Console
from rich.progress import Progress

from memoryos_engine.evaluation import speed
from memoryos_engine.evaluation.interleaved import Comparison, interleaved
from memoryos_engine.evaluation.speed import SpeedPlan, measure_speed, show_speed
from memoryos_engine.evaluation.synthetic import PAGES_PER_SESSION, SyntheticTalk


def test_equal_seeds_talk_alike_and_others_do_not() -> None:
    assert list(SyntheticTalk(1).turns(40)) == list(SyntheticTalk(1).turns(40))
    assert list(SyntheticTalk(1).turns(40)) != list(SyntheticTalk(2).turns(40))


def test_pages_have_about_forty_words_in_many_sessions() -> None:
    turns = list(SyntheticTalk(3).turns(300))
    words = fmean(len(f"{turn['user_input']} {turn['agent_response']}".split()) for turn in turns)
    assert 36 < words < 44
    assert len({turn["session_id"] for turn in turns}) == 300 / PAGES_PER_SESSION


def test_frequent_words_are_a_large_part_of_the_talk() -> None:
    said = " ".join(turn["user_input"] for turn in SyntheticTalk(4).turns(300)).lower().replace(".", "").split()
    frequent = sorted(set(said), key=said.count, reverse=True)[:50]
    assert 0.25 < sum(map(said.count, frequent)) / len(said) < 0.6


def test_operations_take_turns_and_none_always_follows_the_same_other() -> None:
    calls: list[str] = []
    operations = {name: lambda name=name: calls.append(name) for name in "abc"}
    medians = interleaved(operations, rounds=60, step=lambda: calls.append("|"))
    assert len("".join(calls).split("|")) == 61
    assert set("".join(calls).split("|")) == {"", "abc", "acb", "bac", "bca", "cab", "cba"}
    assert list(medians) == ["a", "b", "c"]


def test_every_comparison_is_measured_over_real_stores(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(speed, "SMALL_PAGES", 10)
    monkeypatch.setattr(speed, "OTHER_PAGES", 12)
    plan = SpeedPlan(pages=40, others=24, rounds=2)
    with Progress(disable=True) as bars:
        comparisons = measure_speed(plan, folder=tmp_path, bars=bars)
    assert [(one.title, one.target) for one in comparisons] == [
        ("add_memory, 10 own pages", 2.0),
        ("add_memory, 40 own pages", 1.3),
        ("retrieve_memory, 40 own pages, 0 of them archived", 1.0),
        ("same, 24 pages of others added", 1.3),
        ("opening a memory of 12 pages and asking it", 20.0),
    ]
    assert all(one.seconds > 0 and one.yardstick_seconds > 0 for one in comparisons)


def test_the_report_prints_ratio_and_target_side_by_side_within_80_columns() -> None:
    comparison = Comparison(
        title="retrieve_memory, 10,000 own pages",
        seconds=0.003,
        yardstick="Chroma's query, same store and owner",
        yardstick_seconds=0.012,
        target=1.0,
    )
    screen = Console(width=80)
    with screen.capture() as captured:
        show_speed([comparison], import_time=0.004, screen=screen)
    rows = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert max(map(len, captured.get().splitlines())) <= 80
    assert any("3.0 ms" in row and "12.0 ms" in row and row.endswith("0.25 1") for row in rows)
    assert "import memoryos_engine, in a fresh process: 4.0 ms" in rows


def test_queries_are_six_words() -> None:
    talk = SyntheticTalk(5)
    assert {len(query.split()) for query in islice(iter(talk.query, None), 20)} == {6}
