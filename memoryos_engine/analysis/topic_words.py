"""The words of a text that name its topic, in any script, weighed without a corpus.

A word weighs by how often it stands there (damped), who says it, how long it is and
whether it is written as a name. Weights depend on the text alone, so a page's keywords
never depend on the pages it is read with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import log1p

from memoryos_engine.analysis.function_words import (
    ALL_FUNCTION_WORDS,
    CHINESE_BREAKS,
    GENERIC_WORDS,
    SOCIAL_WORDS,
    likely_language,
)
from memoryos_engine.lexical import tokenize

_MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8"
    "\u06ea-\u06ed\u0900-\u0963\u0971-\u0df3\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    "\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3\u200c\u200d"
)
"""Combining marks and joiners, which belong to a word though Python's `\\w` leaves most of them out."""

WORD_CHARACTER = rf"[\w{_MARKS}]"
WORD = re.compile(rf"{WORD_CHARACTER}+(?:['’-]{WORD_CHARACTER}+)*")

_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_HIRAGANA = "\u3040-\u309f"
_KATAKANA = "\u30a1-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_CJK = re.compile(rf"[{_HAN}{_HIRAGANA}{_KATAKANA}]")
_KANA = re.compile(rf"[{_HIRAGANA}{_KATAKANA}]")
_CJK_RUNS = re.compile(rf"[{_HAN}]+|[{_KATAKANA}]+|[^{_HAN}{_HIRAGANA}{_KATAKANA}]+")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
"""Thai, Lao, Burmese, Khmer: no space between words, and no bigrams worth the name."""

_ELIDED = re.compile(r"^(?:[cdjlmnst]|qu)['’](?=\w{3})|['’]s$", re.IGNORECASE)
"""The article of "l'hôtel", the ending of "life's": no part of the word."""

_BREAKS = re.compile(CHINESE_BREAKS)
_IGNORED = ALL_FUNCTION_WORDS | SOCIAL_WORDS | GENERIC_WORDS
_LONGEST_WORD = 24
_NAME_BONUS = 1.4
_BIGRAM_WEIGHT = 0.6


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicWord:
    """One mention of a word that may name a topic."""

    surface: str
    """As it stands in the text, lower-cased."""
    key: str
    """Equal for forms of one word, as far as `tokenize` knows."""
    weight: float


@lru_cache(maxsize=2048)
def topic_words(text: str) -> tuple[TopicWord, ...]:
    """Return the topic words of `text` in order, with repetitions.

    Cached, because a page is read for its keywords, its chain, its segment and its promotion.
    """
    return tuple(_topic_words(text))


def _topic_words(text: str) -> Iterator[TopicWord]:
    keep_particles = _KANA.search(text) is not None
    for match in WORD.finditer(text):
        run = match.group()
        if _CJK.search(run):
            yield from _cjk_words(run, japanese=keep_particles)
        elif _UNSPACED.search(run):
            yield from _unspaced_words(run)
        elif _may_be_topic(run) and _may_be_topic(bare := _ELIDED.sub("", run)):
            yield _topic_word(bare, factor=_NAME_BONUS if _is_name(text, match.start()) else 1.0)


