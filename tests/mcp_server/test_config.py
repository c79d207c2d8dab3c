"""Where the configuration comes from, and what is said of one that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from memoryos_engine import InvalidInput
from memoryos_integrations.mcp import Caller, ServerConfig, create_server, load_config, open_system
from memoryos_integrations.mcp.command import main
from memoryos_integrations.mcp.config import keys
from tests.loopback import chat_server
from tests.openai_service import stand_in

TOKEN = "t0ken-of-tom-0123456789"
WRITTEN = {
    "user_id": ("tom", "tom"),
    "openai_api_key": ("sk-1", SecretStr("sk-1")),
    "openai_base_url": ("http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1"),
    "data_storage_path": ("/tmp/m", Path("/tmp/m")),
    "assistant_id": ("helper", "helper"),
    "llm_model": ("gpt-5", "gpt-5"),
    "embedding_model_name": ("minilm", "minilm"),
    "short_term_capacity": (3, 3),
    "mid_term_capacity": (50, 50),
    "long_term_knowledge_capacity": (60, 60),
    "retrieval_queue_capacity": (4, 4),
    "mid_term_heat_threshold": (2.5, 2.5),
    "mid_term_similarity_threshold": (0.7, 0.7),
    "session_id": ("desk", "desk"),
    "chroma_url": ("http://localhost:8000", "http://localhost:8000"),
    "max_tokens": (900, 900),
    "http": ("127.0.0.1:8765", "127.0.0.1:8765"),
    "users": ([{"user_id": "tom", "token": TOKEN}], (Caller(user_id="tom", token=SecretStr(TOKEN)),)),
    "allowed_hosts": (["memory.example.org"], ("memory.example.org",)),
    "allowed_origins": (["https://example.org"], ("https://example.org",)),
}
"""Every key: a value as it is written in a file, and what it comes to."""
SEED = {
    "user_id": "YOUR_USER_ID",
    "openai_api_key": "YOUR_OPENAI_API_KEY",
    "openai_base_url": "",
    "data_storage_path": "./memoryos_data",
    "assistant_id": "assistant",
    "llm_model": "gpt-4o-mini",
}
"""The example of the seed document."""


def file_with(folder: Path, told: object, *, encoding: str = "utf-8") -> Path:
    file = folder / "config.json"
    file.write_text(told if isinstance(told, str) else json.dumps(told), encoding=encoding)
    return file


def as_text(value: object) -> str:
    return json.dumps(value) if isinstance(value, list) else str(value)


def problem(file: Path | None = None, environment=None, **flags: str) -> str:
    with pytest.raises(InvalidInput) as raised:
        load_config(file, environment=environment or {}, flags=flags)
    return str(raised.value)


def test_every_key_is_written_here():
    assert list(WRITTEN) == list(keys())


@pytest.mark.parametrize("key", WRITTEN)
def test_each_key_can_be_set_each_way_and_the_last_wins(tmp_path, key):
    written, expected = WRITTEN[key]
    file = file_with(tmp_path, {key: written})
    variable = {f"MEMORYOS_{key.upper()}": as_text(written), "OTHER": "x"}
    ways = {
        "file": load_config(file, environment={}, flags={}),
        "environment": load_config(None, environment=variable, flags={}),
        "flag": load_config(None, environment={}, flags={key: as_text(written)}),
    }
    for config in ways.values():
        assert {name: value for name, value in config if value != getattr(ServerConfig(), name)} == {key: expected}


def test_flags_go_before_the_environment_and_that_before_the_file(tmp_path):
    file = file_with(tmp_path, {"llm_model": "file", "assistant_id": "file", "session_id": "file"})
    environment = {"MEMORYOS_LLM_MODEL": "environment", "MEMORYOS_ASSISTANT_ID": "environment"}
    config = load_config(file, environment=environment, flags={"llm_model": "flag"})
    assert (config.llm_model, config.assistant_id, config.session_id) == ("flag", "environment", "file")


def test_what_is_empty_counts_as_not_written(tmp_path):
    file = file_with(tmp_path, {"llm_model": "file"})
    config = load_config(file, environment={"MEMORYOS_LLM_MODEL": ""}, flags={"llm_model": ""})
    assert config.llm_model == "file"


def test_the_example_of_the_seed_runs_with_a_user_and_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    filled = {**SEED, "user_id": "tom", "openai_api_key": "sk-1"}
    config = load_config(file_with(tmp_path, filled), environment={}, flags={})
    system = open_system(config)
    try:
        assert (config.offline, create_server(system, config).name) == (False, "memoryos")
        assert (tmp_path / "memoryos_data").is_dir()
    finally:
        system.close()


@pytest.mark.parametrize("key", ["YOUR_OPENAI_API_KEY", "", None])
def test_a_key_that_is_none_means_offline(tmp_path, key):
    filled = {**SEED, "user_id": "tom", "openai_api_key": key}
    assert load_config(file_with(tmp_path, filled), environment={}, flags={}).offline


def test_a_user_who_is_still_the_placeholder_is_refused(tmp_path):
    assert problem(file_with(tmp_path, SEED)) == (
        "configuration cannot be used: user_id: is still the placeholder of the documentation; put in whose memory "
        "this is. memoryos-mcp --help lists every key."
    )


def test_nobody_s_memory_is_refused(system):
    with pytest.raises(InvalidInput, match="user_id is missing: nothing says whose memory this is"):
        create_server(system, ServerConfig())


def test_all_that_is_wrong_is_named_with_the_nearest_right_key_and_no_value(tmp_path):
    told = {
        "usr_id": "sk-secret1",
        "api_key": "sk-secret2",
        "embedding_model_kwargs": {"sk-secret3": 1},
        "short_term_capacity": "sk-secret4",
        "max_tokens": 3,
        "zzz": "sk-secret5",
        "users": [{"user_id": "a", "token": "sk-secret6"}, {"user_id": "b", "tokn": "sk-secret7-0123456789"}],
        "http": 5,
    }
    why = problem(file_with(tmp_path, told))
    assert why == (
        "configuration cannot be used: "
        "short_term_capacity: Input should be a valid integer, unable to parse string as an integer; "
        "max_tokens: Input should be greater than or equal to 500; "
        "http: Input should be a valid string; "
        "users.0.token: has fewer than 16 characters; "
        "users.1.token: Field required; "
        "users.1.tokn is no key (did you mean token?); "
        "usr_id is no key (did you mean user_id?); "
        "api_key is no key (did you mean openai_api_key?); "
        "embedding_model_kwargs is no key (did you mean embedding_model_name?); "
        "zzz is no key. memoryos-mcp --help lists every key."
    )
    assert "secret" not in why


def test_the_variables_of_the_other_command_count_where_ours_are_not_set():
    shared = {"MEMORYOS_PATH": "/theirs", "MEMORYOS_EMBEDDER": "minilm", "MEMORYOS_USER_ID": "tom"}
    config = load_config(None, environment=shared, flags={})
    own = load_config(None, environment={**shared, "MEMORYOS_DATA_STORAGE_PATH": "/ours"}, flags={})

    assert (str(config.data_storage_path), config.embedding_model_name) == ("/theirs", "minilm")
    assert (str(own.data_storage_path), own.embedding_model_name) == ("/ours", "minilm")


def test_an_unknown_variable_of_ours_is_named():
    """As it is written, so that nobody looks for it in the file."""
    assert "MEMORYOS_USR_ID is no key (did you mean user_id?)" in problem(environment={"MEMORYOS_USR_ID": "sk-secret"})
    assert "MEMORYOS_MAX_TOKENS: Input should be" in problem(environment={"MEMORYOS_MAX_TOKENS": "sk-secret"})


@pytest.mark.parametrize("written", ["a list", "[", '{"a": sk-secret}'])
def test_a_list_that_is_no_json_is_named_as_it_was_written(written):
    assert problem(environment={"MEMORYOS_USERS": written}) == (
        'MEMORYOS_USERS is no JSON. Write a JSON list, for example [{"user_id": "tom", "token": "..."}].'
    )
    assert problem(allowed_hosts=written) == (
        '--allowed-hosts is no JSON. Write a JSON list, for example ["memory.example.org"].'
    )


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('{"user_id": sk-secret}', "cannot be read as JSON (line 1)"),
        ("\n{'user_id': 'sk-secret'}", "cannot be read as JSON (line 2)"),
        ('["sk-secret"]', "holds no JSON object"),
        ("", "cannot be read as JSON (line 1)"),
    ],
)
def test_a_file_that_is_no_json_object_is_named_with_the_line(tmp_path, written, why):
    told = problem(file_with(tmp_path, written))
    assert why in told
    assert "secret" not in told


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    assert "cannot be read as JSON (there is no such file)" in problem(tmp_path / "none.json")
    assert "cannot be read as JSON (UnicodeDecodeError)" in problem(
        file_with(tmp_path, '{"user_id": "é"}', encoding="latin-1")
    )


def test_a_file_of_a_windows_editor_is_read(tmp_path):
    file = file_with(tmp_path, {"user_id": "tom"}, encoding="utf-8-sig")
    assert load_config(file, environment={}, flags={}).user_id == "tom"


def test_the_home_directory_can_be_written_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    config = load_config(None, environment={}, flags={"data_storage_path": "~/memory"})
    assert config.data_storage_path == tmp_path / "memory"


@pytest.mark.parametrize("token", ["short", "with a space 0123456789", "mit-Ümlaut-0123456789", "line\n0123456789abcd"])
def test_a_token_that_nobody_could_send_is_refused(tmp_path, token):
    why = problem(file_with(tmp_path, {"users": [{"user_id": "tom", "token": token}]}))
    assert "users.0.token: " in why
    assert token not in why


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("mid_term_heat_threshold", float("nan"), "mid_term_heat_threshold is nan"),
        ("mid_term_similarity_threshold", 7.0, "mid_term_similarity_threshold is 7.0"),
        ("embedding_model_name", "no/such/model", "embedding_model_name "),
        ("chroma_url", "http://127.0.0.1:9", "chroma_url leads to no Chroma server"),
    ],
)
def test_a_value_out_of_range_is_named_as_it_was_written(tmp_path, key, value, why):
    config = ServerConfig(**{"user_id": "tom", "data_storage_path": tmp_path, key: value})
    with pytest.raises(InvalidInput) as raised:
        open_system(config)
    assert str(raised.value).startswith(why)


@pytest.mark.parametrize("key", ["openai_base_url", "chroma_url"])
@pytest.mark.parametrize(
    "url", ["localhost:8000", "http://[", "http://sk-secret:99999999", "http:// a", "ftp://a", "x"]
)
def test_what_is_no_url_is_refused(key, url):
    why = problem(**{key: url})
    assert why.startswith(f'configuration cannot be used: {key}: is no address; write it like "http://localhost:8000".')
    assert "secret" not in why


@pytest.mark.parametrize("key", ["user_id", "assistant_id", "session_id"])
def test_an_id_that_no_memory_can_have_is_refused_at_once(tmp_path, key):
    for impossible in ("", "\ud800"):
        assert f"cannot be used: {key}: " in problem(file_with(tmp_path, {key: impossible}))


def test_two_users_with_one_token_are_refused(system):
    users = [{"user_id": name, "token": TOKEN} for name in ("tom", "ann")]
    with pytest.raises(InvalidInput, match="users share a token") as raised:
        create_server(system, ServerConfig(http="127.0.0.1:1", users=users))
    assert TOKEN not in str(raised.value)


def test_secrets_do_not_show(tmp_path):
    users = [{"user_id": "tom", "token": TOKEN}]
    config = load_config(file_with(tmp_path, {"openai_api_key": "sk-secret", "users": users}), environment={}, flags={})
    shown = f"{config!r} {config} {config.users[0]!r} {config.model_dump_json()}"
    assert "sk-secret" not in shown
    assert TOKEN not in shown


def test_help_lists_every_key_and_no_secret(monkeypatch, capsys):
    monkeypatch.setenv("MEMORYOS_OPENAI_API_KEY", "sk-secret")
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    for name in keys():
        assert f"--{name.replace('_', '-')} " in shown
    assert "secret" not in shown


def test_an_abbreviated_flag_is_no_flag(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--user", "tom"])
    assert ended.value.code == 2


@pytest.mark.parametrize("unknown", [["--openai-api-kee", "sk-secret"], ["--openai-api-kee=sk-secret"], ["sk-secret"]])
def test_what_stands_beside_an_unknown_flag_is_not_repeated(unknown, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--user-id", "tom", *unknown])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert "unknown arguments: " in told
    assert "secret" not in told


@pytest.mark.parametrize("key", ["sk-1\n", "sk 1", "sk-é"])
def test_a_key_that_nobody_could_send_is_refused(tmp_path, key):
    why = problem(file_with(tmp_path, {"openai_api_key": key}))
    assert "openai_api_key: has characters that no HTTP header carries" in why
    assert "sk" not in why


@pytest.mark.parametrize("token", ["FIRST_TOKEN_OF_16_OR_MORE", "YOUR_TOKEN"])
def test_a_token_of_the_documentation_is_refused(tmp_path, token):
    why = problem(file_with(tmp_path, {"users": [{"user_id": "tom", "token": token}]}))
    assert "users.0.token: is still the placeholder of the documentation; make one that nobody knows" in why


def test_a_broken_configuration_ends_with_status_two_and_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEMORYOS_OPENAI_API_KEY", "sk-secret")
    assert main(["--config", str(file_with(tmp_path, {"usr_id": "sk-secret"})), "--max-tokens", "sk-secret"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("memoryos-mcp: configuration cannot be used: max_tokens: ")
    assert "usr_id is no key (did you mean user_id?)" in shown.err
    assert "secret" not in shown.err


def test_an_embedder_of_the_service_has_the_key_and_address_of_the_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    with chat_server() as service:
        service.respond = stand_in
        told = {"openai_api_key": "sk-ours", "openai_base_url": service.url, "user_id": "tom"}
        config = ServerConfig(**told, embedding_model_name="text-embedding-of-ours", data_storage_path=tmp_path)
        with open_system(config) as system:
            system.memory("tom").add_memory("I like coffee.")
    assert service.requests[-1]["input"] == ["I like coffee."]
    assert set(service.keys) == {"Bearer sk-ours"}
