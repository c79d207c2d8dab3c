"""Where a configuration comes from: a file, the environment, flags; the later named wins.

What cannot be used is an error that names every such key with the nearest right one, and quotes no value: it may
be a secret.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from memoryos_engine import InvalidInput
from memoryos_integrations.mcp.config import ServerConfig, keys

PREFIX = "MEMORYOS_"
"""What the environment variable of a key begins with, its name in capitals after it."""
_SHARED = {"path": "data_storage_path", "embedder": "embedding_model_name"}
"""Variables of the command `memoryos`, to the keys that mean the same."""
_LISTS = {
    "users": '[{"user_id": "tom", "token": "..."}]',
    "allowed_hosts": '["memory.example.org"]',
    "allowed_origins": '["https://example.org"]',
}
"""Keys whose flags and variables are JSON, with an example of each."""
_EXAMPLE = Path(__file__).with_name("config.example.json")
_ELSEWHERE = {
    "embedding_model": "embedding_model_name",
    "embedding_model_kwargs": "embedding_model_name",
    "api_key": "openai_api_key",
    "base_url": "openai_base_url",
    "model": "llm_model",
    "path": "data_storage_path",
    "user": "user_id",
    "tokens": "users",
    "host": "http",
    "port": "http",
}


def load_config(file: Path | None, *, environment: Mapping[str, str], flags: Mapping[str, str]) -> ServerConfig:
    """Return the configuration of all sources together.

    Args:
        file: a JSON object, or None.
        environment: of which the variables that begin with `MEMORYOS_` count.
        flags: key to value as it was written.

    Raises:
        InvalidInput: a source cannot be read, or a key is unknown or its value unusable; it names all of them.
    """
    variables = _read_environment(environment)
    told = {**_read_file(file), **variables, **_parsed(flags, "--{}", _as_flag)}
    try:
        return ServerConfig.model_validate(told)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise _refusal(problems, variables.keys() - flags.keys()) from None


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        told = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        why = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__
        why = "there is no such file" if isinstance(error, FileNotFoundError) else why
        fix = f"Pass --config FILE with a JSON object; {_EXAMPLE} is one."
        raise InvalidInput("config", f"{str(file)!r} cannot be read as JSON ({why})", fix) from None
    if not isinstance(told, dict):
        raise InvalidInput("config", f"{str(file)!r} holds no JSON object", 'Write {"user_id": "...", ...}.')
    return told


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    ours = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    shared = {key: ours.pop(name) for name, key in _SHARED.items() if name in ours}
    return _parsed({**shared, **{key: value for key, value in ours.items() if value}}, PREFIX + "{}", str.upper)


def _as_flag(key: str) -> str:
    return key.replace("_", "-")


def _parsed(told: Mapping[str, str], written: str, spelled: Callable[[str], str]) -> dict[str, Any]:
    """Return values that were written as text; empty ones count as not written."""
    parsed: dict[str, Any] = {}
    for key, value in told.items():
        if not value:
            continue
        try:
            parsed[key] = json.loads(value) if key in _LISTS else value
        except ValueError:
            name = written.format(spelled(key))
            raise InvalidInput(name, "is no JSON", f"Write a JSON list, for example {_LISTS[key]}.") from None
    return parsed


def _refusal(problems: Iterable[ErrorDetails], variables: AbstractSet[str]) -> InvalidInput:
    """Return one error for all that is wrong.

    Args:
        problems: in the order they shall be named.
        variables: the keys that come from the environment.
    """
    told = [_told(each, variables) for each in problems]
    return InvalidInput("configuration", f"cannot be used: {'; '.join(told)}", "memoryos-mcp --help lists every key.")


def _told(problem: ErrorDetails, variables: AbstractSet[str]) -> str:
    head, *rest = map(str, problem["loc"])
    path = ".".join([PREFIX + head.upper() if head in variables else head, *rest])
    if problem["type"] != "extra_forbidden":
        return f"{path}: {problem['msg'].removeprefix('Value error, ')}"
    name = str(problem["loc"][-1])
    known = list(keys()) if len(problem["loc"]) == 1 else ["user_id", "token", "assistant_id"]
    near = [_ELSEWHERE[name]] if name in _ELSEWHERE else get_close_matches(name, known, n=1, cutoff=0.5)
    return f"{path} is no key" + (f" (did you mean {near[0]}?)" if near else "")
