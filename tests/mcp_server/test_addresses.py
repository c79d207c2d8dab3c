"""Where the server listens, and which names it answers to."""

from __future__ import annotations

import pytest

from memoryos_engine import InvalidInput
from memoryos_integrations.mcp import ServerConfig
from memoryos_integrations.mcp.addresses import accepted, address_of

TOKEN = "t0ken-of-tom-0123456789"


@pytest.mark.parametrize(
    "http",
    ["", "8765", ":8765", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x", "127.0.0.1:²", "::1:0", "a b:80", "[::1:0"],
)
def test_what_is_no_address_is_refused(http):
    with pytest.raises(InvalidInput, match=r"http is no HOST:PORT\. Pass for example --http 127\.0\.0\.1:8765"):
        address_of(ServerConfig(http=http))


@pytest.mark.parametrize("http", ["0.0.0.0:1", "[::]:1", "192.168.1.2:1", "memory.example.org:1"])
def test_others_are_served_only_with_tokens(http):
    with pytest.raises(InvalidInput) as raised:
        address_of(ServerConfig(http=http, user_id="tom"))
    assert str(raised.value) == (
        "http can be reached by others, and nobody needs a token. Give each user a token, "
        '"users": [{"user_id": "...", "token": "..."}], or listen on 127.0.0.1.'
    )
    users = [{"user_id": "tom", "token": TOKEN}]
    assert not address_of(ServerConfig(http=http, users=users, allowed_hosts=["memory.lan:*"])).is_loopback


@pytest.mark.parametrize(("http", "every"), [("0.0.0.0:1", True), ("[::]:1", True), ("192.168.1.2:1", False)])
def test_on_every_address_the_names_that_clients_use_are_needed(http, every):
    """None of them calls it 0.0.0.0, so that every call would be refused."""
    config = ServerConfig(http=http, users=[{"user_id": "tom", "token": TOKEN}])
    if every:
        with pytest.raises(InvalidInput, match=r"allowed_hosts is missing: .*\[\"memory\.example\.org:\*\"\]"):
            address_of(config)
    else:
        assert address_of(config).host == "192.168.1.2"


@pytest.mark.parametrize("http", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.8.9.1:1"])
def test_this_machine_is_served_without(http):
    assert address_of(ServerConfig(http=http, user_id="tom")).is_loopback


def test_the_own_names_and_those_configured_are_answered_to():
    """With any port, and without one, as behind a proxy."""
    config = ServerConfig(
        http="[::1]:1", allowed_hosts=["memory.lan:80", "example.org:*"], allowed_origins=["https://lan"]
    )
    settings = accepted(config, address_of(config))
    own = ["[::1]:*", "[::1]", "127.0.0.1:*", "127.0.0.1", "localhost:*", "localhost"]
    assert settings.allowed_hosts == [*own, "memory.lan:80", "example.org:*", "example.org"]
    assert settings.allowed_origins == [*(f"http://{name}" for name in own), "https://lan"]
