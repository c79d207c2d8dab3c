"""LoCoMo files as turns and questions (Maharana et al. 2024).

A file is a list of conversations: `conversation.session_N` holds messages {speaker, dia_id,
text, blip_caption?} and `session_N_date_time` their date; `qa` holds questions with the ids
of the messages that answer them. Speaker a is the user, speaker b the agent. A page is a
user message with the agent's next message, or one message alone where the same speaker
goes on. The file is the user's own; nothing of it is part of this project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from memoryos_engine.errors import InvalidInput

CATEGORIES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}
BETWEEN_MESSAGES = timedelta(minutes=1)

_MESSAGE_ID = re.compile(r"D:?(\d+):(\d+)")
_SESSION = re.compile(r"session_(\d+)")
_DATE_FORMATS = ("%I:%M %p on %d %B, %Y", "%I:%M %p on %d %B %Y", "%d %B, %Y", "%d %B %Y")
_FIX = "Pass a LoCoMo file: a JSON list of conversations, each with `conversation` and `qa`."

MessageId = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One page to be."""

    session_id: str
    timestamp: datetime
    user_input: str
    agent_response: str

    def as_mapping(self) -> dict[str, Any]:
        """Return the turn as `import_turns` takes it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A question and the places, in `Conversation.turns`, of the pages that answer it."""

    text: str
    category: str
    evidence: frozenset[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """One conversation, ready to be remembered and asked about."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]
    skipped: int
    """Questions left out because no evidence of theirs exists."""


@dataclass(frozen=True, slots=True)
class _Message:
    ids: frozenset[MessageId]
    is_user: bool
    text: str
    said_at: datetime


def load_locomo(file: str | Path) -> list[Conversation]:
    """Return the conversations of a LoCoMo file, in its order.

    Raises:
        InvalidInput: the file cannot be read or is not such a file.
    """
    try:
        data = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput("file", f"cannot be read as JSON ({type(error).__name__})", _FIX) from error
    samples = data if isinstance(data, list) else [data]
    return [_conversation(sample, place) for place, sample in enumerate(samples, start=1)]


def session_date(text: str) -> datetime:
    """Return "1:56 pm on 8 May, 2023" as UTC.

    Raises:
        InvalidInput: the text is no such date.
    """
    plain = " ".join(text.split()).upper()
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(plain, form).replace(tzinfo=timezone.utc)
        except ValueError:
            continue
    raise InvalidInput("file", "has a session date that cannot be read", 'Write it as "1:56 pm on 8 May, 2023".')


def message_ids(text: str) -> list[MessageId]:
    """Return every message id in `text` as (session, message): "D8:6; D9:17" holds two."""
    return [(int(session), int(message)) for session, message in _MESSAGE_ID.findall(text)]


def _conversation(sample: Any, place: int) -> Conversation:
    if not isinstance(sample, Mapping) or not isinstance(sample.get("conversation"), Mapping):
        raise InvalidInput("file", f"has no conversation at place {place}", _FIX)
    try:
        turns, homes = _turns(sample["conversation"])
        asked = [_question(entry, homes) for entry in sample.get("qa", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput("file", f"is not as expected at place {place} ({error!r})", _FIX) from error
    questions = tuple(question for question in asked if question.evidence)
    name = str(sample.get("sample_id") or f"conversation {place}")
    return Conversation(name=name, turns=tuple(turns), questions=questions, skipped=len(asked) - len(questions))


def _turns(conversation: Mapping[str, Any]) -> tuple[list[Turn], dict[MessageId, int]]:
    """Return the turns of all sessions, and the turn that each message went into."""
    turns: list[Turn] = []
    homes: dict[MessageId, int] = {}
    for number in _session_numbers(conversation):
        for pair in _pairs(_messages(conversation, number)):
            homes |= {key: len(turns) for message in pair for key in message.ids}
            turns.append(_turn(f"session_{number}", pair))
    return turns, homes


def _session_numbers(conversation: Mapping[str, Any]) -> list[int]:
    found = (_SESSION.fullmatch(key) for key in conversation)
    return sorted(int(match[1]) for match in found if match)


def _messages(conversation: Mapping[str, Any], number: int) -> list[_Message]:
    start = session_date(conversation[f"session_{number}_date_time"])
    user = conversation["speaker_a"]
    return [
        _Message(
            ids=frozenset(message_ids(str(entry.get("dia_id", "")))),
            is_user=entry["speaker"] == user,
            text=_text(entry),
            said_at=start + place * BETWEEN_MESSAGES,
        )
        for place, entry in enumerate(conversation[f"session_{number}"])
    ]


def _text(entry: Mapping[str, Any]) -> str:
    caption = entry.get("blip_caption")
    return f"{entry['text']} (image description: {caption})" if caption else str(entry["text"])


def _pairs(messages: Sequence[_Message]) -> Iterator[tuple[_Message, ...]]:
    place = 0
    while place < len(messages):
        answered = messages[place].is_user and place + 1 < len(messages) and not messages[place + 1].is_user
        yield tuple(messages[place : place + 1 + answered])
        place += 1 + answered


def _turn(session_id: str, pair: Sequence[_Message]) -> Turn:
    said = {message.is_user: message.text for message in pair}
    return Turn(
        session_id=session_id,
        timestamp=pair[0].said_at,
        user_input=said.get(True, ""),
        agent_response=said.get(False, ""),
    )


def _question(entry: Mapping[str, Any], homes: Mapping[MessageId, int]) -> Question:
    ids = [key for text in entry.get("evidence") or () for key in message_ids(str(text))]
    category = entry.get("category")
    return Question(
        text=str(entry["question"]),
        category=CATEGORIES.get(category, f"category {category}"),  # type: ignore[arg-type]
        evidence=frozenset(homes[key] for key in ids if key in homes),
    )
