"""Whether a text that a model wrote rests on the pages it was given.

A model may answer with an error message, an apology, something it knows from elsewhere
or the right thing in another language. What is kept must share its words with the pages
it is about, and be in their language. That is no proof of truth; it is what keeps
everything else out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from memoryos_engine.analysis.function_words import FUNCTION_WORDS
from memoryos_engine.analysis.salience import is_no_answer, is_noise
from memoryos_engine.analysis.sides import ASSISTANT_NAMES, USER_NAMES
from memoryos_engine.analysis.topic_words import language_of, words_of
from memoryos_engine.lexical import normalise, terms_of, tokenize

LEAST_SHARED = 0.3
"""Share of a sentence's terms that its pages must hold. Paraphrases lie above it, error messages and
translations below (figures in the README's design notes)."""
LEAST_SHARED_VALUE = 0.5
"""The same for a bare value or keyword, which has nothing but its terms."""
LEAST_SHARED_REASON = 0.1
"""The same for the reason of a trait, which is a judgement and says things in its own words."""
STEM_LENGTH, SHORTEST_STEMMED = 5, 4
"""Letters."""
FOREIGN_WORDS = 2
"""Function words of another language that give a translation away, if the pages' own are less than half as many."""

_REPORTER_TERMS = frozenset(term for name in USER_NAMES | ASSISTANT_NAMES for term in tokenize(name))
"""How a model names the two sides; no pages need to hold that."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a written text may rest on: the terms, words and languages of pages."""

    terms: frozenset[str]
    """Stems, by the language of each page."""
    words: frozenset[str]
    """As they stand, letters made equal: a single word does not show its language, so its stem may differ."""
    languages: frozenset[str]
    """ISO 639-1 codes; empty where nothing tells."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Ground:
        """Return the ground that `texts` make."""
        read = [text for text in texts if text]
        terms = terms_of(read)
        words = frozenset(word for text in read for word in _words(text))
        return cls(terms, words, frozenset(filter(None, map(language_of, read))))

    def __or__(self, other: Ground) -> Ground:
        return Ground(self.terms | other.terms, self.words | other.words, self.languages | other.languages)

    def bears(self, text: str, *, at_least: float = LEAST_SHARED) -> bool:
        """Say whether a sentence rests on the pages: it shares words and language, and is no error or "None"."""
        return not is_noise(text) and self._shares(text, at_least) and not self._is_foreign(text)

    def holds(self, value: str) -> bool:
        """Say whether a bare value or keyword rests on the pages: at least half of it stands there."""
        return not is_no_answer(value) and self._shares(value, LEAST_SHARED_VALUE)

    def knows_all(self, text: str) -> bool:
        """Say whether every word of a sentence stands in the pages, as it is or by its stem."""
        return self._shares(text, 1.0)

    def _shares(self, text: str, at_least: float) -> bool:
        stems = frozenset(tokenize(text)) - _REPORTER_TERMS
        words = _words(text) - _REPORTER_TERMS
        if _share(stems, self.terms) >= at_least or _share(words, self.words) >= max(at_least, LEAST_SHARED_VALUE):
            return True
        # Where words take many endings, their beginning tells what a stemmer, or none, does not.
        return bool(self.languages) and "en" not in self.languages and _share(_cut(words), _cut(self.words)) >= at_least

    def _is_foreign(self, text: str) -> bool:
        """Say whether the function words of a text are another language's, or those it adds to the pages are."""
        if not self.languages:
            return False
        words = words_of(text)
        theirs = max(_hits(words, language) for language in self.languages)
        most = max(_hits(words, language) for language in FUNCTION_WORDS)
        added = [word for word in words if normalise(word) not in self.words]
        if not theirs and any(_hits(added, language) for language in FUNCTION_WORDS):
            return True
        return most >= FOREIGN_WORDS and 2 * theirs < most


def _words(text: str) -> frozenset[str]:
    """Return the words of a text, letters made equal; with an ending after an apostrophe also without it."""
    words = words_of(normalise(text))
    return frozenset(words).union(re.split("['’]", word)[0] for word in words)


def _cut(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word[:STEM_LENGTH] for word in words if len(word) >= SHORTEST_STEMMED)


def _share(own: frozenset[str], there: frozenset[str]) -> float:
    return len(own & there) / len(own) if own else 0.0


def _hits(words: Iterable[str], language: str) -> int:
    return sum(word in FUNCTION_WORDS.get(language, ()) for word in words)
