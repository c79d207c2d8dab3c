"""Nothing that was acknowledged is lost, whenever the process is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memoryos_engine import KnowledgeKind, MemoryOS, MemorySettings, Owner, UserMemory
from memoryos_engine.long_term import held_at, normalised

STORES, KILLS = 3, 10
BUSY = {
    "consolidation_delay": 0.0,
    "short_term_capacity": 2,
    "mid_term_capacity": 5,
    "heat_threshold": 2.5,
    "knowledge_capacity": 20,
}
"""Every page is consolidated at once; segments are promoted and archived all the time."""
SUBJECTS = ("sourdough bread", "my cat Mina", "the marathon", "my violin", "old stamps", "a kayak", "the tax office")

NURSERY = f"""
import os, sys
import chromadb, snowballstemmer
from memoryos_engine import MemoryOS, MemorySettings

SUBJECTS = {SUBJECTS!r}

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # one write: a line is whole or not there

def live(path, first):
    tell("born", os.getpid())
    memory = MemoryOS(path=path, settings=MemorySettings(**{BUSY!r})).memory("tom")
    for number in range(first, first + 100_000):
        subject = SUBJECTS[number % 7]
        said = f"Text {{number}}: I love {{subject}} and I live in town {{number}}."
        page = memory.add_memory(said, f"Answer {{number}}: {{subject}} is fine \\u0645\\u0646 \\x00 \\U0001f600")
        tell("added", page.id, number)
        if number % 5 == 0:
            memory.retrieve_memory(subject)

for line in sys.stdin:
    first, path = line.rstrip("\\n").split(" ", 1)
    pid = os.fork()
    if pid == 0:
        live(path, int(first))
    tell("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
"""Imports once and forks a process for each life, before anything is opened: only the imports are shared."""


def spoken(number: int) -> tuple[str, str]:
    subject = SUBJECTS[number % 7]
    return (
        f"Text {number}: I love {subject} and I live in town {number}.",
        f"Answer {number}: {subject} is fine \u0645\u0646 \x00 \U0001f600",
    )


class Nursery:
    """Processes that add for ever, one after the other, each killed at its moment."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def life(self, path: Path, first: int, moment: random.Random) -> dict[str, int]:
        """Let one process live for a random time, kill it with -9, return what it had acknowledged."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{first} {path}\n")
        self._process.stdin.flush()
        born, pid = self._line()[:2]
        assert born == "born"
        acknowledged: dict[str, int] = {}
        if moment.random() < 0.8:  # else it may die while it opens the store or takes up what is pending
            acknowledged |= self._added(self._line())
        time.sleep(moment.uniform(0.0, 0.5))  # the moment of death, not a wait for anything
        os.kill(int(pid), signal.SIGKILL)
        while (line := self._line())[0] == "added":
            acknowledged |= self._added(line)
        assert line == ["ended", str(-signal.SIGKILL)], line
        return acknowledged

    def _line(self) -> list[str]:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        assert words, "the nursery ended"
        return words

    def _added(self, words: list[str]) -> dict[str, int]:
        assert (words[0], len(words)) == ("added", 3), words
        return {words[1]: int(words[2])}


@contextmanager
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-c", NURSERY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        guard = threading.Timer(100.0, process.kill)  # a life that tells nothing must not hang the tests
        guard.start()
        try:
            yield Nursery(process)
        finally:
            guard.cancel()
            process.kill()


@pytest.mark.parametrize("seed", range(STORES))
def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path, capsys, seed):
    """Invariants 1 and 3: verbatim, in exactly one place, at every moment, after any crash."""
    moment = random.Random(seed)
    acknowledged: dict[str, int] = {}
    pending = []
    with nursery() as processes:
        for life in range(KILLS):
            acknowledged |= processes.life(tmp_path / "store", 1000 * life, moment)
            pending.append(assert_sound(tmp_path / "store", acknowledged))
    with capsys.disabled():
        print(  # noqa: T201 - the counts are what this test has to tell
            f"\nkilled {KILLS} times: {len(acknowledged)} pages acknowledged, all found; "
            f"pending at the openings: {pending}"
        )

    assert len(acknowledged) >= KILLS
    assert sum(pending) > 0  # else the kills never met the background work


def assert_sound(path: Path, acknowledged: dict[str, int]) -> int:
    """Open the store as the next process would; return how many pages were pending when it did."""
    quiet = MemorySettings(**{**BUSY, "consolidation_delay": 3600.0})
    with MemoryOS(path=path, settings=quiet) as system:
        assert system.check() == []
        memory = system.memory("tom")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(system._worker, "schedule", lambda owner, *, delay: None)  # look before it works
            assert_all_found(memory, acknowledged)
            pending = memory.status().pending
        memory.flush()
        assert_all_found(memory, acknowledged)
        assert_no_duplicates(memory)
        assert memory.status().pending == 0
        assert memory.status().failure is None
        assert system.check() == []
        assert system.users() in ([], [Owner(user_id="tom", assistant_id="assistant")])
    return pending


def assert_all_found(memory: UserMemory, acknowledged: dict[str, int]) -> None:
    tiers = memory.tiers()
    places = Counter(page.id for pages in tiers.values() for page in pages)
    found = {page.id: (page.user_input, page.agent_response) for pages in tiers.values() for page in pages}

    assert {key: found.get(key) for key in acknowledged} == {key: spoken(n) for key, n in acknowledged.items()}
    assert set(places.values()) <= {1}
    texts = Counter(found.values())
    assert max(texts.values(), default=1) == 1  # what was added but not acknowledged is there once or not at all


def assert_no_duplicates(memory: UserMemory) -> None:
    segments = Counter(segment.id for segment in memory.segments())
    current = held_at(memory.knowledge(history=True), None)
    facts = Counter((entry.kind, entry.attribute, normalised(entry.text)) for entry in current)
    attributes = Counter((entry.kind, entry.attribute) for entry in current if entry.attribute)
    queue = [entry for entry in current if entry.kind is KnowledgeKind.USER_KNOWLEDGE]

    assert {page.segment_id for page in memory.pages()} - {None} == set(segments)
    assert max(segments.values(), default=1) == 1
    assert max(facts.values(), default=1) == 1
    assert max(attributes.values(), default=1) == 1
    assert len(queue) <= BUSY["knowledge_capacity"]
