"""Memories in and out: histories of turns, and whole memories as JSON Lines."""

from memoryos_engine.transfer.export_format import VERSION
from memoryos_engine.transfer.exporting import export_memory
from memoryos_engine.transfer.importing import import_file
from memoryos_engine.transfer.turn_import import BATCH, import_turns

__all__ = ["BATCH", "VERSION", "export_memory", "import_file", "import_turns"]
