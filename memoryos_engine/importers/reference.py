"""The JSON files of the reference implementation of MemoryOS, those of its version on Chroma too.

Pages of its short and mid term become turns in the order of time, each once, in no session of
their own. What it had learned becomes turns of a session "imported knowledge", where no page says
it already. Its known junk is left out: error messages kept as answers, profiles or facts, "None",
headings, the same page in several segments, the same fact again and again. Segments, heat and
vectors are made anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from memoryos_engine.clock import as_utc
from memoryos_engine.errors import InvalidInput
from memoryos_engine.importers.json_values import whole
from memoryos_engine.importers.pairing import Said, paired
from memoryos_engine.importers.turn import Keys, Turn, storable

REFERENCE = "reference"
KNOWLEDGE_SESSION = "imported knowledge"
USER_FILES = ("mid_term.json", "short_term.json", "long_term_user.json")
ASSISTANT_FILE = "long_term_assistant.json"
"""Shared by all users of an assistant there: read only where it is named itself."""
CHROMA_FILES = "metadata_*.json"
KEYS = frozenset(
    ("sessions", "mid_term_sessions", "short_term_memory", "user_profiles", "knowledge_base", "assistant_knowledge")
)
"""Of its files, at the top."""

_ERROR = re.compile(r"error: could not get response from llm\.?", re.IGNORECASE)
_NOTHING = re.compile(
    r"[\s\-*•#(]*(none( found| provided| mentioned)?|null|n/a|无|無|暂无|没有)?[\s.。)*]*", re.IGNORECASE
)
_HEADING = re.compile(r"#{1,6}\s.*|[-*\s]*\*\*[^*]*:?\*\*:?\s*|【[^】]*】\s*")
_KINDS: Mapping[type, str] = {dict: "an object", list: "a list", str: "text"}
_LONG = 100
"""Characters; no junk is so long."""
_EARLIEST = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """A page, or a text that was learned, with its date as it stands in the file."""

    user_input: str = ""
    agent_response: str = ""
    date: str = ""
    learned_as: str = ""


def read_reference(path: Path, left_out: Counter[str]) -> Iterator[Turn]:
    """Yield the turns of a user's folder, or of one file.

    Raises:
        InvalidInput: a file is cut off or of another form; the message names the place.
    """
    entries: list[_Entry] = []
    for file in reference_files(path) if path.is_dir() else [path]:
        entries += _entries(whole(file), file.name)
    pages = _distinct_pages([one for one in entries if not one.learned_as], left_out)
    learned = _uncovered([one for one in entries if one.learned_as], pages, left_out)
    keys = Keys(REFERENCE)
    for entry, at in _in_time(learned, left_out):
        kept = {"imported_as": entry.learned_as}
        yield from paired(_sides(entry, at), keys, session_id=KNOWLEDGE_SESSION, metadata=kept)
    for entry, at in _in_time(pages, left_out):
        yield from paired(_sides(entry, at), keys)


def reference_files(folder: Path) -> list[Path]:
    """Return the files of the one user whose folder this is; none if it is no such folder.

    Raises:
        InvalidInput: it holds the files of several users.
    """
    found = [folder / name for name in USER_FILES if (folder / name).is_file()] or sorted(folder.glob(CHROMA_FILES))
    if found[1:] and found[0].name not in USER_FILES:
        raise InvalidInput("file", f"is a folder with the memories of {len(found)} users", "Pass one of its files.")
    return found


def _sides(entry: _Entry, at: datetime | None) -> Iterator[Said]:
    for by_user, text in ((True, entry.user_input), (False, entry.agent_response)):
        if text.strip():
            yield Said(by_user=by_user, text=text, place=entry.date, at=at)


def _entries(data: Any, name: str) -> Iterator[_Entry]:
    """Yield what one file holds, whichever it is."""
    if isinstance(data, list):
        yield from _pages(data, name)
        return
    if not isinstance(data, dict) or not KEYS.intersection(data):
        fix = f"Pass the user's folder, or one of {', '.join(USER_FILES)}, {ASSISTANT_FILE}."
        raise InvalidInput(name, "is no file of the reference implementation", fix)
    for key in ("sessions", "mid_term_sessions"):
        for place, segment in enumerate(_mapping(data, key, name).values()):
            where = f"{name} {key}[{place}]"
            _require(segment, dict, where)
            for pages in ("details", "pages_backup"):
                yield from _pages(_list(segment, pages, where), f"{where}.{pages}")
    yield from _pages(_list(data, "short_term_memory", name), f"{name} short_term_memory")
    yield from _profiles(_mapping(data, "user_profiles", name), name)
    yield from _knowledge(data, "knowledge_base", "user knowledge", name)
    yield from _knowledge(data, "assistant_knowledge", "assistant knowledge", name)


def _pages(pages: Sequence[Any], where: str) -> Iterator[_Entry]:
    for place, page in enumerate(pages):
        at = f"{where}[{place}]"
        _require(page, dict, at)
        said, answer = (_text(page, side, at) for side in ("user_input", "agent_response"))
        yield _Entry(user_input=said, agent_response=answer, date=_date(page, "timestamp"))


def _profiles(profiles: Mapping[str, Any], name: str) -> Iterator[_Entry]:
    if len(profiles) > 1:
        fix = "Leave only the profile of the user whose memory this is."
        raise InvalidInput(f"{name} user_profiles", f"holds the profiles of {len(profiles)} users", fix)
    for profile in profiles.values():
        where = f"{name} user_profiles[0]"
        _require(profile, dict, where)
        data = profile.get("data")
        if isinstance(data, dict):  # the version on Chroma
            data = data["raw_text_profile"] if set(data) == {"raw_text_profile"} else _fields(data)
        text = _text({"data": data}, "data", where)
        yield _Entry(user_input=text, date=_date(profile, "last_updated"), learned_as="user profile")


def _fields(data: Mapping[str, Any]) -> str:
    return "\n".join(f"{key}: {value}" for key, value in data.items() if isinstance(value, (str, int, float)))


def _knowledge(data: Mapping[str, Any], key: str, learned_as: str, name: str) -> Iterator[_Entry]:
    side = "agent_response" if key == "assistant_knowledge" else "user_input"
    for place, entry in enumerate(_list(data, key, name)):
        where = f"{name} {key}[{place}]"
        _require(entry, dict, where)
        text = _text(entry, "knowledge", where)
        yield _Entry(**{side: text}, date=_date(entry, "timestamp"), learned_as=learned_as)


def _distinct_pages(pages: Sequence[_Entry], left_out: Counter[str]) -> list[_Entry]:
    """Return each page once, without answers that are error messages."""
    found: dict[tuple[str, str, str], _Entry] = {}
    for page in pages:
        entry = page
        if _ERROR.fullmatch(page.agent_response.strip()):
            left_out["answers that were error messages"] += 1
            entry = _Entry(user_input=page.user_input, date=page.date)
        if not (entry.user_input.strip() or entry.agent_response.strip()):
            left_out["pages without text"] += 1
            continue
        same = (entry.user_input, entry.agent_response, entry.date)
        left_out["pages that stood there twice"] += same in found
        found.setdefault(same, entry)
    return list(found.values())


def _uncovered(learned: Sequence[_Entry], pages: Sequence[_Entry], left_out: Counter[str]) -> list[_Entry]:
    """Return what was learned and is no junk, each text once, where no page says it in its words."""
    said = "\n".join(f"{page.user_input}\n{page.agent_response}" for page in pages).casefold()
    found: dict[tuple[str, str], _Entry] = {}
    for entry in learned:
        text = (entry.user_input or entry.agent_response).strip()
        plain = text.lstrip("-*• ").casefold()
        same = (entry.learned_as, plain)
        if _ERROR.fullmatch(text):
            left_out["error messages kept as knowledge"] += 1
        elif len(text) < _LONG and (_NOTHING.fullmatch(text) or _HEADING.fullmatch(text)):
            left_out["knowledge that says nothing"] += 1
        elif same in found:
            left_out["knowledge that stood there twice"] += 1
        elif plain in said:
            left_out["knowledge that a page says already"] += 1
        else:
            found[same] = entry
    return list(found.values())


def _in_time(entries: Sequence[_Entry], left_out: Counter[str]) -> list[tuple[_Entry, datetime | None]]:
    """Return entries with their dates, oldest first; one without stays behind what it came after."""
    dated: list[tuple[_Entry, datetime | None]] = []
    at: datetime | None = None
    for entry in entries:
        try:
            at = as_utc(entry.date, "timestamp") if entry.date.strip() else at
        except InvalidInput:
            left_out["dates that cannot be read (the page takes that of the one before it)"] += 1
        dated.append((entry, at))
    return sorted(dated, key=lambda pair: pair[1] or _EARLIEST)


def _mapping(data: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    value = data.get(key)
    return {} if value is None else _require(value, dict, f"{name} {key}")


def _list(data: Mapping[str, Any], key: str, name: str) -> list[Any]:
    value = data.get(key)
    return [] if value is None else _require(value, list, f"{name} {key}")


def _text(data: Mapping[str, Any], key: str, where: str) -> str:
    value = data.get(key)
    return "" if value is None else storable(_require(value, str, f"{where}.{key}"))


def _date(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return storable(value) if isinstance(value, str) else ""


def _require(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        wanted = _KINDS[kind]
        raise InvalidInput(where, f"is a {type(value).__name__}, not {wanted}", "Mend it, or leave it out of the file.")
    return value
