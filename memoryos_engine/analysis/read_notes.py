"""From a model's reply about a batch to notes: what rests on the pages is used, the rest made without it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, reduce
from operator import or_

from memoryos_engine.analysis.base import Analyst, BatchReading, PageNote, PendingPage, TopicNote
from memoryos_engine.analysis.grounding import Ground
from memoryos_engine.analysis.prompts.consolidation import PageReply, TopicReply
from memoryos_engine.analysis.prompts.json_reply import unusable
from memoryos_engine.analysis.prompts.labels import Labels
from memoryos_engine.analysis.salience import read
from memoryos_engine.records import Segment

_LABEL = re.compile(r"^(?:User|Assistant): ", re.MULTILINE)

MOST_KEYWORDS = 8
LONGEST_KEYWORD = 40
CARRIED_KEYWORDS = 7
"""Of the known segment that a topic carries on: without them F seldom follows what the model says."""
LONGEST_META_CHAIN, LONGEST_SUMMARY = 400, 600
"""In characters. What is longer is no summary, and not used."""


class NoteReader:
    """Reads the replies about one batch.

    Args:
        batch: the pages the model was asked about.
        shown: the lines of each page that it was shown.
        segments: the known segments it was shown.
        spare: makes the notes, or parts of them, that the model did not.
    """

    def __init__(
        self, batch: Sequence[PendingPage], shown: Sequence[str], segments: Sequence[Segment], *, spare: Analyst
    ) -> None:
        self._batch = batch
        self._grounds = [Ground.of([text]) for text in shown]
        self._telling = [bool(read(_LABEL.sub("", text))) for text in shown]
        self._pages = Labels("p", batch)
        self._segments = Labels("s", segments)
        self._spare = spare

    def reading(self, noted: Sequence[PageReply], topics: Sequence[TopicReply]) -> BatchReading:
        """Return the notes and topics.

        Raises:
            ConsolidationError: the model says nothing usable of most of the pages that say anything.
        """
        said = self._said(noted)
        if 2 * sum(self._telling[place] for place in said) < sum(self._telling):
            raise unusable("says nothing usable of most pages")
        keywords: dict[int, tuple[str, ...]] = {}
        found: list[TopicNote] = []
        for topic in topics:
            places = [place for place in self._places(topic) if place not in keywords]
            if places:
                found += self._topic(topic, places)
                keywords |= dict.fromkeys(places, self._keywords(topic, places))
        notes = tuple(self._note(place, said.get(place), keywords.get(place, ())) for place in range(len(self._batch)))
        return BatchReading(notes=notes, topics=tuple(found))

    def _said(self, noted: Sequence[PageReply]) -> dict[int, PageReply]:
        """Return the replies whose meta chain rests on the pages, the first of each page."""
        first: dict[int, PageReply] = {}
        for reply in noted:
            place = self._pages.place(reply.page)
            if place is not None and place not in first:
                first[place] = reply
        return {place: reply for place, reply in first.items() if self._rests(place, first)}

    def _rests(self, place: int, replies: Mapping[int, PageReply]) -> bool:
        chain = replies[place].meta_chain
        return len(chain) <= LONGEST_META_CHAIN and self._chain_ground(place, replies).bears(chain)

    def _chain_ground(self, place: int, replies: Mapping[int, PageReply]) -> Ground:
        """Return what the chain of a page says up to it, by what the replies say goes on with what."""
        ground = self._grounds[place]
        while place in replies and replies[place].continues:
            previous = self._batch[place].previous
            before = None if previous is None else self._place_of.get(previous.id)
            if before is None:
                return ground | Ground.of([previous.text, previous.meta_chain]) if previous else ground
            place = before
            ground |= self._grounds[place]
        return ground

    def _note(self, place: int, said: PageReply | None, keywords: tuple[str, ...]) -> PageNote:
        if said is None:
            spare = self._spare_notes[place]
            return replace(spare, keywords=keywords or spare.keywords)
        item = self._batch[place]
        return PageNote(
            page_id=item.page.id,
            continues=said.continues and item.previous is not None,
            meta_chain=" ".join(said.meta_chain.split()),
            keywords=keywords or self._spare_notes[place].keywords,
        )

    def _places(self, topic: TopicReply) -> list[int]:
        places = [self._pages.place(label) for label in topic.pages]
        return sorted({place for place in places if place is not None})

    def _keywords(self, topic: TopicReply, places: Sequence[int]) -> tuple[str, ...]:
        known = self._known(topic, places)
        sound = self._own_words(topic, places)
        carried = known.keywords[:CARRIED_KEYWORDS] if known else ()
        return tuple(dict.fromkeys([*carried, *sound]))[:MOST_KEYWORDS]

    def _own_words(self, topic: TopicReply, places: Sequence[int]) -> list[str]:
        """Return the topic's keywords that stand in its own pages."""
        ground = self._said_by(places)
        words = [" ".join(word.casefold().split()) for word in topic.keywords]
        return [word for word in words if len(word) <= LONGEST_KEYWORD and ground.holds(word)]

    def _known(self, topic: TopicReply, places: Sequence[int]) -> Segment | None:
        """Return the segment that a topic is said to carry on; not believed where no keyword stands in its pages."""
        return self._segments.find(topic.segment) if self._own_words(topic, places) else None

    def _topic(self, topic: TopicReply, places: Sequence[int]) -> list[TopicNote]:
        summary = " ".join(topic.summary.split())
        known = self._known(topic, places)
        ground = self._said_by(places) | Ground.of([known.summary, *known.keywords] if known else [])
        if len(summary) > LONGEST_SUMMARY or not ground.bears(summary):
            return []
        ids = tuple(self._batch[place].page.id for place in places)
        return [TopicNote(page_ids=ids, segment_id=known.id if known else None, summary=summary)]

    def _said_by(self, places: Sequence[int]) -> Ground:
        return reduce(or_, (self._grounds[place] for place in places))

    @cached_property
    def _place_of(self) -> Mapping[str, int]:
        return {item.page.id: place for place, item in enumerate(self._batch)}

    @cached_property
    def _spare_notes(self) -> Sequence[PageNote]:
        return self._spare.consolidate(self._batch, ()).notes