def word_weights(parts: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return key to weight over texts that each come with a factor of importance."""
    return {key: log1p(total) for key, (total, _) in _totals(parts).items()}


def keywords(parts: Iterable[tuple[str, float]], *, limit: int) -> tuple[str, ...]:
    """Return up to `limit` topic words of the texts, the most telling first, each in the form it stands in first."""
    totals = _totals(parts)
    best = sorted(totals, key=lambda key: -totals[key][0])  # stable: earlier words win ties
    return tuple(dict.fromkeys(totals[key][1] for key in best))[:limit]


def shared_share(left: Mapping[str, float], right: Mapping[str, float]) -> float:
    """Return how much of the lighter side's weight the two have in common, 0 to 1."""
    lighter = min(sum(left.values()), sum(right.values()))
    return sum(min(left[key], right[key]) for key in left.keys() & right.keys()) / lighter if lighter else 0.0


def words_of(text: str) -> list[str]:
    """Return every word of `text`, lower-cased; a run without spaces counts as one."""
    return [match.group().lower() for match in WORD.finditer(text)]


def content_words(text: str) -> list[str]:
    """Return the words of `text` that are neither function words nor courtesies, lower-cased.

    Where words are not spaced, two CJK or four other letters count as one.
    """
    found: list[str] = []
    for match in WORD.finditer(text):
        run = match.group().lower()
        if _CJK.search(run):
            found += _chunks("".join(_BREAKS.split(run)), 2)
        elif _UNSPACED.search(run):
            found += _chunks(run, 4)
        elif run not in ALL_FUNCTION_WORDS and run not in SOCIAL_WORDS:
            found.append(run)
    return found


def _chunks(run: str, size: int) -> list[str]:
    return [run[i : i + size] for i in range(0, len(run) - 1, size)] if run not in SOCIAL_WORDS else []


def word_count(text: str) -> float:
    """Return how many words `text` has; where none are spaced, two CJK or four other letters count as one."""
    count = 0.0
    for match in WORD.finditer(text):
        run = match.group()
        if _CJK.search(run):
            count += len(run) / 2
        else:
            count += len(run) / 4 if _UNSPACED.search(run) else 1
    return count


def language_of(text: str) -> str:
    """Return the likely ISO 639-1 code of `text`, or "" when nothing tells."""
    if _KANA.search(text):
        return "ja"
    if _CJK.search(text):
        return "zh"
    return likely_language(words_of(text))


def _totals(parts: Iterable[tuple[str, float]]) -> dict[str, tuple[float, str]]:
    totals: dict[str, tuple[float, str]] = {}
    for text, factor in parts:
        for word in topic_words(text):
            total, surface = totals.get(word.key, (0.0, word.surface))
            totals[word.key] = (total + factor * word.weight, surface)
    return totals


def _topic_word(surface: str, *, factor: float = 1.0) -> TopicWord:
    lowered = surface.lower()
    length = 0.6 + 0.05 * min(len(lowered), 8)
    return TopicWord(surface=lowered, key=_key(lowered), weight=length * factor)


def _may_be_topic(run: str) -> bool:
    lowered = run.lower().replace("’", "'")
    if lowered in _IGNORED or "_" in run or len(run) > _LONGEST_WORD:
        return False
    shortest = 2 if run[0] >= "\u0590" else 3
    return len(run) >= shortest and not any(character.isdigit() for character in run)


def _is_name(text: str, start: int) -> bool:
    """Say whether the word at `start` is capitalised inside a sentence."""
    return text[start].isupper() and start >= 2 and text[start - 1] == " " and text[start - 2] not in ".!?…:"


def _cjk_words(run: str, *, japanese: bool) -> Iterator[TopicWord]:
    for part in _CJK_RUNS.findall(run):
        if not _CJK.search(part):
            if _may_be_topic(part):
                yield _topic_word(part)
        elif japanese:
            yield from _cjk_pieces(part)
        else:
            for piece in _BREAKS.split(part):
                yield from _cjk_pieces(piece)


def _cjk_pieces(piece: str) -> Iterator[TopicWord]:
    if 2 <= len(piece) <= 4 or (len(piece) <= _LONGEST_WORD and _KANA.match(piece) and len(piece) > 1):
        if piece not in SOCIAL_WORDS:
            yield _topic_word(piece)
    elif len(piece) > 4:
        for i in range(len(piece) - 1):
            yield _topic_word(piece[i : i + 2], factor=_BIGRAM_WEIGHT)


def _unspaced_words(run: str) -> Iterator[TopicWord]:
    if len(run) <= _LONGEST_WORD:
        yield _topic_word(run)
        return
    for token in tokenize(run):
        if token in run and 1 < len(token) <= _LONGEST_WORD:
            yield _topic_word(token)


@lru_cache(maxsize=16_384)
def _key(word: str) -> str:
    return " ".join(tokenize(word)) or word
