"""Handles that are pickled here and loaded in another process, which opens their store, or says what to do."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import chromadb
import pytest
from chromadb.config import Settings

from memoryos_engine import HashingEmbedder, MemoryOS, MemorySettings, ScriptedChatModel
from memoryos_engine.analysis.extractive import ExtractiveAnalyst

from .soundness import assert_as_reloaded, told

QUIET = MemorySettings(consolidation_delay=3600.0, short_term_capacity=2)
ELSEWHERE = """
import copy, pickle, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from memoryos_engine import (
    ExtractiveAnalyst, HashingEmbedder, InvalidInput, MemoryOS, MemoryOSError, ScriptedChatModel
)
folder = Path(sys.argv[1])

def load(name="tom"):
    return pickle.loads((folder / f"{name}.pickle").read_bytes())

def complaint(call):
    try:
        call()
    except MemoryOSError as error:
        return f"{type(error).__name__}: {error}"

"""


class OwnEmbedder(HashingEmbedder):
    """A part of the caller's own, of which another process knows nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "own-v1"


def elsewhere(folder: Path, program: str) -> str:
    """What a program printed in a process of its own, in another directory, that ended well and quietly."""
    (folder / "cwd").mkdir(exist_ok=True)
    command = [sys.executable, "-c", ELSEWHERE + program, str(folder)]
    done = subprocess.run(command, cwd=folder / "cwd", capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def keep(value: object, folder: Path, name: str = "tom") -> None:
    (folder / f"{name}.pickle").write_bytes(pickle.dumps(value))


@pytest.fixture
def folder(tmp_path):
    """A store in "store", with a handle on Tom's memory beside it; nobody has it open."""
    with MemoryOS(tmp_path / "store", settings=QUIET) as system:
        memory = system.memory("tom", "tutor", "desk")
        memory.add_memory("I keep bees in Oslo.", "How many hives?")
        memory.add_memory("Which honey is best?")
        memory.flush()
        keep(memory, tmp_path)
        keep(system.memory("eve"), tmp_path, "eve")
        keep(system, tmp_path, "system")
    return tmp_path


def reopened(folder: Path, **options) -> MemoryOS:
    return MemoryOS(folder / "store", settings=QUIET, **options)


def test_a_handle_opens_its_store_in_another_process(folder):
    """Owner, session, settings and what is remembered are as they were; nothing is asked of the caller."""
    program = """
memory = load()
print(memory.owner, memory.session_id, memory.system.settings.short_term_capacity)
print([page.user_input for page in memory.pages()])
page = memory.add_response("Heather honey.")
print(page.user_input, page.agent_response)
print(memory.in_session("phone").retrieve_memory("heather").pages[0].sequence)
"""
    assert elsewhere(folder, program).splitlines() == [
        "Owner(user_id='tom', assistant_id='tutor') desk 2",
        "['I keep bees in Oslo.', 'Which honey is best?']",
        "Which honey is best? Heather honey.",
        "1",
    ]
    with reopened(folder) as system:
        memory = system.memory("tom", "tutor", "desk")
        assert told(memory)[1] == ("desk", "Which honey is best?", "Heather honey.", 1)
        assert_as_reloaded(system, memory.owner)


def test_what_was_reopened_is_closed_when_the_process_ends(folder):
    """Retrievals that waited to be counted are, and the path is free."""
    assert elsewhere(folder, 'load().in_session("phone").retrieve_memory("bees in Oslo")') == ""
    with reopened(folder) as system:
        assert [segment.visits for segment in system.memory("tom", "tutor").segments()] == [1]
    assert not (folder / "store" / "memoryos.owner").exists()


def test_all_handles_share_one_system(folder):
    """However many arrive, on whatever user, at once: the store is open once."""
    program = """
with ThreadPoolExecutor(8) as pool:
    handles = list(pool.map(load, ["tom", "eve"] * 8))
systems = {id(handle.system) for handle in handles} | {id(load("system"))}
print(len(systems), load("system") is load().system, copy.deepcopy(load()).system is load("system"))
load().add_memory("Hi", "Hello")
print(len(handles[0].pages()), len(handles[1].pages()))
"""
    assert elsewhere(folder, program) == "1 True True\n3 0\n"


def test_a_handle_finds_the_store_that_the_process_opened_itself(folder):
    program = """
with MemoryOS("../store", llm=ScriptedChatModel(["Bees."])) as system:
    memory = load()
    print(memory.system is system, memory.get_response("What do I keep?"))
"""
    assert elsewhere(folder, program) == "True Bees.\n"


def test_what_a_process_reopened_and_closed_is_opened_again_for_the_next_handle(folder):
    """Only what a process made on its own stays closed for it."""
    program = """
first = load()
first.system.close()
again = load()
print(again.system is first.system, len(again.pages()), complaint(first.pages))
"""
    assert elsewhere(folder, program).startswith("False 2 ClosedError")


def test_collections_of_one_path_are_reopened_apart_and_all_closed_at_the_end(tmp_path):
    """Both are kept, though their handles are gone, and what waited in both is written."""
    names = ("bees", "ants")
    settings = [
        MemorySettings(collection_name=name, short_term_capacity=1, consolidation_delay=3600.0) for name in names
    ]
    for name, one in zip(names, settings, strict=True):
        with MemoryOS(tmp_path / "store", settings=one) as system:
            memory = system.memory("tom", session_id="desk")
            memory.add_memory(f"I keep {name}.", "Good.")
            memory.flush()
            keep(memory, tmp_path, name)
    program = """
import gc
for name in ("bees", "ants"):
    print([page.user_input for page in load(name).retrieve_memory(name).pages])
    gc.collect()
"""
    assert elsewhere(tmp_path, program) == "['I keep bees.']\n['I keep ants.']\n"
    for one in settings:
        with MemoryOS(tmp_path / "store", settings=one) as system:
            assert [segment.visits for segment in system.memory("tom").segments()] == [1]


def test_one_that_cannot_be_closed_at_the_end_keeps_no_other_open(tmp_path):
    for name in ("a", "b"):
        with MemoryOS(tmp_path / name, settings=QUIET) as system:
            memory = system.memory("tom", session_id="desk")
            memory.add_memory(f"I keep bees, {name}.", "Good.")
            memory.add_memory("Hi", "Hello")
            memory.flush()
            keep(memory.in_session("phone"), tmp_path, name)
    program = """
def refuses():
    raise RuntimeError("the disk went away")

for name in ("a", "b"):
    load(name).retrieve_memory("bees")
load(sys.argv[2]).system.close = refuses
"""
    for failing, other in (("a", "b"), ("b", "a")):
        command = [sys.executable, "-c", ELSEWHERE + program, str(tmp_path), failing]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert "the disk went away" in done.stderr
        with MemoryOS(tmp_path / other, settings=QUIET) as system:
            assert [segment.visits for segment in system.memory("tom").segments()] == [1]


# -- what keeps a store from being opened ---------------------------------------------------------------


PARTS = {
    "a model": ({"llm": ScriptedChatModel([])}, "llm=ScriptedChatModel([])"),
    "a model that only answers": (
        {"llm": ScriptedChatModel([]), "analyst": ExtractiveAnalyst()},
        "llm=ScriptedChatModel([]), analyst=ExtractiveAnalyst()",
    ),
    "another embedder": ({"embedder": OwnEmbedder()}, "embedder=own()"),
    "the same embedder in another width": ({"embedder": HashingEmbedder(64)}, "embedder=HashingEmbedder(64)"),
    "an analyst": ({"analyst": type("OwnAnalyst", (ExtractiveAnalyst,), {})()}, "analyst=ExtractiveAnalyst()"),
}


@pytest.mark.parametrize("parts", PARTS)
def test_parts_that_do_not_travel_are_asked_for_and_then_found(tmp_path, parts):
    """The error names the fix; who does it has a handle that works."""
    here, there = PARTS[parts]
    with MemoryOS(tmp_path / "store", **here) as system:
        memory = system.memory("tom", session_id="desk")
        memory.add_memory("I keep bees.", "How many?")
        keep(memory, tmp_path)
        keep(system, tmp_path, "system")
    program = f"""
def own():
    embedder = HashingEmbedder()
    embedder.name = "own-v1"
    return embedder

print(complaint(load))
print(complaint(lambda: load("system")))
with MemoryOS(folder / "store", {there}) as system:
    print(load().system is load("system") is system, load().session_id, [page.text for page in load().pages()])
"""
    first, second, found = elsewhere(tmp_path, program).splitlines()

    assert first == second
    assert first == (
        "InvalidInput: handle belongs to a memory with parts that do not travel. Open its store in this process first, "
        f"with the embedder and model it was made with: MemoryOS(path={str(tmp_path / 'store')!r}, ...)."
    )
    assert found == "True desk ['I keep bees.\\nHow many?']"


def test_a_handle_behind_a_client_asks_for_the_client(tmp_path):
    """Where the server is only the client knows; no path is made up."""
    client = chromadb.PersistentClient(str(tmp_path / "chroma"), settings=Settings(anonymized_telemetry=False))
    try:
        with MemoryOS(client=client) as system:
            keep(system.memory("tom"), tmp_path)
    finally:
        client.close()
    told = elsewhere(tmp_path, "print(complaint(load))")

    assert told.startswith("InvalidInput: handle belongs to a memory with parts that do not travel. ")
    assert "MemoryOS(client=...)" in told
    assert list((tmp_path / "cwd").iterdir()) == []


def test_a_store_that_another_process_has_open_is_locked_for_its_handles(folder):
    """One process per path: the message says who has it, and the handle works once it is free."""
    with reopened(folder) as system:
        answer = elsewhere(folder, "print(complaint(load))")
        assert answer.startswith("StoreLocked: ")
        assert str(folder / "store") in answer
        assert len(system.memory("tom", "tutor").pages()) == 2
    assert elsewhere(folder, "print(len(load().pages()))") == "2\n"


def test_a_store_that_is_not_there_is_not_made(folder):
    """On another machine the user's memory is missing, not empty."""
    (folder / "store").rename(folder / "moved")
    answer = elsewhere(folder, "print(complaint(load))")

    assert answer.startswith("StoreError: ")
    assert str(folder / "store") in answer
    assert not (folder / "store").exists()
