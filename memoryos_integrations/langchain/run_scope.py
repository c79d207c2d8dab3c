"""What of a LangChain run may name the user and the session: its config, and the config around it."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

_RUNTIME = "__pregel_runtime"
"""Where LangGraph keeps a run's Runtime in the config; its `get_runtime` reads it there, but not on Python 3.10."""


def sources(config: RunnableConfig | None = None) -> list[Any]:
    """Return what of a run may name ids, the surest first: an agent's context, "configurable", "metadata".

    Args:
        config: of the run; without one, that of the run this is called in, if any.

    Returns:
        Mappings or objects for `Address.resolve`; None for what the run does not have.
    """
    whole = ensure_config(config)
    configurable = whole.get("configurable") or {}
    context = getattr(configurable.get(_RUNTIME), "context", None)
    # Some chains hand on their callbacks alone; the manager among them has the run's metadata.
    handed_on = getattr(whole.get("callbacks"), "metadata", None)
    return [context, configurable, whole.get("metadata") or {}, handed_on]
