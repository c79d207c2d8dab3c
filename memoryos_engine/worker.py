"""Runs background jobs: bounded threads, one job per owner at a time, retries with backoff.

The worker knows when to run, not what: it is given one function of an owner. What is due
is derived from the store, so a job that is lost with the process is found again at the
next opening, and running one once too often changes nothing.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from dataclasses import dataclass

from memoryos_engine.errors import UNUSABLE, ModelError
from memoryos_engine.records import Owner
from memoryos_engine.trouble import LONGEST_PAUSE, pause_after

logger = logging.getLogger(__name__)

LONGEST_DELAY = 10
"""How many times its delay a job can be put off by being scheduled again."""
LAST_RETRY = 300.0
"""Most seconds between two tries while nobody answers."""
PATIENCE = 5.0
"""Seconds that closing waits for running jobs."""
MOST_WAITING = 10_000
"""Owners whose jobs wait, where nothing else is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFailure:
    """Why an owner's job failed last, how often in a row, and when it runs again."""

    error: Exception
    attempts: int
    retry_in: float
    """Seconds from now; 0.0 when it is due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What running a job came to."""

    worked: bool = True
    """Whether anything was done; a failure is only over when something was."""
    again_in: float | None = None
    """Seconds until there is more to do; None if there is nothing."""


DONE = Outcome()


