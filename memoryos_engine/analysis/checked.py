"""What an analyst answers is checked here before any of it is used: a failure is never data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from memoryos_engine.analysis.base import BatchReading, FoundFact, PageNote, PendingPage, TopicNote
from memoryos_engine.errors import ConsolidationError, InvalidInput
from memoryos_engine.records import DialoguePage, KnowledgeKind
from memoryos_engine.settings import require_text
from memoryos_engine.traits import TRAIT_LEVELS, is_trait_dimension

T = TypeVar("T")


def checked_reading(reading: object, batch: Sequence[PendingPage]) -> BatchReading:
    """Return the reading if it has a note for each page of the batch, in order, and can be stored.

    Raises:
        ConsolidationError: it has not; the pages stay pending.
    """
    if not isinstance(reading, BatchReading):
        raise ConsolidationError(f"the analyst returned a {type(reading).__name__}, not a reading; nothing was stored")
    notes = _list_of(PageNote, reading.notes, "notes")
    if [note.page_id for note in notes] != [item.page.id for item in batch]:
        raise ConsolidationError("the analyst's notes do not match the pages it was given; they stay pending")
    for note in notes:
        if not isinstance(note.continues, bool):
            raise ConsolidationError("the analyst does not say whether a page continues its chain; nothing was stored")
        _check_text(note.meta_chain)
        _check_words(note.keywords)
    topics = _list_of(TopicNote, reading.topics, "topics")
    for topic in topics:
        _check_words(topic.page_ids)
        _check_text(topic.segment_id or "")
        _check_text(topic.summary)
    return BatchReading(notes=tuple(notes), topics=tuple(topics))


def checked_facts(facts: object, pages: Sequence[DialoguePage]) -> list[FoundFact]:
    """Return the facts that say something and come from `pages` alone.

    Raises:
        ConsolidationError: one of them cannot be stored; the pages stay unpromoted.
    """
    known = {page.id for page in pages}
    found = _list_of(FoundFact, facts, "facts")
    for fact in found:
        if not isinstance(fact.kind, KnowledgeKind):
            raise ConsolidationError("the analyst found a fact of no known kind; its pages stay unpromoted")
        for text in (fact.text, fact.attribute, fact.level):
            _check_text(text)
        _check_words(fact.source_page_ids)
    return [fact for fact in found if _says_something(fact) and known.issuperset(fact.source_page_ids)]


def checked_summary(summary: object) -> str:
    """Return the summary if it can be stored; raise ConsolidationError if not."""
    return _check_text(summary)


def _says_something(fact: FoundFact) -> bool:
    if fact.kind is KnowledgeKind.USER_TRAIT and not (
        is_trait_dimension(fact.attribute) and fact.level in TRAIT_LEVELS
    ):
        return False
    return bool(fact.text.strip() and fact.source_page_ids)


def _list_of(kind: type[T], values: object, name: str) -> list[T]:
    if not isinstance(values, Iterable) or isinstance(values, (str, bytes)):
        raise ConsolidationError(f"the analyst returned a {type(values).__name__}, not {name}; nothing was stored")
    given = list(values)
    found = [value for value in given if isinstance(value, kind)]
    if len(found) != len(given):
        raise ConsolidationError(f"the analyst returned something else than {name}; nothing was stored")
    return found


def _check_words(words: object) -> None:
    if not isinstance(words, tuple):
        raise ConsolidationError("the analyst returned words that are no tuple; nothing was stored")
    for word in words:
        _check_text(word)


def _check_text(text: object) -> str:
    try:
        return require_text("the analyst's answer", text)
    except InvalidInput as error:
        raise ConsolidationError(f"{error} Nothing was stored.") from error
