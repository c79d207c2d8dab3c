"""What went wrong, in one line below the cell, which has failed all the same.

IPython writes a `UsageError` of its own on standard error and leaves no error in the notebook, so mistakes are a
kind of it that does, and an error of the engine keeps its type: only the stack, which is ours, is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from IPython.core.error import UsageError

from memoryos_engine import MemoryOSError, ModelError
from memoryos_engine.terminal import harmless

Raised = TypeVar("Raised", bound=BaseException)


class MagicUsageError(UsageError):
    """A magic was not used as it can be; the message says how it can."""

    def _render_traceback_(self) -> list[str]:
        return [_line(self)]


@contextmanager
def in_one_line(*, unanswered: str = "") -> Iterator[None]:
    """Have errors of the engine that leave the block shown as their message alone.

    Args:
        unanswered: what to add where a model is to blame.
    """
    try:
        yield
    except MemoryOSError as error:
        briefly(error, unanswered if isinstance(error, ModelError) else "")
        raise


def briefly(error: Raised, more: str = "") -> Raised:
    """Return the error, shown by IPython as one line from now on."""
    line = f"{_line(error)} {more}".rstrip()
    setattr(error, "_render_traceback_", lambda: [line])  # noqa: B010 - IPython's name, on a class that has none
    return error


def _line(error: BaseException) -> str:
    return harmless(f"{type(error).__name__}: {error}")
