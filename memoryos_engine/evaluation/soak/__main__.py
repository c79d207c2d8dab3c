"""`python -m memoryos_engine.evaluation.soak NAME [--options]`."""

from __future__ import annotations

from memoryos_engine.evaluation.soak.commands import app

app()