class Worker:
    """A pool of daemon threads that start with the first job.

    Args:
        run: does the work of one owner; what it raises is reported, and the job runs again.
        threads: most jobs at a time.
        most: owners whose jobs may wait. Beyond it the job that is due last is dropped, its failures forgotten.
        dropped: is told whose, while the worker is locked.
        ended: is told of each failure, and with None when something succeeds again; not while the worker is locked.
    """

    def __init__(
        self,
        run: Callable[[Owner], Outcome | None],
        *,
        threads: int,
        most: int = MOST_WAITING,
        dropped: Callable[[Owner], object] = lambda _: None,
        ended: Callable[[Owner, Exception | None], object] = lambda _, __: None,
    ) -> None:
        self._run = run
        self._limit = threads
        self._most = most
        self._tell_dropped = dropped
        self._tell_ended = ended
        self._threads: list[threading.Thread] = []
        self._due: dict[Owner, float] = {}
        self._asked: dict[Owner, float] = {}
        self._running: set[Owner] = set()
        self._forgotten: set[Owner] = set()
        """Owners forgotten while their job ran: how it ended is nobody's any more."""
        self._failures: dict[Owner, tuple[Exception, int]] = {}
        self._changed = threading.Condition()
        self._closed = False
        _live.add(self)

    def schedule(self, owner: Owner, *, delay: float) -> None:
        """Have the owner's job run in `delay` seconds.

        A later call puts it off, but not for ever: a busy owner's work gets done too. A job
        that failed because nobody answered keeps its backoff; one whose answer was no use may
        run sooner, because other records of the owner may fare better, but never later.
        """
        with self._changed:
            if self._closed or (owner in self._due and self._is_down(owner)):
                return
            now = time.monotonic()
            first = self._asked.setdefault(owner, now)
            latest = self._due.get(owner, float("inf")) if owner in self._failures else float("inf")
            self._wait(owner, min(now + delay, first + LONGEST_DELAY * delay, latest))
            self._start()
            self._changed.notify()

    def run_now(self, owner: Owner, run: Callable[[Owner], object] | None = None) -> None:
        """Do the owner's job, or `run` in its place, in this thread and raise what goes wrong."""
        with self._changed:
            self._due.pop(owner, None)
            self._asked.pop(owner, None)
        try:
            outcome = (run or self._run)(owner)
        except Exception as error:
            self._failed(owner, error)
            raise
        except BaseException:  # interrupted: what is due stays due
            self.schedule(owner, delay=LONGEST_DELAY)
            raise
        self._ended(owner, outcome if isinstance(outcome, Outcome) else DONE)

    def forget(self, owner: Owner) -> None:
        """Drop what is scheduled or known of the owner."""
        with self._changed:
            self._due.pop(owner, None)
            self._asked.pop(owner, None)
            self._failures.pop(owner, None)
            if owner in self._running:
                self._forgotten.add(owner)

    def running(self, owner: Owner) -> bool:
        """Say whether a thread is at the owner's job."""
        with self._changed:
            return owner in self._running

    def failure(self, owner: Owner) -> JobFailure | None:
        """Return why the owner's job failed, or None if it did not."""
        with self._changed:
            if owner not in self._failures:
                return None
            error, attempts = self._failures[owner]
            retry_in = max(0.0, self._due.get(owner, 0.0) - time.monotonic())
        return JobFailure(error=error, attempts=attempts, retry_in=retry_in)

    def counts(self) -> tuple[int, int, int]:
        """Return how many owners have a job that is due some time, is running, failed last."""
        with self._changed:
            return len(self._due), len(self._running), len(self._failures)

    def close(self) -> None:
        """Stop taking jobs and wait for the running ones; what is left stays due in the store."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _start(self) -> None:
        if len(self._threads) < self._limit:
            name = f"memoryos-worker-{len(self._threads)}"
            thread = threading.Thread(target=self._loop, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no thread can be had now: the next job tries again, and what is due stays due
                logger.warning("no thread could be started for background work; it is tried again")
            else:
                self._threads.append(thread)

    def _loop(self) -> None:
        while (owner := self._next()) is not None:
            try:
                self._ended(owner, self._run(owner) or DONE)
            except BaseException as error:  # noqa: BLE001 - the outer edge of a thread: nothing above could report it
                if not self._closed and owner not in self._forgotten:
                    traceback.clear_frames(error.__traceback__)  # else each failure keeps its owner's records in memory
                    self._failed(owner, _reportable(error))
            with self._changed:
                self._running.discard(owner)
                self._forgotten.discard(owner)
                self._changed.notify_all()

    def _ended(self, owner: Owner, outcome: Outcome) -> None:
        if outcome.worked or outcome.again_in is None:
            self._succeeded(owner)
        with self._changed:
            if outcome.again_in is not None and not self._closed and owner not in self._forgotten:
                self._wait(owner, self._due.get(owner, time.monotonic() + outcome.again_in))

    def _wait(self, owner: Owner, due: float) -> None:
        """Have the owner's job wait until it is due; of too many the one that is due last is dropped."""
        self._due[owner] = due
        if len(self._due) > self._most:
            last = max(reversed(self._due), key=self._due.__getitem__)
            del self._due[last]
            self._asked.pop(last, None)
            self._failures.pop(last, None)
            self._tell_dropped(last)

    def _is_down(self, owner: Owner) -> bool:
        return owner in self._failures and not isinstance(self._failures[owner][0], UNUSABLE)

    def _next(self) -> Owner | None:
        """Wait for a due job whose owner has none running; None when closed."""
        with self._changed:
            while not self._closed:
                ready = [(due, owner) for owner, due in self._due.items() if owner not in self._running]
                due, owner = min(ready, key=lambda job: job[0], default=(float("inf"), None))
                if owner is not None and due <= time.monotonic():
                    del self._due[owner]
                    self._asked.pop(owner, None)
                    self._running.add(owner)
                    return owner
                self._changed.wait(None if owner is None else due - time.monotonic())
            return None

    def _failed(self, owner: Owner, error: Exception) -> None:
        with self._changed:
            attempts = self._failures[owner][1] + 1 if owner in self._failures else 1
            self._failures[owner] = (error, attempts)
            if not self._closed:
                self._wait(owner, time.monotonic() + _backoff(error, attempts))
                self._start()
                self._changed.notify()
        logger.warning("background work failed (%s, attempt %d); it is tried again", type(error).__name__, attempts)
        self._tell_ended(owner, error)

    def _succeeded(self, owner: Owner) -> None:
        with self._changed:
            failed = self._failures.pop(owner, None)
        if failed is not None:
            self._tell_ended(owner, None)


def _reportable(error: BaseException) -> Exception:
    """Return an error that ends no thread: a model may raise what is meant for a whole program."""
    if isinstance(error, Exception):
        return error
    return ModelError(f"background work was ended by {type(error).__name__}")


def _backoff(error: Exception, attempts: int) -> float:
    """Return the seconds before the next try: doubled with each failure, and no sooner than a server asked for."""
    longest = LONGEST_PAUSE if isinstance(error, UNUSABLE) else LAST_RETRY
    return max(pause_after(attempts, longest=longest), min(longest, getattr(error, "retry_after", None) or 0.0))


_live: weakref.WeakSet[Worker] = weakref.WeakSet()


def _close_all() -> None:
    for worker in list(_live):
        worker.close()


# Threads must not be inside Chroma's native code while the interpreter goes down.
atexit.register(_close_all)
