"""A library says nothing on its own and loads nothing it does not need."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = (
    "chromadb",
    "openai",
    "torch",
    "sentence_transformers",
    "transformers",
    "langchain",
    "langchain_core",
    "langgraph",
    "llama_index",
    "tiktoken",
    "mcp",
    "IPython",
    "matplotlib",
    "numpy",
)
USE = """
from memoryos_engine import MemoryOS
with MemoryOS() as system:
    with system.memory("tom") as memory:
        for number in range(50):
            memory.add_memory(f"I love sourdough bread, text {number}, and my name is Tom.", "Tell me more.")
        memory.flush()
        assert memory.retrieve_memory("What bread do I love?").pages
        memory.get_response("What is my name?")
    memory.export("tom.jsonl")
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def loaded_by(statement: str, folder: Path) -> set[str]:
    done = run(f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))", folder)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_using_the_library_writes_nothing_to_the_terminal(tmp_path):
    """No telemetry notes, no progress bars, no warnings, no traces of threads at the end."""
    done = run(USE, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_store_that_is_not_closed_ends_quietly_too(tmp_path):
    """Threads must not be inside Chroma's native code while the interpreter goes down."""
    program = """
from memoryos_engine import MemoryOS, MemorySettings
memory = MemoryOS(settings=MemorySettings(consolidation_delay=0.0, short_term_capacity=1)).memory("tom")
for number in range(30):
    memory.add_memory(f"I love sourdough bread, text {number}.", "Tell me more.")
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    "statement",
    ["import memoryos_engine", "import memoryos_engine.cli", "import memoryos_integrations"],
)
def test_importing_loads_nothing_heavy(statement, tmp_path):
    """memoryos_engine: chromadb, openai and frameworks are loaded when a store is opened or a model is made."""
    assert loaded_by(statement, tmp_path).intersection(HEAVY) == set()


def test_importing_every_public_name_loads_no_framework(tmp_path):
    """Names resolve lazily; what they need is numpy, not a model or a store."""
    statement = "import memoryos_engine\nfor name in memoryos_engine.__all__: getattr(memoryos_engine, name)"

    assert loaded_by(statement, tmp_path).intersection(HEAVY) <= {"numpy"}


def test_opening_a_store_loads_chroma_and_no_model(tmp_path):
    """No model is a mode: neither openai nor torch is needed."""
    loaded = loaded_by("from memoryos_engine import MemoryOS\nMemoryOS('store').close()", tmp_path)

    assert "chromadb" in loaded
    assert loaded.intersection({"openai", "torch", "sentence_transformers", "langchain", "llama_index"}) == set()


def test_help_is_instant(tmp_path):
    """cli: whatever is heavy is imported inside the command that needs it."""
    program = str(Path(sys.executable).with_name("memoryos"))
    began = time.monotonic()
    done = subprocess.run([program, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert "memory" in done.stdout
    assert time.monotonic() - began < 5.0
    assert list(tmp_path.iterdir()) == []
