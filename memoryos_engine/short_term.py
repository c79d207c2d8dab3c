"""Short-term memory: the last pages of a session, first in, first out (paper §3.2).

A page is in STM or pending as long as it has no segment. STM hands over when the queue
reaches its capacity, so at most capacity - 1 pages rest in it; the older ones are
pending. A session also hands over whole once enough others spoke after it: without this
bound a user with many short sessions would have an STM that grows for ever, and nothing
said in them would reach long-term memory. What left STM never comes back, whenever the
background work is done; and because all of it is derived from the order of the pages, a
crash or another capacity at the next opening loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from memoryos_engine.records import DialoguePage


def hand_over(
    open_pages: Sequence[DialoguePage], *, capacity: int, sessions: int, live: bool
) -> tuple[Sequence[DialoguePage], Sequence[DialoguePage]]:
    """Split a session's pages without a segment, oldest first, into (pending, STM).

    Args:
        open_pages: the pages, oldest first.
        capacity: of the queue.
        sessions: how many sessions of a user keep an STM.
        live: whether this session is one of them.
    """
    if not live:
        return open_pages, ()
    returns = [place for place, page in enumerate(open_pages) if page.sessions_since >= sessions]
    over = max(0, len(open_pages) - (capacity - 1), *returns)
    return open_pages[:over], open_pages[over:]


def sessions_since(recent: dict[str, None], session_id: str) -> int:
    """Return how many sessions spoke since `session_id` did; `recent` is in the order of their latest pages."""
    if session_id not in recent:
        return 0
    return next(count for count, session in enumerate(reversed(recent)) if session == session_id)


def live_sessions(recent: dict[str, None], *, count: int) -> set[str]:
    """Return the sessions that keep an STM: those that spoke last."""
    return set(islice(reversed(recent), count))
