"""What a notebook shows of a memory is what its file keeps."""

from __future__ import annotations

from memoryos_engine import MemoryOS
from memoryos_integrations.jupyter import show


def test_what_a_cell_saves_holds_what_was_said_and_outlives_its_deletion(system: MemoryOS) -> None:
    """Jupyter writes the bundle into the .ipynb as it stands."""
    memory = system.memory("tom")
    memory.add_memory("I was diagnosed with hepatitis.", "I am sorry.")
    saved = show(memory)._repr_mimebundle_()
    memory.purge()

    assert "hepatitis" in saved["text/html"]
    assert "hepatitis" in saved["text/plain"]
    assert memory.pages() == []
