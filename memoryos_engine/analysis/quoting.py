"""Summaries by quotation: the sentences that carry most of a text's weight, in their order.

    gain(sentence) = sum of the weights of its words not yet quoted / sqrt(its words + 8)

A summary is the greedy choice by gain until the limit is reached. It can be taken apart
into its sentences again, so that a running summary is made of sentences for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from memoryos_engine.analysis.sentences import sentences
from memoryos_engine.analysis.topic_words import topic_words, word_count

_MARKS = (*".!?…؟۔。！？।॥;:", '"', "”", "」", "』", "»", ")")
_BREAK = " / "
_REPEATED = 0.2
"""What a word already quoted still counts."""
_MOST_SENTENCES = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    text: str
    keys: tuple[str, ...]
    words: float


def quote(candidates: Sequence[str], weights: Mapping[str, float], *, limit: int) -> str:
    """Return the most telling of `candidates` in their order, at most `limit` characters, "" if there is none.

    Args:
        candidates: sentences; of very many only the last few hundred are read.
        weights: key of a topic word to its weight.
        limit: in characters. When no sentence fits, the best is cut short.
    """
    unique = [_candidate(each) for each in list(dict.fromkeys(candidates))[-_MOST_SENTENCES:]]
    chosen = _chosen(unique, weights, limit)
    if chosen or not unique:
        return join(unique[i].text for i in sorted(chosen))
    return clipped(max(unique, key=lambda each: _gain(each, weights, set())).text, limit)


def join(quotations: Iterable[str]) -> str:
    """Return the quotations as one line, divided where a sentence has no mark of its own."""
    text = ""
    for each in quotations:
        text += ("" if not text else " " if text.endswith(_MARKS) else _BREAK) + each
    return text


def quoted(summary: str) -> list[str]:
    """Return the sentences that a summary made by `quote` or `join` consists of."""
    return sentences(summary.replace(_BREAK, "\n"))


def clipped(text: str, limit: int) -> str:
    """Return `text` cut to at most `limit` characters, at a space where there is one, with an ellipsis."""
    if len(text) <= limit:
        return text
    cut = text[: max(0, limit - 1)]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip(" ,;:-–—") + "…"


def _candidate(text: str) -> _Candidate:
    keys = dict.fromkeys(word.key for word in topic_words(text))
    return _Candidate(text=text, keys=tuple(keys), words=word_count(text))


def _chosen(candidates: Sequence[_Candidate], weights: Mapping[str, float], limit: int) -> set[int]:
    left = [i for i, each in enumerate(candidates) if len(each.text) <= limit]
    chosen: set[int] = set()
    covered: set[str] = set()
    room = limit
    while left:
        gains = {i: _gain(candidates[i], weights, covered) for i in left}
        best = max(left, key=lambda i: gains[i])
        if chosen and gains[best] <= 0.0:
            break
        chosen.add(best)
        covered.update(candidates[best].keys)
        room -= len(candidates[best].text) + len(_BREAK)
        left = [i for i in left if i != best and len(candidates[i].text) <= room]
    return chosen


def _gain(candidate: _Candidate, weights: Mapping[str, float], covered: set[str]) -> float:
    total = sum(weights.get(key, 0.0) * (_REPEATED if key in covered else 1.0) for key in candidate.keys)
    return total / sqrt(candidate.words + 8)
