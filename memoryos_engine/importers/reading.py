"""One door for all formats: a file goes in, turns come out that `UserMemory.import_turns` takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.chat_log import CHAT_LOG, read_chat_log
from memoryos_engine.importers.guessing import guessed
from memoryos_engine.importers.mem0 import MEM0, read_mem0
from memoryos_engine.importers.openai import OPENAI, read_openai
from memoryos_engine.importers.reference import REFERENCE, read_reference
from memoryos_engine.importers.turn import Turn
from memoryos_engine.settings import require_text

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        REFERENCE: "a user's folder, or one JSON file, of the reference implementation of MemoryOS",
        MEM0: "what mem0's get_all() returns, as JSON, or a backup of OpenMemory",
        OPENAI: "conversations.json of a ChatGPT export, or messages with role and content, as JSON or JSON Lines",
        CHAT_LOG: "a text file with dates and names, such as WhatsApp exports",
    }
)
"""Names of the formats, each with what it is."""

_Reader = Callable[[Counter[str]], Iterator[Turn]]


class ImportedTurns:
    """The turns of one file, read anew each time they are iterated over. Made by `read_turns`.

    Attributes:
        format: a name from `FORMATS`.
        count: turns read so far, by the latest iteration.
        undated: those of them for which the file has no date; they get the time of the import.
    """

    def __init__(self, format: str, reader: _Reader) -> None:  # noqa: A002 - the name callers know
        self.format = format
        self.count = 0
        self.undated = 0
        self._reader = reader
        self._left_out: Counter[str] = Counter()

    @property
    def left_out(self) -> dict[str, int]:
        """What of the file became no turn so far, by reason; the commonest first."""
        return {reason: count for reason, count in self._left_out.most_common() if count}

    def __iter__(self) -> Iterator[Turn]:
        self.count, self.undated = 0, 0
        self._left_out = Counter()
        for turn in self._reader(self._left_out):
            self.count += 1
            self.undated += "timestamp" not in turn
            yield turn


def read_turns(
    file: str | Path,
    format: str | None = None,  # noqa: A002 - the word for it
    user_name: str | None = None,
    *,
    day_first: bool | None = None,
) -> ImportedTurns:
    """Return the turns in somebody else's file, for `memory.import_turns(read_turns(file))`.

    Each has a key in its metadata, `imported_from`, made of where it stands and what it says. Pages whose key
    a memory has already are not stored again. Nothing but the beginning is read before turns are asked for.

    Args:
        file: a file, or a folder where the format has one.
        format: a name from `FORMATS`; None guesses it.
        user_name: who the user is: needed for chat logs, and for mem0 if a file holds several users.
        day_first: whether 04/05 in a chat log is the fourth of May; None finds out from the whole file.

    Raises:
        InvalidInput: the file or an option is unusable. While turns are read: the place where the file is.
    """
    path = Path(file)
    if not path.exists():
        raise InvalidInput("file", "does not exist", "Pass the path of a file or folder.")
    name = guessed(path) if format is None else format.replace("_", "-")
    if name not in FORMATS:
        raise InvalidInput("format", "is none that can be read", f"Pass one of: {', '.join(FORMATS)}.")
    if path.is_dir() and name in (MEM0, CHAT_LOG):
        raise InvalidInput("file", f"is a folder, and {name} is a format of files", "Pass the file in it.")
    return ImportedTurns(name, _reader(path, name, user_name, day_first))


def _reader(path: Path, name: str, user_name: str | None, day_first: bool | None) -> _Reader:
    if user_name is not None:
        require_text("user_name", user_name)
    if name == REFERENCE:
        return lambda left_out: read_reference(path, left_out)
    if name == MEM0:
        return lambda left_out: read_mem0(path, left_out, user_name)
    if name == OPENAI:
        return lambda left_out: read_openai(path, left_out)
    if not (user_name or "").strip():
        fix = "Pass user_name= (--user-name) with the name that stands before the colon."
        raise InvalidInput("user_name", "is missing: a chat log does not say who the user is", fix)
    return lambda left_out: read_chat_log(path, left_out, str(user_name), day_first)
