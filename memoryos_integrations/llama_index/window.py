"""Which pages are the conversation that a host sees: it may hand over another one, or begin anew.

The conversation is a session of the engine. What a host takes out of it stays in memory: it moves to a
session beside it, and comes back if the host hands it over again.
"""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage

from memoryos_engine import NotFound, UserMemory
from memoryos_engine.records import stable_id
from memoryos_integrations.conversations import matched
from memoryos_integrations.llama_index.asked import Asked, ask
from memoryos_integrations.llama_index.kept import begin_anew, set_instructions
from memoryos_integrations.llama_index.messages import is_instruction
from memoryos_integrations.llama_index.remembering import turns_heard, waiting_page
from memoryos_integrations.long_sides import log_left_out, without_long_sides
from memoryos_integrations.saving import drop, holding, retry, save
from memoryos_integrations.turns import Turn

MOST_TRIES = 5
"""Of aligning a conversation while somebody deletes pages of it."""


def taken_out_of(memory: UserMemory) -> UserMemory:
    """Return the memory in the session beside its own, which holds what was taken out of that."""
    name = memory.session_id
    # The end keeps it apart from a session that somebody else calls "..., earlier".
    return memory.in_session(f"{name}, earlier ({stable_id('earlier', name)[-8:]})")


def set_conversation(memory: UserMemory, messages: Sequence[ChatMessage]) -> Asked | None:
    """Make messages the session's conversation; return what it asks at its end, if it does.

    Turns that the session holds or held are not stored again; those it never held are, after the others. Pages
    that are not among them move to the session beside it. A side that is too long for any page is left out.

    Raises:
        StoreError, ModelError, ClosedError: as `remembering.remember` does.
    """
    said = [message for message in messages if not is_instruction(message)]
    turns, _ = turns_heard(said)
    with holding(memory):
        retry(memory)
        begin_anew(memory)
        _make_conversation(memory, turns)
        set_instructions(memory, [message for message in messages if is_instruction(message)])
        page_id = waiting_page(memory, said) if turns and not turns[-1].agent_response else None
        return None if page_id is None else ask(memory, page_id)


def _make_conversation(memory: UserMemory, turns: Sequence[Turn], *, tries: int = MOST_TRIES) -> None:
    try:
        _align(memory, turns)
    except NotFound:  # a page was deleted in between
        if tries == 1:
            raise
        _make_conversation(memory, turns, tries=tries - 1)


def _align(memory: UserMemory, turns: Sequence[Turn]) -> None:
    aside, here = taken_out_of(memory), memory.session_pages()
    fitting = without_long_sides(memory, turns)
    said = [turn for turn in fitting if turn.user_input or turn.agent_response]
    known, new = matched(said, sorted([*aside.session_pages(), *here], key=lambda page: page.sequence))
    kept = set(known)
    memory.move_pages([page.id for page in here if page.id not in kept], aside.session_id)
    memory.move_pages(known, memory.session_id)
    log_left_out(memory, turns, fitting, new)
    save(memory, new)


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
        taken_out_of(memory).forget_session()
        begin_anew(memory)
    else:
        set_conversation(memory, [])
