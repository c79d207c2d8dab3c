"""A process that is killed while a model reads for it: what was not finished is done once, by the next opening."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memoryos_engine import MemoryOS, MemorySettings, UserMemory
from memoryos_engine.analysis.llm import LLMAnalyst
from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.long_term import held_at, normalised
from memoryos_engine.status import MemoryStatus

from .test_durability import SUBJECTS, Nursery, assert_all_found

KILLS = 10
BUSY = {
    "consolidation_delay": 0.0,
    "model_delay": 0.0,
    "short_term_capacity": 2,
    "mid_term_capacity": 5,
    "similarity_threshold": 0.2,
    "heat_threshold": 2.5,
    "knowledge_capacity": 100_000,
}
"""The model is asked all the time; segments are promoted and archived, and no fact ever leaves."""

NURSERY = f"""
import os, sys
import chromadb, snowballstemmer
from memoryos_engine import MemoryOS, MemorySettings
from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.tokens import default_counter

SUBJECTS = {SUBJECTS!r}
default_counter()("loaded")

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # one write: a line is whole or not there

def live(path, first):
    tell("born", os.getpid())
    system = MemoryOS(path=path, llm=stand_in(latency=0.01), settings=MemorySettings(**{BUSY!r}))
    memory = system.memory("tom")
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


def test_a_process_killed_while_a_model_reads_loses_nothing_and_does_nothing_twice(tmp_path, capsys):
    """Invariants 1 and 3: a step ends in one commit, so a call whose answer was lost is as if it had not been made."""
    moment = random.Random(7)
    acknowledged: dict[str, int] = {}
    left: list[MemoryStatus] = []
    with nursery() as processes:
        for life in range(KILLS):
            acknowledged |= processes.life(tmp_path / "store", 1000 * life, moment)
            left.append(assert_finished_once(tmp_path / "store", acknowledged))
    with capsys.disabled():
        print(  # noqa: T201 - the counts are what this test has to tell
            f"\nkilled {KILLS} times with a model: {len(acknowledged)} pages acknowledged, all found; "
            f"pending at the openings: {[status.pending for status in left]}, "
            f"unpromoted: {[status.unpromoted for status in left]}"
        )

    assert len(acknowledged) >= KILLS
    assert sum(status.pending for status in left) > 0  # else the kills never met a consolidation
    assert sum(status.unpromoted for status in left) > 0  # nor a promotion


def assert_finished_once(path: Path, acknowledged: dict[str, int]) -> MemoryStatus:
    """Open the store as the next process would, let it finish, and return what it found to do."""
    model = stand_in()
    with MemoryOS(path=path, llm=model, settings=MemorySettings(**BUSY)) as system:
        assert system.check() == []
        memory = system.memory("tom")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(system._worker, "schedule", lambda owner, *, delay: None)  # look before it works
            assert_all_found(memory, acknowledged)
            left = memory.status()
            memory.flush()
        assert_all_found(memory, acknowledged)
        assert_nothing_twice(memory)
        assert memory.status() == MemoryStatus(pending=0)
        assert system.check() == []
        calls = [request[-1].content.startswith("# Known segments\n") for request in model.requests]
        assert calls.count(True) == -(-left.pending // LLMAnalyst.batch_size)
        before = everything(memory)
        memory.flush()
        assert (everything(memory), len(model.requests)) == (before, len(calls))  # finished means finished
    return left


def everything(memory: UserMemory) -> object:
    return memory.pages(), memory.segments(), memory.knowledge(history=True)


def assert_nothing_twice(memory: UserMemory) -> None:
    pages = {page.id: page for page in memory.pages()}
    segments = memory.segments()
    entries = memory.knowledge(history=True)
    current = held_at(entries, None)
    facts = Counter((entry.kind, entry.attribute, normalised(entry.text)) for entry in current)
    attributes = Counter((entry.kind, entry.attribute) for entry in current if entry.attribute)
    retrievals = sum(int(page.user_input.split(":")[0].removeprefix("Text ")) % 5 == 0 for page in pages.values())

    assert {page.segment_id for page in pages.values()} - {None} == {segment.id for segment in segments}
    assert max(Counter(segment.id for segment in segments).values(), default=1) == 1
    assert max(facts.values(), default=1) == 1
    assert max(attributes.values(), default=1) == 1
    assert all(pages[key].promoted for entry in entries for key in entry.source_page_ids)
    assert all(len(set(entry.source_page_ids)) == len(entry.source_page_ids) for entry in entries)
    assert all(entry.repetitions <= len(entry.source_page_ids) for entry in entries)
    assert all(segment.visits <= retrievals for segment in segments)
    assert all(entry.uses <= retrievals for entry in entries)
