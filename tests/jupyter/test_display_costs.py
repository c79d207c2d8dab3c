"""The command that measures displays prints a figure for each: here of a small memory."""

from __future__ import annotations

from memoryos_engine import MemoryOS
from memoryos_engine.evaluation.synthetic import SyntheticTalk
from memoryos_integrations.evaluation.displays import costs


def test_every_display_has_its_seconds_and_kilobytes(system: MemoryOS):
    memory = system.memory("reader")
    memory.import_turns(SyntheticTalk(seed=1).turns(20))

    table = costs(memory)
    names, seconds, kilobytes = (list(column.cells) for column in table.columns)

    assert names == ["memory", "retrieval", "100 pages", "explorer, as it opens"]
    assert all(float(figure) >= 0 for figure in seconds)
    assert all(int(figure) > 0 for figure in kilobytes)
