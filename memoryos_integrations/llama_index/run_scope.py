"""What of a LlamaIndex call may name the user and the session: the tags that were put on it.

LlamaIndex hands no configuration down to memories and retrievers, but its instrumentation carries tags
along: through threads, tasks and the steps of workflows.
"""

from __future__ import annotations

from typing import Any

from llama_index_instrumentation.dispatcher import active_instrument_tags

_RUN = "llamaindex.run_id"
"""The tag by which workflows name each of their runs."""


def sources() -> list[Any]:
    """Return what of the call around this one may name ids, for `Address.resolve`.

    They are named by `with instrument_tags({"user_id": ..., "session_id": ...}):` around the call.
    """
    return [active_instrument_tags.get()]


def run_id() -> str | None:
    """Return the name of the workflow run this is called in; None outside of one."""
    named = active_instrument_tags.get().get(_RUN)
    return named if isinstance(named, str) else None
