"""The server as a process on standard input and output."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from time import perf_counter

import pytest
from mcp import Client

from memoryos_engine import MemoryOS, StoreLocked
from memoryos_integrations.mcp.command import main
from tests.loopback import chat_server, failing

from .servers import MODES, TOOLS, called, ran, raw, stdio

SECRET = "sk-secret-0123456789"


def started(path, *flags: str, **ours: str):
    return raw("--user-id", "tom", "--data-storage-path", str(path), *flags, **ours)


def stored_in(path) -> dict[str, str]:
    """Id to text of what is in a store that nobody has open."""
    system = MemoryOS(path)
    try:
        assert system.check() == []
        return {page.id: page.user_input for page in system.memory("tom").pages()}
    finally:
        system.close()


def acknowledged(messages) -> set[str]:
    results = [message["result"] for message in messages if "result" in message]
    return {result["structuredContent"]["id"] for result in results}


async def test_the_official_client_calls_every_tool(tmp_path, mode):
    async with Client(stdio(tmp_path / "store"), mode=mode) as client:
        assert client.protocol_version == MODES[mode]
        assert tuple(tool.name for tool in (await client.list_tools()).tools) == TOOLS
        stored = await called(client, "add_memory", user_input="I like tea.", agent_response="Noted.")
        found = await called(client, "retrieve_memory", query="tea")
        assert [page["id"] for page in found["retrieved_pages"]] == [stored["id"]]
        assert (await called(client, "get_user_profile"))["user_profile"]["fields"] == {}
        assert (await called(client, "memory_status"))["pages"] == 1
        assert (await called(client, "list_memories"))["total"] == 1
        whole = (await client.read_resource(f"memoryos://pages/{stored['id']}")).contents[0].text
        assert json.loads(whole)["user_input"] == "I like tea."
        assert (await called(client, "forget_memory", memory_id=stored["id"]))["pages"] == 1
        every = await asyncio.gather(*(called(client, "add_memory", user_input=f"fact {n}") for n in range(50)))
    assert stored_in(tmp_path / "store") == {each["id"]: f"fact {n}" for n, each in enumerate(every)}


def test_every_line_of_standard_output_is_a_message(tmp_path):
    """M-1. Also while the background works, when calls fail and when there is an end to it."""
    flags = ("--short-term-capacity", "1", "--mid-term-heat-threshold", "0")
    with started(tmp_path / "store", *flags) as server:
        server.introduce()
        calls = [("add_memory", {"user_input": f"My name is Olga {number}. I love tea."}) for number in range(12)]
        calls += [
            ("retrieve_memory", {"query": "tea"}),
            ("get_user_profile", {}),
            ("list_memories", {"kind": "facts"}),
            ("memory_status", {}),
            ("no_such_tool", {}),
            ("add_memory", {"user_input": 1}),
            ("forget_memory", {"everything": True, "confirmed_by_user": True}),
        ]
        for number, (tool, arguments) in enumerate(calls):
            server.call(number, tool, **arguments)
            assert server.hear()["id"] == number
        server.process.stdin.write("no message\n\x00\n")
        server.send(id="last", method="ping")
        assert server.hear() == {"jsonrpc": "2.0", "id": "last", "result": {}}
        assert server.end() == 0
        assert server.hear_all() == []
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in server.heard)
    assert server.errors == []


def test_the_server_answers_pings_while_fifty_memories_come_in(tmp_path):
    with started(tmp_path / "store") as server:
        server.introduce()
        start = perf_counter()
        for number in range(50):
            server.call(number, "add_memory", user_input=f"fact {number}")
            server.send(id=f"ping {number}", method="ping")
        answers = [server.hear() for _ in range(100)]
        seconds = perf_counter() - start
        assert server.end() == 0
    pings = [place for place, answer in enumerate(answers) if str(answer["id"]).startswith("ping")]
    assert len(pings) == 50
    assert pings[0] < 50
    assert acknowledged(answer for answer in answers if answer["result"]) == set(stored_in(tmp_path / "store"))
    assert len(stored_in(tmp_path / "store")) == 50
    assert seconds < 20


def test_a_client_that_vanishes_loses_no_memory_that_was_acknowledged(tmp_path):
    """It closes standard input in the middle of its calls; the server ends by itself and gives the store back."""
    with started(tmp_path / "store") as server:
        server.introduce()
        for number in range(40):
            server.call(number, "add_memory", user_input=f"fact {number}")
        first = [server.hear() for _ in range(5)]
        assert server.end() == 0
        rest = server.hear_all()
    stored = stored_in(tmp_path / "store")
    assert acknowledged(first + rest) <= set(stored)
    assert len(set(stored.values())) == len(stored) >= 5


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_a_server_that_is_killed_loses_no_memory_that_was_acknowledged(tmp_path, ending):
    with started(tmp_path / "store") as server:
        server.introduce()
        for number in range(40):
            server.call(number, "add_memory", user_input=f"fact {number}")
        first = [server.hear() for _ in range(5)]
        server.process.send_signal(getattr(signal, ending))
        status = server.process.wait(20)
        rest = server.hear_all()
    stored = stored_in(tmp_path / "store")
    assert status == (-9 if ending == "SIGKILL" else 0)
    assert acknowledged(first + rest) <= set(stored)
    assert len(set(stored.values())) == len(stored) >= 5
    assert "".join(server.errors) == ""


def test_a_call_can_be_cancelled(tmp_path):
    with started(tmp_path / "store") as server:
        server.introduce()
        server.call(1, "add_memory", user_input="tea " * 100_000)
        server.send(method="notifications/cancelled", params={"requestId": 1, "reason": "changed my mind"})
        server.call(2, "add_memory", user_input="coffee")
        answers = [server.hear()]
        while answers[-1]["id"] != 2:
            answers.append(server.hear())
        assert answers[-1]["result"]["structuredContent"]["status"] == "stored"
        assert server.end() == 0
    assert "coffee" in stored_in(tmp_path / "store").values()


def test_a_second_server_on_a_path_says_who_has_it(tmp_path):
    with started(tmp_path / "store") as server:
        server.introduce()
        start = perf_counter()
        second = ran("--user-id", "ann", "--data-storage-path", str(tmp_path / "store"))
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr.startswith("memoryos-mcp: ")
        assert f"is open in another process (pid {server.process.pid} on " in second.stderr
        assert "End it there, or share the memory: one server over HTTP (--http 127.0.0.1:8765)" in second.stderr
        assert perf_counter() - start < 10  # most of it starts Python; the lock itself waits for two seconds at most
        with pytest.raises(StoreLocked):
            MemoryOS(tmp_path / "store")
        assert server.end() == 0
    MemoryOS(tmp_path / "store").close()


def test_the_example_of_the_seed_starts_and_tells_what_is_missing(tmp_path):
    seed = {
        "user_id": "YOUR_USER_ID",
        "openai_api_key": "YOUR_OPENAI_API_KEY",
        "data_storage_path": str(tmp_path / "s"),
    }
    file = tmp_path / "config.json"
    file.write_text(json.dumps(seed), encoding="utf-8")
    refused = ran("--config", str(file))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "user_id: is still the placeholder of the documentation" in refused.stderr
    with raw("--config", str(file), MEMORYOS_USER_ID="tom") as server:
        server.introduce()
        server.call(1, "memory_status")
        status = server.hear()["result"]["structuredContent"]
        assert (status["user_id"], status["model"]) == ("tom", None)
        assert server.end() == 0


def test_a_dead_model_is_told_and_the_key_is_not(tmp_path):
    with chat_server() as model:
        model.respond = lambda request: failing(401, f"Incorrect API key provided: {SECRET}", retry_after="60")
        flags = ("--openai-base-url", model.url, "--short-term-capacity", "1", "--llm-model", "gpt-test")
        with started(tmp_path / "store", *flags, MEMORYOS_OPENAI_API_KEY=SECRET) as server:
            server.introduce()
            for number in range(12):  # ten pages are a full batch, which does not wait for silence
                server.call(number, "add_memory", user_input=f"I love tea {number}")
            stored = [server.hear()["result"]["structuredContent"]["status"] for _ in range(12)]
            told = {"failed": 0}
            while not told["failed"]:
                server.call("status", "memory_status")
                told = server.hear()["result"]["structuredContent"]["consolidation"]
            assert server.end() == 0
    assert stored == ["stored"] * 12
    assert told["pending"] >= 10
    assert "HTTP 401" in told["why"]
    assert model.keys[0] == f"Bearer {SECRET}"
    assert SECRET not in "".join(server.heard + server.errors)
    assert len(stored_in(tmp_path / "store")) == 12


@pytest.mark.parametrize(
    "flags",
    [
        ("--http", "0.0.0.0:0"),
        ("--http", "nowhere"),
        ("--short-term-capacity", SECRET),
        ("--users", SECRET),
        ("--users", f'[{{"user_id": "a", "token": "{SECRET}"}}, {{"user_id": "b", "token": "{SECRET}"}}]'),
        ("--openai-base-url", f"http://{SECRET}:99999999"),
        ("--mid-term-heat-threshold", "nan"),
    ],
    ids=lambda flags: flags[0] + flags[1][:3],
)
def test_a_broken_configuration_tells_no_secret(tmp_path, monkeypatch, capsys, flags):
    monkeypatch.setenv("MEMORYOS_OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("MEMORYOS_DATA_STORAGE_PATH", str(tmp_path / "s"))
    assert main(["--user-id", "tom", "--http", "127.0.0.1:0", *flags]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert shown.err.startswith("memoryos-mcp: ")
    assert SECRET not in shown.err
