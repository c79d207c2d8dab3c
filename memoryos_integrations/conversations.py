"""Conversations that a host hands over whole or in overlapping portions: which of their turns are stored already.

For hosts whose messages have no ids; where they have, `turns.following` knows more. Values in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from memoryos_engine import DialoguePage
from memoryos_integrations.common_order import paired
from memoryos_integrations.turns import Turn

_Sides = tuple[str, str]
"""What the user said and what the agent answered."""


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

    As many pages as possible are taken in the order of the conversation, the others where they are; of several that
    say the same, the latest. A turn may be two pages, where its answer came too late for the page that asks or was
    too long for it. A page that waits for its answer is taken for a turn that brings one; the answer comes back as a
    turn of its own, for that page. A question that ends the conversation is a page only if that is the last.

    Args:
        turns: the conversation.
        pages: where to look, in order of arrival.
    """
    asks = turns[-1:] if turns and not turns[-1].agent_response else []
    free = _Free(pages)
    question = list(free.take(dict(enumerate(map(_sides, asks)))).values())
    found, new = _answered(turns[: len(turns) - len(asks)], free, pages)
    before = max((places[0] for places in found if places), default=-1)
    last = all(turn.page_id for turn in new) and before < max(question, default=-1)
    known = [*chain.from_iterable(found), *(question if last else [])]
    return [pages[place].id for place in known], [*new, *([] if last else asks)]


class _Free:
    """Pages that no turn has taken yet."""

    def __init__(self, pages: Sequence[DialoguePage]) -> None:
        self._said = {place: _sides(page) for place, page in enumerate(pages)}

    def take(self, sought: Mapping[int, _Sides]) -> dict[int, int]:
        """Return the places of pages by who seeks what they say."""
        who, places = list(sought), list(self._said)
        pairs = paired(list(sought.values()), list(self._said.values()))
        found = {who[ours]: places[theirs] for ours, theirs in pairs}
        for place in found.values():
            del self._said[place]
        return found


def _answered(turns: Sequence[Turn], free: _Free, pages: Sequence[DialoguePage]) -> tuple[list[list[int]], list[Turn]]:
    """Return the places of the pages that each turn is, and what of them is no page."""
    whole = free.take(dict(enumerate(map(_sides, turns))))
    rest = {n: turn for n, turn in enumerate(turns) if n not in whole and "" not in _sides(turn)}
    asked = free.take({n: (turn.user_input, "") for n, turn in rest.items()})
    apart = free.take({n: ("", turns[n].agent_response) for n in asked})
    places = [[found[n] for found in (whole, asked, apart) if n in found] for n in range(len(turns))]
    new: list[Turn] = []
    for n, turn in enumerate(turns):
        if not places[n]:
            new.append(turn)
        elif n in asked and n not in apart:
            new.append(replace(turn, user_input="", page_id=pages[asked[n]].id))
    return places, new


def _sides(each: DialoguePage | Turn) -> _Sides:
    return each.user_input, each.agent_response
