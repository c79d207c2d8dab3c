"""Ending over stdio when a signal says so, with the store given back.

Whoever waits for standard input cannot be woken: the thread that reads it would keep the process, and the store's
lock, until the client goes away too.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from memoryos_engine import MemoryOS, MemoryOSError


def leave_when_told(system: MemoryOS) -> None:
    """Have SIGINT and SIGTERM close a system and end the process; a second one ends it at once."""

    def leave(_: int, __: FrameType | None) -> None:
        for told in (signal.SIGINT, signal.SIGTERM):
            signal.signal(told, signal.SIG_DFL)
        status = 2
        try:
            system.close()
            status = 0
        except MemoryOSError as error:
            sys.stderr.write(f"memoryos-mcp: {error}\n")
            sys.stderr.flush()
        finally:
            os._exit(status)

    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, leave)
