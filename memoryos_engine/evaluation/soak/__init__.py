"""Soak and fault commands: `python -m memoryos_engine.evaluation.soak NAME` breaks things and counts what is lost."""
