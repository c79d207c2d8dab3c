"""The page for users: its tables are those of the code, its JSON is parsed, and its commands are run."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import memoryos_integrations.mcp as package
from memoryos_engine import MemoryOS
from memoryos_integrations.mcp import ServerConfig, create_server
from memoryos_integrations.mcp.config import TOKEN_PLACEHOLDERS, keys
from tests.pages import dead_links

from .servers import environment, listening_on, over_http, raw

FOLDER = Path(package.__file__).parent
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
JSON = [json.loads(code) for language, code in BLOCKS if language == "json"]
COMMANDS = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
SAID = re.findall(r"^\$ memoryos-mcp (.*)\n(.*)$", "".join(code for name, code in BLOCKS if name == "console"), re.M)


def keys_table() -> str:
    """The table of keys as the page shall have it."""
    rows = ["| key | flag | environment | default | what it is |", "|---|---|---|---|---|"]
    for name, field in keys().items():
        flag, variable = f"`--{name.replace('_', '-')}`", f"`MEMORYOS_{name.upper()}`"
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        rows.append(f"| `{name}` | {flag} | {variable} | {default} | {field.description} |")
    return "\n".join(rows)


def offered(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """The tools of the server with their arguments, and its resources."""

    async def ask() -> tuple[Any, Any, Any]:
        return await server.list_tools(), await server.list_resources(), await server.list_resource_templates()

    with MemoryOS(path) as system:
        server = create_server(system, ServerConfig(user_id="tom"))
        tools, resources, templates = asyncio.run(ask())
    named = {tool.name: list(tool.input_schema["properties"]) for tool in tools}
    return named, [str(each.uri) for each in resources] + [each.uri_template for each in templates]


def test_the_key_table_is_that_of_the_code():
    assert keys_table() in PAGE


def test_the_tool_table_is_that_of_the_server(tmp_path):
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", PAGE.partition("## Tools and resources")[2], re.M)
    tools, resources = offered(tmp_path)

    assert {name: re.findall(r"`(\w+)`", arguments) for name, arguments in rows} == tools
    assert re.findall(r"^\| `(memoryos://.*?)` \|", PAGE, re.M) == resources


def test_the_configuration_is_the_one_that_is_shipped():
    assert JSON[0] == json.loads((FOLDER / "config.example.json").read_text(encoding="utf-8"))


def test_the_entries_are_those_that_are_shipped():
    shipped = json.loads((FOLDER / "mcp.example.json").read_text(encoding="utf-8"))

    assert [each for each in JSON if "mcpServers" in each] == [shipped["claude_desktop"], shipped["cursor_over_http"]]


def test_the_configuration_of_many_users_can_be_used():
    (told,) = [each for each in JSON if "users" in each]
    placeholders = [each["token"] for each in told["users"]]
    assert set(placeholders) <= TOKEN_PLACEHOLDERS
    for number, each in enumerate(told["users"]):
        each["token"] = f"a token that is no one else's {number}".replace(" ", "-")

    assert [each.user_id for each in ServerConfig.model_validate(told).users] == ["tom", "ada"]


def filled_in(folder: Path) -> dict[str, str]:
    """A folder and a home where the page's commands run, with the placeholder filled in."""
    (folder / "config.json").write_text(json.dumps({**JSON[0], "user_id": "tom"}), encoding="utf-8")
    return environment(HOME=str(folder), USERPROFILE=str(folder))


def run(line: str, folder: Path, ours: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """One command of the page; programs are those beside this Python."""
    program, *rest = shlex.split(line.replace("~", str(folder)))
    beside = str(Path(sys.executable).with_name(program))
    return subprocess.run(
        [beside, *rest], cwd=folder, env=ours, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL
    )


SERVERS = [line for line in COMMANDS if " --http " in line or line.startswith("memoryos serve ")]
ENVIRONMENT = "python -m venv .venv && . .venv/bin/activate"
INSTALL = 'pip install ".[mcp]"'


def test_the_commands_run_in_their_order(tmp_path):
    ours = filled_in(tmp_path)
    with MemoryOS(tmp_path / "memoryos_data") as system:
        system.memory("YOUR_USER_ID").add_memory("I like tea.")
    ran = [line for line in COMMANDS if line not in (ENVIRONMENT, INSTALL, *SERVERS)]

    assert len(ran) == 5
    assert {line: run(line, tmp_path, ours).returncode for line in ran} == dict.fromkeys(ran, 0)
    with MemoryOS(tmp_path / "memoryos_data") as system:
        assert system.users() == []


async def test_the_server_of_the_page_answers(tmp_path):
    (line,) = [line for line in SERVERS if line.startswith("memoryos-mcp ")]
    filled_in(tmp_path)
    flags = [str(tmp_path / each) if each == "config.json" else each for each in shlex.split(line)[1:]]
    flags = [each.replace(":8765", ":0") for each in flags]

    with raw(*flags, HOME=str(tmp_path), USERPROFILE=str(tmp_path)) as server:
        async with over_http(listening_on(server)) as client:
            assert (await client.call_tool("memory_status", {})).structured_content["user_id"] == "tom"


def test_what_is_installed_is_an_extra_of_ours():
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")

    assert INSTALL in COMMANDS
    assert re.search(r"^mcp = \[", project, re.M)


@pytest.mark.parametrize(("arguments", "said"), SAID, ids=[each[0] for each in SAID])
def test_an_error_of_the_page_is_what_is_said(arguments, said, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(JSON[0]), encoding="utf-8")
    done = run(f"memoryos-mcp {arguments}", tmp_path, environment(HOME=str(tmp_path), USERPROFILE=str(tmp_path)))

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{said}\n")


def test_every_link_of_the_page_leads_somewhere():
    assert dead_links(PAGE, FOLDER) == []
