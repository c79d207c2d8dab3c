"""Sentences of any script, in one pass over the text.

A line break always ends a sentence. So do the full stops, question and exclamation
marks of the world's scripts, except a full stop inside a number, an address, an
abbreviation or after an initial. No character is lost but the white space between.
"""

from __future__ import annotations

import re

_CLOSERS = "\"'”’»›)\\]」』）》】"
_OWN_STOPS = "؟۔。！？｡．।॥‼⁇⁈⁉።፧။។՞"
_STOP = re.compile(rf"[.!?…{_OWN_STOPS}]+[{_CLOSERS}]*")
_LAST_WORD = re.compile(r"(?:^|[\s(\[\"'“‘«,])([^\s(\[\"'“‘«,]{1,8})$")

_LOOK_BACK = 12
_FIRST_UNCASED = "\u0590"
"""From here on (Hebrew, Arabic, Indic, East Asian) no letter has case, and a space after the stop is often left out."""

_SHORT = """
    mr mrs ms dr prof st jr sr vs e.g i.e cf approx no vol fig dept gov gen col lt capt rev hon inc ltd corp co mt
    ca z.b d.h u.a bzw ggf evtl nr str hr fr mme mlle sra srta dra ud uds pág núm av ing lic vb vs yrd doç sn bkz см
    т.е т.д т.к др проф г ул jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun
    """
_ABBREVIATIONS = frozenset(_SHORT.split())
"""Lower case, without the last full stop. Best effort: no list is complete."""


def sentences(text: str) -> list[str]:
    """Return the sentences of `text` in order, stripped, none empty, each with its closing mark.

    Time is linear in the length of `text`.
    """
    found: list[str] = []
    for line in text.splitlines():
        start = 0
        for stop in _STOP.finditer(line):
            if _ends_sentence(line, stop.start(), stop.end()):
                found.append(line[start : stop.end()])
                start = stop.end()
        found.append(line[start:])
    return [stripped for each in found if (stripped := each.strip())]


def _ends_sentence(line: str, start: int, end: int) -> bool:
    following = line[end : end + 1]
    if not following:
        return True
    if line[start] in _OWN_STOPS:
        return True
    if not following.isspace():
        return _ends_without_space(line, start, following)
    if line[start] == ".":
        return _full_stop_ends(line, start, end)
    return line[start] != "…" or not _next_is_lower(line, end)


def _ends_without_space(line: str, start: int, following: str) -> bool:
    before = line[start - 1 : start]
    if following >= _FIRST_UNCASED:
        return not (before.isdigit() and following.isdigit())
    return line[start] in "!?" and following.isupper()


def _full_stop_ends(line: str, start: int, end: int) -> bool:
    if line[start : start + 2] == "..":
        return not _next_is_lower(line, end)
    match = _LAST_WORD.search(line[max(0, start - _LOOK_BACK) : start])
    if match is None:
        return True
    word = match.group(1)
    if word.isdigit():
        return bool(line[: max(0, start - len(word))].strip()) if start <= _LOOK_BACK else True
    is_initial = len(word) == 1 and word.isupper() and word != "I"
    return not is_initial and word.casefold() not in _ABBREVIATIONS


def _next_is_lower(line: str, end: int) -> bool:
    return line[end : end + 4].lstrip()[:1].islower()
