"""`memoryos demo`: a memory fills, warms up, learns, answers, and survives being closed.

Five months pass on a clock that stands still until it is moved. No key, no model, no
network.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from memoryos_engine.clock import ManualClock
from memoryos_engine.demo_conversation import (
    EVENINGS,
    QUESTION_AFTER_REOPENING,
    QUESTIONS,
    SEED_QUESTIONS,
    SEED_TURN,
    Evening,
)
from memoryos_engine.demo_view import (
    TierCounts,
    show_answer,
    show_evening,
    show_heats,
    show_learned,
    show_next_steps,
    show_tiers,
    show_title,
    show_turn,
)
from memoryos_engine.errors import InvalidInput
from memoryos_engine.memory import UserMemory
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

SEED_USER, PERSON = "tom", "lena"
BEFORE_THE_MOVE = "2024-03-31T12:00:00+00:00"
START = "2024-01-01T12:00:00+00:00"
SETTINGS = MemorySettings(similarity_threshold=0.2, consolidation_delay=3600.0)
"""A lower theta than the paper's: lines this short have few words in common. The delay leaves
the work to `flush`, so that pending pages can be seen."""
LOOKED_UP = 3
"""Pages the agent looks up before each answer; their segments are visited."""
MINUTES_BETWEEN_TURNS = 2
PAUSE = 0.4
"""Seconds between scenes, in a terminal only."""


def run_demo(path: Path | None, *, screen: Console) -> None:
    """Play the demo on `screen`, in a folder that is deleted afterwards or in `path`.

    Raises:
        InvalidInput: `path` holds memories of the demo's people already.
        StoreError: `path` cannot be used.
    """
    with ExitStack() as stack:
        folder = path or Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        clock = ManualClock(START)
        with MemoryOS(folder, settings=SETTINGS, clock=clock) as system:
            _require_unused(system)
            _first_memory(system.memory(SEED_USER), screen)
            _months(system.memory(PERSON), clock, screen)
            _questions(system.memory(PERSON, session_id="afterwards"), screen)
        _reopened(folder, clock, screen)
    show_next_steps(path, user=PERSON, screen=screen)


def _require_unused(system: MemoryOS) -> None:
    if {SEED_USER, PERSON} & {owner.user_id for owner in system.users()}:
        raise InvalidInput("--path", f"already holds memories of {SEED_USER} or {PERSON}", "Pass a new directory.")


def _first_memory(memory: UserMemory, screen: Console) -> None:
    show_title("1  One exchange, two languages", "Remembered in Persian, asked in Persian and in English.", screen)
    show_turn("Tom", SEED_TURN, screen)
    screen.print()
    memory.add_memory(*SEED_TURN)
    for question in SEED_QUESTIONS:
        show_answer(memory.retrieve_memory(question, touch=False), screen)
        _pause(screen)


def _months(memory: UserMemory, clock: ManualClock, screen: Console) -> None:
    show_title(
        "2  Five months with Lena",
        "Pages leave short-term memory for segments of one topic. Looking a segment up and adding to it make it hot; "
        "above 5 it is promoted: facts are learned from it. Here three pages are looked up before every answer, and "
        "theta is 0.2 instead of the paper's 0.6, because the lines are short.",
        screen,
    )
    for evening in EVENINGS:
        _move(clock, evening.start)
        _talk(memory, evening, clock)
        _close_evening(memory, evening, screen)
        _pause(screen)


def _talk(memory: UserMemory, evening: Evening, clock: ManualClock) -> None:
    """Have the conversation as an agent would: look up, answer, remember."""
    for user_input, agent_response in evening.turns:
        memory.retrieve_memory(user_input, top_k=LOOKED_UP)
        memory.add_memory(user_input, agent_response)
        clock.advance(minutes=MINUTES_BETWEEN_TURNS)


def _close_evening(memory: UserMemory, evening: Evening, screen: Console) -> None:
    """Show the evening, consolidate what left short-term memory, and show what came of it."""
    before, known = TierCounts.of(memory), {entry.id for entry in memory.knowledge(history=True)}
    promoted = {page.id for page in memory.pages() if page.promoted}
    memory.flush()
    read = [page for page in memory.pages() if page.promoted and page.id not in promoted]
    show_evening(evening, screen)
    show_tiers(before, TierCounts.of(memory), capacity=SETTINGS.short_term_capacity, screen=screen)
    show_heats(memory, SETTINGS.heat_threshold, screen)
    show_learned([entry for entry in memory.knowledge() if entry.id not in known], read, screen)
    screen.print()


def _questions(memory: UserMemory, screen: Console) -> None:
    show_title("3  Questions, in a new session", "Its short-term memory is empty: every page has to be found.", screen)
    for question in QUESTIONS:
        show_answer(memory.retrieve_memory(question, touch=False), screen)
        _pause(screen)
    _facts_in_time(memory, screen)


def _facts_in_time(memory: UserMemory, screen: Console) -> None:
    before, now = memory.get_user_profile(as_of=BEFORE_THE_MOVE), memory.get_user_profile()
    screen.print(Text("Facts have their time, and a newer one does not erase the older", style="bold"))
    for moment, profile in (("March", before), ("now", now)):
        screen.print(Text(f"  home in the profile, {moment}: {profile.fields.get('home', 'unknown')}"))
    screen.print()


def _reopened(folder: Path, clock: ManualClock, screen: Console) -> None:
    show_title("4  Closed, and opened again", "Everything was on disk when add_memory returned.", screen)
    with MemoryOS(folder, settings=SETTINGS, clock=clock) as system:
        memory = system.memory(PERSON, session_id="another day")
        pages, segments, facts = len(memory.pages()), len(memory.segments()), len(memory.knowledge())
        screen.print(f"{pages} pages, {segments} segments and {facts} facts are back.")
        show_answer(memory.retrieve_memory(QUESTION_AFTER_REOPENING, touch=False), screen)


def _move(clock: ManualClock, moment: datetime) -> None:
    clock.advance(seconds=(moment - clock()).total_seconds())


def _pause(screen: Console) -> None:
    if screen.is_terminal:
        time.sleep(PAUSE)
