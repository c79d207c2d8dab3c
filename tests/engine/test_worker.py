"""Background jobs: bounded threads, one job per owner at a time, retries with backoff."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from memoryos_engine import worker as worker_module
from memoryos_engine.errors import ChatModelError, ClosedError, ConsolidationError
from memoryos_engine.records import Owner
from memoryos_engine.worker import Outcome, Worker

TIMEOUT = 10.0


def owned(name: object) -> Owner:
    return Owner(user_id=str(name), assistant_id="assistant")


class Time:
    """The worker's monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Jobs:
    """What the worker runs: it counts, and stands still or fails where it is told to."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.started: list[str] = []
        self.finished: list[str] = []
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.most_at_once = 0
        self.gate = threading.Event()
        self.gate.set()
        self.errors: list[Exception] = []
        self.threads: set[str] = set()

    def __call__(self, owner: Owner) -> None:
        with self._changed:
            self.started.append(owner.user_id)
            self.running[owner.user_id] += 1
            self.most[owner.user_id] = max(self.most[owner.user_id], self.running[owner.user_id])
            self.most_at_once = max(self.most_at_once, sum(self.running.values()))
            self.threads.add(threading.current_thread().name)
            self._changed.notify_all()
        assert self.gate.wait(TIMEOUT)
        with self._changed:
            self.running[owner.user_id] -= 1
            self.finished.append(owner.user_id)
            error = self.errors.pop(0) if self.errors else None
            self._changed.notify_all()
        if error is not None:
            raise error

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, TIMEOUT), (self.started, self.finished)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def make_worker(jobs: Jobs) -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def making(*, threads: int = 2) -> Worker:
        made.append(Worker(jobs, threads=threads))
        return made[-1]

    yield making
    jobs.gate.set()
    for worker in made:
        worker.close()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    one = Time()
    monkeypatch.setattr(worker_module, "time", one)
    return one


def settle(worker: Worker, condition: Callable[[], Any]) -> None:
    """Wait until the worker's own state fulfils a condition."""
    with worker._changed:
        assert worker._changed.wait_for(lambda: bool(condition()), TIMEOUT)


def settled(worker: Worker, owner: Owner, attempts: int) -> bool:
    failed = worker._failures.get(owner, (None, 0))[1] == attempts
    return failed and owner not in worker._running


def advance(worker: Worker, time: Time, seconds: float) -> None:
    """Move the clock and wake whoever waits for it."""
    with worker._changed:
        time.now += seconds
        worker._changed.notify_all()


def test_a_job_runs_in_a_thread_of_its_own(make_worker, jobs):
    """Adding is local; thinking is in the background."""
    make_worker().schedule(owned("tom"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["tom"])

    assert jobs.threads == {"memoryos-worker-0"}


def test_no_thread_is_started_before_there_is_work(make_worker):
    """Opening a memory to read it costs no thread."""
    before = threading.active_count()
    make_worker()

    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_at_most_so_many_jobs_run_at_a_time(make_worker, jobs, threads):
    """MemorySettings.workers: bounded threads however many users there are."""
    worker = make_worker(threads=threads)
    jobs.gate.clear()
    for number in range(10):
        worker.schedule(owned(number), delay=0.0)
    jobs.wait(lambda: len(jobs.started) == threads)
    jobs.gate.set()
    jobs.wait(lambda: len(jobs.finished) == 10)

    assert jobs.most_at_once == threads
    assert sorted(jobs.finished) == sorted(map(str, range(10)))
    assert len(worker._threads) == threads


def test_one_owner_has_one_job_at_a_time(make_worker, jobs):
    """Two plans for one owner would undo each other."""
    worker = make_worker(threads=3)
    jobs.gate.clear()
    worker.schedule(owned("tom"), delay=0.0)
    jobs.wait(lambda: jobs.started == ["tom"])
    worker.schedule(owned("tom"), delay=0.0)
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: jobs.started == ["tom", "eve"])
    jobs.gate.set()
    jobs.wait(lambda: len(jobs.finished) == 3)

    assert Counter(jobs.finished) == {"tom": 2, "eve": 1}
    assert jobs.most == {"tom": 1, "eve": 1}


def test_what_is_scheduled_while_a_job_runs_is_not_lost(make_worker, jobs):
    """A page that comes in while its owner's job runs may have been too late for it."""
    worker = make_worker(threads=1)
    jobs.gate.clear()
    worker.schedule(owned("tom"), delay=0.0)
    jobs.wait(lambda: jobs.started == ["tom"])
    worker.schedule(owned("tom"), delay=0.0)
    jobs.gate.set()
    jobs.wait(lambda: jobs.finished == ["tom", "tom"])

    assert jobs.started == ["tom", "tom"]


