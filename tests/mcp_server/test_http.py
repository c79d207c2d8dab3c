"""The server over HTTP: who may call, from where, and whose memory it is."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator

import httpx
import pytest
from mcp import MCPError

from memoryos_engine import MemoryOS, MemorySettings

from .servers import LEGACY, MODES, PATIENCE, TOOLS, called, listening_on, over_http, ran, raw, refused

TOM, ANN, WORK = "token-of-tom-0123456789", "token-of-ann-0123456789", "token-of-tom-at-work-0123456789"
USERS = [
    {"user_id": "tom", "token": TOM},
    {"user_id": "ann", "token": ANN},
    {"user_id": "tom", "token": WORK, "assistant_id": "work"},
]
SECRET = "the walnut is under the stone"
"""What only Tom is told."""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator:
    """One server for these tests, with tokens; whatever was asked of it, no secret is in its log."""
    file = tmp_path_factory.mktemp("http") / "config.json"
    with MemoryOS(file.parent / "store", settings=MemorySettings(short_term_capacity=1, heat_threshold=0.0)) as system:
        system.memory("tom").add_memory("My name is Thomas.", "Hello!")
        system.memory("tom").flush()
    file.write_text(json.dumps({"users": USERS, "data_storage_path": str(file.parent / "store")}), encoding="utf-8")
    with raw("--config", str(file), "--http", "127.0.0.1:0") as server:
        yield server
    log = "".join(server.errors)
    assert [word for word in (TOM, ANN, WORK, SECRET, "Traceback") if word in log] == []
    assert server.hear_all() == []


@pytest.fixture(scope="module")
def url(served) -> str:
    return listening_on(served)


@pytest.fixture(scope="module")
def page_id(url) -> str:
    """The id of a page of Tom's."""

    async def stored() -> str:
        async with over_http(url, token=TOM) as client:
            return (await called(client, "add_memory", user_input=SECRET))["id"]

    return asyncio.run(stored())


def post(url: str, *, token: str | None = None, method: str = "tools/list", **headers: str) -> httpx.Response:
    """One request without any client."""
    told = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": LEGACY}
    told |= {"Authorization": f"Bearer {token}"} if token else {}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": hello if method == "initialize" else {}}
    return httpx.post(url, headers=told, json=message, timeout=PATIENCE)


async def test_who_has_a_token_can_call_every_tool(url, mode):
    async with over_http(url, mode, ANN) as client:
        assert client.protocol_version == MODES[mode]
        assert tuple(tool.name for tool in (await client.list_tools()).tools) == TOOLS
        stored = await called(client, "add_memory", user_input="I like coffee.")
        found = await called(client, "retrieve_memory", query="coffee")
        assert stored["id"] in [page["id"] for page in found["retrieved_pages"]]
        assert (await called(client, "memory_status"))["user_id"] == "ann"
        assert json.loads((await client.read_resource("memoryos://profile")).contents[0].text)["fields"] == {}
        assert (await called(client, "forget_memory", everything=True, confirmed_by_user=True))["pages"] >= 1


@pytest.mark.parametrize("token", [None, "wrong-token-0123456789", TOM[:-1], TOM + "x", TOM.upper(), "tom", "é"])
@pytest.mark.parametrize("method", ["initialize", "tools/list", "server/discover"])
def test_who_has_none_or_a_wrong_one_is_refused(url, page_id, token, method):
    response = httpx.post(
        url,
        headers={} if token is None else {b"Authorization": f"Bearer {token}".encode()},
        json={"jsonrpc": "2.0", "id": 1, "method": method},
    )
    assert (response.status_code, response.json()) == (
        401,
        {"error": "invalid_token", "error_description": "Authentication required"},
    )
    assert "mcp-session-id" not in response.headers


@pytest.mark.parametrize("verb", ["GET", "DELETE", "PUT"])
def test_no_verb_goes_without_a_token(url, verb):
    assert httpx.request(verb, url).status_code == 401


@pytest.mark.parametrize("token", [ANN, WORK])
async def test_another_user_s_token_shows_nothing_of_a_memory(url, page_id, mode, token):
    """Also the same user's with another assistant, who knows the page's id."""
    uri = f"memoryos://pages/{page_id}"
    async with over_http(url, mode, token) as client:
        for call in (
            called(client, "retrieve_memory", query=SECRET),
            called(client, "list_memories"),
            called(client, "get_user_profile"),
        ):
            assert SECRET not in json.dumps(await call).replace(f'"query": "{SECRET}"', "")
        why = "Nothing was done: this user has no memory with this id. Look for it first."
        assert await refused(client, "forget_memory", memory_id=page_id) == why
        assert await refused(client, "update_knowledge", knowledge_id=page_id, text="x") == why
        with pytest.raises(MCPError) as raised:
            await client.read_resource(uri)
    assert (raised.value.code, raised.value.error.message) == (-32602, "There is no such page.")
    async with over_http(url, mode, TOM) as client:
        assert SECRET in (await client.read_resource(uri)).contents[0].text


