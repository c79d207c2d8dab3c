"""Handles that are copied and pickled within one process: they find the system that is open."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import chromadb
import pytest
from chromadb.config import Settings

from memoryos_engine import ClosedError, HashingEmbedder, MemoryOS, MemorySettings, ScriptedChatModel, StoreError
from memoryos_engine.llm.openai import OpenAIChatModel
from memoryos_engine.reopening import remember_open, reopened_memory, reopened_system

KEY, TEXT = "sk-very-secret-key", "Zanzibarbarossa"


def pickled(value):
    return pickle.loads(pickle.dumps(value))


TRAVELS = [copy.copy, copy.deepcopy, pickled]
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def memory(system):
    memory = system.memory("tom", "tutor", "desk")
    memory.add_memory("I keep bees.", "How many hives?")
    return memory


# -- the same store -----------------------------------------------------------------------------------


@pytest.mark.parametrize("travel", TRAVELS)
def test_a_copied_memory_is_a_handle_on_the_same_store(system, memory, travel):
    """The memory itself stays where it is: what one handle adds the other finds."""
    other = travel(memory)
    page = other.add_memory("And ants.", "Ants?")

    assert other is not memory
    assert (other.owner, other.session_id, other.system) == (memory.owner, "desk", system)
    assert memory.pages() == other.pages()
    assert memory.pages()[-1] == page
    assert system.check() == []


@pytest.mark.parametrize("travel", TRAVELS)
def test_a_copied_system_is_the_system(system, travel):
    """One store is open once; a copy of what runs on it would be a second."""
    assert travel(system) is system


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_serves(memory, protocol):
    assert pickle.loads(pickle.dumps(memory, protocol)).pages() == memory.pages()


def test_what_holds_a_handle_can_be_copied_whole(memory):
    """Chains, checkpoints and agents hold handles deep inside."""
    held = {"memory": memory, "list": [memory, memory.in_session("phone")], "system": memory.system}
    copied = copy.deepcopy(held)

    assert copied["list"][0] is copied["memory"]
    assert (copied["list"][1].session_id, copied["system"]) == ("phone", memory.system)


@pytest.mark.parametrize("travel", TRAVELS)
def test_a_handle_finds_its_own_system_among_several_on_its_store(open_system, travel):
    """Two systems of one process may share a store and differ in model and settings."""
    models = [ScriptedChatModel([]), None, ScriptedChatModel([])]
    systems = [open_system(llm=model) for model in models]

    assert [travel(system.memory("tom")).system for system in systems] == systems


@pytest.mark.parametrize("travel", TRAVELS)
def test_parts_that_do_not_travel_are_where_they_were_made(open_system, travel):
    """Within the process nothing needs to travel."""
    embedder, model = HashingEmbedder(64), ScriptedChatModel(["Bees."])
    memory = travel(open_system(embedder=embedder, llm=model).memory("tom"))

    assert (memory.system.embedder, memory.system.llm) == (embedder, model)
    assert memory.get_response("What do I keep?") == "Bees."


@pytest.mark.parametrize("travel", TRAVELS)
def test_a_system_behind_a_client_is_found_too(open_system, tmp_path, travel):
    client = chromadb.PersistentClient(str(tmp_path / "chroma"), settings=Settings(anonymized_telemetry=False))
    try:
        system = open_system(client=client)
        assert travel(system.memory("tom")).system is system
        system.close()
    finally:
        client.close()


def test_neither_keys_nor_text_nor_clients_are_in_the_bytes(open_system):
    """A checkpoint lies in a database that others read."""
    system = open_system(llm=OpenAIChatModel("gpt-4o-mini", api_key=KEY))
    memory = system.memory("tom", session_id="desk")
    memory.add_memory(f"I live in {TEXT}.", f"Where is {TEXT}?", metadata={"note": TEXT})
    memory.add_response(TEXT)

    for value in (memory, system, [memory, system]):
        for protocol in PROTOCOLS:
            data = pickle.dumps(value, protocol)
            assert KEY.encode() not in data
            assert TEXT.encode() not in data
            assert b"OpenAI" not in data
            assert len(data) < 3000


def test_copies_keep_no_system_alive(tmp_path):
    """What is remembered of open systems is no reason to keep them."""
    system = MemoryOS(tmp_path / "store")
    copied, gone = pickled(copy.deepcopy(system.memory("tom"))), weakref.ref(system)
    system.close()
    del system, copied
    gc.collect()

    assert gone() is None


# -- closed systems -----------------------------------------------------------------------------------


@pytest.mark.parametrize("collected", [False, True])
def test_a_handle_on_what_this_process_closed_says_so(tmp_path, collected):
    """A store that was closed is not opened behind one's back, whether or not its system is still in memory."""
    system = MemoryOS(tmp_path / "store")
    data = pickle.dumps(system.memory("tom"))
    system.close()
    if collected:
        del system
        gc.collect()
    with pytest.raises(ClosedError):
        pickle.loads(data)


