"""Messages of any framework to whole turns, whatever order and portions they come in.

A turn is an exchange that is not stored yet, a message one side of it. What a message of
the user opens, the next thing said to them answers; an answer to nobody is a turn of one
side. What tools are asked and say is not part of a turn.

Values in, values out: knows no framework, no store and no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from memoryos_engine import DialoguePage

Role = Literal["user", "agent", "other"]
NO_METADATA: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message as a turn sees it."""

    role: Role
    """"other" for system messages, tools, and whatever else is not said between user and agent."""
    text: str = ""
    id: str | None = None
    """The host's name for the message, equal wherever the same message is handed over again."""
    asks_tools: bool = False
    """Whether the agent asks tools here and goes on speaking afterwards."""
    metadata: Mapping[str, Any] = field(default_factory=lambda: NO_METADATA)
    """Of an answer: JSON values to keep with its page."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """An exchange that is not stored yet; one side may be empty."""

    user_input: str = ""
    agent_response: str = ""
    identified: bool = False
    """Whether all its messages have ids, so that handing it over again can be told from saying it again."""
    metadata: Mapping[str, Any] = field(default_factory=lambda: NO_METADATA)
    """JSON values to keep with the page."""
    page_id: str | None = None
    """Of an answer alone: the page that it answers, where the host can tell."""


def turns_of(messages: Iterable[Message]) -> list[Turn]:
    """Return the turns in a list of messages, in order; messages of no text say nothing.

    What the agent says beside asking tools is the answer only if the same list shows that no
    other came: an empty one, or the user who goes on. At the end of a list the answer may still come.
    """
    turns: list[Turn] = []
    aside = ""
    for message in messages:
        if message.role == "user" and message.text.strip():
            _answer_aside(turns, aside)
            turns.append(Turn(user_input=message.text, identified=message.id is not None))
            aside = ""
        elif message.role == "agent" and message.asks_tools:
            aside = message.text if message.text.strip() else aside
        elif message.role == "agent":
            text = message.text if message.text.strip() else aside
            _add_answer(turns, text, identified=message.id is not None, metadata=message.metadata)
            aside = ""
    return turns


def _add_answer(turns: list[Turn], text: str, *, identified: bool, metadata: Mapping[str, Any] = NO_METADATA) -> None:
    if not text.strip():
        return
    if turns and not turns[-1].agent_response:
        last = turns[-1]
        turns[-1] = replace(last, agent_response=text, identified=last.identified and identified, metadata=metadata)
    else:
        turns.append(Turn(agent_response=text, identified=identified, metadata=metadata))


def _answer_aside(turns: list[Turn], aside: str) -> None:
    """Take what was said beside a tool call for the answer, where no other came before the user went on."""
    if turns and not turns[-1].agent_response:
        _add_answer(turns, aside, identified=turns[-1].identified)


def unstored(messages: Sequence[Message], known: Callable[[str], bool]) -> list[Message]:
    """Return the messages that are new: not known by id, and each once, where it came last.

    Args:
        messages: as a host hands them over; some send input and output, and the output
            repeats the input, or everything that was ever said.
        known: whether a message id is one that this memory gave out.
    """
    last = {message.id: place for place, message in enumerate(messages)}
    new = [
        message
        for place, message in enumerate(messages)
        if message.id is None or (last[message.id] == place and not known(message.id))
    ]
    return new[_repeated_input(new) :]


def _repeated_input(messages: Sequence[Message]) -> int:
    """Return how many messages at the start have no ids and come again, now with ids, in a conversation after them."""
    named = (place for place, message in enumerate(messages) if message.id is not None and message.role != "other")
    bare = next(named, 0)
    asked = _said(messages[:bare])
    said = _said(message for message in messages[bare:] if message.id is not None)
    again = any(said[start : start + len(asked)] == asked for start in range(len(said) - len(asked) + 1))
    return bare if asked and again and said[0][0] == "user" else 0


def _said(messages: Iterable[Message]) -> list[tuple[Role, str]]:
    return [(message.role, message.text) for message in messages if message.role != "other"]


def following(turns: Sequence[Turn], stored: Sequence[DialoguePage]) -> list[Turn]:
    """Return the turns that come after what is stored, where a host sends a whole conversation again.

    Only turns whose messages have ids count as sent again; one turn alone is always new, because
    people do say the same thing twice. Among those sent again may be some that are stored no more,
    or never could be. If the last stored page waits for its answer, a turn that brings it comes
    back as that answer alone.

    Args:
        turns: what the host handed over, in order.
        stored: the session's pages, in order of arrival.
    """
    pages = _whole(stored)
    last = _last_stored(turns, pages) if len(turns) > 1 else None
    if last is None:
        return list(turns)
    return _completion(turns[last], pages[-1]) + list(turns[last + 1 :])


def _whole(pages: Iterable[DialoguePage]) -> list[Turn]:
    """Return pages as turns; two sides that had to be stored apart are one again."""
    turns: list[Turn] = []
    for page in pages:
        if turns and page.user_input == "" and turns[-1].agent_response == "":
            turns[-1] = replace(turns[-1], agent_response=page.agent_response)
        else:
            turns.append(Turn(user_input=page.user_input, agent_response=page.agent_response))
    return turns


def _last_stored(turns: Sequence[Turn], pages: Sequence[Turn]) -> int | None:
    """Return the place of the turn that is the last page, if the turns are the latest pages sent again; else None.

    Turns that are not stored may stand between pages, if two whole exchanges say that it is the same conversation.
    """
    for count in range(min(len(turns), len(pages)), 0, -1):
        if all(map(_same, turns[:count], pages[-count:])):
            return count - 1
    latest = pages[len(pages) - _latest_in(turns, pages) :]
    whole = sum(bool(page.user_input and page.agent_response) for page in latest)
    return _places(turns, latest)[-1] if whole > 1 else None


def _latest_in(turns: Sequence[Turn], pages: Sequence[Turn]) -> int:
    """Return how many of the latest pages are among the turns, in their order."""
    count = 0
    for turn in reversed(turns):
        if count < len(pages) and _same(turn, pages[-1 - count]):
            count += 1
    return count


def _places(turns: Sequence[Turn], pages: Sequence[Turn]) -> list[int]:
    """Return where each page is among the turns, each as early as it can be."""
    places: list[int] = []
    for place, turn in enumerate(turns):
        if len(places) < len(pages) and _same(turn, pages[len(places)]):
            places.append(place)
    return places


def _same(turn: Turn, page: Turn) -> bool:
    answered = page.agent_response in ("", turn.agent_response)
    return turn.identified and turn.user_input == page.user_input and answered


def _completion(turn: Turn, page: Turn) -> list[Turn]:
    missing = turn.agent_response and not page.agent_response
    return [Turn(agent_response=turn.agent_response, identified=True)] if missing else []
