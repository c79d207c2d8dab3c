"""Which pages are the conversation that a host sees: it may hand over another one, or begin anew.

The conversation is a session of the engine. What a host takes out of it stays in memory: it moves to a
session beside it, and comes back if the host hands it over again.
"""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage

from memoryos_engine import UserMemory
from memoryos_integrations.conversations import matched
from memoryos_integrations.llama_index.kept import begin_anew, set_instructions
from memoryos_integrations.llama_index.messages import is_instruction
from memoryos_integrations.llama_index.remembering import turns_heard, waiting_page
from memoryos_integrations.saving import drop, retry, save

EARLIER = ", earlier"
"""What is added to a session's name for what was taken out of it."""


def set_conversation(memory: UserMemory, messages: Sequence[ChatMessage]) -> str | None:
    """Make messages the session's conversation; return the id of the page that waits for an answer, if one does.

    Turns that the session holds or held are not stored again; those it never held are. Pages that are
    not among them move to the session beside it.

    Raises:
        InvalidInput, StoreError, ModelError, ClosedError: as `remembering.remember` does.
    """
    retry(memory)
    begin_anew(memory)
    aside = memory.in_session(memory.session_id + EARLIER)
    here = memory.session_pages()
    said = [message for message in messages if not is_instruction(message)]
    turns, _ = turns_heard(said)
    known, new = matched(turns, [*aside.session_pages(), *here])
    memory.move_pages([page.id for page in here if page.id not in known], aside.session_id)
    memory.move_pages(known, memory.session_id)
    set_instructions(memory, [message for message in messages if is_instruction(message)])
    save(memory, new)
    return waiting_page(memory, said) if turns and not turns[-1].agent_response else None


def begin_conversation(memory: UserMemory, *, forget: bool) -> None:
    """Make the session's conversation an empty one.

    Args:
        memory: whose, and which session.
        forget: delete what was said in the session instead, before an earlier beginning too, with what was
            derived from it alone.

    Raises:
        StoreError, ModelError, ClosedError: it could not be done, or not all of it.
    """
    if forget:
        drop(memory)
        memory.forget_session()
        memory.in_session(memory.session_id + EARLIER).forget_session()
        begin_anew(memory)
    else:
        set_conversation(memory, [])
