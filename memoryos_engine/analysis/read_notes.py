"""From a model's reply about a batch to notes: what rests on the pages is used, the rest made without it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from memoryos_engine.analysis.base import Analyst, BatchReading, PageNote, PendingPage, TopicNote
from memoryos_engine.analysis.grounding import LEAST_SHARED_VALUE, Ground
from memoryos_engine.analysis.prompts.consolidation import PageReply, TopicReply
from memoryos_engine.analysis.prompts.json_reply import unusable
from memoryos_engine.analysis.prompts.labels import Labels
from memoryos_engine.records import Segment

MOST_KEYWORDS = 8
LONGEST_KEYWORD = 40
LONGEST_META_CHAIN, LONGEST_SUMMARY = 400, 600
"""In characters. What is longer is no summary, and not used."""


class NoteReader:
    """Reads the replies about one batch.

    Args:
        batch: the pages the model was shown.
        segments: the known segments it was shown.
        spare: makes the notes, or parts of them, that the model did not.
    """

    def __init__(self, batch: Sequence[PendingPage], segments: Sequence[Segment], *, spare: Analyst) -> None:
        self._batch = batch
        self._pages = Labels("p", batch)
        self._segments = Labels("s", segments)
        self._spare = spare

    def reading(self, noted: Sequence[PageReply], topics: Sequence[TopicReply]) -> BatchReading:
        """Return the notes and topics.

        Raises:
            ConsolidationError: the model says nothing usable of half of the pages.
        """
        said = self._said(noted)
        if 2 * len(said) < len(self._batch):
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
        said: dict[int, PageReply] = {}
        for reply in noted:
            place = self._pages.place(reply.page)
            if place is not None and place not in said and self._rests(place, reply):
                said[place] = reply
        return said

    def _rests(self, place: int, reply: PageReply) -> bool:
        ground = self._ground_before[place] | self._grounds[place] if reply.continues else self._grounds[place]
        return len(reply.meta_chain) <= LONGEST_META_CHAIN and ground.bears(reply.meta_chain)

    def _note(self, place: int, said: PageReply | None, keywords: tuple[str, ...]) -> PageNote:
        item, spare = self._batch[place], self._spare_notes[place] if said is None or not keywords else None
        return PageNote(
            page_id=item.page.id,
            continues=item.previous is not None and (said.continues if said else _note_of(spare).continues),
            meta_chain=" ".join(said.meta_chain.split()) if said else _note_of(spare).meta_chain,
            keywords=keywords or _note_of(spare).keywords,
        )

    def _places(self, topic: TopicReply) -> list[int]:
        places = [self._pages.place(label) for label in topic.pages]
        return sorted({place for place in places if place is not None})

    def _keywords(self, topic: TopicReply, places: Sequence[int]) -> tuple[str, ...]:
        ground = self._ground(topic, places)
        words = [" ".join(word.casefold().split()) for word in topic.keywords]
        sound = [w for w in words if len(w) <= LONGEST_KEYWORD and ground.bears(w, at_least=LEAST_SHARED_VALUE)]
        return tuple(dict.fromkeys(sound))[:MOST_KEYWORDS]

    def _topic(self, topic: TopicReply, places: Sequence[int]) -> list[TopicNote]:
        summary = " ".join(topic.summary.split())
        if len(summary) > LONGEST_SUMMARY or not self._ground(topic, places).bears(summary):
            return []
        known = self._segments.find(topic.segment)
        ids = tuple(self._batch[place].page.id for place in places)
        return [TopicNote(page_ids=ids, segment_id=known.id if known else None, summary=summary)]

    def _ground(self, topic: TopicReply, places: Sequence[int]) -> Ground:
        known = self._segments.find(topic.segment)
        ground = Ground.of([known.summary, *known.keywords]) if known else Ground.of([])
        for place in places:
            ground |= self._grounds[place]
        return ground

    @cached_property
    def _grounds(self) -> list[Ground]:
        return [Ground.of([item.page.user_input, item.page.agent_response]) for item in self._batch]

    @cached_property
    def _ground_before(self) -> list[Ground]:
        """For each page what its session said before it: the pages of the batch, and the chain they go on with."""
        sessions: dict[str, Ground] = {}
        found: list[Ground] = []
        for item, ground in zip(self._batch, self._grounds, strict=True):
            previous = item.previous
            earlier = Ground.of([previous.text, previous.meta_chain]) if previous else Ground.of([])
            before = sessions.get(item.page.session_id, Ground.of([])) | earlier
            found.append(before)
            sessions[item.page.session_id] = before | ground
        return found

    @cached_property
    def _spare_notes(self) -> Sequence[PageNote]:
        return self._spare.consolidate(self._batch, ()).notes


def _note_of(spare: PageNote | None) -> PageNote:
    if spare is None:
        raise AssertionError("a spare note is made wherever the model said nothing usable")
    return spare
