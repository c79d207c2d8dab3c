"""Which pages answer a question: evidence added up, page by page.

Five kinds of evidence, each explained in the result so that it can be shown:

* words: the page, or the pages around it in its session, hold the question's terms.
  A conversation says a thing once and goes on with "it"; so a term counts for the pages
  beside it as well, less with every step, and *before* saturation: a page gains more
  from a term that it lacks and its neighbour has than from one that both have.
* segment: the other pages of its topic hold them, however far away they were said. A
  small boost, never a gate: a page that quotes the question is reached whatever its topic.
* similarity: the embedder finds page and question near.
* knowledge: a fact in long-term memory fits the question, and the page is where it was said.
* date: the question names a time, and the page is from then.

Everything is a pure function of arrays; ties keep the order of the pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from memoryos_engine.lexical_index import LexicalIndex

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
Span = tuple[float, float]
NO_FACTS: Mapping[int, float] = MappingProxyType({})

TERM_SATURATION = 1.2  # BM25's k1: a second mention counts, a tenth hardly
LENGTH_PENALTY = 0.3  # BM25's b, low because a page is scored with its surroundings
BLOCK_PAGES = 8  # rarity is counted in blocks of this many pages of a sitting
RARITY_FLOOR = 0.3  # what even a word of every block still tells
BEFORE = (0.5, 0.3, 0.1)  # how much of the page one, two, three steps earlier counts here
AFTER = (0.4, 0.2, 0.1)  # a little less: an answer follows its question
SIMILARITY_WEIGHT = 0.3  # beside a best lexical score of 1
SEGMENT_WEIGHT = 0.1  # little: what is near in topic and time is a neighbour already
KNOWLEDGE_WEIGHT = 0.1  # a fact repeats words of its page, which count already
DATE_WEIGHT = 1.0  # as much as the best words: who names a day wants that day
DAYS_EARLY, DAYS_LATE = 7.0, 14.0  # plans come before the day, stories after it
DAY = 86400.0
PAUSE = 6 * 3600.0  # after so long a silence a session takes up something new


@dataclass(frozen=True)
class Surroundings:
    """For every page its neighbours in the session, and the block it lies in.

    ``steps`` holds for each step the positions of the neighbours and their share; a
    missing neighbour is the position one past the last.
    """

    steps: tuple[tuple[Positions, float], ...]
    blocks: Positions

    @classmethod
    def of(cls, sessions: Positions, places: Positions, timestamps: NDArray[np.float64]) -> Surroundings:
        """From the session of each page, its place in it and its time; sessions may interleave.

        Who is gone has a negative session that nobody else has; it is nobody's neighbour and in a negative block.
        """
        order = np.lexsort((places, sessions))
        sittings = _sittings(order, sessions, timestamps)
        reach = [(-k, w) for k, w in enumerate(BEFORE, 1)]
        reach += [(k, w) for k, w in enumerate(AFTER, 1)]
        steps = tuple((_neighbours(order, sittings, k), w) for k, w in reach)
        gone = np.count_nonzero(sessions < 0)  # these come first, each in a block of its own
        return cls(steps, _blocks(order, sittings) - gone)


def _sittings(order: Positions, sessions: Positions, timestamps: NDArray[np.float64]) -> Positions:
    """For each page the number of its sitting: a session, cut where it paused.

    An application that never names a session keeps years in one; its evenings are still
    told apart.
    """
    other = np.diff(sessions[order]) != 0
    paused = np.abs(np.diff(timestamps[order])) > PAUSE
    sittings = np.zeros(len(order), dtype=np.int64)
    sittings[order[1:]] = np.cumsum(other | paused)
    return sittings


def _neighbours(order: Positions, sittings: Positions, offset: int) -> Positions:
    """For each page the one ``offset`` steps away in its sitting, or one past the last."""
    found = np.full(len(order), len(order), dtype=np.int64)
    first, last = order[: -abs(offset)], order[abs(offset) :]
    here, there = (first, last) if offset > 0 else (last, first)
    same = sittings[here] == sittings[there]
    found[here[same]] = there[same]
    return found


def _blocks(order: Positions, sittings: Positions) -> Positions:
    """Numbers the stretches of a few pages in which a term's rarity is counted.

    Talk repeats itself: a word said in every other page of one afternoon is not common.
    """
    ordered = sittings[order]
    place = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    starts = np.diff(ordered, prepend=-1) != 0
    blocks = np.empty(len(order), dtype=np.int64)
    blocks[order] = np.cumsum(starts | (place % BLOCK_PAGES == 0)) - 1
    return blocks


@dataclass(frozen=True)
class Evidence:
    """Why each page is where it is; the components add up to ``total``."""

    words: Floats
    neighbours: Floats
    segment: Floats
    similarity: Floats
    date: Floats
    knowledge: Floats

    @cached_property
    def total(self) -> Floats:
        """The score that ranks."""
        return self.words + self.neighbours + self.segment + self.similarity + self.date + self.knowledge

    def best(self, count: int, allowed: NDArray[np.bool_] | None = None) -> Positions:
        """The positions of the best pages, best first, among those allowed."""
        total = self.total if allowed is None else np.where(allowed, self.total, -np.inf)
        # Rounded, because a store gives vectors back with other last bits than it got; ties keep the pages' order.
        order = np.argsort(-np.round(total, 5), kind="stable")[:count]
        return order[np.isfinite(total[order])].astype(np.int64)


def rank(
    index: LexicalIndex,
    query: Mapping[str, float],
    surroundings: Surroundings,
    similarities: Floats,
    timestamps: NDArray[np.float64],
    spans: Sequence[Span] = (),
    segments: NDArray[np.integer] | None = None,
    facts: Mapping[int, float] = NO_FACTS,
    *,
    alive: NDArray[np.bool_] | None = None,
) -> Evidence:
    """Return the evidence for every page.

    Args:
        index: the pages' terms.
        query: terms of the question with their weights.
        surroundings: the pages' neighbours.
        similarities: cosine of every page with the question.
        timestamps: when each page was said, in seconds.
        spans: the stretches of time the question names, in seconds.
        segments: a number per page, equal within a segment, negative for none.
        facts: position of a page to how well the best fact it is a source of fits the question, from 0 to 1.3.
        alive: whether each is a page still, since those that are gone keep their positions; all of them if None.
    """
    words, neighbours = lexical_evidence(index, query, surroundings)
    support = segment_evidence(words, segments) if segments is not None else np.zeros_like(words)
    similarity = SIMILARITY_WEIGHT * np.maximum(similarities, 0).astype(np.float32)
    knowledge = np.zeros_like(words)
    for place, score in facts.items():
        knowledge[place] = KNOWLEDGE_WEIGHT * score
    return Evidence(words, neighbours, support, similarity, date_evidence(timestamps, spans, alive), knowledge)


def segment_evidence(words: Floats, segments: NDArray[np.integer]) -> Floats:
    """Return what the other pages of each page's segment hold of the question, on average."""
    numbers = np.where(segments < 0, 0, segments + 1)
    counts, sums = np.bincount(numbers), np.bincount(numbers, weights=words)
    others = np.maximum(counts[numbers] - 1, 1)
    mean = (sums[numbers] - words) / others
    return (SEGMENT_WEIGHT * np.where(numbers > 0, mean, 0.0)).astype(np.float32)


