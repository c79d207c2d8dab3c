"""Whether a text that a model wrote rests on the pages it was given.

A model may answer with an error message, an apology, something it knows from elsewhere
or the right thing in another language. What is kept must share its words with the pages
it is about, and be in their language. That is no proof of truth; it is what keeps
everything else out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memoryos_engine.analysis.function_words import FUNCTION_WORDS
from memoryos_engine.analysis.salience import excerpt, is_noise
from memoryos_engine.analysis.topic_words import language_of, words_of
from memoryos_engine.lexical import tokenize

LEAST_SHARED = 0.3
"""Share of a sentence's terms that its pages must hold. Paraphrases lie above it, error messages and
translations below (figures in the README's design notes)."""
LEAST_SHARED_VALUE = 0.5
"""The same for a bare value or keyword, which has nothing but its terms."""
FOREIGN_WORDS = 2
"""Function words of another language that give a translation away, if the pages' own are less than half as many."""

_REPORTERS = (
    "user users assistant agent utilisateur usuario benutzer nutzer kullanıcı 用户 助手 ユーザー کاربر دستیار المستخدم"
)
_REPORTER_TERMS = frozenset(term for word in _REPORTERS.split() for term in tokenize(word))
"""How a model names the two sides; no pages need to hold that."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a written text may rest on: the terms and the languages of pages."""

    terms: frozenset[str]
    languages: frozenset[str]
    """ISO 639-1 codes; empty where nothing tells."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> Ground:
        """Return the ground that `texts` make; work is bounded whatever their length."""
        read = [excerpt(text) for text in texts if text]
        terms = frozenset(term for text in read for term in tokenize(text))
        return cls(terms, frozenset(filter(None, map(language_of, read))))

    def __or__(self, other: Ground) -> Ground:
        return Ground(self.terms | other.terms, self.languages | other.languages)

    def bears(self, text: str, *, at_least: float = LEAST_SHARED) -> bool:
        """Say whether `text` rests on the pages: it shares words and language, and is no error or "None"."""
        own = frozenset(tokenize(text)) - _REPORTER_TERMS
        if not own or is_noise(text) or len(own & self.terms) < at_least * len(own):
            return False
        return not self._is_foreign(words_of(text))

    def _is_foreign(self, words: Sequence[str]) -> bool:
        hits = {language: sum(word in table for word in words) for language, table in FUNCTION_WORDS.items()}
        theirs, most = max((hits.get(language, 0) for language in self.languages), default=0), max(hits.values())
        return bool(self.languages) and most >= FOREIGN_WORDS and 2 * theirs < most
