"""Which pieces of a page are worth a summary, and which are worth keeping as a fact.

Precision before recall: the page itself is kept for ever, so a fact that is missed can
still be found, while a fact that is junk is told to the user again and again.
"""

from __future__ import annotations

import re

from memoryos_engine.analysis.function_words import SOCIAL_WORDS
from memoryos_engine.analysis.sentences import sentences
from memoryos_engine.analysis.statement_cues import (
    ERROR_OPENING,
    FIRST_PERSON,
    GREETING,
    NULL_TEXTS,
    QUESTION,
    RECOMMENDATION,
    REPORT_CUE,
    REQUEST,
    SECOND_PERSON,
    THANKS,
)
from memoryos_engine.analysis.topic_words import content_words, language_of, word_count, words_of

READ_FIRST, READ_LAST = 6_000, 2_000
"""How many characters of one side of a page are read; what lies between is too long to be speech."""

LONGEST_FACT = 300
"""In characters; anything longer is a document, not a statement."""

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_URL = re.compile(r"(?:https?://|www\.)\S+")
_BULLET = re.compile(r"^(?:[-*+•·–—]|\d{1,2}[.)])\s+")
_STRUCTURE = re.compile(
    r"^\s*(?:#{1,6}\s|[|<>{}\[]|[-=*_]{3,}\s*$|(?:from|import|def|class|return|const|let|var) [^=({:;]*[=({:;])"
)
_CODE = re.compile(r"[{}`\\]|=>|->|==|\w\(\)|::|</|/>|;\s*$|\w_\w|&&|\|\|")
_NAME_INSIDE = re.compile(r"(?<=[\w,] )[A-ZÀ-ÖØ-ÞĀ-ŽА-Я]\w")
_AROUND = " \t*_~.!?。！？…:：-–—()[]\"'"
_DIGIT = re.compile(r"\d")
_FEWEST_WORDS = 3
_LONGEST_COURTESY = 2
_FEWEST_LETTERS = 0.6
_MIN_CONTENT = 2
_USER_SALIENCE, _ASSISTANT_SALIENCE = 6.0, 3.0
_TO_READER = -8.0
"""What talk about "you" adds: in the user's mouth it is courtesy, in the assistant's advice."""


def read(text: str) -> list[str]:
    """Return the sentences of one side of a page that say something, bullets taken off, in order.

    Code, headings, tables, quotations, bare addresses, courtesies and errors are left out.
    Work is bounded whatever the length of `text`.
    """
    found = sentences(_FENCED.sub("\n", excerpt(text)))
    return [each for each in (_BULLET.sub("", piece).strip() for piece in found) if not is_noise(each)]


def excerpt(text: str) -> str:
    """Return `text`, or of a text too long to be speech its beginning and end."""
    if len(text) <= READ_FIRST + READ_LAST:
        return text
    return f"{text[:READ_FIRST]}\n{text[-READ_LAST:]}"


def is_noise(sentence: str) -> bool:
    """Say whether `sentence` is no use even in a summary."""
    if is_no_answer(sentence) or THANKS.match(sentence):
        return True
    return _is_courtesy(sentence) or _is_markup(sentence) or not content_words(_URL.sub(" ", sentence))


def is_no_answer(text: str) -> bool:
    """Say whether `text` stands for nothing ("None", "N/A") or opens like an error message."""
    bare = text.strip(_AROUND).casefold()
    return not bare or bare in NULL_TEXTS or ERROR_OPENING.match(text) is not None


def is_question(sentence: str) -> bool:
    """Say whether `sentence` asks for something rather than states it."""
    ending = sentence.rstrip(" \"'”’»)]」』）*")[-1:]
    return ending in {"?", "？", "؟", "՞"} or QUESTION.search(sentence) is not None


def is_statement(sentence: str) -> bool:
    """Say whether `sentence` states something whole enough to stand alone."""
    if len(sentence) > LONGEST_FACT or is_noise(sentence) or is_question(sentence) or sentence.endswith((":", "：")):
        return False
    return word_count(_URL.sub(" ", sentence)) >= _FEWEST_WORDS and REQUEST.search(sentence) is None


def user_facts(text: str, *, limit: int) -> list[str]:
    """Return up to `limit` statements of the user worth keeping, in the order they stand in.

    In languages that always name the subject a statement has to be in the first person.
    """
    first_person = FIRST_PERSON.get(language_of(text[:READ_FIRST]))
    told = [each for each in read(text) if is_statement(each) and (first_person is None or first_person.search(each))]
    return _best(told, limit, at_least=_USER_SALIENCE, to_reader=_TO_READER)


def assistant_facts(text: str, *, limit: int) -> list[str]:
    """Return up to `limit` recommendations or statements that the assistant makes as its own."""
    own = [each for each in read(text) if RECOMMENDATION.search(each) and is_statement(each)]
    return _best(own, limit, at_least=_ASSISTANT_SALIENCE, to_reader=0.0)


def _best(candidates: list[str], limit: int, *, at_least: float, to_reader: float) -> list[str]:
    """Return the most salient candidates in their order; `to_reader` is what talk about "you" adds."""
    scored = {each: _salience(each) + to_reader * bool(SECOND_PERSON.search(each)) for each in candidates}
    best = sorted((each for each in scored if scored[each] >= at_least), key=lambda each: -scored[each])[:limit]
    return [each for each in scored if each in best]


def _salience(sentence: str) -> float:
    """Return how much `sentence` tells: content words, names, figures, and words for what lasts."""
    content = len(set(content_words(sentence)))
    if content < _MIN_CONTENT:
        return 0.0
    names = len(_NAME_INSIDE.findall(sentence))
    lasting = REPORT_CUE.search(sentence) is not None
    return min(content, 8) + min(names, 3) + 4.0 * lasting + bool(_DIGIT.search(sentence))


def _is_courtesy(sentence: str) -> bool:
    """Say whether `sentence` is no more than "Hey Mel!" or "Wow, Jon!"."""
    if word_count(sentence) > _LONGEST_COURTESY:
        return False
    return GREETING.match(sentence) is not None or any(word in SOCIAL_WORDS for word in words_of(sentence))


def _is_markup(sentence: str) -> bool:
    if _STRUCTURE.match(sentence) or _CODE.search(_URL.sub(" ", sentence)):
        return True
    dense = _URL.sub("", "".join(sentence.split()))
    return sum(len(word) for word in words_of(sentence)) < _FEWEST_LETTERS * len(dense)
