"""Search terms of any script.

Text is normalised (compatibility forms, case, letter variants of Arabic script,
invisible joiners), cut by script, and stemmed where a stemmer exists. Scripts written
without spaces give overlapping character pairs. Nothing here assumes a language: what
is not recognised is still a term.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from sys import intern
from typing import Protocol

import snowballstemmer

from memoryos_engine.language_data import ENGLISH_FORMS, FUNCTION_WORDS

CHARACTER_WEIGHT = 0.3
"""What a single Han character of a query counts beside its pairs."""
LONGEST_RUN = 64
"""Characters after which a run without a break is cut: no word of a language is longer."""

_ARABIC_LETTERS = str.maketrans(
    "يىكأإآٱةۀؤئ" + "٠١٢٣٤٥٦٧٨٩" + "۰۱۲۳۴۵۶۷۸۹" + "०१२३४५६७८९",
    "ییکااااههوی" + "0123456789" * 3,
)
_ARABIC_FOR_STEMMER = str.maketrans("یک", "يك")
_INVISIBLE = re.compile("[\u0591-\u05c7\u064b-\u065f\u0670\u0640\u093c\u200d\u200e\u200f\u00ad\ufeff]")
_SCRIPTS = {
    "han": "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "kana": "\u3040-\u30ff",
    "hangul": "\u1100-\u11ff\uac00-\ud7af",
    "spaceless": "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff",
    "arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff",
    "cyrillic": "\u0400-\u052f",
    "greek": "\u0370-\u03ff\u1f00-\u1fff",
    "devanagari": "\u0900-\u097f",
    "tamil": "\u0b80-\u0bff",
    "armenian": "\u0530-\u058f",
    "other": "\u0980-\u0b7f\u0c00-\u0dff",  # no stemmer, but marks that belong to the word
}
_MARKS = {"devanagari": "\u0900-\u0963\u0966-\u097f"}  # without the danda, a full stop
_RUN = re.compile(
    "|".join(f"(?P<{name}>[{_MARKS.get(name, span)}]{{1,{LONGEST_RUN}}})" for name, span in _SCRIPTS.items())
    + f"|(?P<latin>(?:(?![{''.join(_SCRIPTS.values())}])[^\\W_]){{1,{LONGEST_RUN}}})"
)
_ASCII_WORD = re.compile(f"[a-z0-9]{{1,{LONGEST_RUN}}}")
_PUNCTUATION = re.compile(r"[\u060c\u061b\u061f\u066a-\u066d\u06d4\u0e2f\u0e46\u0e4f\u0e5a\u0e5b]")
_ELISION = re.compile("['\u2019\u02bc](?:s\\b)?")

_CANDIDATES: dict[str, tuple[str, ...]] = {
    "latin": (
        "english", "german", "french", "spanish", "italian", "portuguese", "dutch", "swedish",
        "danish", "norwegian", "turkish", "indonesian", "romanian", "polish", "hungarian",
        "finnish", "czech",
    ),
    "arabic": ("persian", "arabic"),
    "cyrillic": ("russian",),
    "greek": ("greek",),
    "devanagari": ("hindi",),
    "tamil": ("tamil",),
    "armenian": ("armenian",),
}  # fmt: skip
_NGRAM = {"han": 2, "kana": 2, "hangul": 2, "spaceless": 3}
_stemming = threading.Lock()  # a stemmer keeps the word it works on
_NO_WORDS: frozenset[str] = frozenset()
_PERSIAN_LETTERS = re.compile("[پچژگ]")


class Stemmer(Protocol):
    """The part of a snowball stemmer that is used here."""

    def stemWord(self, word: str) -> str:  # noqa: N802 - the name is snowball's
        """Return the stem of a lower-case word."""
        ...


def normalise(text: str) -> str:
    """Text in which letters that mean the same are the same.

    The zero-width non-joiner becomes a space, because Persian writes the same plural
    with it, with a space or with neither.
    """
    if text.isascii():
        return text.lower()
    text = _compatible(text).casefold().replace("\u0307", "").replace("ı", "i")
    text = _INVISIBLE.sub("", text.replace("\u200c", " "))
    return _PUNCTUATION.sub(" ", text.translate(_ARABIC_LETTERS))


def _compatible(text: str) -> str:
    """Return the compatibility form, unless it is far longer: one ligature can stand for 18 letters."""
    form = unicodedata.normalize("NFKC", text)
    return form if len(form) <= 2 * len(text) + 1000 else unicodedata.normalize("NFC", text)


def tokenize(text: str, fallback: str = "english") -> tuple[str, ...]:
    """The terms of a text in order; ``fallback`` is the language of Latin text that shows none.

    Function words are left out unless there is nothing else.
    """
    runs = _runs(_ELISION.sub(" ", normalise(text)))
    languages = _languages(runs, fallback)
    terms = [t for script, word in runs for t in _terms(script, word, languages.get(script, ""))]
    return tuple(terms or (word for _, word in runs))


def terms_of(texts: Iterable[str]) -> frozenset[str]:
    """The distinct terms of several texts together."""
    return frozenset(term for text in texts for term in tokenize(text))


def weighted_query_terms(text: str, fallback: str = "english") -> dict[str, float]:
    """The distinct terms of a question, with the weight of each kind of term."""
    return {term: CHARACTER_WEIGHT if len(term) == 1 and _is_han(term) else 1.0 for term in tokenize(text, fallback)}


def _is_han(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or character >= "\U00020000"


def _runs(text: str) -> list[tuple[str, str]]:
    """Words, or unbroken stretches of a script without spaces, each with its script."""
    if text.isascii():
        return [("latin", word) for word in _ASCII_WORD.findall(text)]
    return [(match.lastgroup or "other", match.group()) for match in _RUN.finditer(text)]


def _languages(runs: Sequence[tuple[str, str]], fallback: str) -> dict[str, str]:
    """The likeliest language of each script present, by counting function words."""
    votes = Counter(vote for script, word in runs if script in _CANDIDATES for vote in _votes(script, word))
    chosen: dict[str, str] = {}
    for script in {script for script, _ in runs} & _CANDIDATES.keys():
        among = _CANDIDATES[script]
        default = fallback if fallback in among else among[0]
        best = max(among, key=lambda name: (votes[name], name == default))
        chosen[script] = best if votes[best] > votes[default] else default
    return chosen


@cache
def _function_words(language: str) -> frozenset[str]:
    return frozenset(normalise(w) for w in FUNCTION_WORDS.get(language, _NO_WORDS))


@lru_cache(maxsize=65536)
def _votes(script: str, word: str) -> tuple[str, ...]:
    named = [n for n in _CANDIDATES[script] if word in _function_words(n)]
    if script == "arabic" and _PERSIAN_LETTERS.search(word):
        named.append("persian")
    if script == "arabic" and word.startswith("ال") and len(word) > 4:
        named.append("arabic")
    return tuple(named)


def _terms(script: str, run: str, language: str) -> tuple[str, ...]:
    """What one run contributes: its stem, its character groups, or nothing."""
    return _character_groups(script, run) if script in _NGRAM else _word_terms(run, language)


@lru_cache(maxsize=65536)
def _word_terms(word: str, language: str) -> tuple[str, ...]:
    if word in _function_words(language):
        return ()
    return (_stem(word, language),)


def _character_groups(script: str, run: str) -> tuple[str, ...]:
    """Overlapping groups; Han characters also alone, since one can be a word."""
    size = _NGRAM[script]
    groups = [run[i : i + size] for i in range(max(1, len(run) - size + 1))]
    if script == "han":
        groups += list(run) if len(run) > 1 else []
    function = FUNCTION_WORDS["hiragana" if script == "kana" else "han"]
    # interned, or each page would hold its own copy of a group that many pages have
    return tuple(intern(group) for group in groups if not function.issuperset(group))


def _stem(word: str, language: str) -> str:
    """The stem, by way of the table of irregular forms where the language has one."""
    if language == "english":
        return _english_stem(word)
    if language not in snowballstemmer.algorithms():
        return word
    if language == "arabic":
        return _fold(_stemmed(word.translate(_ARABIC_FOR_STEMMER), language))
    return _fold(_stemmed(word, language))


def _english_stem(word: str) -> str:
    stem = _stemmed(ENGLISH_FORMS.get(word, word), "english")
    leader = ENGLISH_FORMS.get(stem, stem)
    return _fold(stem if leader == stem else _stemmed(leader, "english"))


def _fold(stem: str) -> str:
    """Without accents: people leave them out when they type fast."""
    if stem.isascii():
        return stem
    plain = unicodedata.normalize("NFD", stem.translate(_ARABIC_LETTERS))
    return "".join(c for c in plain if not "\u0300" <= c <= "\u036f")


def _stemmed(word: str, language: str) -> str:
    with _stemming:
        return _stemmer(language).stemWord(word)


@cache
def _stemmer(language: str) -> Stemmer:
    stemmer: Stemmer = snowballstemmer.stemmer(language)
    return stemmer
