"""`python -m memoryos_engine` is the command `memoryos`."""

from __future__ import annotations

from memoryos_engine.cli import main

main()
