"""`memoryos serve`: one server on a directory, found by every MemoryOS on that path, waited for while it is away."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from memoryos_engine import HashingEmbedder, MemoryOS, MemorySettings
from memoryos_engine.background import ELSEWHERE_PAUSE
from memoryos_engine.errors import InvalidInput, StoreError, StoreLocked
from memoryos_engine.evaluation.soak.served import Served
from memoryos_engine.storage.exclusion import FOLDER, Exclusion
from memoryos_engine.storage.lock import NOTE_NAME, read_note
from memoryos_engine.worker import Outcome

ADDS = """
import sys
from memoryos_engine import MemoryOS
with MemoryOS(sys.argv[1]) as system:
    memory = system.memory("tom")
    memory.add_memory(sys.argv[2], "Noted elsewhere.")
    print(len(memory.pages()))
"""


@pytest.fixture(autouse=True)
def _direct_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def served(path: Path) -> Iterator[Served]:
    server = Served(path)
    yield server
    server.close()


def added_by_another_process(path: Path, text: str) -> int:
    """Have a process of its own open the path by itself; return how many pages it sees then."""
    command = [sys.executable, "-c", ADDS, str(path), text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return int(done.stdout)


def test_every_process_finds_the_server_of_its_path_and_sees_what_the_others_add(served, path, open_system):
    """Design part 3: every MemoryOS(path=DIR) finds the server and connects."""
    memory = open_system(path=path).memory("tom")
    memory.add_memory("I keep bees.", "How many hives?")
    counted = added_by_another_process(path, "I sold a hive.")
    memory.add_memory("Two are left.", "Good.")

    assert counted == 2
    assert [page.user_input for page in memory.pages()] == ["I keep bees.", "I sold a hive.", "Two are left."]
    assert [page.sequence for page in memory.pages()] == [0, 1, 2]
    assert memory.system.check() == []


def test_a_server_that_is_killed_and_started_again_is_found_again(served, path, open_system):
    """It listens elsewhere then; nobody who has the path open need know."""
    memory = open_system(path=path).memory("tom")
    memory.add_memory("Before.", "Yes.")
    before = served.address
    served.restart()
    found = memory.retrieve_memory("Before")
    memory.add_memory("After.", "Yes.")

    assert served.address != before
    assert [page.user_input for page in found.short_term] == ["Before."]
    assert [page.user_input for page in memory.pages()] == ["Before.", "After."]


def test_a_call_waits_for_a_server_that_is_away(served, path, open_system):
    """A restart takes seconds; a turn that comes meanwhile is stored once."""
    memory = open_system(path=path, store_patience=120.0).memory("tom")
    memory.add_memory("Before.", "Yes.")
    served.process.kill()
    served.process.wait()
    adding = threading.Thread(target=memory.add_memory, args=("Meanwhile.", "Yes."))
    adding.start()
    served.restart()
    adding.join(timeout=120)

    assert [page.user_input for page in memory.pages()] == ["Before.", "Meanwhile."]


def test_a_server_that_stays_away_is_an_error_that_says_how_to_go_on(served, path, open_system):
    """A failure is never data: no empty memory, and no turn that is only said to be stored."""
    memory = open_system(path=path, store_patience=0.2).memory("tom")
    memory.add_memory("Before.", "Yes.")
    served.close()
    for call in (lambda: memory.add_memory("Lost?", "No."), memory.pages):
        with pytest.raises(StoreError, match=r"did not answer for 0\.2 seconds .*store_patience"):
            call()
    served.restart()

    assert [page.user_input for page in memory.pages()] == ["Before."]


def test_whoever_owns_the_path_alone_is_not_served_beside(path, open_system):
    """The lock comes before Chroma is touched, for a server too."""
    system = open_system(path=path)
    system.memory("tom").add_memory("Mine.", "Yes.")
    done = subprocess.run(serving(path), capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 1
    assert f"is open in another process (pid {os.getpid()}" in done.stderr.replace("\n", " ")


def test_what_was_served_is_opened_alone_afterwards(served, path, open_system):
    """The directory is the same store either way, whoever wrote last."""
    before = MemoryOS(path)
    before.memory("tom").add_memory("Served.", "Yes.")
    before.close()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(timeout=60) == 0
    assert not (path / NOTE_NAME).exists()

    system = MemoryOS(path)
    memory = system.memory("tom")
    memory.add_memory("Alone.", "Yes.")
    system.vacuum()
    pages = [page.user_input for page in memory.pages()]
    system.close()
    served.restart()
    assert pages == ["Served.", "Alone."]
    assert [page.user_input for page in open_system(path=path).memory("tom").pages()] == pages


def test_a_served_store_is_not_vacuumed_beneath_its_server(served, path, open_system):
    """Chroma's vacuum needs the files for itself."""
    with pytest.raises(InvalidInput, match=r"served by another process\. Stop"):
        open_system(path=path).vacuum()


