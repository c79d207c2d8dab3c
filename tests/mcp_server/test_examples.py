"""The files that are shipped to be filled in: with nothing but their placeholders filled in, they run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

import memoryos_integrations.mcp as package
from memoryos_integrations.mcp.config import keys

from .servers import TOOLS, command, environment, listening_on, over_http, raw

FOLDER = Path(package.__file__).parent
SEED = ("user_id", "openai_api_key", "openai_base_url", "data_storage_path", "assistant_id", "llm_model")
PLACE = "/ABSOLUTE/PATH/TO/config.json"
ENTRIES = json.loads((FOLDER / "mcp.example.json").read_text(encoding="utf-8"))
STARTED = [name for name in ENTRIES if not name.endswith("http")]
TOKEN = "a-token-of-sixteen"


def example() -> dict[str, Any]:
    return json.loads((FOLDER / "config.example.json").read_text(encoding="utf-8"))


def filled_in(folder: Path) -> Path:
    """The configuration with only what it asks for."""
    file = folder / "config.json"
    file.write_text(json.dumps({**example(), "user_id": "tom"}), encoding="utf-8")
    return file


def entry(name: str) -> dict[str, Any]:
    (only,) = ENTRIES[name]["mcpServers"].values()
    return only


def test_the_configuration_has_the_keys_of_the_seed_in_its_order():
    assert tuple(example()) == SEED == tuple(keys())[: len(SEED)]


@pytest.mark.parametrize("name", STARTED)
async def test_an_entry_starts_the_server(name, tmp_path):
    told = entry(name)
    assert (told["command"], told["args"].count(PLACE)) == ("memoryos-mcp", 1)
    file = filled_in(tmp_path)
    head, *rest = command(*(str(file) if each == PLACE else each for each in told["args"]))
    ours = environment(HOME=str(tmp_path), USERPROFILE=str(tmp_path), **told["env"])

    async with Client(StdioServerParameters(command=head, args=rest, env=ours)) as client:
        status = (await client.call_tool("memory_status", {})).structured_content
        added = await client.call_tool("add_memory", {"user_input": "I like tea."})
        pages = (await client.call_tool("list_memories", {})).structured_content["pages"]

    assert (status["user_id"], status["model"], added.is_error) == ("tom", None, False)
    assert [page["session_id"] for page in pages] == [told["env"]["MEMORYOS_SESSION_ID"]]
    assert (tmp_path / "memoryos_data").is_dir()


async def test_the_entry_for_http_is_answered_with_its_token(tmp_path):
    told = entry("cursor_over_http")
    assert told == {"url": "http://127.0.0.1:8765/mcp", "headers": {"Authorization": "Bearer YOUR_TOKEN"}}
    users = json.dumps([{"user_id": "tom", "token": TOKEN}])
    flags = ("--config", str(filled_in(tmp_path)), "--http", "127.0.0.1:0", "--users", users)

    with raw(*flags, HOME=str(tmp_path), USERPROFILE=str(tmp_path)) as server:
        async with over_http(listening_on(server), token=TOKEN) as client:
            assert tuple(tool.name for tool in (await client.list_tools()).tools) == TOOLS


def test_what_runs_unasked_only_reads_or_adds():
    assert set(entry("cline")["autoApprove"]) == set(TOOLS) - {"forget_memory", "update_knowledge"}
