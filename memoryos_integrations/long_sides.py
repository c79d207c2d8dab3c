"""Turns of conversations that a host hands over again and again, without the sides that no page can hold.

A turn that is handed over once is refused if it is too long, and its host told. One that comes again with every
call would make each of them an error.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from memoryos_engine import UserMemory
from memoryos_integrations.turns import Turn

logger = logging.getLogger(__name__)


def without_long_sides(memory: UserMemory, turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns in order, with an empty side for each that alone is longer than `max_turn_bytes`."""
    most = memory.system.settings.max_turn_bytes
    return [
        replace(turn, user_input=_fitting(turn.user_input, most), agent_response=_fitting(turn.agent_response, most))
        for turn in turns
    ]


def log_left_out(memory: UserMemory, turns: Sequence[Turn], fitting: Sequence[Turn], new: Sequence[Turn]) -> None:
    """Log that sides were left out, where that is so of a turn that is stored now.

    Args:
        memory: whose settings say what is too long.
        turns: as they were handed over.
        fitting: the same without their long sides.
        new: those of them that are stored now.
    """
    if any(short != turn and short in new for turn, short in zip(turns, fitting, strict=True)):
        most = memory.system.settings.max_turn_bytes
        logger.warning("what is longer than max_turn_bytes=%d is not remembered", most)


def _fitting(text: str, most: int) -> str:
    return text if len(text.encode()) <= most else ""
