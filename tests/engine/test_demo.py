"""The demo shows what it promises, at any width, and leaves a memory that can be looked at."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from memoryos_engine import MemoryOS
from memoryos_engine.demo import run_demo
from memoryos_engine.demo_conversation import EVENINGS, QUESTIONS, SEED_QUESTIONS, SEED_TURN
from memoryos_engine.errors import InvalidInput


@cache
def played(width: int) -> str:
    screen = Console(width=width, force_terminal=False, highlight=False, emoji=False, markup=False)
    with screen.capture() as captured:
        run_demo(None, screen=screen)
    return captured.get()


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal_or_ends_in_spaces(width: int) -> None:
    lines = [line for line in played(width).splitlines() if line.isascii()]
    assert [line for line in lines if len(line) > width or line.endswith("  ")] == []


def test_the_seed_exchange_is_found_in_both_languages() -> None:
    shown = words(played(120))
    answers = [shown.split(words(question))[1].split("still in")[0] for question in SEED_QUESTIONS]
    assert all(words(SEED_TURN[0]) in answer for answer in answers)


def test_the_long_conversation_spans_five_months_and_eight_evenings() -> None:
    turns = sum(len(evening.turns) for evening in EVENINGS)
    assert (len(EVENINGS), 45 <= turns <= 60) == (8, True)
    assert EVENINGS[-1].start - EVENINGS[0].start > timedelta(days=140)


@pytest.mark.parametrize(
    ("question", "answer"),
    list(
        zip(
            QUESTIONS,
            (
                "One pound",
                "coeliac disease",
                "12th of April",
                "timber bridge at Flisa",
                "my iron is low",
                "My friend Sunniva",
            ),
            strict=True,
        )
    ),
)
def test_a_question_is_answered_by_its_page_and_says_why(question: str, answer: str) -> None:
    after = words(played(120)).split(question)[1].split("found by")[0]
    assert answer in after


def test_tiers_fill_segments_warm_and_promotions_teach() -> None:
    shown = played(80)
    assert "short-term ●●●●●●○   pending ●● → 2 pages in 2 segments" in shown
    assert "★ promoted" in shown
    assert "home: Leeds" in shown
    assert "home in the profile, March: Leeds\n  home in the profile, now: Bristol" in shown


def test_the_memory_survives_being_closed() -> None:
    part = words(played(80)).split("4 Closed, and opened again")[1]
    assert "53 pages," in part
    assert "My friend Sunniva" in part


def test_a_kept_demo_can_be_opened_and_is_not_played_twice_into_one_store(tmp_path: Path) -> None:
    screen = Console(width=80, quiet=True)
    run_demo(tmp_path / "store", screen=screen)
    with MemoryOS(tmp_path / "store") as system:
        pages = {owner.user_id: len(system.memory(owner.user_id).pages()) for owner in system.users()}
    assert pages == {"lena": 53, "tom": 1}
    with pytest.raises(InvalidInput, match="already holds memories"):
        run_demo(tmp_path / "store", screen=screen)
