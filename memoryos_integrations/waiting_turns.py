"""The turns that could not be stored yet: one queue for each session, as long as it holds anything.

Knows neither store nor embedder; what is done with a queue is `saving`'s.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from memoryos_engine import DialoguePage, InvalidInput, LimitReached, MemoryOS, Owner, UserMemory
from memoryos_integrations.turns import Turn

Thread = tuple[Owner, str]
"""One session of one owner."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A turn that could not be stored yet, and when it was said."""

    turn: Turn
    said_at: datetime
    purges: int = 0
    """How often the owner had been purged when it was said; what was said before a purge is gone with it."""
    refusals: int = 0
    """How often an embedder that took another text at that moment did not take this one."""


class Queue:
    """The turns of one session that wait. Changed by whoever holds it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.users = 0
        """Threads that hold it or are about to."""
        self.empty()

    def empty(self) -> None:
        """Hold nothing."""
        self.turns: Sequence[Waiting] = ()
        self.handed: Sequence[Turn] = ()
        """What was handed over since a save last went well, which its caller may hand over again."""
        self.handed_before_purge = 0
        """How often the owner had been purged when that was handed over."""
        self.before: Sequence[DialoguePage] | None = None
        """The session's last page, if any, before a write of the first turn that failed; None if none did.
        The write may have been done all the same."""
        self.unasked = False
        """Whether the question of the next answer was refused, so that it must not go to an older one."""
        self.refused: InvalidInput | LimitReached | None = None
        """What is still to be told."""

    @property
    def idle(self) -> bool:
        """Whether it holds nothing and nobody holds it."""
        return not (self.users or self.turns or self.handed or self.unasked)


class Queues:
    """The queues of all systems. A system that is collected takes its queues with it. Thread-safe."""

    def __init__(self) -> None:
        self.on_first_use: Callable[[MemoryOS], None] = lambda _: None
        """Called once for each system, before its first queue is made."""
        self.clear()
        if hasattr(os, "register_at_fork"):  # what waits is the parent's; its store does not work in a child
            os.register_at_fork(after_in_child=self.clear)

    def clear(self) -> None:
        """Drop everything."""
        self._lock = threading.Lock()
        self._of: WeakKeyDictionary[MemoryOS, dict[Thread, Queue]] = WeakKeyDictionary()

    @contextmanager
    def held(self, memory: UserMemory) -> Iterator[Queue]:
        """Give the queue of the memory's session to one thread at a time."""
        thread = (memory.owner, memory.session_id)
        with self._lock:
            if memory.system not in self._of:
                self.on_first_use(memory.system)
            queues = self._of.setdefault(memory.system, {})
            queue = queues.setdefault(thread, Queue())
            queue.users += 1
        try:
            with queue.lock:
                yield queue
        finally:
            with self._lock:
                queue.users -= 1
                if queue.idle:
                    queues.pop(thread, None)

    def waiting(self, memory: UserMemory) -> Sequence[Waiting]:
        """Return what waits for the memory's session, oldest first."""
        with self._lock:
            queue = self._of.get(memory.system, {}).get((memory.owner, memory.session_id))
        return queue.turns if queue else ()

    def by_system(self) -> list[tuple[MemoryOS, dict[Thread, Queue]]]:
        """Return the queues of each system."""
        with self._lock:
            return [(system, dict(queues)) for system, queues in self._of.items()]
