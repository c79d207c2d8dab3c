"""The two sides of an exchange and a process that is killed: nothing acknowledged is lost, half or whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memoryos_engine import MemoryOS, MemorySettings, Tier

from .soundness import assert_as_reloaded, told

KILLS = 5
LIVING = """
import os, sys
from memoryos_engine import MemoryOS, MemorySettings

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # one write: a line is whole or not there

path, first = sys.argv[1], int(sys.argv[2])
settings = MemorySettings(consolidation_delay=0.0, short_term_capacity=3, heat_threshold=1.0)
memory = MemoryOS(path, settings=settings).memory("tom", session_id="desk")
for number in range(first, first + 100_000):
    asked = memory.add_memory(f"Question {number} about the violin?", metadata={"asked": number})
    tell("asked", number, asked.id)
    whole = memory.add_response(f"Answer {number} about spruce.", metadata={"answered": number})
    tell("answered", number, whole.id)
"""
HALF = """
import sys
from memoryos_engine import MemoryOS
memory = MemoryOS(sys.argv[1]).memory("tom", session_id="desk")
page = memory.add_memory("Which violin?", timestamp="2024-01-01T00:00:00Z", metadata={"a": 1})
print(page.id, flush=True)
sys.stdin.read()
"""
OTHER_HALF = """
import sys
from memoryos_engine import MemoryOS
with MemoryOS(sys.argv[1]) as system:
    page = system.memory("tom", session_id="desk").add_response("Yours.", metadata={"b": 2})
    print(page.id, page.sequence, page.timestamp.isoformat())
"""


@contextmanager
def living(program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another process, killed with -9 in the end, and if it tells nothing for too long."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        guard = threading.Timer(100.0, process.kill)
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()


def test_a_question_outlives_the_process_that_was_killed_before_its_answer(tmp_path):
    """The user's side is on disk when add_memory returns; a new process gives it its answer."""
    with living(HALF, tmp_path / "store") as process:
        page_id = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    command = [sys.executable, "-c", OTHER_HALF, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [page_id, "0", "2024-01-01T00:00:00+00:00"]
    with MemoryOS(tmp_path / "store") as system:
        memory = system.memory("tom", session_id="desk")
        assert told(memory) == [("desk", "Which violin?", "Yours.", 0)]
        assert [dict(page.metadata) for page in memory.pages(Tier.SHORT_TERM)] == [{"a": 1, "b": 2}]
        assert_as_reloaded(system)


def test_every_side_that_was_acknowledged_outlives_any_kill(tmp_path):
    """While pages are consolidated and promoted behind it: a page is half, whole, and never lost or twice."""
    moment = random.Random(7)
    acknowledged: dict[tuple[str, int], str] = {}
    for life in range(KILLS):
        acknowledged |= lived(tmp_path / "store", 1000 * life, moment)
        assert_all_found(tmp_path / "store", acknowledged)

    assert len(acknowledged) >= 2 * KILLS


def lived(path: Path, first: int, moment: random.Random) -> dict[tuple[str, int], str]:
    """What one process had acknowledged when it was killed, at a random moment of its work."""
    with living(LIVING, path, first) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        time.sleep(moment.uniform(0.0, 0.4))  # the moment of death, not a wait for anything
        os.kill(process.pid, signal.SIGKILL)
        lines += process.stdout.readlines()
    heard = [line.split() for line in lines]
    assert all(len(words) == 3 for words in heard), heard
    return {(kind, int(number)): page_id for kind, number, page_id in heard}


def assert_all_found(path: Path, acknowledged: dict[tuple[str, int], str]) -> None:
    settings = MemorySettings(consolidation_delay=3600.0, short_term_capacity=3, heat_threshold=1.0)
    with MemoryOS(path, settings=settings) as system:
        assert system.check() == []
        memory = system.memory("tom", session_id="desk")
        for _ in range(2):
            pages = {page.id: page for page in memory.pages()}
            for (kind, number), page_id in acknowledged.items():
                page = pages[page_id]
                assert page.metadata[kind] == number
                if kind == "asked":
                    assert page.user_input == f"Question {number} about the violin?"
                else:
                    assert page.agent_response == f"Answer {number} about spruce."
            sides = [side for page in pages.values() for side in (page.user_input, page.agent_response) if side]
            assert len(sides) == len(set(sides))
            memory.flush()
        assert memory.status().pending == 0
        assert_as_reloaded(system)