def test_the_server_of_another_machine_is_not_taken_for_one_here(served, path):
    """A directory shared between containers: the note's address is theirs, not ours."""
    note = json.loads((path / NOTE_NAME).read_text())
    (path / NOTE_NAME).write_text(json.dumps({**note, "host": "elsewhere"}))

    with pytest.raises(StoreLocked, match="on elsewhere since"):
        MemoryOS(path)


def test_one_process_consolidates_for_a_user(served, path, open_system):
    """Design part 3: by one worker at a time where a lease can say so; the other looks again later."""
    memory = open_system(path=path, short_term_capacity=1).memory("tom")
    memory.add_memory("I keep bees.", "How many hives?")
    elsewhere = Exclusion(path, collection_name="memoryos")
    with elsewhere.lease(memory.owner, wait=False) as taken:
        outcome = memory.system._work(memory.owner)
        assert (taken, outcome) == (True, Outcome(worked=False, again_in=ELSEWHERE_PAUSE))
        assert memory.status().pending == 1
    memory.flush()

    assert memory.status().pending == 0


def test_no_name_of_a_user_is_in_the_name_of_a_lock(served, path, open_system):
    """Invariant 2: files are named by hashes."""
    memory = open_system(path=path).memory("tom@example.com")
    memory.add_memory("Hello", "Hi")
    memory.flush()

    names = sorted(file.name for file in (path / FOLDER).iterdir())
    assert names
    assert {name[:-2] for name in names} <= {"writing.", "thinking."}


# -- the command ----------------------------------------------------------------------------


def serving(path: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "memoryos_engine", "serve", "--path", str(path), *options]


