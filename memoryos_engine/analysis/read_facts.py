"""From a model's reply about hot segments to facts: what is no fact of the pages is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_

from memoryos_engine.analysis.attributes import is_many_valued, profile_field, qualified
from memoryos_engine.analysis.base import FoundFact
from memoryos_engine.analysis.grounding import LEAST_SHARED, LEAST_SHARED_REASON, Ground
from memoryos_engine.analysis.prompts.json_reply import unusable
from memoryos_engine.analysis.prompts.labels import Labels
from memoryos_engine.analysis.prompts.promotion import FactReply, ProfileReply, PromotionReply, TraitReply
from memoryos_engine.long_term import normalised
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind
from memoryos_engine.traits import is_trait_dimension, trait_dimension

MOST_ENTRIES = 100
"""More than this is babble; nothing of it is used."""
LONGEST_FACT, LONGEST_VALUE = 400, 120
"""In characters. What is longer is no fact, and not used."""

_MARKDOWN = " \t*_#>-•·`"


class FactReader:
    """Reads the replies about one group of hot segments.

    Args:
        pages: the pages the model was asked about.
        texts: the lines of each page that it was shown.
        known: all current entries, which a new fact must not contradict unasked.
        shown: those of them that it was shown, in the order of their labels.
    """

    def __init__(
        self,
        pages: Sequence[DialoguePage],
        texts: Sequence[str],
        known: Sequence[KnowledgeEntry],
        *,
        shown: Sequence[KnowledgeEntry],
    ) -> None:
        self._pages = Labels("p", pages)
        self._shown = Labels("k", shown)
        self._known = known
        self._grounds = {page.id: Ground.of([text]) for page, text in zip(pages, texts, strict=True)}
        profile = [entry for entry in known if entry.kind is KnowledgeKind.USER_PROFILE]
        self._ground = reduce(or_, self._grounds.values(), Ground.of([entry.text for entry in profile]))
        self._names = frozenset(normalised(entry.text) for entry in profile if entry.attribute == "name")
        self._fields: set[str] = set()
        """Profile fields that the reply gives as bare values."""
        self._taken = {(entry.kind, entry.attribute) for entry in known if entry.attribute}

    def facts(self, reply: PromotionReply, misshapen: int) -> list[FoundFact]:
        """Return the facts of a reply, of which `misshapen` entries could not be read.

        Raises:
            ConsolidationError: it lists absurdly much, or nothing of what it lists is a fact of the pages.
        """
        listed = len(reply.profile) + len(reply.traits) + len(reply.user_facts) + len(reply.assistant_facts) + misshapen
        if listed > MOST_ENTRIES:
            raise unusable(f"lists {listed} facts of {len(self._pages)} pages")
        found = list(self._found(reply))
        if listed and not found:
            raise unusable("lists nothing that its pages say")
        return found

    def _found(self, reply: PromotionReply) -> Iterator[FoundFact]:
        profile = [fact for field in reply.profile for fact in self._profile(field)]
        self._fields = {fact.attribute for fact in profile}
        yield from profile
        for trait in reply.traits:
            yield from self._trait(trait)
        for fact in reply.user_facts:
            yield from self._fact(fact, KnowledgeKind.USER_KNOWLEDGE)
        for fact in reply.assistant_facts:
            yield from self._fact(fact, KnowledgeKind.ASSISTANT_KNOWLEDGE)

    def _profile(self, reply: ProfileReply) -> Iterator[FoundFact]:
        field, value, sources = profile_field(reply.field), _plain(reply.value), self._sources(reply.pages)
        if field and sources and len(value) <= LONGEST_VALUE and self._ground_of(sources).holds(value):
            yield FoundFact(kind=KnowledgeKind.USER_PROFILE, text=value, attribute=field, source_page_ids=_ids(sources))

    def _trait(self, reply: TraitReply) -> Iterator[FoundFact]:
        reason, sources, level = _plain(reply.reason), self._sources(reply.pages), reply.level.strip().casefold()
        if (
            level in ("more", "less")
            and is_trait_dimension(reply.dimension)
            and self._is_said(reason, sources, least=LEAST_SHARED_REASON)
        ):
            yield FoundFact(
                kind=KnowledgeKind.USER_TRAIT,
                text=reason,
                attribute=trait_dimension(reply.dimension).name,
                level=level,
                source_page_ids=_ids(sources),
            )

    def _fact(self, reply: FactReply, kind: KnowledgeKind) -> Iterator[FoundFact]:
        text, sources = _plain(reply.fact), self._sources(reply.pages)
        if not self._is_said(text, sources):
            return
        attribute = qualified(reply.subject, reply.attribute, kind, names=self._names)
        field = profile_field(attribute) if kind is KnowledgeKind.USER_KNOWLEDGE else ""
        repeated = self._repeated(reply.repeats, text, kind)
        if field in self._fields or (field and len(text) > LONGEST_VALUE):
            yield FoundFact(kind=kind, text=text, source_page_ids=_ids(sources))
        elif field:
            yield FoundFact(kind=KnowledgeKind.USER_PROFILE, text=text, attribute=field, source_page_ids=_ids(sources))
        elif repeated is not None:
            attribute, text = repeated.attribute, repeated.text
            yield FoundFact(kind=kind, text=text, attribute=attribute, source_page_ids=_ids(sources))
        else:
            attribute = self._own_attribute(attribute, reply.replaces, kind)
            yield FoundFact(kind=kind, text=text, attribute=attribute, source_page_ids=_ids(sources))

    def _own_attribute(self, attribute: str, replaces: str | None, kind: KnowledgeKind) -> str:
        """Return the attribute, unless it would end a fact that the model does not say is over."""
        if not attribute or is_many_valued(attribute):
            return ""
        ended = self._shown.find(replaces)
        if ended is not None and (ended.kind, ended.attribute) == (kind, attribute):
            return attribute
        if (kind, attribute) in self._taken:
            return ""
        self._taken.add((kind, attribute))
        return attribute

    def _repeated(self, label: str | None, text: str, kind: KnowledgeKind) -> KnowledgeEntry | None:
        """Return the known fact that `text` says again; a claim for a text that says more is not believed."""
        claimed = self._shown.find(label)
        if claimed is not None and claimed.kind is kind and Ground.of([claimed.text]).knows_all(text):
            return claimed
        equal = (entry for entry in self._known if entry.kind is kind and normalised(entry.text) == normalised(text))
        return next(equal, None)

    def _sources(self, labels: Sequence[str]) -> list[DialoguePage]:
        return self._pages.find_all(labels)

    def _is_said(self, text: str, sources: Sequence[DialoguePage], least: float = LEAST_SHARED) -> bool:
        """Say whether a text rests on the pages, at least by half on those it is said to come from."""
        if not sources or len(text) > LONGEST_FACT or not self._ground.bears(text, at_least=least):
            return False
        return self._ground_of(sources).bears(text, at_least=least / 2)

    def _ground_of(self, pages: Sequence[DialoguePage]) -> Ground:
        return reduce(or_, (self._grounds[page.id] for page in pages))


def _plain(text: str) -> str:
    """Return a text on one line without the marks of a list."""
    return " ".join(text.split()).strip(_MARKDOWN)


def _ids(pages: Sequence[DialoguePage]) -> tuple[str, ...]:
    return tuple(page.id for page in pages)