def lexical_evidence(
    index: LexicalIndex, query: Mapping[str, float], surroundings: Surroundings
) -> tuple[Floats, Floats]:
    """BM25 over each page with its surroundings, as the share of the page and theirs.

    Scaled so that the best page of a question has 1: whatever the question's length,
    similarity and dates then weigh the same beside it.
    """
    own = index.frequencies(query)
    around = _with_neighbours(own, surroundings)
    lengths = _with_neighbours(index.lengths[np.newaxis], surroundings)[0]
    weights = np.array(list(query.values()), dtype=np.float32) * _rarity(own, surroundings.blocks)
    relative = lengths / max(1e-9, float(lengths.sum()) / max(1, index.pages))
    scale = TERM_SATURATION * (1 - LENGTH_PENALTY + LENGTH_PENALTY * relative)
    saturated = (TERM_SATURATION + 1) / (around + scale)
    total, direct = weights @ (around * saturated), weights @ (own * saturated)
    best = float(total.max(initial=0.0)) or 1.0
    return direct / best, (total - direct) / best


def _with_neighbours(rows: Floats, surroundings: Surroundings) -> Floats:
    """Each row plus the shares of every page's neighbours."""
    padded = np.concatenate([rows, np.zeros((len(rows), 1), dtype=np.float32)], axis=1)
    result = rows.copy()
    for neighbours, share in surroundings.steps:
        result += np.float32(share) * padded[:, neighbours]
    return result


def _rarity(frequencies: Floats, blocks: Positions) -> Floats:
    """Inverse block frequency of each term, with a floor."""
    count = int(blocks.max(initial=-1)) + 1
    held = np.array([len(np.unique(blocks[row > 0])) for row in frequencies], dtype=np.float32)
    return np.log1p((count - held + 0.5) / (held + 0.5)) + np.float32(RARITY_FLOOR)


def date_evidence(
    timestamps: NDArray[np.float64], spans: Sequence[Span], alive: NDArray[np.bool_] | None = None
) -> Floats:
    """Full inside a span, fading with the days outside; little if it fits most of the pages that are `alive`."""
    nearness, living = np.zeros(len(timestamps)), slice(None) if alive is None else alive
    for start, end in spans:
        early = 1 - (start - timestamps) / (DAYS_EARLY * DAY)
        late = 1 - (timestamps - end) / (DAYS_LATE * DAY)
        nearness = np.maximum(nearness, np.clip(np.minimum(early, late), 0, 1))
    telling = 1 - nearness[living].mean() if spans and len(nearness[living]) else 0.0
    return (DATE_WEIGHT * telling * nearness).astype(np.float32)
