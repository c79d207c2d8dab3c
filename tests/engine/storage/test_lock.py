"""One process per path."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from memoryos_engine.errors import StoreError, StoreLocked
from memoryos_engine.storage.lock import LOCK_NAME, NOTE_NAME, PathLock

HOLDER = """
import sys
from pathlib import Path
from memoryos_engine.storage.lock import PathLock
lock = PathLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.readline()
lock.release()
"""
TRIER = """
import sys
from pathlib import Path
from memoryos_engine.errors import StoreLocked
from memoryos_engine.storage.lock import PathLock
try:
    PathLock(Path(sys.argv[1])).release()
except StoreLocked:
    print("locked")
else:
    print("free")
"""


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the path, until its input closes."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def seen_by_another_process(path: Path) -> str:
    command = [sys.executable, "-c", TRIER, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def test_a_second_process_is_told_who_has_the_path_and_the_way_out(open_system: Callable, tmp_path: Path):
    """Design part 3: within two seconds, an error that names the owner (pid, host, since when) and the way out."""
    path = tmp_path / "store"
    with holding(path) as process:
        note = json.loads((path / NOTE_NAME).read_text())
        began = time.monotonic()
        with pytest.raises(StoreLocked) as caught:
            open_system(path=path)
        waited = time.monotonic() - began

    assert waited < 2.0
    assert note == {"pid": process.pid, "host": socket.gethostname(), "since": note["since"]}
    for part in (str(path), f"pid {process.pid}", f"on {socket.gethostname()}", note["since"], "server", "path"):
        assert part in str(caught.value)


def test_the_refused_process_touches_nothing(open_system: Callable, tmp_path: Path):
    """Embedded Chroma is unsafe across processes, so the lock comes before the first touch of Chroma."""
    path = tmp_path / "store"
    with holding(path):
        with pytest.raises(StoreLocked):
            open_system(path=path)

        assert sorted(file.name for file in path.iterdir()) == [LOCK_NAME, NOTE_NAME]


def test_the_path_of_a_process_that_let_go_is_free(open_system: Callable, tmp_path: Path):
    """The lock lasts as long as its owner wants it."""
    path = tmp_path / "store"
    with holding(path) as process:
        process.communicate("go\n", timeout=30)
        assert process.returncode == 0

    assert open_system(path=path).users() == []


def test_the_path_of_a_killed_process_is_free(open_system: Callable, tmp_path: Path):
    """The lock is the operating system's: it goes with its process, however that ended."""
    path = tmp_path / "store"
    with holding(path) as process:
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
        assert (path / NOTE_NAME).exists()

    system = open_system(path=path)
    assert system.users() == []
    assert json.loads((path / NOTE_NAME).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    "note",
    [
        *(None, "", "{", "[]", '{"pid": 1}', "[" * 50_000),
        *(
            json.dumps({"pid": 1, "host": "here", "since": "now", "server": server})
            for server in ("http://127.0.0.1:99999999", "http://127.0.0.1:abc", "http://[::1", "javascript:alert(1)", 7)
        ),
    ],
)
def test_a_note_that_cannot_be_read_does_not_hide_the_lock(tmp_path: Path, note: str | None):
    """The note explains the lock; it is not the lock."""
    path = tmp_path / "store"
    with holding(path):
        (path / NOTE_NAME).unlink()
        if note is not None:
            (path / NOTE_NAME).write_text(note)
        with pytest.raises(StoreLocked, match="owner unknown"):
            PathLock(path)


def test_two_systems_of_one_process_share_a_path(open_system: Callable, tmp_path: Path):
    """Design part 3: inside one process, all systems on one path share one client."""
    first, second = open_system(), open_system()
    first.memory("tom").add_memory("I keep bees.", "How many hives?")
    assert [page.user_input for page in second.memory("tom").pages()] == ["I keep bees."]
    first.close()
    second.memory("tom").add_memory("Three hives.", "Noted.")

    assert [page.user_input for page in second.memory("tom").pages()] == ["I keep bees.", "Three hives."]
    assert seen_by_another_process(tmp_path / "store") == "locked"
    second.close()
    assert seen_by_another_process(tmp_path / "store") == "free"


def test_two_collections_on_one_path_share_its_lock(open_system: Callable, tmp_path: Path):
    """The lock is the path's, whatever is kept in it."""
    first, second = open_system(), open_system(collection_name="another")
    first.close()
    assert seen_by_another_process(tmp_path / "store") == "locked"
    second.memory("tom").add_memory("Still here.", "Yes.")
    second.close()

    assert seen_by_another_process(tmp_path / "store") == "free"


def test_the_same_path_written_in_two_ways_is_one_path(open_system: Callable, tmp_path: Path, monkeypatch):
    """A relative path or a link must not open the store a second time."""
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    systems = [
        open_system(path=path) for path in (tmp_path / "store", "store", "./link", tmp_path / "x" / ".." / "store")
    ]
    systems[0].memory("tom").add_memory("Hello", "Hi")

    assert [len(system.memory("tom").pages()) for system in systems] == [1, 1, 1, 1]


def test_a_path_that_is_a_file_is_a_store_error(open_system: Callable, tmp_path: Path):
    """A foreign error (OSError) becomes ours, with the way out."""
    (tmp_path / "file").write_text("not a directory")

    with pytest.raises(StoreError, match="pass another path"):
        open_system(path=tmp_path / "file")


def test_a_lock_that_is_a_mere_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a file system without locks it would outlive a process that is killed."""
    from filelock import SoftFileLock

    from memoryos_engine.storage import lock

    monkeypatch.setattr(lock, "FileLock", SoftFileLock)
    with pytest.raises(StoreError, match="has no locks"):
        PathLock(tmp_path / "store")
    assert not (tmp_path / "store" / NOTE_NAME).exists()


def test_a_note_that_cannot_be_written_lets_the_directory_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full disk must not leave a lock that nobody knows of."""
    path = tmp_path / "store"

    def full(self: Path, *args: object, **options: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StoreError, match="No space left on device"):
            PathLock(path)
    assert seen_by_another_process(path) == "free"
