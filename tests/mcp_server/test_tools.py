"""Every tool, by both protocols, and calls that are wrong."""

from __future__ import annotations

import json

import jsonschema
import pytest

from memoryos_engine.tokens import default_counter
from tests.integrations.failing import broken_store

from .servers import MODES, TOOLS, called, client_of, refused

NOTHING = "Nothing was done: "
UNKNOWN = "Whether it was done is not known: look, with list_memories, before you do it again."


async def test_each_protocol_is_spoken(system, mode):
    async with client_of(system, mode) as client:
        assert client.protocol_version == MODES[mode]
        assert client.instructions.startswith("Long-term memory of the user")


async def test_what_is_remembered_is_found_listed_corrected_and_forgotten(system, mode):
    async with client_of(system, mode) as client:
        stored = await called(
            client,
            "add_memory",
            user_input="My name is Olga and I live in Tromsø.",
            agent_response="Nice!",
            timestamp="2024-02-01T10:00:00Z",
            meta_data={"topic": "home"},
        )
        page = {
            "id": stored["id"],
            "user_input": "My name is Olga and I live in Tromsø.",
            "agent_response": "Nice!",
            "timestamp": "2024-02-01T10:00:00+00:00",
            "session_id": "mcp",
            "score": None,
            "cut": False,
        }
        assert (stored["status"], stored["timestamp"]) == ("stored", "2024-02-01T10:00:00+00:00")
        assert await called(client, "list_memories") == {
            "pages": [page],
            "facts": [],
            "total": 1,
            "next_cursor": None,
        }
        found = await called(client, "retrieve_memory", query="Where does Olga live?")
        assert [{**each, "score": None} for each in found["retrieved_pages"]] == [page]
        assert found["short_term_memory"] == []
        assert system.memory("tom").pages()[0].metadata == {"topic": "home"}

        gone = await called(client, "forget_memory", memory_id=stored["id"])
        assert gone == {"status": "forgotten", "pages": 1, "facts": 0, "holds_again": [], "said_in": []}
        assert (await called(client, "list_memories"))["total"] == 0


async def test_what_was_learnt_is_shown_and_corrected(open_system, mode):
    memory = open_system(short_term_capacity=1, heat_threshold=0.0).memory("tom")
    memory.add_memory("My name is Olga. I live in Tromsø.", "Nice!")
    memory.add_memory("I work as a nurse.", "Good.")
    memory.flush()
    async with client_of(memory.system, mode) as client:
        known = await called(client, "get_user_profile", include_assistant_knowledge=True)
        fields = known["user_profile"]["field_ids"]
        assert set(fields) == set(known["user_profile"]["fields"]) != set()
        assert (known["user_knowledge"], known["assistant_knowledge"]) != (None, None)
        slim = await called(client, "get_user_profile", include_knowledge=False)
        assert slim == {**known, "user_knowledge": None, "assistant_knowledge": None}

        facts = (await called(client, "list_memories", kind="facts"))["facts"]
        changed = await called(client, "update_knowledge", knowledge_id=facts[0]["id"], text="I live in Bodø now.")
        assert changed["status"] == "updated"
        listed = (await called(client, "list_memories", kind="facts"))["facts"]
        assert changed["fact"] in listed
        assert facts[0]["id"] not in [each["id"] for each in listed]
        status = await called(client, "memory_status")
        assert status["facts"] == len(listed)


async def test_who_forgets_a_fact_is_told_what_holds_again_and_where_it_is_said(open_system, mode):
    memory = open_system(short_term_capacity=1, heat_threshold=0.0).memory("tom")
    page = memory.add_memory("I live in Utrecht.")
    memory.flush()
    async with client_of(memory.system, mode) as client:
        home = (await called(client, "get_user_profile"))["user_profile"]["field_ids"]["home"]
        new = (await called(client, "update_knowledge", knowledge_id=home, text="Leiden"))["fact"]
        gone = await called(client, "forget_memory", memory_id=new["id"])
        assert [each["text"] for each in gone["holds_again"]] == ["Utrecht"]
        assert gone["said_in"] == new["source_page_ids"] != [page.id]
        gone = await called(client, "forget_memory", memory_id=home)
        assert (gone["holds_again"], gone["said_in"]) == ([], [page.id])


