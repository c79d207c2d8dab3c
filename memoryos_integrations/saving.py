"""Saving turns so that none is lost when the store or the embedder fails for a while.

What could not be stored waits in this process, in order and with its time, and goes first
the next time its session is saved to or read from; once more when its system is closed, or the process ends.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from memoryos_engine import (
    CallerError,
    DialoguePage,
    ImportCutOff,
    InvalidInput,
    LimitReached,
    MemoryOS,
    MemoryOSError,
    NotFound,
    StoreError,
    UserMemory,
)
from memoryos_engine.settings import require_text
from memoryos_integrations.content import storable
from memoryos_integrations.turns import NO_METADATA, Turn
from memoryos_integrations.waiting_turns import Queue, Queues, Thread, Waiting

REFUSALS, PATIENCE = 5, timedelta(minutes=10)
"""A turn that an embedder did not take so often, this long after it was said and later, while it
took others, holds up those behind it no longer."""

_NOT_TAKEN = InvalidInput(
    "turn", "is not taken by the embedder, which takes others", "Use one that shortens what is too long for it."
)

logger = logging.getLogger(__name__)

_queues = Queues()


@contextmanager
def holding(memory: UserMemory) -> Iterator[None]:
    """Give the session to one thread at a time, for those who read it to know what to save."""
    with _queues.held(memory):
        yield


def save(memory: UserMemory, turns: Iterable[Turn], *, again: bool = True) -> None:
    """Store turns after those that still wait.

    A turn whose sides are too long for one page becomes two. Half of a surrogate pair, which
    no store takes, becomes U+FFFD. An answer to a page that was deleted is dropped: it may repeat what
    was to be forgotten.

    Args:
        memory: whose, and in which session.
        turns: in order.
        again: whether the caller may hand over once more what failed; then turns equal to those
            that wait are these. A caller that hands over each turn once says False, because
            people do say the same thing twice.

    Raises:
        InvalidInput: a turn cannot be stored, ever; those after it were tried all the same.
        LimitReached: the user has all pages they may have; it and those after it are not stored.
        StoreError, ModelError, ClosedError: it and what follows wait in this process and are stored
            with the next use of the session; they need not be handed over again, but may be.
    """
    handed = [_storable(turn) for turn in turns]
    with _queues.held(memory) as queue:
        now, purges = memory.system.clock(), memory.system.purges(memory.owner)
        if not again or queue.handed_before_purge != purges:  # whoever goes on does not hand over again what failed
            queue.handed, queue.handed_before_purge = (), purges
        new = _unsaid(queue.handed, handed) if again else handed
        queue.handed = [*queue.handed, *new] if again else ()
        queue.turns = [*queue.turns, *(Waiting(turn=turn, said_at=now, purges=purges) for turn in new)]
        try:
            _store(memory, queue)
        finally:
            if not queue.turns:
                queue.handed = ()


def retry(memory: UserMemory) -> None:
    """Store what waits for this session; raises as `save` does."""
    if _queues.waiting(memory):
        with _queues.held(memory) as queue:
            _store(memory, queue)


def try_waiting(memory: UserMemory) -> None:
    """Store what waits for this session if it can be; what cannot is logged, because nobody asked for it now."""
    try:
        retry(memory)
    except MemoryOSError as error:
        logger.warning("turns that waited could not be stored yet (%s: %s)", type(error).__name__, error)
    except Exception as error:  # noqa: BLE001 - an embedder is anybody's code
        logger.warning("turns that waited could not be stored yet (%s)", type(error).__name__)


def drop(memory: UserMemory) -> None:
    """Forget what waits for this session, as if it had never been handed over."""
    with _queues.held(memory) as queue:
        queue.empty()


def waiting(memory: UserMemory) -> list[Turn]:
    """Return the turns of the session that are not stored yet, oldest first."""
    return [each.turn for each in _queues.waiting(memory)]


def _storable(turn: Turn) -> Turn:
    said, answer = _text("user_input", turn.user_input), _text("agent_response", turn.agent_response)
    return replace(turn, user_input=said, agent_response=answer)


def _text(parameter: str, value: object) -> str:
    return require_text(parameter, storable(value) if isinstance(value, str) else value)


def _unsaid(handed: Sequence[Turn], turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns without those that come once more because their first time failed."""
    for count in range(min(len(handed), len(turns)), 0, -1):
        if list(handed[-count:]) == list(turns[:count]):
            return turns[count:]
    return turns


def _store(memory: UserMemory, queue: Queue) -> None:
    if queue.turns and queue.turns[0].purges != memory.system.purges(memory.owner):
        queue.turns = [each for each in queue.turns if each.purges == memory.system.purges(memory.owner)]
        queue.before = None
    while queue.turns:
        _store_first(memory, queue)
    refused, queue.refused = queue.refused, None
    if refused is not None:
        raise refused


def _store_first(memory: UserMemory, queue: Queue) -> None:
    first, *others = queue.turns
    try:
        _store_one(memory, queue, first)
    except InvalidInput as error:
        others = [*_without(first, queue, error), *others]
    except LimitReached as error:  # it would be refused for ever, and those behind it with it
        queue.refused = queue.refused or LimitReached(error.setting, error.limit, room=error.room)
        queue.before, queue.unasked = None, bool(first.turn.user_input)
    except (CallerError, StoreError):
        raise
    except Exception:  # an embedder is anybody's code
        first = _counted(memory, first)
        if first.refusals < REFUSALS:
            queue.turns = [first, *others]
            raise
        others = [*_without(first, queue, _NOT_TAKEN), *others]
    queue.turns = others


