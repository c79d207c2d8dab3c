"""Answers from memory: what a model is asked and what it may answer, or without one the best of memory quoted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from memoryos_engine.errors import ChatModelError, InvalidInput
from memoryos_engine.intake import checked_metadata
from memoryos_engine.llm.base import ChatMessage
from memoryos_engine.llm.reasoning import without_reasoning
from memoryos_engine.prompt_format import date_line, neutralise
from memoryos_engine.prompts import Prompts, filled
from memoryos_engine.records import JSONValue
from memoryos_engine.retrieved import RetrievedMemory
from memoryos_engine.settings import require_text

NOTHING_YET = "Nothing is remembered of this user yet."
NOTHING_FITS = "What is remembered of this user does not fit in here."
LONGEST_HINT = 2000
"""Characters of a relationship, a style hint or a conversation's metadata as JSON."""
QUOTE_LENGTH = 600
"""Characters of each side that an answer without a model quotes."""


def answer_messages(
    found: RetrievedMemory,
    *,
    prompts: Prompts,
    now: datetime,
    relationship: str = "",
    style_hint: str = "",
    conversation_metadata: Mapping[str, JSONValue] | None = None,
    max_tokens: int = 2000,
) -> list[ChatMessage]:
    """Return the messages that ask a model to answer `found.query` (paper §3.5).

    Args:
        found: what was retrieved for the query.
        prompts: its `answer` is the system message.
        now: the present, against which the model checks dates.
        relationship: what the assistant is to the user.
        style_hint: how to answer.
        conversation_metadata: what else is known of this conversation.
        max_tokens: budget of the remembered context alone; instruction, hints and query come on top.

    Raises:
        InvalidInput: a hint cannot be shown, or the budget is no whole number of at least 1.
    """
    values = {
        "memory": found.to_prompt(max_tokens) or (NOTHING_YET if found.best is None else NOTHING_FITS),
        "today": f"{date_line(now).rstrip()} UTC",
        "relationship": neutralise(checked_hint("relationship", relationship)),
        "style": neutralise(checked_hint("style_hint", style_hint)),
        "metadata": _shown_metadata(checked_conversation_metadata(conversation_metadata)),
    }
    system = ChatMessage(role="system", content=filled(prompts.answer, values))
    return [system, ChatMessage(role="user", content=found.query)]


def checked_hint(parameter: str, value: object) -> str:
    """Return a relationship or style if it can be shown to a model.

    Raises:
        InvalidInput: it is no text, or too long.
    """
    text = require_text(parameter, value)
    _require_short(parameter, text)
    return text


def checked_conversation_metadata(metadata: object) -> Mapping[str, JSONValue]:
    """Return a copy of what is known of a conversation, as its page will keep it.

    Raises:
        InvalidInput: it cannot be the metadata of a page, or is too long to be shown to a model.
    """
    name = "conversation_metadata"
    try:
        kept = checked_metadata(metadata)
    except InvalidInput as error:
        problem = error.problem if error.parameter == "metadata" else f"has a key that {error.problem}"
        raise InvalidInput(name, problem, error.fix) from error
    _require_short(name, _as_json(kept))
    return kept


def checked_answer(answer: object) -> str:
    """Return a model's answer without what it thought aloud before it, if it is one.

    Raises:
        ChatModelError: it says nothing, or is no text that can be stored.
    """
    said = without_reasoning(require_model_text(answer))
    if not said.strip():
        raise ChatModelError("the model returned an empty answer; nothing was remembered")
    return said


def require_model_text(value: object) -> str:
    """Return what a model said if it is text that can be stored.

    Raises:
        ChatModelError: it is not.
    """
    try:
        return require_text("the model's answer", value)
    except InvalidInput as error:
        raise ChatModelError(f"{error} Nothing was remembered.") from error


def quote(found: RetrievedMemory) -> str:
    """Return an answer without a model: the page that fits best, quoted with its date."""
    best = found.best
    if best is None:
        return "[no language model is configured] Nothing is remembered yet."
    lines = [f"[no language model is configured; quoting memory] {best.timestamp:%Y-%m-%d}:"]
    lines += [f"User: {_shortened(best.user_input)}"] if best.user_input else []
    lines += [f"Assistant: {_shortened(best.agent_response)}"] if best.agent_response else []
    return "\n".join(lines)


def _shown_metadata(metadata: Mapping[str, JSONValue]) -> str:
    return neutralise(_as_json(metadata)) if metadata else ""


def _as_json(metadata: Mapping[str, JSONValue]) -> str:
    return json.dumps(dict(metadata), ensure_ascii=False)


def _require_short(parameter: str, text: str) -> None:
    if len(text) > LONGEST_HINT:
        fix = f"Pass at most {LONGEST_HINT:,} characters; longer material is what add_memory is for."
        raise InvalidInput(parameter, f"takes {len(text):,} characters", fix)


def _shortened(text: str) -> str:
    return text if len(text) <= QUOTE_LENGTH else text[:QUOTE_LENGTH].rstrip() + " [...]"
