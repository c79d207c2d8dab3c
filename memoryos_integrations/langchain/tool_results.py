"""What memory tools answer a model: short JSON, one object for each memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document

from memoryos_engine.prompt_format import shortened, visible

MOST_CHARACTERS = 16_000
"""Length that the texts of one result share; about 4,000 tokens."""


def result_text(found: Sequence[Document]) -> str:
    """Return documents as JSON, best first: {"memories": [{"id", "date", ...what was said}]}.

    Long texts are cut, each to its share of `MOST_CHARACTERS`; characters that nobody sees are left out.
    """
    length = MOST_CHARACTERS // max(1, 2 * len(found))
    return _json({"memories": [_entry(document.metadata, length) for document in found]})


def status_text(record_id: str, status: str) -> str:
    """Return as JSON what became of a record."""
    return _json({"status": status, "id": record_id})


def _entry(metadata: dict[str, Any], length: int) -> dict[str, str]:
    """Return "user" and "assistant" of a page, "note" of one that the agent saved, or "fact"."""
    answer = "note" if metadata.get("noted_by") and not metadata.get("user_input") else "assistant"
    texts = {"user": "user_input", answer: "agent_response"} if metadata["kind"] == "page" else {"fact": "fact"}
    said = {name: shortened(visible(metadata[key]), length) for name, key in texts.items() if metadata.get(key)}
    return {"id": metadata["id"], "date": metadata["timestamp"][:16].replace("T", " "), **said}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