async def test_a_profile_is_no_longer_than_a_model_can_read(open_system, mode):
    """The newest facts, and how many there was no room for."""
    memory = open_system(short_term_capacity=1, heat_threshold=0.0).memory("tom")
    for number in range(40):
        memory.add_memory(f"I love the kayak number {number} that lies in the harbour of Tromsø, on the left side.")
    memory.flush()
    async with client_of(memory.system, mode, max_tokens=1000) as client:
        shown = await called(client, "get_user_profile")
    assert default_counter()(json.dumps(shown, indent=2)) <= 1000
    assert len(shown["user_knowledge"]) > 2
    held = [each for each in memory.knowledge() if each.kind.value == "user_knowledge"]
    assert len(shown["user_knowledge"]) + shown["left_out"] == len(held)


async def test_the_status_says_how_much_is_remembered(system, mode):
    system.memory("tom").add_memory("I like tea.", "Noted.")
    async with client_of(system, mode) as client:
        assert await called(client, "memory_status") == {
            "user_id": "tom",
            "assistant_id": "assistant",
            "pages": 1,
            "short_term": 0,
            "segments": 0,
            "facts": 0,
            "model": None,
            "embedder": "hashing-v1-512",
            "consolidation": {
                "pending": 0,
                "unpromoted": 0,
                "running": False,
                "failed": 0,
                "why": "",
                "next_try": None,
            },
        }


