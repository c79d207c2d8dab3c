"""Asking the person before everything is forgotten, where their client can ask."""

from __future__ import annotations

from typing import Any

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit
from pydantic import BaseModel, Field

from memoryos_engine import InvalidInput

_QUESTION = "Forget everything that is remembered of you, for good? This cannot be undone."


class Confirmation(BaseModel):
    """What the person says to it."""

    forget_everything: bool = Field(False, title="Forget everything", description="for good")


def confirmed(
    ctx: Context[Any, Any], memory_id: str, everything: bool, confirmed_by_user: bool
) -> Confirmation | Elicit[Confirmation]:
    """Return what the person says; where nothing needs to be asked, or nobody can be, what the model says of it.

    Args:
        ctx: of the call.
        memory_id: the tool's argument; beside `everything` it makes a call that is refused, and nobody is asked.
        everything: the tool's argument.
        confirmed_by_user: the tool's argument, which counts where the client cannot ask.
    """
    if everything and not memory_id and _can_ask(ctx):
        return Elicit(_QUESTION, Confirmation)
    return Confirmation(forget_everything=everything and confirmed_by_user)


def require_word(ctx: Context[Any, Any], outcome: ElicitationResult[Confirmation]) -> None:
    """Refuse to forget everything without the user's word.

    Raises:
        InvalidInput: they did not say so, or nobody has asked them.
    """
    if isinstance(outcome, AcceptedElicitation) and outcome.data.forget_everything:
        return
    fix = "Ask the user first, and call again with confirmed_by_user=true if the answer is yes."
    if _can_ask(ctx):
        fix = "The user was asked and did not agree, so leave it."
    raise InvalidInput("everything", "is forgotten only when the user has said so", fix)


def _can_ask(ctx: Context[Any, Any]) -> bool:
    told = ctx.client_capabilities
    elicitation = None if told is None else told.elicitation
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
