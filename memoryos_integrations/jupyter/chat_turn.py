"""One turn of a conversation in a notebook: what the user says, and what comes of it below the cell."""

from __future__ import annotations

from contextlib import closing

from memoryos_engine import MemoryOSError, StoreError, UserMemory
from memoryos_integrations.jupyter.brief_errors import briefly
from memoryos_integrations.jupyter.cell_output import GrowingAnswer, put_below, say
from memoryos_integrations.jupyter.display import show

NOT_REMEMBERED = "Nothing of this turn is remembered; run the cell again."
BROKEN_OFF = "broken off; not remembered"
UNKNOWN = "it is not known whether this is remembered: look with %recall before you say it again"
NO_MODEL = "No model: what you said is remembered, and nothing was answered. {fix}"

FITTING = 3
"""Pages that are shown beside what was said."""
_LATEST = 5
"""Pages of a session among which the page of a turn is looked for."""


def answered_turn(memory: UserMemory, said: str, answer: GrowingAnswer, *, style: str = "") -> None:
    """Show the model's answer as it comes; the engine remembers the turn after the last piece.

    Raises:
        ModelError: the model did not answer, or not to the end; nothing is remembered.
        KeyboardInterrupt: the kernel was interrupted; its message says what became of the turn.
    """
    pieces = memory.stream_response(said, style_hint=style)
    before = _latest(memory, said)
    try:
        with closing(pieces):
            for piece in pieces:
                answer.add(piece)
    except StoreError:
        answer.break_off(UNKNOWN)  # it may have been written, and only the reply was lost
        raise
    except MemoryOSError:
        answer.break_off(BROKEN_OFF)
        raise
    except KeyboardInterrupt:
        raise _interrupted(answer, is_remembered=bool(_latest(memory, said) - before)) from None
    answer.finish()


def noted_turn(memory: UserMemory, said: str, *, fix: str) -> None:
    """Show what memory holds for what was said, and remember it: there is no model to answer.

    Args:
        memory: of the user.
        said: what the user said.
        fix: how to get a model.
    """
    found = memory.retrieve_memory(said, top_k=FITTING)
    memory.add_memory(user_input=said)
    put_below(show(found))
    say(NO_MODEL.format(fix=fix))


def _latest(memory: UserMemory, said: str) -> set[str]:
    return {page.id for page in memory.session_pages(last=_LATEST) if page.user_input == said}


def _interrupted(answer: GrowingAnswer, *, is_remembered: bool) -> KeyboardInterrupt:
    if is_remembered:
        answer.finish()
        return briefly(KeyboardInterrupt("Interrupted when the answer was whole; the turn is remembered."))
    answer.break_off(BROKEN_OFF)
    return briefly(KeyboardInterrupt(f"Interrupted. {NOT_REMEMBERED}"))
