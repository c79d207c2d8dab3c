"""What the tests of the importers share: the files they read, and turns without their keys."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from memoryos_engine.clock import as_utc
from memoryos_engine.importers import ImportedTurns, read_turns
from memoryos_engine.known_imports import IMPORTED_FROM

DATA = Path(__file__).parents[2] / "data" / "importers"


def local(text: str) -> datetime:
    """A time of this machine's zone, as the files have it."""
    return as_utc(text)


def plain(turn: dict[str, Any]) -> dict[str, Any]:
    """A turn without its key, and without metadata where that was all."""
    kept = {key: value for key, value in turn["metadata"].items() if key != IMPORTED_FROM}
    return {**{key: value for key, value in turn.items() if key != "metadata"}, **({"metadata": kept} if kept else {})}


def read(path: Path, **options: Any) -> tuple[list[dict[str, Any]], ImportedTurns]:
    turns = read_turns(path, **options)
    return [plain(turn) for turn in turns], turns


def page(user_input: str, agent_response: str = "", at: Any = None, session: str | None = None, **metadata: Any) -> Any:
    """A turn as it is expected."""
    return {
        "user_input": user_input,
        "agent_response": agent_response,
        **({"timestamp": at} if at is not None else {}),
        **({"session_id": session} if session is not None else {}),
        **({"metadata": metadata} if metadata else {}),
    }


def as_json(folder: Path, value: Any, name: str = "file.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path
