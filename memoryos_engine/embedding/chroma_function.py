"""Chroma's embedding functions as embedders."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from memoryos_engine.embedding.function import FunctionEmbedder
from memoryos_engine.errors import InvalidInput

_WHERE_IT_RUNS = frozenset(
    {
        "account_id",
        "api_base",
        "api_type",
        "api_url",
        "api_version",
        "base_url",
        "cache_dir",
        "cuda",
        "device",
        "device_ids",
        "gateway_id",
        "lazy_load",
        "location",
        "organization_id",
        "preferred_providers",
        "project",
        "project_id",
        "region",
        "session_args",
        "threads",
        "timeout",
        "url",
    }
)
"""Configuration that says where or how fast a model runs, not which one it is."""

_SECRET = re.compile(r"key|secret|password|credential|auth|header|(^|_)token$")


class ChromaFunctionEmbedder(FunctionEmbedder):
    """Embeds with any Chroma `EmbeddingFunction`, called by one thread at a time.

    The name is "chroma:", the function's own name and the part of its configuration that
    tells models apart: neither devices and addresses nor anything that looks like a secret.

    Chroma's `DefaultEmbeddingFunction` downloads its model when it first embeds and loads
    it again at each call; `ONNXMiniLM_L6_V2` is the same model loaded once. Neither needs
    a collection: the engine always hands Chroma finished vectors.

    Args:
        function: the embedding function; it is called for texts and for queries alike.
        name: what a store remembers, instead of the derived one. Needed by a function
            without `name()` and `get_config()`, and where two servers share both.

    Raises:
        InvalidInput: the function does not say what it is, and `name` was not given.
    """

    _advice: ClassVar[str] = (
        "The error chained to this one has the cause; a function that downloads its model needs the network once."
    )

    def __init__(self, function: Callable[[list[str]], Any], *, name: str | None = None) -> None:
        super().__init__(function, name=name or _name(function))


def _name(function: Any) -> str:
    try:
        with warnings.catch_warnings():
            # A function of the old protocol warns and returns NotImplemented; the error below says more.
            warnings.simplefilter("ignore", DeprecationWarning)
            return f"chroma:{_text(function.name())}{_told_apart(function.get_config())}"
    except Exception as error:
        fix = "Pass name= with the model and its version: a store remembers it."
        raise InvalidInput("name", "cannot be told from the function's name() and get_config()", fix) from error


def _text(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError("name() is not text")
    return name


def _told_apart(configuration: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in configuration.items() if value not in (None, {}, []) and _identifies(key)}
    settings = ", ".join(f"{key}={json.dumps(kept[key], ensure_ascii=False, sort_keys=True)}" for key in sorted(kept))
    return f"({settings})" if settings else ""


def _identifies(key: str) -> bool:
    return key not in _WHERE_IT_RUNS and not _SECRET.search(key.lower())
