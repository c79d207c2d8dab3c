"""Finding out once what an endpoint can do, by asking and remembering what it refuses.

Endpoints that speak the OpenAI API know different parts of it, and none says which. A mode
is one way to put a request, the best first. A refusal may be about the mode or about the
request itself, and their texts cannot be told apart; what tells is the same request in
another mode. So a mode is given up only when a later one was answered, and never once it
has worked.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

REFUSALS = frozenset((400, 404, 415, 422, 501))
"""HTTP statuses by which endpoints refuse what they do not know."""


class Negotiation:
    """Which modes an endpoint takes. Thread-safe.

    Nothing is locked while a request is under way, so calls that begin at the same time may
    each find out for themselves.

    Args:
        modes: the best first; the last should be one that every endpoint takes.
    """

    def __init__(self, *modes: str) -> None:
        self._modes = modes
        self._lock = threading.Lock()
        self._worked: set[str] = set()
        self._refused: set[str] = set()

    def ask(self, send: Callable[[str], Answer]) -> Answer:
        """Return what `send` returns for the best mode that the endpoint takes.

        Raises:
            Exception: what `send` raised: for a mode that has worked before, for the last
                mode, or for another reason than those by which modes are refused.
        """
        refused: list[str] = []
        *better, last = self._open_modes()
        for mode in better:
            try:
                answer = send(mode)
            except Exception as error:
                if not self._may_be_the_mode(mode, error):
                    raise
                refused.append(mode)
            else:
                self._note(mode, refused)
                return answer
        answer = send(last)
        self._note(last, refused)
        return answer

    def _open_modes(self) -> list[str]:
        with self._lock:
            return [mode for mode in self._modes if mode not in self._refused]

    def _may_be_the_mode(self, mode: str, error: Exception) -> bool:
        with self._lock:
            return mode not in self._worked and getattr(error, "status_code", None) in REFUSALS

    def _note(self, worked: str, refused: list[str]) -> None:
        with self._lock:
            self._worked.add(worked)
            self._refused.update(mode for mode in refused if mode not in self._worked)
