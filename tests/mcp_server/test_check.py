"""`memoryos-mcp --check`: what it calls, what it leaves behind, and what it says of what is wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import MemoryOS
from memoryos_integrations.mcp import check
from memoryos_integrations.mcp.check import _Check
from memoryos_integrations.mcp.check_launch import Launch
from memoryos_integrations.mcp.config import ServerConfig
from tests.loopback import chat_server, failing

from .servers import TOOLS, command, environment, raw

LONG = 240


def checked(folder: Path, *flags: str, **ours: str) -> subprocess.CompletedProcess[str]:
    """The command's check of a server on a store in a folder."""
    told = command("--check", "--data-storage-path", str(folder / "store"), *flags)
    return subprocess.run(told, capture_output=True, text=True, timeout=LONG, env=environment(**ours))


def called(printed: str) -> dict[str, str]:
    """What the table says was called, with the tick or cross."""
    rows = [line.split() for line in printed.splitlines() if line.startswith((" ✓", " ✗"))]
    return {row[1].rstrip(","): row[0] for row in rows}


def owners(folder: Path) -> list[str]:
    with MemoryOS(folder / "store") as system:
        assert system.check() == []
        return [owner.user_id for owner in system.users()]


def test_it_calls_every_tool_and_resource_and_leaves_nothing(tmp_path):
    with MemoryOS(tmp_path / "store") as system:
        system.memory("tom").add_memory("I like tea.", "Noted.")
    done = checked(tmp_path, "--user-id", "tom")

    assert (done.returncode, done.stderr) == (0, "")
    assert set(called(done.stdout)) >= {*TOOLS, "memoryos://profile", "memoryos://pages/{id}"}
    assert all("protocol " + version in done.stdout for version in ("2026-07-28", "2025-11-25"))
    assert "✗" not in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert owners(tmp_path) == ["tom"]


def test_over_http_it_has_the_first_users_token_and_a_user_of_its_own(tmp_path):
    users = json.dumps([{"user_id": "tom", "token": "a-token-of-sixteen"}])
    done = checked(tmp_path, "--http", "127.0.0.1:0", MEMORYOS_USERS=users)

    assert (done.returncode, done.stderr) == (0, "")
    assert "refused, HTTP 401" in done.stdout
    assert owners(tmp_path) == []


def test_it_names_who_has_the_store(tmp_path):
    with raw("--user-id", "tom", "--data-storage-path", str(tmp_path / "store")) as server:
        server.introduce()
        done = checked(tmp_path, "--user-id", "tom")
        told = " ".join(done.stdout.split())

        assert (done.returncode, f"(pid {server.process.pid} on " in told) == (1, True)
        assert "The server is running already" in told


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "user_id is missing"),
        (
            ("--user-id", "tom", "--embedding-model-name", "text-embedding-3-small"),
            "set embedding_model_name to hashing",
        ),
        (("--user-id", "tom", "--chroma-url", "http://127.0.0.1:9"), "leads to no Chroma server"),
    ],
    ids=["no user", "no key of the embedder", "no Chroma server"],
)
def test_what_keeps_the_server_from_starting_is_said(tmp_path, flags, said):
    done = checked(tmp_path, *flags)

    assert (done.returncode, said in " ".join(done.stdout.split())) == (1, True)


def test_a_dead_model_leaves_what_was_said_stored_and_pending(tmp_path):
    with chat_server() as server:
        server.respond = lambda request: failing(401, "no such key")
        done = checked(
            tmp_path, "--user-id", "tom", MEMORYOS_OPENAI_API_KEY="sk-secret-1", MEMORYOS_OPENAI_BASE_URL=server.url
        )
    told = " ".join(done.stdout.split())

    assert (done.returncode, "2 exchanges stored and pending; gpt-4o-mini: " in told) == (1, True)
    assert "sk-secret-1" not in done.stdout + done.stderr
    assert owners(tmp_path) == []


def test_a_check_that_is_interrupted_forgets_its_user(tmp_path, monkeypatch, capsys):
    """What was added is forgotten without the server."""
    config = ServerConfig(user_id="tom", data_storage_path=tmp_path / "store")

    async def interrupted(self: Any) -> None:
        with MemoryOS(tmp_path / "store") as system:
            system.memory(self.user_id, config.assistant_id).add_memory("I live in Utrecht.")
        self.calls.stored = True
        raise KeyboardInterrupt

    monkeypatch.setattr(_Check, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check.check(None, {}, config)

    assert owners(tmp_path) == []


def test_tokens_stay_out_of_arguments_and_representations(tmp_path):
    users = ({"user_id": "tom", "token": "a-token-of-sixteen"},)
    config = ServerConfig.model_validate({"http": "127.0.0.1:0", "users": users})
    launch: Launch = check.as_stranger(None, {"users": json.dumps(users)}, config, "memoryos check 1")

    assert launch.token is not None
    assert not any(launch.token in text for text in (*launch.arguments, repr(launch)))
