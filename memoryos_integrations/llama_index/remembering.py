"""Messages that LlamaIndex hands over, stored as turns: what the user says at once, its answer when it comes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from llama_index.core.base.llms.types import ChatMessage

from memoryos_engine import DialoguePage, InvalidInput, MemoryOSError, UserMemory
from memoryos_integrations.llama_index.asked import Asked, answered, ask, is_open, note_asked, noted, page_answered
from memoryos_integrations.llama_index.kept import (
    instructions,
    keep_original,
    keep_traffic,
    set_instructions,
    take_traffic,
)
from memoryos_integrations.llama_index.messages import as_said, is_instruction, is_users, said_text
from memoryos_integrations.llama_index.tool_traffic import Call
from memoryos_integrations.saving import holding, save
from memoryos_integrations.saving import waiting as turns_waiting
from memoryos_integrations.turns import Turn, turns_of

MOST_AT_ONCE = 64
"""Turns of one session that may be begun at the same moment and still be told apart."""

logger = logging.getLogger(__name__)


def begin_hearing(memory: UserMemory, messages: Iterable[ChatMessage]) -> Asked | None:
    """Return what was asked last in this call or run, as far as known.

    If messages ask something, that is known no longer: should they fail, what is answered next is not its answer.
    """
    asked = noted(memory)
    if any(map(is_users, messages)):
        note_asked(memory, None)
    return asked


def remember(memory: UserMemory, messages: Sequence[ChatMessage], asked: Asked | None = None) -> Asked | None:
    """Store what is said in messages, in order; return what was asked last then, as far as known.

    What tools are asked and say, and how an agent reasoned, goes into the metadata of the page with the answer. What
    instructs the model is no memory of the user; it is kept for the session as long as the process runs.

    Args:
        memory: whose, and in which session.
        messages: in order.
        asked: what was asked last in this call or run. The first answer, if nothing is asked before it, belongs to
            that page. If another call had it answered, this is a page of its own; if it was deleted, so is its answer.
            If nothing is asked here that waits for an answer, it belongs to the session's last page, if that does.

    Raises:
        InvalidInput: something the user said can never be stored.
        StoreError, ModelError, ClosedError: something the user said could not be stored now. It waits in this
            process. An answer that waits raises nothing: whoever got it must be able to go on with it.
    """
    told = [message for message in messages if is_instruction(message)]
    if told:
        set_instructions(memory, [*instructions(memory), *told])
    answers = bool(messages) and not is_users(messages[0])
    with holding(memory):
        own = asked if answers and asked is not None and is_open(memory, asked) else None
        page_id = None if own is None else own.page_id
        turns, traffic = turns_heard(messages, take_traffic(memory, page_id) if answers else ())
        if turns and not turns[0].user_input:
            turns[0] = replace(turns[0], page_id=page_id)
            _settle(memory, own)
        _save(memory, _without_retry(memory, turns))
        waiting = waiting_page(memory, messages) if turns and not turns[-1].agent_response else None
        keep_traffic(memory, waiting or page_id, traffic)
        if any(map(is_users, messages)):
            return None if waiting is None else ask(memory, waiting)
    return asked


def _settle(memory: UserMemory, own: Asked | None) -> None:
    """Have nobody wait any more for what is answered now: a call's own question, else the session's last page."""
    if own is not None:
        answered(memory, own)
        return
    try:
        last = memory.session_pages(last=1)
    except MemoryOSError:  # the answer waits, and is in no page yet
        return
    if last and not last[0].agent_response:
        page_answered(memory, last[0].id)


def turns_heard(messages: Sequence[ChatMessage], before: Sequence[Call] = ()) -> tuple[list[Turn], list[Call]]:
    """Return the turns in messages, and what tools were asked after the last answer.

    Args:
        messages: in order.
        before: what tools were asked on the way to the first answer, in messages that came earlier.
    """
    said, traffic = as_said(messages, before)
    return turns_of(said), traffic


def _without_retry(memory: UserMemory, turns: list[Turn]) -> list[Turn]:
    """Return the turns without a question that waits since a model failed, and is asked once more now."""
    first = turns[0] if turns else Turn()
    if not first.user_input or turns_waiting(memory):  # an answer to it may be among what waits
        return turns
    try:
        page = _asking_page(memory.session_pages(last=1), first.user_input)
    except MemoryOSError:  # saving fails as well then, keeps the turns and tells
        return turns
    if page is None:
        return turns
    return [replace(first, user_input="", page_id=page.id), *turns[1:]] if first.agent_response else turns[1:]


def waiting_page(memory: UserMemory, messages: Sequence[ChatMessage]) -> str | None:
    """Return the page that waits with the user's last message, and keep the message as it came; None if it is gone."""
    asking = next(each for each in reversed(messages) if is_users(each) and said_text(each).strip())
    page = _asking_page(memory.session_pages(last=MOST_AT_ONCE), said_text(asking))
    if page is None:
        return None
    keep_original(memory, page.id, asking)
    return page.id


def checked_messages(messages: Any) -> list[ChatMessage]:
    """Return messages as a list.

    Raises:
        InvalidInput: they are not messages of LlamaIndex.
    """
    if isinstance(messages, (str, ChatMessage)):
        raise InvalidInput("messages", "is one message, not a list", "Pass [message], or call put.")
    if not isinstance(messages, Iterable):
        raise InvalidInput("messages", f"is a {type(messages).__name__}, not a list", "Pass a list of messages.")
    listed = list(messages)
    for each in listed:
        if not isinstance(each, ChatMessage):
            fix = 'Pass LlamaIndex messages, such as ChatMessage("Hello", role="user").'
            raise InvalidInput("messages", f"hold a {type(each).__name__}, which is no message", fix)
    return listed


def _save(memory: UserMemory, turns: Sequence[Turn]) -> None:
    asking = any(turn.user_input for turn in turns)
    try:
        save(memory, turns, again=asking)
    except Exception as error:
        if asking:
            raise
        why = f": {error}" if isinstance(error, MemoryOSError) else ""  # foreign errors may quote what was said
        logger.warning("an answer could not be stored now (%s%s)", type(error).__name__, why)


def _asking_page(pages: Sequence[DialoguePage], text: str) -> DialoguePage | None:
    """Return the latest page that says this and waits for an answer; None if none does."""
    waiting = (page for page in reversed(pages) if not page.agent_response and page.user_input == text)
    return next(waiting, None)
