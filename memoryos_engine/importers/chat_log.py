"""Chat logs in plain text, WhatsApp's among them (see `chat_lines` for the forms): two sides, dates, lines that go on.

One of the names is the user; everybody else is the other side, each by name if there are several.
What the app itself says, and pictures that are not in the file, is left out and counted.
The file is read twice: dates say only as a whole whether the day or the month comes first.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.chat_lines import MARKS, Head, day_comes_first, head_of
from memoryos_engine.importers.pairing import Said, paired
from memoryos_engine.importers.text_file import opened_text
from memoryos_engine.importers.turn import Keys, Turn

CHAT_LOG = "chat-log"
_MEDIA = re.compile(r"<[^<>]{1,60}>")
_DELETED = frozenset(("this message was deleted", "you deleted this message", "null"))


@dataclass(slots=True)
class _Message:
    head: Head
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Overview:
    """What the whole file says."""

    day_first: bool
    several: bool
    """Whether more than one speak with the user."""


def read_chat_log(file: Path, left_out: Counter[str], user_name: str, day_first: bool | None = None) -> Iterator[Turn]:
    """Yield the turns of one conversation, in no session of its own.

    Args:
        file: any text file with a date at the beginning of each message.
        left_out: counts what is not said, by reason.
        user_name: the user's name as it stands before the colon.
        day_first: whether 04/05 is the fourth of May; None finds out from the whole file.

    Raises:
        InvalidInput: it holds no such line, the user says nothing, or dates can be read both ways or not at all.
    """
    overview = _overview(file, _plain(user_name), day_first)
    yield from paired(_said(file, _plain(user_name), overview, left_out), Keys(CHAT_LOG))


def _overview(file: Path, user: str, day_first: bool | None) -> _Overview:
    names: set[str] = set()
    heads = _heads(file, names)
    if day_first is None:
        found = day_comes_first(heads)
    else:
        found = day_first
        for _ in heads:
            pass  # the names are wanted
    if not names - {""}:
        fix = 'Messages begin with a date and a name, such as "[2024-05-04 18:30] Tom: Hello".'
        raise InvalidInput("file", "holds no message of a chat log", fix)
    if user not in names:
        fix = "Pass the name as it stands before the colon."
        raise InvalidInput("user_name", "says nothing in this file", fix)
    return _Overview(day_first=found, several=len(names - {"", user}) > 1)


def _heads(file: Path, names: set[str]) -> Iterator[Head]:
    """Yield every line with a date, and note who speaks."""
    with opened_text(file) as stream:
        for number, line in enumerate(stream, 1):
            head = head_of(line, number)
            if head is not None:
                if not _by_app(head):
                    names.add(_plain(head.name))
                yield head


def _messages(file: Path, left_out: Counter[str]) -> Iterator[_Message]:
    message: _Message | None = None
    with opened_text(file) as stream:
        for number, line in enumerate(stream, 1):
            head = head_of(line, number)
            if head is not None:
                if message is not None:
                    yield message
                message = _Message(head)
            elif message is not None:
                message.lines.append(line.rstrip("\n"))
            elif line.strip():
                left_out["lines before the first message"] += 1
    if message is not None:
        yield message


def _said(file: Path, user: str, overview: _Overview, left_out: Counter[str]) -> Iterator[Said]:
    for message in _messages(file, left_out):
        head = message.head
        text, reason = _text(message)
        if reason:
            left_out[reason] += 1
            continue
        by_user = _plain(head.name) == user
        named = f"{head.name}: {text}" if overview.several and not by_user else text
        yield Said(by_user=by_user, text=named, place=head.date, at=head.at(day_first=overview.day_first))


def _text(message: _Message) -> tuple[str, str]:
    """Return what was said, or why nothing was. Words below a picture were said."""
    head = message.head
    first = head.text.strip(MARKS + " ")
    if not head.name:
        return "", "system lines"
    if _by_app(head) or _MEDIA.fullmatch(first):
        text = "\n".join(message.lines).strip()
        return text, "" if text else "pictures, sounds and notices of the app"
    text = "\n".join([first, *message.lines]).strip()
    if text.casefold().rstrip(".") in _DELETED:
        return "", "deleted messages"
    return text, "" if text else "empty messages"


def _by_app(head: Head) -> bool:
    """Say whether the app speaks in somebody's name, which WhatsApp marks on iPhones."""
    return head.text.startswith(tuple(MARKS))


def _plain(name: str) -> str:
    """Return a name as it is compared."""
    return unicodedata.normalize("NFC", name.strip()).casefold()