def test_a_delayed_job_runs_when_it_is_due_and_only_once(make_worker, jobs, time):
    """consolidation_delay: seconds a user must be quiet; each call puts the job off."""
    worker = make_worker()
    worker.schedule(owned("tom"), delay=5.0)
    advance(worker, time, 4.0)
    worker.schedule(owned("tom"), delay=5.0)
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["eve"])
    advance(worker, time, 4.0)
    worker.schedule(owned("ann"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["eve", "ann"])
    advance(worker, time, 1.0)
    jobs.wait(lambda: jobs.finished == ["eve", "ann", "tom"])

    settle(worker, lambda: not worker._running)
    assert worker._due == {}


def test_a_job_cannot_be_put_off_for_ever(make_worker, jobs, time):
    """A user who never falls silent is consolidated too."""
    worker = make_worker()
    for _ in range(1000):
        worker.schedule(owned("tom"), delay=5.0)
        if jobs.started:
            break
        advance(worker, time, 1.0)
    jobs.wait(lambda: "tom" in jobs.finished)


@pytest.mark.parametrize(
    ("error", "last"),
    [
        pytest.param(ChatModelError, [256, 300, 300, 300, 300], id="no answer"),
        pytest.param(ConsolidationError, [256, 512, 1024, 2048, 3600], id="an answer that cost tokens and was no use"),
    ],
)
def test_the_backoff_grows_with_each_failure_up_to_a_limit(make_worker, jobs, time, error, last):
    """Design part 3: a model that fails leaves pages pending, with backoff."""
    worker, owner = make_worker(threads=1), owned("tom")
    jobs.errors = [error(f"no {n}") for n in range(13)]
    waits = []
    worker.schedule(owner, delay=0.0)
    for attempts in range(1, 14):
        settle(worker, lambda attempts=attempts: settled(worker, owner, attempts))
        failure = worker.failure(owner)
        assert (str(failure.error), failure.attempts) == (f"no {attempts - 1}", attempts)
        waits.append(failure.retry_in)
        advance(worker, time, failure.retry_in)
    jobs.wait(lambda: len(jobs.finished) == 14)
    settle(worker, lambda: settled(worker, owner, 0))

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, *last]
    assert worker.failure(owner) is None


def test_scheduling_does_not_shorten_a_backoff(make_worker, jobs, time):
    """A model that is down is not asked at every message."""
    worker, owner = make_worker(threads=1), owned("tom")
    jobs.errors = [ChatModelError("no")]
    worker.schedule(owner, delay=0.0)
    settle(worker, lambda: settled(worker, owner, 1))
    worker.schedule(owner, delay=0.0)
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["tom", "eve"])

    assert worker.failure(owner).retry_in == 1.0
    advance(worker, time, 1.0)
    jobs.wait(lambda: jobs.finished == ["tom", "eve", "tom"])


def test_an_error_of_any_kind_is_kept_and_the_thread_goes_on(make_worker, jobs, time):
    """The outer edge of a thread: nothing above could report it."""
    worker = make_worker(threads=1)
    jobs.errors = [ZeroDivisionError("a bug")]
    worker.schedule(owned("tom"), delay=0.0)
    settle(worker, lambda: settled(worker, owned("tom"), 1))
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["tom", "eve"])

    assert isinstance(worker.failure(owned("tom")).error, ZeroDivisionError)
    assert worker.failure(owned("eve")) is None


def test_the_log_names_the_error_and_not_its_text(make_worker, jobs, time, caplog):
    """Invariant 2: no text of a user in a log; a model's message may quote it."""
    worker = make_worker(threads=1)
    jobs.errors = [ConsolidationError("Tom's secret")]
    worker.schedule(owned("tom"), delay=0.0)
    settle(worker, lambda: settled(worker, owned("tom"), 1))
    worker.close()

    assert [record.getMessage() for record in caplog.records] == [
        "background work failed (ConsolidationError, attempt 1); it is tried again"
    ]


@pytest.mark.parametrize("error", [ConsolidationError("no"), ZeroDivisionError("a bug")])
def test_running_now_raises_what_goes_wrong_and_remembers_it(make_worker, jobs, time, error):
    """flush() waits, and raises what went wrong."""
    worker = make_worker()
    jobs.errors = [error]
    with pytest.raises(type(error)) as caught:
        worker.run_now(owned("tom"))

    assert caught.value is error
    failure = worker.failure(owned("tom"))
    assert (failure.error, failure.attempts, failure.retry_in) == (error, 1, 1.0)
    worker.run_now(owned("tom"))
    assert worker.failure(owned("tom")) is None
    assert jobs.threads == {threading.current_thread().name}


