"""Conversations that a host hands over whole or in overlapping portions: which of their turns are stored already.

For hosts whose messages have no ids; where they have, `turns.following` knows more. Values in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from memoryos_engine import DialoguePage
from memoryos_integrations.turns import Turn


def continued(turns: Sequence[Turn], stored: Sequence[DialoguePage]) -> list[Turn] | None:
    """Return the turns that come after what is stored, where a conversation goes on; None if it does not go on there.

    Args:
        turns: the end of a conversation, with turns at its beginning that are stored.
        stored: the session's latest pages, in order of arrival.
    """
    said = [(turn.user_input, turn.agent_response) for turn in turns]
    there = [(page.user_input, page.agent_response) for page in stored]
    for count in range(min(len(said), len(there)), 0, -1):
        if said[:count] == there[-count:]:
            return list(turns[count:])
    return None


def matched(turns: Sequence[Turn], pages: Sequence[DialoguePage]) -> tuple[list[str], list[Turn]]:
    """Return which pages a conversation consists of that is handed over whole, and its turns that are no pages yet.

    Where several pages say the same, the latest are taken. A turn may be two pages, where its answer came too late
    for the page that asks or was too long for it. A page that waits for its answer is taken for a turn that brings
    one; the answer comes back as a turn of its own, for that page.

    Args:
        turns: the conversation.
        pages: where to look, the likeliest last.
    """
    places: dict[tuple[str, str], list[DialoguePage]] = {}
    for page in pages:
        places.setdefault((page.user_input, page.agent_response), []).append(page)
    known: list[str] = []
    new: list[Turn] = []
    for turn in reversed(turns):
        taken, missing = _taken(turn, places)
        known += [page.id for page in reversed(taken)]
        new += missing
    return known[::-1], new[::-1]


def _taken(turn: Turn, places: Mapping[tuple[str, str], list[DialoguePage]]) -> tuple[list[DialoguePage], list[Turn]]:
    """Take the pages that a turn is out of their places; return them, and what of the turn is no page."""
    same = places.get((turn.user_input, turn.agent_response))
    if same:
        return [same.pop()], []
    waiting = places.get((turn.user_input, "")) if turn.user_input and turn.agent_response else None
    if not waiting:
        return [], [turn]
    page, apart = waiting.pop(), places.get(("", turn.agent_response))
    return ([page, apart.pop()], []) if apart else ([page], [replace(turn, user_input="", page_id=page.id)])
