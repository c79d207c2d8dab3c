"""Notes: what an agent chose to remember, kept as pages of one side.

They have a session of their own, the same for every conversation of a user, so that they
never stand between the turns of one: not in its STM, nor in its history, nor where a host
sends a conversation again and it is compared with what is stored.
"""

from __future__ import annotations

from memoryos_engine import DialoguePage, InvalidInput, UserMemory
from memoryos_engine.settings import require_text

NOTES_SESSION = "saved notes"


def save_note(memory: UserMemory, content: str, *, noted_by: str) -> DialoguePage:
    """Remember a note and return its page, whose metadata says `noted_by` what and in which session (`noted_in`).

    Raises:
        InvalidInput: the content is blank or cannot be stored.
        EmbeddingError, StoreError: it was not stored.
    """
    _require_said(content)
    metadata = {"noted_by": noted_by, "noted_in": memory.session_id}
    return memory.in_session(NOTES_SESSION).add_memory(agent_response=content, metadata=metadata)


def known_note(memory: UserMemory, content: str) -> DialoguePage | None:
    """Return the note that says just this; None if there is none.

    Raises:
        StoreError: it cannot be read.
    """
    notes = memory.in_session(NOTES_SESSION).session_pages()
    return next((page for page in notes if page.agent_response == content), None)


def _require_said(content: str) -> None:
    if not require_text("content", content).strip():
        raise InvalidInput("content", "is empty", "Pass what to remember.")
