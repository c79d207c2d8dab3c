"""What a memory puts into a prompt: what is remembered that matters now, then the conversation's latest turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock

from memoryos_engine import DialoguePage, RetrievedMemory, UserMemory
from memoryos_integrations.content import storable
from memoryos_integrations.llama_index.asked import is_open, noted, page_asked
from memoryos_integrations.llama_index.kept import instructions, original_of
from memoryos_integrations.llama_index.messages import as_chat_messages, is_users, unfillable
from memoryos_integrations.llama_index.run_scope import run_id
from memoryos_integrations.prompting import recollection
from memoryos_integrations.saving import try_waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class _Moment:
    """Where a conversation stands when it is asked what the model shall read."""

    query: str
    earlier: Sequence[DialoguePage]
    """Of the session's latest pages those before the turn, oldest first."""
    asking: Sequence[DialoguePage]
    """The page the turn is about, if it is stored already; it is in the prompt whole."""
    first: bool
    """Whether memory is asked for the first time in this turn, which counts as a visit."""
    fills: bool
    """Whether what is returned may be taken for a template: by engines that ask before they hand over the question."""


def prompt_messages(memory: UserMemory, asked: str, *, max_tokens: int, top_k: int) -> list[ChatMessage]:
    """Return what a model shall read before it answers, oldest first, made anew.

    Args:
        memory: whose, and in which session.
        asked: what the user says now, where the host tells it; else it is the page that was asked last in this
            call or run, or the session's last where none is known.
        max_tokens: budget of what is remembered: context and earlier turns. The turn itself and the
            application's instructions are the host's own and come whole.
        top_k: most pages to find.

    Returns:
        The session's instructions, a system message with what is remembered unless that is nothing, the latest
        turns, and the question if it is stored already, which is never in what is remembered as well. In a
        workflow what is remembered stands before the question in the user's message: ReAct agents drop a system
        message that comes first.

    Raises:
        EmbeddingError, StoreError: nothing could be searched.
    """
    try_waiting(memory)
    latest = memory.session_pages(last=memory.system.settings.short_term_capacity)
    moment = _moment(memory, latest, storable(asked))
    parts = recollection(_recalled(memory, moment, top_k), max_tokens)
    recent, asking = conversation(memory, parts.recent), conversation(memory, moment.asking)
    if run_id() is not None and asking and is_users(asking[0]):
        asking[0].blocks = [*_as_blocks(parts.context), *asking[0].blocks]
    elif parts.context:
        recent = [ChatMessage(content=parts.context, role=MessageRole.SYSTEM), *recent]
    shown = [_unfillable(each) for each in recent] if moment.fills else recent
    return [*instructions(memory), *shown, *asking]


def _as_blocks(context: str) -> list[TextBlock]:
    return [TextBlock(text=context)] if context else []


def conversation(memory: UserMemory, pages: Sequence[DialoguePage]) -> list[ChatMessage]:
    """Return pages as messages, what the user said as it came where this process knows it still."""
    messages: list[ChatMessage] = []
    for page in pages:
        original = original_of(memory, page)
        if original is None:
            messages += as_chat_messages([page])
        else:
            messages += [original, *as_chat_messages([replace(page, user_input="")])]
    return messages


def _moment(memory: UserMemory, latest: Sequence[DialoguePage], asked: str) -> _Moment:
    page = _asking(memory, latest, asked)
    earlier = latest if page is None else [each for each in latest if each.sequence < page.sequence]
    if not asked.strip():
        query = page.user_input or page.agent_response if page else ""
        first = page is not None and not page.agent_response
        return _Moment(query=query, earlier=earlier, asking=[page] if page else (), first=first, fills=False)
    if page is not None and run_id() is not None:  # between two rounds of an agent's tools
        return _Moment(query=asked, earlier=earlier, asking=[page], first=False, fills=False)
    return _Moment(query=asked, earlier=earlier, asking=(), first=True, fills=True)


def _asking(memory: UserMemory, latest: Sequence[DialoguePage], asked: str) -> DialoguePage | None:
    """Return the page this turn is about, if it is stored; a run is about its question after the answer as well."""
    note = noted(memory)
    waits = note is not None and is_open(memory, note)
    page = page_asked(memory, note) if waits or run_id() is not None else None
    if page is not None and waits:
        page = replace(page, agent_response="")  # another call that asked the same may have its answer already
    if asked.strip():
        waiting = [each for each in latest[-1:] if not each.agent_response]
        return next((each for each in (page, *waiting) if each and _says(memory, each, asked)), None)
    return page or (None if waits or not latest else latest[-1])


def _says(memory: UserMemory, page: DialoguePage, asked: str) -> bool:
    """Say whether a page asks this; of a message of several blocks hosts tell the texts alone."""
    original = original_of(memory, page)
    texts = [page.user_input, (original.content or "") if original is not None else ""]
    return asked.strip() in [text.strip() for text in texts]


def _recalled(memory: UserMemory, moment: _Moment, top_k: int) -> RetrievedMemory:
    """Return what is remembered besides the turn, each page once."""
    shown = {page.id for page in (*moment.earlier, *moment.asking)}
    if not moment.query.strip():
        found = memory.latest_memory()
    else:
        found = memory.retrieve_memory(moment.query, top_k=top_k + len(shown), touch=moment.first)
    pages = tuple(page for page in found.pages if page.id not in shown and not _asks(page, moment.query))[:top_k]
    return replace(found, short_term=tuple(moment.earlier), pages=pages)


def _asks(page: DialoguePage, query: str) -> bool:
    """Say whether a page is the same question once more, which got no answer: it tells nothing."""
    return not page.agent_response and page.user_input.strip() == query.strip()


def _unfillable(message: ChatMessage) -> ChatMessage:
    """Return the message, made anew by its maker, with nothing in its texts to be filled in."""
    for block in message.blocks:
        if isinstance(block, TextBlock):
            block.text = unfillable(block.text)
    return message
