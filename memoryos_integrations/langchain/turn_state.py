"""The turn that an agent's run is about, as it stands in the run's state.

The state is checkpointed, so a run that stops for a human and goes on in another process is
remembered all the same. So it holds plain values, and of what was said only what no memory
holds yet: neither what was recalled nor what is stored may live on in checkpoints.

Reads messages; knows no memory, no store and no clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Annotated, Any

from langchain.agents.middleware import AgentState
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import BaseMessage, SystemMessage, ToolMessage
from pydantic import BaseModel
from typing_extensions import NotRequired

from memoryos_integrations.content import storable
from memoryos_integrations.langchain.messages import as_message, is_summary
from memoryos_integrations.turns import Message, Turn, turns_of

TURNS = "memoryos_turns"
"""Key of the state under which each memory of an agent notes its turn, by the middleware's name."""


Said = tuple[str, str]
"""A message of the user: its id and its text."""


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the notes of all memories of an agent; each writes its own."""
    return {**old, **new}


class TurnState(AgentState[Any]):
    """An agent's state with the turn it is about."""

    memoryos_turns: NotRequired[Annotated[dict[str, Any], PrivateStateAttr, merged]]


@dataclass(frozen=True, kw_only=True, slots=True)
class NotedTurn:
    """What the user said, to whom it belongs, and since when it waits for an answer."""

    id: str
    ids: Mapping[str, str]
    """Whose it is: "user_id", "assistant_id" and "session_id"."""
    begun_at: str
    """ISO 8601."""
    said: tuple[Said, ...] = ()
    unanswered: tuple[Said, ...] = ()
    """Said earlier, in runs that never came to an answer."""
    stored: bool = False
    """Whether a memory has it; the texts are empty then."""

    @classmethod
    def of(cls, state: Mapping[str, Any], name: str) -> NotedTurn | None:
        """Return what the memory of this name noted in a state; None if nothing."""
        noted = (state.get(TURNS) or {}).get(name)
        if noted is None:
            return None
        lists = {key: tuple((each[0], each[1]) for each in noted[key]) for key in ("said", "unanswered")}
        return cls(**{**noted, **lists})

    def as_state(self, name: str) -> dict[str, Any]:
        """Return the update of a state that notes this, in values that any checkpointer can keep."""
        lists = {"said": [list(each) for each in self.said], "unanswered": [list(each) for each in self.unanswered]}
        return {TURNS: {name: {**asdict(self), **lists, "ids": dict(self.ids)}}}

    @property
    def message_ids(self) -> frozenset[str]:
        """The user's messages it is made of."""
        return frozenset(each for each, _ in (*self.unanswered, *self.said) if each)

    def done(self) -> NotedTurn:
        """Return what is kept of it once a memory has it: by which messages to know it again."""
        said = tuple((each, "") for each, _ in (*self.unanswered, *self.said))
        return replace(self, said=said, unanswered=(), stored=True)


def begun(
    earlier: NotedTurn | None, messages: Sequence[BaseMessage], *, turn_id: str, ids: Mapping[str, str], begun_at: str
) -> NotedTurn:
    """Return the turn that a run begins with these messages; it says nothing if the user said nothing new.

    Args:
        earlier: what the thread's last run noted. What it was told and never answered goes on
            waiting, unless it was taken back or somebody else had said it.
        messages: the run's.
        turn_id: names the turn.
        ids: see `NotedTurn`.
        begun_at: see `NotedTurn`.
    """
    said, waits = _said_last(messages), tuple[Said, ...]()
    if earlier is not None and (earlier.stored or earlier.ids != ids):
        said = tuple(each for each in said if each[0] not in earlier.message_ids)
    elif earlier is not None:
        there = {message.id for message in messages} - {each for each, _ in said}
        waits = tuple(each for each in (*earlier.unanswered, *earlier.said) if each[0] in there)
    return NotedTurn(id=turn_id, ids=ids, begun_at=begun_at, said=said, unanswered=waits)


