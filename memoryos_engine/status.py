"""How far the background work of one user is, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from memoryos_engine.errors import MemoryOSError
from memoryos_engine.worker import JobFailure


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryStatus:
    """How far the background work of one user is."""

    pending: int
    """Pages that left STM and wait for consolidation; every search finds them."""
    unpromoted: int = 0
    """Pages of hot segments that wait to be read into long-term memory."""
    running: bool = False
    """Whether the background is at it now."""
    failure: JobFailure | None = None
    """What went wrong in the last try; None if nothing did."""
    next_try: datetime | None = None
    """When a failed try is repeated, UTC."""

    @property
    def failed(self) -> int:
        """How many tries failed in a row; 0 if the last one did not."""
        return self.failure.attempts if self.failure else 0

    @property
    def why(self) -> str:
        """Why the last try failed; empty if it did not. Never quotes stored text."""
        if self.failure is None:
            return ""
        error = self.failure.error
        # Only our own messages are known to hold no stored text.
        return str(error) if isinstance(error, MemoryOSError) else f"it ended with {type(error).__name__}"
