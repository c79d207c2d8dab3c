"""Whose memory a call is about: the surest source wins, and nobody is never somebody."""

from __future__ import annotations

import pickle
from collections import ChainMap
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType, SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_engine import ClosedError, InvalidInput
from memoryos_integrations.addressing import Address, named_id


@dataclass
class Context:
    """What people pass as the context of a run."""

    user_id: object = None
    thread_id: object = None


class Number(IntEnum):
    SEVEN = 7


class Text(str):
    """A str of somebody's own."""


def place(memory) -> tuple[str, str, str]:
    return memory.owner.user_id, memory.owner.assistant_id, memory.session_id


# -- made wrongly -------------------------------------------------------------------------------------

WRONG = {
    "neither": ({}, "memory and system"),
    "both": ({"memory": True, "system": True}, "memory and system"),
    "a system as memory": ({"memory": "system"}, "memory is a MemoryOS, not a UserMemory"),
    "a memory as system": ({"system": "memory"}, "system is a UserMemory, not a MemoryOS"),
    "a name as memory": ({"memory": "a name"}, "memory is a str"),
    "a class as system": ({"system": "class"}, "system is a type"),
    "a user beside a memory": ({"memory": True, "user_id": "tom"}, "ids cannot be given"),
    "a session beside a memory": ({"memory": True, "session_id": "desk"}, "ids cannot be given"),
    "an assistant beside a memory": ({"memory": True, "assistant_id": "tutor"}, "ids cannot be given"),
    "an empty id beside a memory": ({"memory": True, "user_id": ""}, "ids cannot be given"),
}


@pytest.mark.parametrize(("options", "problem"), WRONG.values(), ids=WRONG)
def test_an_address_that_means_nothing_cannot_be_made(system, options, problem):
    memory = system.memory("ann")
    parts = {
        ("memory", True): memory, ("system", True): system, ("memory", "system"): system,
        ("system", "memory"): memory, ("system", "class"): type(system),
    }  # fmt: skip
    with pytest.raises(InvalidInput, match=problem):
        Address(**{name: parts.get((name, value), value) for name, value in options.items()})


# -- pinned -------------------------------------------------------------------------------------------


def test_a_pinned_memory_is_that_of_every_call(system):
    memory = system.memory("ann", "tutor", "desk")
    address = Address(memory=memory)

    assert address.pinned
    assert address.resolve({"user_id": "tom", "thread_id": "t"}, Context("eve")) is memory


def test_with_a_system_nothing_is_pinned(system):
    assert not Address(system=system, user_id="ann").pinned


# -- resolved for each call -----------------------------------------------------------------------------

DEFAULTS = {"user_id": "ann", "assistant_id": "tutor", "session_id": "desk"}
RESOLVED = {
    "nobody says anything": (DEFAULTS, [], ("ann", "tutor", "desk")),
    "the engine's own defaults": ({"user_id": "ann"}, [], ("ann", "assistant", "default")),
    "a call names all": ({}, [{"user_id": "tom", "assistant_id": "b", "session_id": "s"}], ("tom", "b", "s")),
    "a call wins over the construction": (DEFAULTS, [{"user_id": "tom"}], ("tom", "tutor", "desk")),
    "a thread is a session": (DEFAULTS, [{"thread_id": "t"}], ("ann", "tutor", "t")),
    "a user by LangMem's name": (DEFAULTS, [{"langgraph_user_id": "tom"}], ("tom", "tutor", "desk")),
    "by both names": (DEFAULTS, [{"langgraph_user_id": "eve", "user_id": "tom"}], ("tom", "tutor", "desk")),
    "a session wins over a thread": (DEFAULTS, [{"thread_id": "t", "session_id": "s"}], ("ann", "tutor", "s")),
    "the first source wins": (DEFAULTS, [{"user_id": "tom"}, {"user_id": "eve"}], ("tom", "tutor", "desk")),
    "by each id": (DEFAULTS, [{"thread_id": "t"}, {"session_id": "s", "user_id": "tom"}], ("tom", "tutor", "t")),
    "none is no name": (DEFAULTS, [{"user_id": None}, None, {"user_id": "tom"}], ("tom", "tutor", "desk")),
    "an object": (DEFAULTS, [Context("tom", "t")], ("tom", "tutor", "t")),
    "an object that knows nothing": (DEFAULTS, [object(), SimpleNamespace(name="x"), 7], ("ann", "tutor", "desk")),
    "a mapping": (DEFAULTS, [MappingProxyType({"user_id": "tom"}), ChainMap({"thread_id": 7})], ("tom", "tutor", "7")),
    "a number": (DEFAULTS, [{"user_id": 7, "thread_id": 0}], ("7", "tutor", "0")),
    "a number with a name, on every Python": (DEFAULTS, [{"user_id": Number.SEVEN}], ("7", "tutor", "desk")),
    "a UUID": (DEFAULTS, [{"thread_id": UUID(int=1)}], ("ann", "tutor", "00000000-0000-0000-0000-000000000001")),
    "a str of one's own": (DEFAULTS, [{"user_id": Text("tom")}], ("tom", "tutor", "desk")),
    "any text": (DEFAULTS, [{"user_id": " a/b\n", "thread_id": "ü"}], (" a/b\n", "tutor", "ü")),
    "numbers at construction": ({"user_id": 7}, [], ("7", "assistant", "default")),
}  # fmt: skip


