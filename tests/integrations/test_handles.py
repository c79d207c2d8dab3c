"""Handles as JSON: they say where a memory is kept and find it again, or what to do about it."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import chromadb
import pytest
from chromadb.config import Settings

from memoryos_engine import ClosedError, InvalidInput, MemoryOS, MemorySettings, ScriptedChatModel, StoreError
from memoryos_engine.heat import HeatWeights
from memoryos_integrations.handles import memory_of, memory_value, system_of, system_value

QUIET = MemorySettings(consolidation_delay=3600.0, short_term_capacity=2, heat_weights=HeatWeights(gamma=0.5))
FIX = "Make the object anew with memory= or system=."
ELSEWHERE = """
import json, sys
from pathlib import Path
from memoryos_engine import MemoryOS, MemoryOSError, ScriptedChatModel
from memoryos_integrations.handles import memory_of, system_of

folder = Path(sys.argv[1])
value = json.loads((folder / "tom.json").read_text())

def complaint(call):
    try:
        call()
    except MemoryOSError as error:
        return f"{type(error).__name__}: {error}"

"""


def travelled(value):
    """The value as it arrives after it was written down."""
    return json.loads(json.dumps(value, allow_nan=False))


def elsewhere(folder: Path, program: str) -> str:
    """What a program printed in a process of its own, in another directory, that ended well and quietly."""
    (folder / "cwd").mkdir()
    command = [sys.executable, "-c", ELSEWHERE + program, str(folder)]
    done = subprocess.run(command, cwd=folder / "cwd", capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def memory(system):
    memory = system.memory("tom", "tutor", "desk")
    memory.add_memory("I keep bees in Oslo.", "How many hives?")
    return memory


# -- in one process ---------------------------------------------------------------------------------------


def test_a_handle_of_a_system_finds_the_system(system):
    assert system_of(travelled(system_value(system))) is system


def test_a_handle_of_a_memory_finds_the_memory(memory):
    again = memory_of(travelled(memory_value(memory)))

    assert again.system is memory.system
    assert (again.owner, again.session_id) == (memory.owner, memory.session_id)
    assert again.pages() == memory.pages()


def test_a_handle_holds_the_place_and_the_settings_and_nothing_else(memory):
    system = memory.system

    assert travelled(memory_value(memory)) == {
        "system": {
            "token": system.reference().token,
            "path": system.reference().path,
            "settings": asdict(system.settings),
            "plain": False,
        },
        "user_id": "tom",
        "assistant_id": "tutor",
        "session_id": "desk",
    }


def test_a_handle_holds_no_key_and_no_text(tmp_path):
    model = ScriptedChatModel(["sk-secret"])
    with MemoryOS(tmp_path / "store", settings=QUIET, llm=model) as system:
        memory = system.memory("tom", session_id="desk")
        memory.add_memory("I keep bees in Oslo.", "How many hives?")
        written = json.dumps(memory_value(memory))

    for secret in ("sk-secret", "bees", "hives", "Scripted"):
        assert secret not in written


def test_a_change_of_the_value_changes_nothing_of_the_system(system):
    system_value(system)["settings"]["heat_weights"].clear()
    system_value(system)["settings"].clear()

    assert system_of(system_value(system)) is system


def test_ids_of_any_text_come_back_as_they_were(system):
    for name in ("a/b", "tom@example.com", "  ", "ü\u2028\n", '"'):
        again = memory_of(travelled(memory_value(system.memory(name, name, name))))
        assert (again.owner.user_id, again.owner.assistant_id, again.session_id) == (name, name, name)


def test_a_system_that_was_closed_here_stays_closed(system):
    value = travelled(system_value(system))
    system.close()

    with pytest.raises(ClosedError):
        system_of(value).memory("tom").pages()


def test_a_system_that_was_closed_here_and_is_gone_is_not_opened_anew(tmp_path):
    with MemoryOS(tmp_path / "store", settings=QUIET) as system:
        value = travelled(system_value(system))
    del system
    gc.collect()

    with pytest.raises(ClosedError):
        system_of(value)


def test_a_handle_of_a_closed_system_finds_the_one_that_is_open_on_its_store_now(tmp_path):
    with MemoryOS(tmp_path / "store", settings=QUIET) as system:
        value = travelled(memory_value(system.memory("tom", session_id="desk")))
    with MemoryOS(tmp_path / "store", settings=QUIET) as again:
        assert memory_of(value).system is again


def test_a_system_with_a_model_is_found_while_it_is_open(tmp_path):
    with MemoryOS(tmp_path / "store", settings=QUIET, llm=ScriptedChatModel([])) as system:
        assert system_of(travelled(system_value(system))) is system


# -- in another process -------------------------------------------------------------------------------------


def test_a_handle_opens_its_store_in_another_process(tmp_path):
    """By its path, with the settings it was made with."""
    with MemoryOS(tmp_path / "store", settings=QUIET) as system:
        memory = system.memory("tom", "tutor", "desk")
        memory.add_memory("I keep bees in Oslo.", "How many hives?")
        (tmp_path / "tom.json").write_text(json.dumps(memory_value(memory)))
    program = """