def _store_one(memory: UserMemory, queue: Queue, each: Waiting) -> None:
    named = _named(memory, each.turn)
    home = memory.in_session(named[0].session_id) if named else memory
    last, retried = home.session_pages(last=1), queue.before is not None
    asked = None if queue.unasked and not named else _asked(each.turn, named or last, retried=retried)
    deleted = each.turn.page_id is not None and not named
    done = retried and last != queue.before and _holds(last, each.turn, alone=bool(named))
    if not (deleted or done):
        queue.before = last
        _write(home, each, asked)
    queue.before, queue.unasked = None, queue.unasked and bool(named)


def _named(memory: UserMemory, turn: Turn) -> Sequence[DialoguePage]:
    """Return the page that a turn names, unless it names none or it was deleted."""
    try:
        return () if turn.page_id is None else (memory.page(turn.page_id),)
    except NotFound:
        return ()


def _holds(last: Sequence[DialoguePage], turn: Turn, *, alone: bool) -> bool:
    """Say whether a turn is the session's last page, or the answer in it unless that has to be alone there."""
    return any(
        page.user_input == ("" if alone else turn.user_input or page.user_input)
        and page.agent_response == turn.agent_response
        for page in last
    )


def _write(memory: UserMemory, each: Waiting, asked: DialoguePage | None) -> None:
    """Store a turn after the session's last page; an answer goes into what it answers if there is room."""
    turn = each.turn
    if asked is not None and asked.agent_response:  # the write that failed was done
        return
    if asked is not None and _joins(memory, turn, asked):
        return
    memory.add_memory(turn.user_input, turn.agent_response, timestamp=each.said_at, metadata=turn.metadata)


def _joins(memory: UserMemory, answer: Turn, asked: DialoguePage) -> bool:
    """Store an answer in its page, without its metadata if there is room for no more; say whether there was any."""
    for metadata in (answer.metadata, NO_METADATA) if answer.metadata else (NO_METADATA,):
        try:
            memory.add_response(answer.agent_response, page_id=asked.id, metadata=metadata)
        except InvalidInput:  # too long together
            continue
        except NotFound:  # deleted just now, and its answer with it
            return True
        return True
    return False


def _asked(turn: Turn, pages: Sequence[DialoguePage], *, retried: bool) -> DialoguePage | None:
    """Return the page that an answer belongs to: it waits for one, or has just this one since a write that failed.

    Args:
        turn: the answer, or another turn, which belongs to none.
        pages: the one that the answer names, else the session's last, if any.
        retried: whether a write failed before.
    """
    fitting = ("", turn.agent_response) if retried and turn.page_id is not None else ("",)
    asked = (page for page in pages if not turn.user_input and page.agent_response in fitting)
    return next(asked, None)


def _without(refused: Waiting, queue: Queue, error: InvalidInput) -> list[Waiting]:
    """Return what to try in place of a refused turn: without its metadata, its two sides, an answer without its
    question, or nothing.
    """
    turn, queue.before = refused.turn, None
    if turn.metadata:
        return [replace(refused, turn=replace(turn, metadata=NO_METADATA))]
    if not (turn.user_input or queue.unasked):
        queue.unasked = True
        return [refused]
    if turn.user_input.strip() and turn.agent_response.strip():
        alone = replace(turn, agent_response=""), replace(turn, user_input="")
        return [replace(refused, turn=side) for side in alone]
    queue.refused = queue.refused or error.under(error.parameter)  # without the frames, which hold the system
    queue.unasked = bool(turn.user_input)
    return []


def _counted(memory: UserMemory, refused: Waiting) -> Waiting:
    """Return the turn with its refusals; that an embedder takes nothing at the moment is none."""
    if memory.system.clock() - refused.said_at < PATIENCE:
        return refused
    try:
        memory.system.embedder.embed(["Hello"])
    except Exception:  # noqa: BLE001 - the turn's own error is the one that is told
        return refused
    return replace(refused, refusals=refused.refusals + 1)


def _store_before_close(system: MemoryOS) -> None:
    queues = dict(_queues.by_system()).get(system, {})
    _try_once_more(system, [thread for thread, queue in queues.items() if queue.turns and not queue.users])


_queues.on_first_use = lambda system: system.before_close(_store_before_close)


@atexit.register
def _store_at_exit() -> None:
    for system, queues in _queues.by_system():
        _try_once_more(system, [thread for thread, queue in queues.items() if queue.turns and not queue.users])
        lost = sum(len(queue.turns) for queue in queues.values())
        if lost:
            logger.warning("%d turns that waited to be stored are lost: the process ends", lost)


def _try_once_more(system: MemoryOS, threads: Iterable[Thread]) -> None:
    """Store what waits, up to the first failure: a store that is down is down for all."""
    try:
        for owner, session_id in threads:
            _store_finally(system.memory(owner.user_id, owner.assistant_id, session_id))
    except Exception as error:  # noqa: BLE001 - nobody is left to be told
        logger.warning("turns that waited could not be stored (%s)", type(error).__name__)


def _store_finally(memory: UserMemory) -> None:
    try:
        retry(memory)
    except (InvalidInput, LimitReached, ImportCutOff) as error:  # one user's own, and nobody else's
        logger.warning("a turn that waited could not be stored: %s", error)
