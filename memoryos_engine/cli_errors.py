"""Errors on the command line: one red line and a status, never a traceback for what was foreseen."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from memoryos_engine.errors import CallerError, MemoryOSError
from memoryos_engine.terminal import console, stored

CALLER_AT_FAULT, OTHER_FAULT = 2, 1
"""Exit statuses."""


class Commands(TyperGroup):
    """Commands whose errors are one line: status 2 for the caller's faults, 1 for others."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; turn an error of the engine or of a file into a line and a status."""
        try:
            return super().invoke(ctx)
        except MemoryOSError as error:
            complain(str(error))
            raise typer.Exit(CALLER_AT_FAULT if isinstance(error, CallerError) else OTHER_FAULT) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            complain(f"{error.strerror or type(error).__name__}: {error.filename or ''}")
            raise typer.Exit(OTHER_FAULT) from error


def complain(message: str) -> None:
    """Print one red line on standard error."""
    console(errors=True).print(stored(message, style="red"), soft_wrap=True)
