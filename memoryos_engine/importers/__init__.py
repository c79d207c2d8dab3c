"""Readers of other people's files: what one had elsewhere becomes turns for `UserMemory.import_turns`."""

from memoryos_engine.importers.reading import FORMATS, ImportedTurns, read_turns

__all__ = ["FORMATS", "ImportedTurns", "read_turns"]
