"""What the engine says of a call, in the words of the tools: a model knows these, and none of a library's."""

from __future__ import annotations

from memoryos_engine import InvalidInput

_ARGUMENTS = {
    "entry_id": "knowledge_id",
    "metadata": "meta_data",
    "record_id": "memory_id",
    "session_ids": "session_id",
    "top_k": "max_results",
}
"""The engine's name of a parameter to the tools'."""
_CALLS = (
    ("memory.knowledge() lists those, history=True the others", 'list_memories(kind="facts") lists those'),
    ("memory.forget(entry_id)", "forget_memory"),
    ("memory.add_memory(...)", "add_memory"),
    (", or raise MemorySettings(max_turn_bytes=...)", ""),
    ("Pass a datetime, ISO 8601 text", "Pass ISO 8601 text"),
)
"""What the engine advises a developer to what a model can do."""


def spoken(error: InvalidInput) -> InvalidInput:
    """Return an error of the engine's as the tools say it."""
    fix = error.fix
    for theirs, ours in _CALLS:
        fix = fix.replace(theirs, ours)
    return InvalidInput(_ARGUMENTS.get(error.parameter, error.parameter), error.problem, fix)