async def test_tools_say_what_they_do_and_return_what_they_say(open_system, mode):
    memory = open_system(short_term_capacity=1, heat_threshold=0.0).memory("tom")
    for text in ("My name is Tom.", "I love tea."):
        memory.add_memory(text, "Good.")
    memory.flush()
    entry, page = memory.knowledge()[0].id, memory.pages()[0].id
    calls = {
        "add_memory": {"user_input": "Hello"},
        "retrieve_memory": {"query": "tea", "style_hint": "warm"},
        "get_user_profile": {},
        "list_memories": {"limit": 1},
        "update_knowledge": {"knowledge_id": entry, "text": "I hate tea."},
        "memory_status": {},
        "forget_memory": {"memory_id": page},
    }
    async with client_of(memory.system, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tuple(tools) == TOOLS
        assert set(calls) == set(TOOLS)
        for name, arguments in calls.items():
            jsonschema.validate(arguments, tools[name].input_schema)
            jsonschema.validate(await called(client, name, **arguments), tools[name].output_schema)
            assert "  " not in tools[name].description
    hints = {name: tool.annotations for name, tool in tools.items()}
    assert {name for name, hint in hints.items() if hint.read_only_hint} == {
        "retrieve_memory",
        "get_user_profile",
        "list_memories",
        "memory_status",
    }
    assert {name for name, hint in hints.items() if hint.destructive_hint} == {"forget_memory"}
    assert {hint.open_world_hint for hint in hints.values()} == {False}


@pytest.mark.parametrize("tool", ["retrieve_memory", "get_user_profile", "list_memories", "memory_status"])
async def test_tools_that_only_read_leave_every_record_as_it_was(system, tool):
    memory = system.memory("tom")
    memory.add_memory("I like tea.", "Noted.")
    before = memory.pages(), memory.knowledge(history=True), memory.get_user_profile()
    async with client_of(system) as client:
        await called(client, tool, **({"query": "tea"} if tool == "retrieve_memory" else {}))

    assert (memory.pages(), memory.knowledge(history=True), memory.get_user_profile()) == before


WRONG = {
    "another name": (
        "retrieve_memory",
        {"query": "tea", "top_k": 3},
        "top_k is no argument of this tool. Pass max_results.",
    ),
    "a typing error": ("retrieve_memory", {"qury": "tea"}, "qury is no argument of this tool. Pass query."),
    "someone else": ("memory_status", {"user_id": "ann"}, "user_id is no argument of this tool. Its arguments: none."),
    "the seed's library": ("forget_memory", {"id": "x"}, "id is no argument of this tool. Pass memory_id."),
    "a number": ("add_memory", {"user_input": 5}, "user_input: Input should be a valid string."),
    "nothing": ("add_memory", {}, "user_input: Field required."),
    "two": (
        "list_memories",
        {"limit": 0, "kind": "x"},
        "kind: Input should be 'pages' or 'facts'; limit: Input should be greater than or equal to 1.",
    ),
    "blank": (
        "retrieve_memory",
        {"query": " \n"},
        "query is empty. Pass the question or message to find memories for.",
    ),
    "silence": (
        "add_memory",
        {"user_input": ""},
        "user_input and agent_response are both empty. Pass at least one side of the exchange.",
    ),
    "our own names": (
        "add_memory",
        {"user_input": "a", "meta_data": {"kind": 1}},
        "meta_data uses the reserved names kind. Rename these keys.",
    ),
    "no time": (
        "list_memories",
        {"since": "yesterday"},
        'since is not a time that can be read. Pass ISO 8601 text such as "2024-05-04T18:30:00+00:00"',
    ),
    "no session": (
        "list_memories",
        {"session_id": ""},
        "session_id is empty. Pass any non-empty text; ids are opaque and never parsed.",
    ),
    "too long": (
        "add_memory",
        {"user_input": "x" * 2_000_000},
        "user_input with the other side and metadata takes 2,000,002 bytes. Split it into pages of at most",
    ),
    "half a pair": (
        "add_memory",
        {"user_input": "a\ud800"},
        "user_input contains a lone surrogate, which is not valid Unicode.",
    ),
    "a fact that is none": (
        "update_knowledge",
        {"knowledge_id": "../x\x00", "text": "y"},
        "this user has no memory with this id. Look for it first.",
    ),
    "an id that is none": (
        "forget_memory",
        {"memory_id": "page_' OR 1=1"},
        "this user has no memory with this id. Look for it first.",
    ),
    "neither": (
        "forget_memory",
        {},
        "memory_id or everything is needed, and only one of them. Pass an id, or everything=true.",
    ),
    "both": (
        "forget_memory",
        {"memory_id": "x", "everything": True},
        "memory_id or everything is needed, and only one of them. Pass an id, or everything=true.",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_call_does_nothing_and_says_what_to_pass(system, mode, case):
    tool, arguments, why = WRONG[case]
    async with client_of(system, mode) as client:
        told = await refused(client, tool, **arguments)
    assert told.startswith(NOTHING + why)
    assert "memory." not in told
    assert "MemorySettings" not in told
    assert system.memory("tom").pages() == []


async def test_a_huge_wrong_name_is_not_repeated(system, mode):
    async with client_of(system, mode) as client:
        assert len(await refused(client, "memory_status", **{"x" * 1_000_000: 1})) < 200


async def test_a_tool_that_is_none_is_refused(system, mode):
    async with client_of(system, mode) as client:
        assert await refused(client, "drop_table") == "Unknown tool: drop_table"


async def test_hostile_texts_come_back_as_they_were_but_for_what_cannot_be_seen(system, mode):
    said = 'a\x00b \u202e"}]} </memory> {{x}} ' + "\N{PILE OF POO}" * 3
    async with client_of(system, mode) as client:
        stored = await called(client, "add_memory", user_input=said)
        found = await called(client, "retrieve_memory", query=said)
    assert [page["id"] for page in found["retrieved_pages"]] == [stored["id"]]
    assert found["retrieved_pages"][0]["user_input"] == said.replace("\x00", "").replace("\u202e", "")
    assert system.memory("tom").pages()[0].user_input == said


@pytest.mark.parametrize("user_id", ["../../etc", "a\x00b", "tom' --", "x" * 5_000, "\N{PILE OF POO}", " "])
async def test_hostile_ids_are_ids_like_others(system, user_id):
    system.memory("tom").add_memory("I am Tom.", "Hello.")
    async with client_of(system, user_id=user_id) as client:
        await called(client, "add_memory", user_input="mine")
        assert [page["user_input"] for page in (await called(client, "list_memories"))["pages"]] == ["mine"]


async def test_a_crash_tells_the_model_nothing_of_what_is_stored(system, mode, monkeypatch):
    async with client_of(system, mode) as client:
        monkeypatch.setattr(type(system), "status", lambda *_: 1 / 0)
        assert await refused(client, "memory_status") == "Error executing tool memory_status"


async def test_a_store_that_was_closed_is_told(open_system, mode):
    system = open_system()
    async with client_of(system, mode) as client:
        system.close()
        assert await refused(client, "memory_status") == f"The server is ending. {UNKNOWN}"


async def test_a_write_whose_reply_is_lost_is_not_said_to_be_undone(system, mode):
    async with client_of(system, mode) as client:
        with broken_store(system, writes=True):
            why = await refused(client, "add_memory", user_input="I like tea.")
        assert why == f"The store failed. {UNKNOWN} It says: the disk is full"
        assert [page["user_input"] for page in (await called(client, "list_memories"))["pages"]] == ["I like tea."]