def test_running_now_takes_the_place_of_what_was_scheduled(make_worker, jobs, time):
    """One flush, one run."""
    worker = make_worker()
    worker.schedule(owned("tom"), delay=60.0)
    worker.run_now(owned("tom"))
    advance(worker, time, 61.0)
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["tom", "eve"])

    assert worker._due == {}


def test_what_is_forgotten_does_not_run(make_worker, jobs, time):
    """purge: nothing is left to be done for a user who is gone."""
    worker = make_worker()
    worker.schedule(owned("tom"), delay=5.0)
    worker.forget(owned("tom"))
    advance(worker, time, 10.0)
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["eve"])

    assert worker.failure(owned("tom")) is None


def test_forgetting_ends_a_backoff(make_worker, jobs, time):
    """A purged user who comes back starts anew."""
    worker = make_worker()
    jobs.errors = [ConsolidationError("no")]
    with pytest.raises(ConsolidationError):
        worker.run_now(owned("tom"))
    worker.forget(owned("tom"))
    worker.schedule(owned("tom"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["tom", "tom"])


def test_closing_waits_for_the_jobs_that_run_and_drops_the_others(make_worker, jobs):
    """What is pending is taken up at the next opening, because it is derived from the store."""
    worker = make_worker(threads=1)
    jobs.gate.clear()
    worker.schedule(owned("tom"), delay=0.0)
    jobs.wait(lambda: jobs.started == ["tom"])
    worker.schedule(owned("eve"), delay=0.0)
    closing = threading.Thread(target=worker.close)
    closing.start()
    settle(worker, lambda: worker._closed)
    assert closing.is_alive()
    jobs.gate.set()
    closing.join(TIMEOUT)

    assert not closing.is_alive()
    assert (jobs.started, jobs.finished) == (["tom"], ["tom"])
    assert not any(thread.is_alive() for thread in worker._threads)


def test_a_closed_worker_takes_no_jobs(make_worker, jobs):
    """A retrieval that ends after close() schedules in vain."""
    worker = make_worker()
    worker.close()
    worker.schedule(owned("tom"), delay=0.0)
    worker.close()

    assert (worker._threads, worker._due, jobs.started) == ([], {}, [])


def test_a_job_that_hangs_does_not_hold_up_closing_for_ever(make_worker, jobs, monkeypatch):
    """PATIENCE: threads are daemons; a model that never answers must not keep a program alive."""
    monkeypatch.setattr(worker_module, "PATIENCE", 0.05)
    worker = make_worker(threads=1)
    jobs.gate.clear()
    worker.schedule(owned("tom"), delay=0.0)
    jobs.wait(lambda: jobs.started == ["tom"])
    worker.close()

    assert [thread.daemon for thread in worker._threads] == [True]
    assert jobs.finished == []


@pytest.fixture
def run_worker(time: Time) -> Iterator[Callable[..., Worker]]:
    """Make workers of one thread that run any function."""
    made: list[Worker] = []

    def making(run: Callable[[Owner], float | None]) -> Worker:
        made.append(Worker(run, threads=1))
        return made[-1]

    yield making
    for worker in made:
        worker.close()


def test_a_job_that_has_more_to_do_later_runs_again_then(run_worker, time):
    """A batch that is not full waits for the user to be quiet."""
    ran: list[float] = []

    def run(owner: Owner) -> Outcome | None:
        ran.append(time.now)
        return Outcome(again_in=30.0) if len(ran) == 1 else None

    worker = run_worker(run)
    worker.schedule(owned("tom"), delay=0.0)
    settle(worker, lambda: worker._due == {owned("tom"): 1030.0} and not worker._running)
    advance(worker, time, 29.0)
    worker.schedule(owned("eve"), delay=0.0)
    settle(worker, lambda: ran == [1000.0, 1029.0] and not worker._running)
    advance(worker, time, 1.0)
    settle(worker, lambda: ran == [1000.0, 1029.0, 1030.0] and not worker._running)

    assert worker._due == {}


def test_what_was_asked_for_during_a_job_is_not_put_off_by_what_the_job_says(run_worker, time):
    """A full batch that came together during a call begins at once."""
    started, gate, ran = threading.Event(), threading.Event(), list[str]()

    def run(owner: Owner) -> Outcome | None:
        ran.append(owner.user_id)
        started.set()
        assert gate.wait(TIMEOUT)
        return Outcome(again_in=300.0) if len(ran) == 1 else None

    worker = run_worker(run)
    worker.schedule(owned("tom"), delay=0.0)
    assert started.wait(TIMEOUT)
    worker.schedule(owned("tom"), delay=0.0)
    gate.set()
    settle(worker, lambda: ran == ["tom", "tom"] and not worker._running)

    assert worker._due == {}


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        pytest.param(ChatModelError("busy", retry_after=17.0), 17.0, id="what the server asked for"),
        pytest.param(ChatModelError("busy", retry_after=0.2), 1.0, id="but not sooner than our own"),
        pytest.param(ChatModelError("busy", retry_after=86400.0), 300.0, id="nor later than our last"),
        pytest.param(ChatModelError("busy"), 1.0, id="nothing was asked for"),
    ],
)
def test_a_server_that_asks_for_time_gets_it_within_reason(run_worker, time, error, wait):
    """Retry-After; a server that names a day is tried sooner."""

    def run(owner: Owner) -> Outcome | None:
        raise error

    worker = run_worker(run)
    worker.schedule(owned("tom"), delay=0.0)
    settle(worker, lambda: settled(worker, owned("tom"), 1))

    assert worker.failure(owned("tom")).retry_in == wait


