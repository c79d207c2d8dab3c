"""A child of the sigterm soak: adds pages that a slow model reads, and says when it is at it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from memoryos_engine.evaluation.soak.children import Tell
from memoryos_engine.evaluation.soak.kill_life import ADDED, BUSY, MOST_PAGES
from memoryos_engine.evaluation.soak.ledger import spoken
from memoryos_engine.evaluation.stand_in import reply
from memoryos_engine.llm.base import ChatMessage
from memoryos_engine.llm.scripted import ScriptedChatModel
from memoryos_engine.settings import MemorySettings
from memoryos_engine.system import MemoryOS

USER = "user"
THINKING, CLOSED = "thinking", "closed"
PAGES = 10
"""Added at most before somebody waits for the signal."""


def live(tell: Tell, *, path: str, first: int, latency: float, handled: bool, adding: bool) -> None:
    """Add pages; tell when the model reads them; end by the signal.

    Args:
        tell: reports to the parent.
        path: of the store.
        first: number of the first page.
        latency: seconds of a call of the model.
        handled: whether SIGTERM closes the system before the process ends; else it ends at once.
        adding: whether the main thread is adding when the signal comes; else it waits, as a server's does.
    """

    def slow(messages: Sequence[ChatMessage]) -> str:
        tell(THINKING)
        threading.Event().wait(latency)
        return reply(messages)

    system = MemoryOS(path, llm=ScriptedChatModel(otherwise=slow), settings=MemorySettings(**BUSY))

    def close(number: int, frame: FrameType | None) -> None:
        del number, frame
        system.close()
        tell(CLOSED)
        os._exit(0)

    signal.signal(signal.SIGTERM, close if handled else signal.SIG_DFL)
    memory = system.memory(USER)
    for number in range(first, first + (MOST_PAGES if adding else PAGES)):
        tell(ADDED, USER, memory.add_memory(*spoken(number)).id, number)
    while True:
        signal.pause()
