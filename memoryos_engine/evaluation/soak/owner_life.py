"""A child that owns a directory until it is killed."""

from __future__ import annotations

import threading

from memoryos_engine.evaluation.soak.children import Tell
from memoryos_engine.system import MemoryOS


def live(tell: Tell, *, path: str) -> None:
    """Open the store, say so, and stay."""
    with MemoryOS(path) as system:
        system.memory("tom").add_memory("I own this directory.", "Yes.")
        tell("owned")
        threading.Event().wait()