def turns_held(noted: NotedTurn | None, messages: Sequence[BaseMessage], structured: object = None) -> list[Turn]:
    """Return the turns that a run which ended with these messages has held; none without an answer.

    Args:
        noted: the turn it began with; None if it ended before it could be noted.
        messages: the run's.
        structured: its structured response, if any.
    """
    if noted is None or noted.stored:
        said, later = _unnoted(messages)
        said = [] if noted is not None and noted.message_ids & {each for each, _ in said} else said
    else:
        said, later = _as_they_stand(noted, messages)
    answer = _answer(later, structured)
    if not answer or not any(text.strip() for _, text in said):
        return []
    texts = [text for place, (_, text) in enumerate(said) if place == 0 or text != said[place - 1][1]]
    return turns_of([*(Message(role="user", text=text) for text in texts), Message(role="agent", text=answer)])


def query_of(noted: NotedTurn | None, messages: Sequence[BaseMessage]) -> str:
    """Return what to ask memory: what the user said now, or else said last; empty if neither."""
    said = dict.fromkeys(text for _, text in noted.said if text.strip()) if noted is not None else {}
    if said:
        return storable("\n".join(said))
    texts = (each.text for each in map(_read, reversed(messages)) if each.role == "user")
    return next((storable(text) for text in texts if text.strip()), "")


def _read(message: BaseMessage) -> Message:
    """Return the message as a turn sees it; a summary, which stands there in the user's name, is nobody's word."""
    each = as_message(message)
    return replace(each, role="other") if is_summary(message) else each


def _said_last(messages: Sequence[BaseMessage]) -> tuple[Said, ...]:
    """Return the user's messages at the end of a run's, in order."""
    said: list[Said] = []
    for message in reversed(messages):
        each = _read(message)
        if each.role == "user":
            said.append((each.id or "", each.text))
        elif not isinstance(message, SystemMessage):
            break
    return tuple(reversed(said))


def _as_they_stand(noted: NotedTurn, messages: Sequence[BaseMessage]) -> tuple[list[Said], Sequence[BaseMessage]]:
    """Return what the user said, as it reads now if middleware rewrote it, and the messages after it.

    What the user says after that, before anything was answered, is of a run whose beginning was
    not noted; what stands after an answer was put there by middleware.
    """
    now = {message.id: _read(message).text for message in messages}
    said = [(each, now.get(each, text)) for each, text in (*noted.unanswered, *noted.said)]
    later = messages[_end_of(noted, messages) :]
    for message in later:
        each = _read(message)
        if each.role == "agent" and not each.asks_tools:
            break
        if each.role == "user" and said:
            said.append((each.id or "", each.text))
    return said, later


def _end_of(noted: NotedTurn, messages: Sequence[BaseMessage]) -> int:
    """Return the place after the user's last noted message, known by its id, or by its text if it was copied.

    Where it is gone it was summarised with all that came before it, and the summary comes first.
    """
    for place in range(len(messages), 0, -1):
        if messages[place - 1].id in noted.message_ids:
            return place
    texts = {text for _, text in noted.said}
    for place in range(len(messages), 0, -1):
        each = _read(messages[place - 1])
        if each.role == "user" and each.text in texts:
            return place
    return 1 if noted.said and messages and _read(messages[0]).role == "user" else 0


def _unnoted(messages: Sequence[BaseMessage]) -> tuple[list[Said], Sequence[BaseMessage]]:
    """Return the user's last messages and what was answered to them."""
    place = len(messages)
    while place and _read(messages[place - 1]).role != "user":
        place -= 1
    return list(_said_last(messages[:place])), messages[place:]


def _answer(messages: Sequence[BaseMessage], structured: object) -> str:
    """Return what was answered: structured or said last, else said beside a tool call, else what a tool returned."""
    ended_in_tool = bool(messages) and isinstance(messages[-1], ToolMessage)
    if ended_in_tool and structured is not None:
        return _as_json(structured)
    said = [each for each in map(_read, messages) if each.role == "agent" and each.text.strip()]
    spoken = [each.text for each in said if not each.asks_tools] or [each.text for each in said]
    if spoken:
        return spoken[-1]
    return _read(messages[-1]).text if ended_in_tool else ""


def _as_json(structured: object) -> str:
    if isinstance(structured, BaseModel):
        return structured.model_dump_json()
    plain = asdict(structured) if is_dataclass(structured) and not isinstance(structured, type) else structured
    return json.dumps(plain, ensure_ascii=False, default=str)
