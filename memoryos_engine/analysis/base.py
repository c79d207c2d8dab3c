"""The port between the tiers and whoever reads the text: what is asked, what is answered.

An analyst decides what text means: whether a page continues a thought, what a topic is
called, which facts it holds. It never decides where a page goes; that is the tiers'
arithmetic. Requests and replies are values, so a reply can be checked before any of it
is used, and an analyst that fails raises ModelError and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Segment
from memoryos_engine.similarity import Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingPage:
    """A page to consolidate, with the page of its session that came before it, if any."""

    page: DialoguePage
    vector: Vector
    previous: DialoguePage | None = None
    previous_vector: Vector | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PageNote:
    """What an analyst says of one pending page (Eq. 1; K_p of Eq. 3)."""

    page_id: str
    continues: bool
    """Whether it goes on with the thought of the previous page of its session."""
    meta_chain: str
    """Summary of the chain up to and including this page."""
    keywords: tuple[str, ...]
    """Up to 8 topic words, lower case, the most telling first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicNote:
    """What an analyst says of pages of one batch that share a topic."""

    page_ids: tuple[str, ...]
    segment_id: str | None
    """The known segment it carries on; None for a new topic."""
    summary: str
    """Summary of the segment once these pages are in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchReading:
    """What an analyst says of a batch: one note for each page, in order, and the topics it saw, if it looks for any."""

    notes: tuple[PageNote, ...]
    topics: tuple[TopicNote, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class HotSegment:
    """A segment due for promotion, with unpromoted pages of it, in order."""

    segment: Segment
    pages: tuple[DialoguePage, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFact:
    """A fact read out of a segment, before it is an entry."""

    kind: KnowledgeKind
    text: str
    source_page_ids: tuple[str, ...]
    attribute: str = ""
    level: str = ""


class Analyst(Protocol):
    """Reads pages and segments. Implementations are stateless and thread-safe."""

    name: str
    batch_size: int
    """Most pages that one `consolidate` call takes."""
    promotion_size: int
    """Most pages that one `promote` call takes, unless the analyst is eager."""
    eager: bool
    """Whether asking costs nothing: a batch need not be full, and a segment is read as soon as it is hot.
    An analyst that is not eager is asked outside of every lock, and hot segments share a call."""

    def consolidate(self, pages: Sequence[PendingPage], segments: Sequence[Segment]) -> BatchReading:
        """Return what the pages say. `segments` are the nearest known ones.

        A page whose `previous` stands in the same call must be read after it: its
        meta chain continues the one just written.

        Raises:
            ModelError: no usable answer; the pages stay pending.
        """
        ...

    def summarise(self, pages: Sequence[DialoguePage]) -> str:
        """Return the summary of a segment with these pages, in order. Must not ask a model."""
        ...

    def promote(self, hot: Sequence[HotSegment], known: Sequence[KnowledgeEntry]) -> Sequence[FoundFact]:
        """Return what the unpromoted pages of hot segments say for long-term memory.

        Args:
            hot: the segments with the pages to read; more than one only if the analyst is not eager.
            known: current entries, so that a fact can be matched to them; for an analyst that is not eager
                the profile first, then the nearest to the pages, traits last.

        Raises:
            ModelError: no usable answer; the pages stay unpromoted.
        """
        ...