@pytest.mark.parametrize("collected", [False, True])
def test_a_handle_on_what_was_closed_finds_what_was_opened_since(tmp_path, collected):
    """The store is open in this process: it does not matter that it is another system."""
    system = MemoryOS(tmp_path / "store")
    memory = system.memory("tom", session_id="desk")
    page = memory.add_memory("I keep bees.", "How many?")
    data, handle = pickle.dumps(memory), memory
    system.close()
    if collected:
        del system, memory, handle
        gc.collect()
    with MemoryOS(tmp_path / "store") as again:
        found = pickle.loads(data)
        assert found.system is again
        assert found.session_pages() == [page]


def test_a_closed_handle_copied_while_its_store_is_open_again_is_an_open_one(tmp_path):
    with MemoryOS(tmp_path / "store") as system:
        memory = system.memory("tom")
    with MemoryOS(tmp_path / "store") as again:
        assert copy.deepcopy(memory).system is again
        assert pickled(system) is again


def test_a_system_that_was_vacuumed_is_found_still(system, memory):
    """vacuum() closes the store and opens it again, and its handles go on."""
    data = pickle.dumps(memory)
    system.vacuum()

    assert pickle.loads(data).system is system
    assert [page.user_input for page in pickle.loads(data).pages()] == ["I keep bees."]


def test_a_closed_system_can_still_be_pickled(tmp_path):
    """Order of shutdown is nobody's to know; the handle serves the next process."""
    system = MemoryOS(tmp_path / "store")
    memory = system.memory("tom")
    system.close()

    assert pickle.dumps(memory)
    assert system.reference().path == str(tmp_path / "store")


# -- handles from elsewhere -----------------------------------------------------------------------------


def from_elsewhere(memory, **changed):
    """The reference as another process would have written it."""
    return replace(memory.system.reference(), token="0" * 32, **changed)


def test_a_handle_from_another_process_finds_the_store_that_is_open_here(system, memory):
    reference = from_elsewhere(memory, plain=False)

    assert reopened_system(reference) is system
    assert reopened_memory(reference, memory.owner, "phone").pages() == memory.pages()


def test_of_several_systems_on_its_store_it_takes_the_one_opened_last(open_system):
    systems = [open_system() for _ in range(3)]
    reference = from_elsewhere(systems[0].memory("tom"))
    assert reopened_system(reference) is systems[2]
    systems[2].close()

    assert reopened_system(reference) is systems[1]


def test_another_collection_on_the_same_path_is_another_store(open_system, tmp_path):
    system, other = open_system(), open_system(collection_name="another")
    reference = from_elsewhere(system.memory("tom"))

    assert reopened_system(reference) is system
    assert reopened_system(replace(reference, settings=other.settings)) is other


def test_a_store_that_is_not_here_is_an_error_and_none_is_made(tmp_path, system):
    """A handle on another machine must not show an empty memory as if it were the user's."""
    for place in (tmp_path / "nowhere", tmp_path):
        reference = from_elsewhere(system.memory("tom"), path=str(place / "gone"), plain=True)
        with pytest.raises(StoreError, match="gone"):
            reopened_system(reference)
        assert not (place / "gone").exists()
    (tmp_path / "empty").mkdir()  # as where a volume was not mounted
    with pytest.raises(StoreError, match="empty"):
        reopened_system(from_elsewhere(system.memory("tom"), path=str(tmp_path / "empty"), plain=True))
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_relative_path_is_the_directory_it_was_when_the_store_was_opened(tmp_path, monkeypatch):
    """Who changes directory afterwards must not point his handles at another store."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with MemoryOS("store") as system:
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert system.reference().path == str(tmp_path / "store")
        with MemoryOS(tmp_path / "store") as same:
            assert reopened_system(from_elsewhere(system.memory("tom"))) is same


def test_the_settings_travel_whole(tmp_path):
    settings = MemorySettings(short_term_capacity=3, assistant_profile="a tutor", eviction="delete")
    with MemoryOS(tmp_path / "store", settings=settings) as system:
        assert pickled(system.reference()) == system.reference() == copy.deepcopy(system.reference())
        assert pickled(system.reference()).settings == settings


# -- at once --------------------------------------------------------------------------------------------


def test_handles_arrive_while_other_systems_are_opened_and_dropped(system, memory):
    """A registry that is read while it grows and shrinks."""

    class Other:
        closed = True

    reference, ended, others = from_elsewhere(memory), threading.Event(), [Other() for _ in range(3000)]
    for other in others:
        remember_open(other)

    def opens() -> None:
        while not ended.is_set():
            kept = Other()
            remember_open(kept)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            openers = [pool.submit(opens) for _ in range(2)]
            try:
                found = [reopened_system(reference) for _ in range(30)]
            finally:
                ended.set()
            for opener in openers:
                opener.result()
    finally:
        sys.setswitchinterval(interval)

    assert found == [system] * 30