memory = memory_of(value)
print(memory.owner, memory.session_id, [page.user_input for page in memory.pages()])
print(memory.system.settings.short_term_capacity, memory.system.settings.heat_weights.gamma)
print(memory_of(value).system is memory.system is system_of(value["system"]))
memory.add_memory("Which honey is best?")
"""
    assert elsewhere(tmp_path, program).splitlines() == [
        "Owner(user_id='tom', assistant_id='tutor') desk ['I keep bees in Oslo.']",
        "2 0.5",
        "True",
    ]
    with MemoryOS(tmp_path / "store", settings=QUIET) as system:
        assert len(system.memory("tom", "tutor").pages()) == 2


def test_a_model_does_not_travel_and_is_asked_for_and_then_found(tmp_path):
    with MemoryOS(tmp_path / "store", settings=QUIET, llm=ScriptedChatModel([])) as system:
        (tmp_path / "tom.json").write_text(json.dumps(memory_value(system.memory("tom", session_id="desk"))))
    program = """
print(complaint(lambda: memory_of(value)))
with MemoryOS(folder / "store", llm=ScriptedChatModel([])) as system:
    print(memory_of(value).system is system)
"""
    refused = (
        "InvalidInput: handle belongs to a memory with parts that do not travel. Open its store in this process first, "
        f"with the embedder and model it was made with: MemoryOS(path={str(tmp_path / 'store')!r}, ...)."
    )
    assert elsewhere(tmp_path, program).splitlines() == [
        refused,
        "True",
    ]


def test_a_handle_behind_a_client_asks_for_the_client(tmp_path):
    client = chromadb.PersistentClient(str(tmp_path / "chroma"), settings=Settings(anonymized_telemetry=False))
    try:
        with MemoryOS(client=client) as system:
            (tmp_path / "tom.json").write_text(json.dumps(memory_value(system.memory("tom"))))
    finally:
        client.close()

    assert "MemoryOS(client=...)" in elsewhere(tmp_path, "print(complaint(lambda: memory_of(value)))")


def test_a_store_that_is_not_there_is_not_made_up(tmp_path):
    with MemoryOS(tmp_path / "store", settings=QUIET) as system:
        value = memory_value(system.memory("tom", session_id="desk"))
    value["system"] |= {"token": "elsewhere", "path": str(tmp_path / "gone")}

    with pytest.raises(StoreError, match="the store of the handle is not in"):
        memory_of(travelled(value))
    assert not (tmp_path / "gone").exists()


# -- what is no handle ----------------------------------------------------------------------------------------


def damaged(**changes):
    def change(value):
        value["system"] |= changes
        return value

    return change


def without(*names):
    def change(value):
        inner = value
        for name in names[:-1]:
            inner = inner[name]
        del inner[names[-1]]
        return value

    return change


NO_HANDLES = {
    "an empty dict": lambda value: {},
    "a foreign dict": lambda value: {"role": "user", "content": "Hello"},
    "a system alone": lambda value: value["system"],
    "without its system": without("system"),
    "without its user": without("user_id"),
    "without its session": without("session_id"),
    "a user that is no text": lambda value: {**value, "user_id": 5},
    "a system that is no mapping": lambda value: {**value, "system": "memoryos"},
    "an empty system": lambda value: {**value, "system": {}},
    "without its token": without("system", "token"),
    "without its path": without("system", "path"),
    "without its settings": without("system", "settings"),
    "without its weights": without("system", "settings", "heat_weights"),
    "a token that is a list": damaged(token=["x"]),
    "no token": damaged(token=None),
    "a path that is a number": damaged(token="x", plain=True, path=5),
    "a plain that is a text": damaged(token="x", plain="no"),
    "settings that are a text": damaged(settings="x"),
    "settings of another version": damaged(settings={"heat_weights": {}, "colour": "red"}),
    "weights of another version": damaged(settings={"heat_weights": {"colour": 1.0}}),
    "settings out of range": damaged(settings={"heat_weights": {}, "workers": 0}),
}


@pytest.mark.parametrize("change", NO_HANDLES.values(), ids=NO_HANDLES)
def test_what_is_no_handle_is_refused_with_the_fix(memory, change):
    value = change(travelled(memory_value(memory)))

    with pytest.raises(InvalidInput) as caught:
        memory_of(value)

    assert caught.value.problem == "is no handle that this version can read"
    assert caught.value.fix == FIX


@pytest.mark.parametrize("value", [None, 5, "x", [], {}, {"settings": {}}])
def test_what_is_no_handle_of_a_system_is_refused_with_the_fix(value):
    with pytest.raises(InvalidInput) as caught:
        system_of(value)

    assert (caught.value.parameter, caught.value.fix) == ("system", FIX)


def test_a_handle_with_an_empty_id_is_refused(memory):
    with pytest.raises(InvalidInput, match="user_id"):
        memory_of({**memory_value(memory), "user_id": ""})


def test_a_refusal_quotes_nothing_of_the_value(memory):
    with pytest.raises(InvalidInput) as caught:
        memory_of({"system": {"token": "sk-secret"}, "user_id": "tom", "assistant_id": "a", "session_id": "s"})

    assert "sk-secret" not in f"{caught.value}"