@pytest.mark.parametrize(("defaults", "sources", "found"), RESOLVED.values(), ids=RESOLVED)
def test_the_surest_source_that_names_an_id_wins(system, defaults, sources, found):
    assert place(Address(system=system, **defaults).resolve(*sources)) == found


REFUSED = {
    "nobody names a user": ([], "user_id is missing"),
    "a session is no user": ([{"thread_id": "t", "session_id": "s", "assistant_id": "a"}], "user_id is missing"),
    "an empty user": ([{"user_id": ""}], "user_id is empty"),
    "an empty session": ([{"user_id": "tom", "thread_id": ""}], "session_id is empty"),
    "true": ([{"user_id": True}], "user_id is a bool"),
    "a fraction": ([{"user_id": 1.5}], "user_id is a float"),
    "bytes": ([{"user_id": b"secret"}], "user_id is a bytes"),
    "a list": ([{"user_id": "tom", "thread_id": ["secret"]}], "session_id is a list"),
    "a method": ([SimpleNamespace(user_id=str.upper)], "user_id is a method_descriptor"),
    "half a character": ([{"user_id": "\ud83d"}], "user_id contains a lone surrogate"),
    "wrong, and right further on": ([{"user_id": 1.5}, {"user_id": "tom"}], "user_id is a float"),
}


@pytest.mark.parametrize(("sources", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_call_that_names_nobody_is_an_error_and_no_shared_user(system, sources, problem):
    with pytest.raises(InvalidInput, match=problem) as caught:
        Address(system=system).resolve(*sources)

    assert "secret" not in str(caught.value)
    assert system.users() == []


def test_an_empty_default_is_an_error_too(system):
    with pytest.raises(InvalidInput, match="user_id is empty"):
        Address(system=system, user_id="").resolve()


def test_a_closed_system_has_no_memories(system):
    address = Address(system=system, user_id="ann")
    system.close()

    with pytest.raises(ClosedError):
        address.resolve()


@pytest.mark.parametrize("pinned", [True, False])
def test_an_address_travels(system, pinned):
    address = Address(memory=system.memory("ann")) if pinned else Address(system=system, user_id="ann")
    arrived = pickle.loads(pickle.dumps(address))

    assert place(arrived.resolve()) == ("ann", "assistant", "default")
    assert arrived.resolve().system is system


named = st.dictionaries(
    st.sampled_from(("user_id", "session_id", "thread_id", "other")), st.none() | st.sampled_from("abc")
)


@given(st.lists(named, max_size=4))
def test_an_id_is_the_first_that_any_source_has(sources):
    said = [source[key] for source in sources for key in ("session_id", "thread_id") if source.get(key)]

    assert named_id("session_id", *sources) == next(iter(said), None)
    assert named_id("user_id", *sources) == next((each["user_id"] for each in sources if each.get("user_id")), None)
