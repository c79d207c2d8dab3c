"""Paging through a memory."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from memoryos_engine.tokens import default_counter

from .servers import called, client_of, refused

FIRST = datetime(2024, 1, 1, tzinfo=timezone.utc)


def filled(system, count: int):
    memory = system.memory("tom", session_id="mcp")
    return [
        memory.add_memory(f"page {number}", timestamp=FIRST + timedelta(hours=number // 3)) for number in range(count)
    ]


async def walk(client, *, between=lambda: None, **arguments) -> list[dict]:
    """Every page of a list, from the first to the last."""
    seen, cursor = [], None
    while True:
        part = await called(client, "list_memories", cursor=cursor, **arguments)
        seen += part["pages"] + part["facts"]
        cursor = part["next_cursor"]
        if cursor is None:
            return seen
        between()


@pytest.mark.parametrize("limit", [1, 3, 7, 20, 100])
async def test_all_are_seen_once_newest_first(system, mode, limit):
    pages = filled(system, 20)
    async with client_of(system, mode) as client:
        seen = await walk(client, limit=limit)
    assert [each["id"] for each in seen] == [page.id for page in reversed(pages)]


async def test_a_list_is_no_longer_than_a_model_can_read(system):
    """One memory is always in it, or the walk would not go on."""
    memory = system.memory("tom", session_id="mcp")
    pages = [memory.add_memory("word " * 1000 + str(number)) for number in range(12)]
    async with client_of(system, max_tokens=1000) as client:
        sizes, cursor, seen = [], None, []
        while cursor or not seen:
            part = await called(client, "list_memories", limit=100, cursor=cursor)
            sizes.append(default_counter()(json.dumps(part["pages"], indent=2)))
            seen, cursor = seen + [each["id"] for each in part["pages"]], part["next_cursor"]
    assert seen == [page.id for page in reversed(pages)]
    assert max(sizes) <= 1000


async def test_what_is_forgotten_beside_others_is_counted_alone(system, monkeypatch):
    """Whatever comes meanwhile."""
    memory = system.memory("tom", session_id="mcp")
    (page, *_), forget = filled(system, 3), type(memory).forget

    def forgetting(view, record_id):
        memory.add_memory("new", "one")
        forget(view, record_id)

    monkeypatch.setattr(type(memory), "forget", forgetting)
    async with client_of(system) as client:
        said = await called(client, "forget_memory", memory_id=page.id)
    assert said == {"status": "forgotten", "pages": 1, "facts": 0, "holds_again": [], "said_in": []}


async def test_memories_that_are_added_meanwhile_neither_hide_nor_repeat_others(system, mode):
    pages = filled(system, 10)
    memory = system.memory("tom", session_id="mcp")
    async with client_of(system, mode) as client:
        seen = await walk(client, limit=3, between=lambda: memory.add_memory("new", "one"))
    assert [each["id"] for each in seen] == [page.id for page in reversed(pages)]
    assert len(memory.pages()) == 13


async def test_a_list_whose_last_seen_memory_is_forgotten_says_where_to_begin(system, mode):
    filled(system, 4)
    async with client_of(system, mode) as client:
        cursor = (await called(client, "list_memories", limit=2))["next_cursor"]
        await called(client, "forget_memory", memory_id=cursor)
        assert await refused(client, "list_memories", cursor=cursor) == (
            "Nothing was done: cursor leads nowhere: that memory is gone or not in this list. Begin without a cursor."
        )


async def test_what_is_listed_can_be_narrowed(system):
    pages = filled(system, 9)
    elsewhere = system.memory("tom", session_id="phone").add_memory("by phone", timestamp=FIRST)
    async with client_of(system) as client:
        times = {"since": "2024-01-01T01:00:00Z", "until": "2024-01-01T02:00:00Z"}
        middle = await called(client, "list_memories", **times)
        phone = await called(client, "list_memories", session_id="phone")
    assert [each["id"] for each in middle["pages"]] == [page.id for page in reversed(pages[3:6])]
    assert middle["total"] == 3
    assert [each["id"] for each in phone["pages"]] == [elsewhere.id]


async def test_facts_are_paged_like_exchanges(open_system, mode):
    memory = open_system(short_term_capacity=1, heat_threshold=0.0).memory("tom")
    memory.add_memory("My name is Olga. I live in Tromsø. I love tea. I am allergic to nuts.", "Good.")
    memory.add_memory("I work as a nurse. My sister lives in Bodø.", "Good.")
    memory.flush()
    known = {entry.id for entry in memory.knowledge()}
    async with client_of(memory.system, mode) as client:
        seen = await walk(client, kind="facts", limit=1)
        assert await refused(client, "list_memories", kind="facts", session_id="mcp") == (
            'Nothing was done: session_id is no property of facts. Leave it out, or pass kind="pages".'
        )
    assert len(seen) == len(known) > 1
    assert {each["id"] for each in seen} == known


async def test_another_user_s_memories_are_not_listed(system):
    filled(system, 3)
    async with client_of(system, user_id="ann") as client:
        listed = await called(client, "list_memories")
    assert listed == {"pages": [], "facts": [], "total": 0, "next_cursor": None}
