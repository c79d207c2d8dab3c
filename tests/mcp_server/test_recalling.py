"""How much a retrieval returns, and where what is cut is whole."""

from __future__ import annotations

import json

import pytest
from mcp import MCPError

from memoryos_engine.tokens import default_counter

from .servers import called, client_of

SCRIPTS = {"Latin": "the reindeer of Tromsø ", "Han": "馴鹿住在北方", "emoji": "\N{DEER}\N{SNOWMAN}"}


def filled(system, *, pages: int = 12, text: str = "I saw reindeer number {}."):
    memory = system.memory("tom", session_id="mcp")
    for number in range(pages):
        memory.add_memory(text.format(number), "Lovely.")
    return memory


@pytest.mark.parametrize("most", [1, 3, 9, 12, 100])
async def test_max_results_bounds_exchanges_in_all(open_system, mode, most):
    """M-5: the short-term memory counts, and there is no ceiling of seven."""
    memory = filled(open_system(short_term_capacity=5))
    async with client_of(memory.system, mode) as client:
        found = await called(client, "retrieve_memory", query="reindeer", max_results=most)
    ids = [page["id"] for page in found["retrieved_pages"] + found["short_term_memory"]]
    assert len(ids) == len(set(ids)) == min(most, 12)


async def test_as_many_are_returned_as_configured(system):
    filled(system, pages=6)
    async with client_of(system, retrieval_queue_capacity=4) as client:
        assert len((await called(client, "retrieve_memory", query="reindeer"))["retrieved_pages"]) == 4


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("budget", [500, 4_000])
async def test_the_reply_is_no_longer_than_configured(open_system, budget, script):
    """Whatever is stored, known, asked or wished."""
    long = SCRIPTS[script] * 1_500
    memory = filled(open_system(short_term_capacity=1, heat_threshold=0.0), pages=5, text="I love {} " + long)
    memory.add_memory("My name is Olga. I live in Tromsø. I work as a nurse.", "Good.")
    memory.flush()
    for entry in memory.knowledge():
        if not entry.level:
            memory.correct(entry.id, long)
    async with client_of(memory.system, max_tokens=budget) as client:
        found = await called(client, "retrieve_memory", query="love " + long, style_hint=long, max_results=100)
        assert default_counter()(json.dumps(found, indent=2, ensure_ascii=False)) <= budget
    assert found["retrieved_pages"]
    assert found["retrieved_pages"][0]["cut"] is True
    assert found["left_out"] == len(memory.pages()) - len(found["retrieved_pages"]) > 0


async def test_knowledge_leaves_most_of_the_room_to_what_was_said(open_system):
    memory = filled(open_system(), pages=20, text="I love tea number {} " + "very " * 40)
    async with client_of(memory.system, max_tokens=1_000) as client:
        found = await called(client, "retrieve_memory", query="tea", max_results=20)
    assert default_counter()(json.dumps(found, indent=2, ensure_ascii=False)) > 700


async def test_how_to_answer_is_handed_back(system, mode):
    filled(system, pages=1)
    wished = {"relationship_with_user": " tutor", "style_hint": "warm and brief "}
    async with client_of(system, mode) as client:
        found = await called(client, "retrieve_memory", query="reindeer", **wished)
        assert found["guidance"] == "To the user you are: tutor. Answer in this style: warm and brief."
        assert (await called(client, "retrieve_memory", query="reindeer", style_hint=" "))["guidance"] == ""


async def test_the_latest_turns_fill_what_ranking_leaves(system):
    memory = filled(system, pages=3)
    async with client_of(system) as client:
        found = await called(client, "retrieve_memory", query="reindeer", max_results=100)
    assert {page["id"] for page in found["retrieved_pages"]} == {page.id for page in memory.pages()}
    assert found["short_term_memory"] == []


async def test_a_long_text_is_cut_in_lists_and_whole_as_a_resource(system, mode):
    text, answer = "reindeer " * 1_000, "yes " * 700
    page = system.memory("tom").add_memory(text, answer)
    async with client_of(system, mode) as client:
        for shown in (
            (await called(client, "retrieve_memory", query="reindeer"))["retrieved_pages"][0],
            (await called(client, "list_memories"))["pages"][0],
        ):
            assert (shown["user_input"], shown["agent_response"]) == (text[:2_000], answer[:2_000])
            assert shown["cut"] is True
        whole = json.loads((await client.read_resource(f"memoryos://pages/{page.id}")).contents[0].text)
        assert (whole["user_input"], whole["agent_response"], whole["cut"]) == (text, answer, False)


async def test_what_is_advertised_is_served(system, mode):
    """M-6."""
    page = system.memory("tom").add_memory("I like tea.", "Noted.")
    async with client_of(system, mode) as client:
        listed = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        assert [str(each.uri) for each in listed] == ["memoryos://profile"]
        assert [each.uri_template for each in templates] == ["memoryos://pages/{page_id}"]
        (profile,) = (await client.read_resource("memoryos://profile")).contents
        (shown,) = (await client.read_resource(f"memoryos://pages/{page.id}")).contents
    assert (profile.mime_type, json.loads(profile.text)) == (
        "application/json",
        {"fields": {}, "field_ids": {}, "traits": {}},
    )
    assert (shown.mime_type, json.loads(shown.text)["user_input"]) == ("application/json", "I like tea.")


@pytest.mark.parametrize("page_id", ["none", "..%2F..%2Fetc%2Fpasswd", "%00", "page_*"])
async def test_a_page_that_is_none_is_not_found(system, mode, page_id):
    filled(system, pages=1)
    async with client_of(system, mode) as client:
        with pytest.raises(MCPError) as raised:
            await client.read_resource(f"memoryos://pages/{page_id}")
    assert raised.value.code == -32602


async def test_a_resource_that_cannot_be_read_says_why(open_system, mode):
    system = open_system()
    async with client_of(system, mode) as client:
        system.close()
        with pytest.raises(MCPError, match="this MemoryOS is closed"):
            await client.read_resource("memoryos://profile")
        with pytest.raises(MCPError, match="this MemoryOS is closed"):
            await client.read_resource("memoryos://pages/x")