def test_a_port_that_is_taken_is_refused_by_name(path):
    """Two lines of advice instead of Chroma's silence."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(serving(path, "--port", port), capture_output=True, text=True, timeout=120, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"--port 127.0.0.1:{port} cannot be listened at" in done.stderr
    assert not (path / NOTE_NAME).exists()


def test_the_note_says_where_the_server_is(served, path):
    """What others find it by."""
    note = read_note(path)

    assert note is not None
    assert (note.pid, note.host, note.server) == (served.process.pid, socket.gethostname(), served.address)
    assert served.address.startswith("http://127.0.0.1:")


# -- any other server -------------------------------------------------------------------------


def test_a_client_of_the_callers_own_goes_on_after_its_server_came_back(path, open_system, free_port):
    """client= leads wherever its owner says; what is tried again is the call."""
    import chromadb
    from chromadb.config import Settings

    served = Served(path, port=free_port)
    client = chromadb.HttpClient(host="127.0.0.1", port=free_port, settings=Settings(anonymized_telemetry=False))
    try:
        memory = open_system(client=client, store_patience=60.0).memory("tom")
        memory.add_memory("Before.", "Yes.")
        served.restart()
        memory.add_memory("After.", "Yes.")
        pages = [page.user_input for page in memory.pages()]
    finally:
        closed(client)
        served.close()

    assert pages == ["Before.", "After."]


def test_tenant_and_database_are_those_of_the_client(served, open_system):
    """Whoever keeps customers apart on one server passes a client of each."""
    import chromadb

    host, port = "127.0.0.1", int(served.address.rpartition(":")[2])
    api = f"{served.address}/api/v2/tenants"
    httpx.post(api, json={"name": "acme"}, trust_env=False).raise_for_status()
    httpx.post(f"{api}/acme/databases", json={"name": "support"}, trust_env=False).raise_for_status()
    theirs = chromadb.HttpClient(host=host, port=port, tenant="acme", database="support")
    plain = chromadb.HttpClient(host=host, port=port)
    try:
        open_system(client=theirs).memory("tom").add_memory("For acme alone.", "Yes.")
        names = [[each.name for each in client.list_collections()] for client in (theirs, plain)]
    finally:
        for client in (theirs, plain):
            closed(client)

    assert names == [["memoryos"], []]


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def closed(client: Any) -> None:
    from memoryos_engine.storage.serving import close_client

    close_client(client)


class OldServer:
    """A client of a server of another time."""

    def __init__(self, version: str | Exception) -> None:
        self._version = version

    def get_settings(self) -> Any:
        from chromadb.config import Settings

        return Settings(anonymized_telemetry=False)

    def get_version(self) -> str:
        if isinstance(self._version, Exception):
            raise self._version
        return self._version


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("0.6.3", "has version '0.6.3'; 1.0 or later is needed"),
        ("", "has version ''"),
        (ConnectionError("no route"), "does not say its version (ConnectionError)"),
    ],
)
def test_a_server_that_cannot_do_it_is_refused_at_opening(version: Any, told: str):
    """Not at the first turn that would have been lost."""
    with pytest.raises(StoreError) as caught:
        MemoryOS(client=OldServer(version), settings=MemorySettings())
    assert told in str(caught.value)


def test_an_embedded_client_is_locked_as_its_path_is(tmp_path, open_system, chroma_at: Callable):
    """client=PersistentClient(...) is the same danger as two openers of one path."""
    from tests.engine.storage.test_lock import holding, seen_by_another_process

    path = tmp_path / "embedded"
    system = open_system(client=chroma_at(path))
    assert seen_by_another_process(path) == "locked"
    system.close()
    assert seen_by_another_process(path) == "free"

    with holding(path), pytest.raises(StoreLocked):
        open_system(client=chroma_at(path))


@pytest.fixture
def chroma_at() -> Iterator[Callable[[Path], Any]]:
    import chromadb
    from chromadb.config import Settings

    made: list[Any] = []

    def opening(path: Path) -> Any:
        made.append(chromadb.PersistentClient(str(path), settings=Settings(anonymized_telemetry=False)))
        return made[-1]

    yield opening
    for client in made:
        client.close()


def test_a_server_that_comes_back_with_nothing_is_an_error(tmp_path, open_system, free_port):
    """Started on another directory by mistake: an empty memory would be a failure that became data."""
    import chromadb
    from chromadb.config import Settings

    first = Served(tmp_path / "first", port=free_port)
    client = chromadb.HttpClient(host="127.0.0.1", port=free_port, settings=Settings(anonymized_telemetry=False))
    second = None
    try:
        memory = open_system(client=client, store_patience=60.0).memory("tom")
        memory.add_memory("Before.", "Yes.")
        first.close()
        second = Served(tmp_path / "second", port=free_port)
        for call in (memory.pages, lambda: memory.add_memory("After.", "Yes.")):
            with pytest.raises(StoreError, match="its server was started on another directory"):
                call()
    finally:
        closed(client)
        if second is not None:
            second.close()


def test_a_reindex_works_after_the_server_was_restarted(served, path, open_system):
    """The connection was made anew meanwhile."""
    system = open_system(path=path)
    memory = system.memory("tom")
    memory.add_memory("I keep bees.", "How many hives?")
    served.restart()
    memory.add_memory("I sold one.", "Why?")
    system.reindex(embedder=HashingEmbedder(64))

    assert [page.user_input for page in memory.pages()] == ["I keep bees.", "I sold one."]
    assert system.stats().embedder == "hashing-v1-64"


def test_a_client_does_not_follow_the_note_of_a_killed_server_to_another_store(tmp_path, open_system, free_port):
    """One server is killed and another directory is served at its port: that is another store, whoever asks."""
    first, other = Served(tmp_path / "first", port=free_port), None
    memory = open_system(path=tmp_path / "first", store_patience=0.5).memory("tom")
    memory.add_memory("For the first store.", "Yes.")
    first.close()
    other = Served(tmp_path / "other", port=free_port)
    try:
        with pytest.raises(StoreError, match=r"is gone|did not answer"):
            memory.add_memory("Where does this go?", "Nowhere.")
        assert open_system(path=tmp_path / "other").users() == []
    finally:
        other.close()


def test_a_killed_server_is_expected_back_before_somebody_else_takes_the_directory(served, path):
    """Else whoever starts first after a crash keeps the server, and everybody behind it, out."""
    MemoryOS(path).close()
    served.process.kill()
    served.process.wait()
    opened: list[MemoryOS] = []
    opening = threading.Thread(target=lambda: opened.append(MemoryOS(path, settings=MemorySettings(store_patience=90))))
    opening.start()
    served.restart()
    opening.join(timeout=120)
    (system,) = opened
    system.memory("tom").add_memory("Behind the server.", "Yes.")
    was_served = system._storage.served
    system.close()

    assert was_served


def test_a_directory_whose_server_does_not_come_back_is_opened_alone(served, path, open_system):
    """It was killed for good; what it left behind keeps nobody out."""
    served.close()
    system = open_system(path=path, store_patience=0.2)

    assert not system._storage.served


def test_a_server_at_an_ipv6_address_is_found(path, open_system):
    """Its address is written in brackets."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 on this machine")
    process = subprocess.Popen(serving(path, "--host", "::1"), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Serving")
        open_system(path=path).memory("tom").add_memory("Over IPv6.", "Yes.")
        note = read_note(path)
    finally:
        process.kill()
        process.communicate()

    assert note is not None
    assert str(note.server).startswith("http://[::1]:")