async def test_the_profile_is_the_caller_s(url, mode):
    async def profile(client) -> dict[str, str]:
        return json.loads((await client.read_resource("memoryos://profile")).contents[0].text)["fields"]

    async with over_http(url, mode, TOM) as tom, over_http(url, mode, ANN) as ann, over_http(url, mode, WORK) as work:
        shown = await asyncio.gather(*(profile(client) for client in (tom, ann, work, tom, ann)))
    assert shown == [{"name": "Thomas"}, {}, {}, {"name": "Thomas"}, {}]


def test_another_user_s_session_cannot_be_entered(url, page_id):
    session = post(url, token=TOM, method="initialize").headers["mcp-session-id"]
    stranger = post(url, token=ANN, mcp_session_id=session)
    assert (stranger.status_code, stranger.json()["error"]["message"]) == (404, "Session not found")
    assert post(url, token=WORK, mcp_session_id=session).status_code == 404
    assert post(url, mcp_session_id=session).status_code == 401
    assert httpx.delete(url, headers={"Authorization": f"Bearer {ANN}", "mcp-session-id": session}).status_code == 404
    assert post(url, token=TOM, mcp_session_id=session).status_code == 200


@pytest.mark.parametrize("token", [None, TOM])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:80", "localhost.evil:1"])
def test_another_host_name_is_refused(url, host, token):
    response = post(url, token=token, method="initialize", host=host)
    assert response.status_code == (421 if token else 401)
    assert SECRET not in response.text
    assert "mcp-session-id" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil:1", "file://"])
def test_another_site_is_refused(url, origin):
    assert post(url, token=TOM, method="initialize", origin=origin).status_code == 403


@pytest.mark.parametrize("modes", [("legacy", "legacy"), ("auto", "auto"), ("legacy", "auto")])
async def test_two_users_at_once_never_meet(url, modes):
    async def tell(token: str, name: str, mode: str) -> tuple[set[str], list]:
        async with over_http(url, mode, token) as client:
            calls = [called(client, "add_memory", user_input=f"{name} says {n}") for n in range(25)]
            calls += [called(client, "retrieve_memory", query="who says what?", max_results=100) for _ in range(25)]
            answers = await asyncio.gather(*calls)
            listed = await called(client, "list_memories", limit=100)
            await called(client, "forget_memory", everything=True, confirmed_by_user=True)
        return {each["id"] for each in answers[:25]}, [*answers[25:], {"retrieved_pages": listed["pages"]}]

    one, other = await asyncio.gather(tell(ANN, "Ann", modes[0]), tell(WORK, "Tom", modes[1]))
    for (ids, answers), name in ((one, "Ann"), (other, "Tom")):
        seen = [page for answer in answers for page in answer["retrieved_pages"]]
        assert {page["user_input"].partition(" ")[0] for page in seen} == {name}
        assert {page["id"] for page in answers[-1]["retrieved_pages"]} == ids
        assert len(ids) == 25


def test_a_huge_request_is_refused(url):
    response = httpx.post(url, headers={"Authorization": f"Bearer {TOM}"}, content=b"x" * 5_000_000, timeout=PATIENCE)
    assert response.status_code == 413


async def test_without_users_this_machine_alone_is_served_and_the_store_is_given_back(tmp_path):
    flags = ("--user-id", "tom", "--data-storage-path", str(tmp_path / "store"), "--http", "127.0.0.1:0")
    with raw(*flags) as server:
        url = listening_on(server)
        async with over_http(url, "auto") as client:
            stored = await called(client, "add_memory", user_input="I like tea.")
            assert json.loads((await client.read_resource("memoryos://profile")).contents[0].text)["fields"] == {}
        assert post(url, method="initialize", host="evil.example").status_code == 421
        assert post(url, method="initialize", origin="https://evil.example").status_code == 403
        taken = ran(*flags[:3], str(tmp_path / "other"), "--http", url.removeprefix("http://").removesuffix("/mcp"))
        assert (taken.returncode, taken.stdout) == (2, "")
        assert taken.stderr == (
            "memoryos-mcp: http cannot be listened on (Address already in use). Choose another port, or end what "
            "listens there.\n"
        )
        # A session whose client only listens does not hold up the end.
        session = post(url, method="initialize").headers["mcp-session-id"]
        told = {"Accept": "text/event-stream", "mcp-session-id": session, "MCP-Protocol-Version": LEGACY}
        with httpx.stream("GET", url, headers=told) as stream:
            assert stream.status_code == 200
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(PATIENCE) == 0
    with raw("--user-id", "tom", "--data-storage-path", str(tmp_path / "store")) as again:
        again.introduce()
        again.call(1, "list_memories")
        assert [page["id"] for page in again.hear()["result"]["structuredContent"]["pages"]] == [stored["id"]]