def ending_after(worker_of: Callable[..., Worker], error: Exception, then: Callable[[Worker], None]) -> Worker:
    """Do `then` while a job runs, and let the job fail after it."""
    started, gate = threading.Event(), threading.Event()

    def run(owner: Owner) -> Outcome | None:
        started.set()
        assert gate.wait(TIMEOUT)
        raise error

    worker = worker_of(run)
    worker.schedule(owned("tom"), delay=0.0)
    assert started.wait(TIMEOUT)
    then(worker)
    gate.set()
    settle(worker, lambda: not worker._running)
    return worker


def abandoned(worker: Worker) -> None:
    """Close, as if PATIENCE was over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_module, "PATIENCE", 0.0)
        worker.close()


@pytest.mark.parametrize(
    "error",
    [ClosedError(), ChatModelError("the line was cut"), ConsolidationError("babble")],
    ids=lambda e: type(e).__name__,
)
def test_a_job_that_ends_after_closing_is_not_reported(run_worker, caplog, error):
    """It is not tried again here, as a warning would say; the next opening does it."""
    worker = ending_after(run_worker, error, abandoned)
    for thread in worker._threads:
        thread.join(TIMEOUT)

    assert caplog.records == []
    assert worker._due == {}


def test_a_job_that_fails_after_its_owner_was_forgotten_leaves_no_failure(run_worker):
    """purge: a user who is gone has no retry and no backoff."""
    worker = ending_after(run_worker, ChatModelError("down"), lambda worker: worker.forget(owned("tom")))

    assert (worker.failure(owned("tom")), worker._due) == (None, {})


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
def test_what_would_end_a_thread_is_a_failure_like_any_other(make_worker, jobs, time, error):
    """A model may raise what is meant for a whole program; the thread and its owner go on."""
    worker = make_worker(threads=1)
    jobs.errors = [error]
    worker.schedule(owned("tom"), delay=0.0)
    settle(worker, lambda: settled(worker, owned("tom"), 1))
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: jobs.finished == ["tom", "eve"])

    assert str(worker.failure(owned("tom")).error) == f"background work was ended by {type(error).__name__}"


def test_a_thread_that_cannot_start_is_tried_again_with_the_next_job(make_worker, jobs, monkeypatch):
    """Adding has succeeded by then; the page is pending and found."""
    worker = make_worker(threads=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: (_ for _ in ()).throw(RuntimeError("no threads")))
        worker.schedule(owned("tom"), delay=0.0)
        assert worker._threads == []
    worker.schedule(owned("eve"), delay=0.0)
    jobs.wait(lambda: sorted(jobs.finished) == ["eve", "tom"])


def test_an_interrupted_run_stays_due(make_worker):
    """Ctrl-C in flush() must not unschedule what is pending."""

    def interrupted(owner: Owner) -> None:
        raise KeyboardInterrupt

    worker = make_worker()
    worker.schedule(owned("tom"), delay=60.0)
    with pytest.raises(KeyboardInterrupt):
        worker.run_now(owned("tom"), interrupted)

    assert list(worker._due) == [owned("tom")]
