"""What users say of themselves: name, occupation, home and the like, by patterns.

Precision before recall: "I'm tired" is not a name. The patterns are data, per language
(`self_patterns_latin`, `self_patterns_other`); a group is named after the attribute it
captures. They are searched in single sentences of bounded length, folded so that
spellings of one letter match, while the value is taken as it stands in the text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from memoryos_engine.analysis.function_words import ALL_FUNCTION_WORDS
from memoryos_engine.analysis.salience import LONGEST_FACT, excerpt, read
from memoryos_engine.analysis.self_pattern import LanguagePatterns, folded
from memoryos_engine.analysis.self_patterns_latin import LATIN_LANGUAGES
from memoryos_engine.analysis.self_patterns_other import OTHER_LANGUAGES
from memoryos_engine.analysis.statement_cues import GREETING

ATTRIBUTES = (
    "name", "occupation", "workplace", "home", "origin", "age", "birth_year", "gender", "marital_status", "children",
    "partner",
)  # fmt: skip
"""The profile fields that can be found; `children` and `partner` and `marital_status` are the user's family."""

_LANGUAGES: tuple[LanguagePatterns, ...] = (*LATIN_LANGUAGES, *OTHER_LANGUAGES)
_PLACE_WORDS = frozenset({"la", "le", "el", "los", "las", "de", "del", "du", "di", "the", "der", "am", "an", "of"})
_JOB_WORDS = _PLACE_WORDS | {"and", "und", "et", "y", "e", "in", "en", "at", "à", "des", "für", "و", "को", "के", "की"}
_QUOTE_MARKS = re.compile(r"[\"“”„«»「『]")
_OLDEST = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class SelfDescription:
    """One thing a user says of themself."""

    attribute: str
    """One of `ATTRIBUTES`."""
    value: str
    """In the user's words and language, without the sentence around it."""


def self_descriptions(text: str) -> tuple[SelfDescription, ...]:
    """Return what the writer of `text` says of themself, in order, each once.

    Work is bounded whatever the length of `text`.
    """
    pieces = read(unicodedata.normalize("NFC", excerpt(text)))
    greeted = GREETING.match(text[:80]) is not None
    found: dict[SelfDescription, None] = {}
    for index, piece in enumerate(pieces):
        sentence = " ".join(piece.split())
        if len(sentence) <= LONGEST_FACT:
            found.update(
                dict.fromkeys(_in_sentence(sentence, opening=index == 0 or (greeted and index == 1), greeted=greeted))
            )
    return tuple(found)


def _in_sentence(sentence: str, *, opening: bool, greeted: bool) -> list[SelfDescription]:
    plain = folded(sentence)
    found: list[tuple[int, SelfDescription]] = []
    for language in LATIN_LANGUAGES if plain.isascii() else _LANGUAGES:
        for pattern in language.patterns:
            found += _matches(pattern, plain, sentence, language)
        if opening and (greeted or language.has_case):
            for pattern in language.introductions:
                bare = _matches(pattern, plain, sentence, language)
                found += [pair for pair in bare if not language.jobs.search(folded(pair[1].value).lower())]
    return [description for _, description in sorted(found, key=lambda pair: pair[0])]


def _matches(
    pattern: re.Pattern[str], plain: str, sentence: str, language: LanguagePatterns
) -> list[tuple[int, SelfDescription]]:
    """Return the sound values that `pattern` finds, each with its position; what is quoted is not one's own."""
    found: list[tuple[int, SelfDescription]] = []
    for match in pattern.finditer(plain):
        if len(_QUOTE_MARKS.findall(plain[: match.start()])) % 2 == 0:
            found += _values(match, sentence, language)
    return found


def _values(match: re.Match[str], sentence: str, language: LanguagePatterns) -> list[tuple[int, SelfDescription]]:
    """Return the values of a match; none when any but the workplace is unsound, for the rest hangs on it."""
    found: list[tuple[int, SelfDescription]] = []
    for group, captured in match.groupdict().items():
        if captured is None:
            continue
        if _is_sound(group, captured, language):
            start, end = match.span(group)
            attribute = "occupation" if group == "profession" else group
            value = sentence[start:end].strip(" '’.-\u200c")
            found.append((start, SelfDescription(attribute=attribute, value=value)))
        elif group != "workplace":
            return []
    return found


def _is_sound(group: str, captured: str, language: LanguagePatterns) -> bool:
    if group == "age":
        return 0 < int(captured) < _OLDEST
    if group in {"birth_year", "gender", "marital_status", "children"}:
        return True
    words = captured.lower().split()
    if not any(character.isalpha() for character in captured):
        return False
    if captured.lower() in language.never or any(word in language.never for word in words):
        return False
    if group == "profession" and language.jobs.search(captured.lower()) is None:
        return False
    return _words_fit(group, captured)


def _words_fit(group: str, captured: str) -> bool:
    """Say whether no function word stands where a name, a place or a job cannot have one."""
    words = captured.lower().split()
    if group in {"name", "partner"}:
        shouted = captured.isupper() and len(captured) > 1
        return not shouted and words[0] not in ALL_FUNCTION_WORDS
    allowed = _JOB_WORDS if group in {"occupation", "profession"} else _PLACE_WORDS
    return not any(word in ALL_FUNCTION_WORDS and word not in allowed for word in words)
