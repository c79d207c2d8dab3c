"""How a pattern of self-description is written: placeholders, folding, one record per language.

In a pattern `<NAME>`, `<PLACE>`, `<JOB>`, `<W>`, `<START>`, `<END>` stand for the
expressions below, and `~` for a joint that is written with a space, a zero-width
non-joiner or nothing. Every repetition is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memoryos_engine.analysis.topic_words import WORD_CHARACTER

_FOLDED = str.maketrans("’ʼيىكأإآٱہ", "''ییکاااا" + "ه")


def folded(text: str) -> str:
    """Return `text` with variants of one letter or mark made equal, at the same positions."""
    return text.translate(_FOLDED)


_UPPER = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĘĚĞİŁŃŇŐŒŘŚŞŠŤŮŰŹŻŽ"
_CAPITALISED = rf"[{_UPPER}]\w{{0,30}}(?:['-]\w{{1,20}}){{0,2}}"
_PARTICLE = r"(?:(?:de|van|von|der|den|da|del|la|le|los|las|di|du|al|el|bin|of|upon|sur|am) ){0,2}"
_NOT_I = r"(?!(?:I|I'm|I've|My|We|And|But|Ich|Mein|Je|Mon|Yo|Mi|Ben)\b)"
_STOP = r"$|[,.;:!?)(،؛؟。！，、।…–—]|-\s"
_AND = r"(?i:and|but|und|aber|et|mais|y|pero|e|ve|ama)"
_OWN = (
    r"(?i:i|i'm|i've|my|we|live|love|have|am|also|enjoy|study|ich|wohne|lebe|liebe|habe|je|j'\w+|mon|vivo|me|mi|tengo)"
)
_PREPOSITION = (
    r"(?i:in|at|for|with|since|from|on|by|here|now|near|last|this|when|after|before|because|where|as|together|"
    r"bei|im|für|mit|seit|à|en|au|aux|chez|dans|pour|depuis|desde|para|con)"
)
_CONTINUED = re.compile(r"\\\n\s*")
_HAN = "\u3005\u3400-\u9fff"

_PLACEHOLDERS = {
    "<START>": (
        r"(?:^|[,;:.!?،。！，、…–—-]\s*|(?i:\b(?:hi|hello|hey|hallo|bonjour|salut|hola|merhaba|selam|and|so|yes|well|"
        r"also|but|und|et|y|ve|btw|oh|actually|currently)\s+))"
    ),
    "<NAME>": rf"{_NOT_I}{_CAPITALISED}(?: {_PARTICLE}{_NOT_I}{_CAPITALISED}){{0,2}}",
    "<PROPER>": rf"[{_UPPER}]\w{{1,30}}?(?: [{_UPPER}]\w{{1,30}}?){{0,2}}",
    "<PLACE>": rf"(?:the )?{_NOT_I}(?:St\. ?)?{_CAPITALISED}(?:,? {_PARTICLE}{_NOT_I}{_CAPITALISED}){{0,3}}",
    "<JOB>": r"\w[\w'/&+#-]{0,30}(?: [\w&][\w'/&+#-]{0,30}){0,5}?",
    "<END>": rf"(?=\s*(?:{_STOP}|\b{_AND}\b|\b{_PREPOSITION}\b))",
    "<JOBEND>": rf"(?=\s*(?:{_STOP}|\b{_PREPOSITION}\b|\b{_AND} {_OWN}\b))",
    "<STOP>": rf"(?=\s*(?:{_STOP}))",
    "<W>": rf"{WORD_CHARACTER}{{1,30}}",
    "<HAN>": f"[{_HAN}]",
    "<LATIN>": r"[A-Za-z]{1,20}(?: [A-Za-z]{1,20}){0,2}",
    "<YEAR>": r"(?:(?:19|20)\d\d|1[34]\d\d|۱[۳۴][۰-۹]{2})",
    "~": r"[\u200c ]?",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LanguagePatterns:
    """What one language says of oneself."""

    code: str
    """ISO 639-1."""
    patterns: tuple[re.Pattern[str], ...]
    introductions: tuple[re.Pattern[str], ...]
    """Patterns so bare ("I'm Tom") that they count only where people introduce themselves: in the first
    sentence, and in a script without capitals only after a greeting."""
    never: frozenset[str]
    """Words that are no name, place or job, folded and in lower case."""
    jobs: re.Pattern[str]
    """Found in a value of the group `profession`, and never in a name."""
    has_case: bool


def language(
    code: str, *, patterns: str, introductions: str, never: str, jobs: str, has_case: bool = False
) -> LanguagePatterns:
    """Return the record of one language; patterns one to a line (a final backslash joins the next), words by spaces."""
    return LanguagePatterns(
        code=code,
        patterns=tuple(_compiled(line) for line in _lines(patterns)),
        introductions=tuple(_compiled(line) for line in _lines(introductions)),
        never=frozenset(folded(never).lower().split()),
        jobs=re.compile(folded(jobs), re.IGNORECASE),
        has_case=has_case,
    )


def _lines(text: str) -> list[str]:
    return _CONTINUED.sub("", text).strip().splitlines()


def _compiled(line: str) -> re.Pattern[str]:
    pattern = folded(line.strip())
    for placeholder, expression in _PLACEHOLDERS.items():
        pattern = pattern.replace(placeholder, expression)
    return re.compile(pattern)
