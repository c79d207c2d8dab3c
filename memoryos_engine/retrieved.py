"""What a retrieval returns: typed, frozen, and able to turn itself into prompt text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from memoryos_engine.records import DialoguePage, KnowledgeEntry, UserProfile
from memoryos_engine.tokens import TokenCounter


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Why a page was found: the parts that add up to its score."""

    words: float
    """Words in common with the query."""
    similarity: float
    """Nearness of the vectors."""
    chain: float
    """Support from neighbouring pages of its session."""
    segment: float
    """Average support of the other pages of its segment."""
    date: float
    """A date in the query that matches the page's."""
    knowledge: float = 0.0
    """A fact read out of the page that fits the query."""

    @property
    def total(self) -> float:
        """The page's score."""
        return self.words + self.similarity + self.chain + self.segment + self.date + self.knowledge


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrievedMemory:
    """Everything a model needs to answer `query`, before it is cut to a budget."""

    query: str
    short_term: tuple[DialoguePage, ...] = ()
    """The session's last pages, oldest first; never ranked."""
    pages: tuple[DialoguePage, ...] = ()
    """Found pages, best first, each with its score."""
    best: DialoguePage | None = None
    """The page, found or in STM, that fits the query best; None where nothing is remembered."""
    user_profile: UserProfile = field(default_factory=UserProfile)
    user_knowledge: tuple[KnowledgeEntry, ...] = ()
    assistant_profile: str = ""
    assistant_knowledge: tuple[KnowledgeEntry, ...] = ()
    sources: Mapping[str, DialoguePage] = field(default_factory=lambda: MappingProxyType({}))
    """Page id to page, for every page that a knowledge entry here was read from, found or not."""
    explanations: Mapping[str, Explanation] = field(default_factory=lambda: MappingProxyType({}))
    """Page id to the parts of its score."""

    def to_prompt(self, max_tokens: int = 2000, *, counter: TokenCounter | None = None) -> str:
        """Return the memory as text for any model, at most `max_tokens` long.

        What matters most goes in first: the question's best pages and the latest turns.
        Stored text is escaped and fenced, so that it reads as data.

        Args:
            max_tokens: budget for the whole text, at least 1.
            counter: how to count tokens; by default tiktoken where its encoding is on
                this machine, else an estimate that errs on the high side.

        Raises:
            InvalidInput: `max_tokens` is no whole number of at least 1.
        """
        from memoryos_engine.context import build_context

        return build_context(self, max_tokens=max_tokens, counter=counter).text
