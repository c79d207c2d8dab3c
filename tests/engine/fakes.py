"""An embedder and an analyst that do what the #tags of a text say, so that tests can reckon by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from memoryos_engine import DialoguePage, KnowledgeEntry, KnowledgeKind, Segment
from memoryos_engine.analysis.base import BatchReading, FoundFact, HotSegment, PageNote, PendingPage
from memoryos_engine.similarity import Vector

TAG = re.compile(r"#([a-z]+)")
FIELD = re.compile(r"(\w+)=(\w+)")


def tags(text: str) -> tuple[str, ...]:
    """The tags of a text, each once, in order."""
    return tuple(dict.fromkeys(TAG.findall(text)))


class TagEmbedder:
    """One axis per first letter of a tag: texts of one tag are identical, of different tags orthogonal."""

    name = "tags-v1"
    dimension = 32

    def __init__(self) -> None:
        self.error: Exception | None = None
        """Raised by every call while it is set."""

    def embed(self, texts: Sequence[str]) -> Vector:
        if self.error is not None:
            raise self.error
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[[ord(tag[0]) - ord("a") for tag in tags(text)] or [31]] = 1.0
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class TagAnalyst:
    """Keywords are tags, equal tags continue a chain, "name=Tom" is a profile field, all else is knowledge."""

    name = "tags"

    def __init__(self, *, batch_size: int = 1000, eager: bool = True) -> None:
        self.batch_size = self.promotion_size = batch_size
        self.eager = eager
        self.errors: dict[str, Exception] = {}
        """Method to what it raises while it is set."""
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        """Method and the user inputs it was given, oldest first."""

    def consolidate(self, pages: Sequence[PendingPage], segments: Sequence[Segment]) -> BatchReading:
        self._called("consolidate", [item.page for item in pages])
        chains: dict[str, str] = {}
        return BatchReading(notes=tuple(_note(item, chains) for item in pages))

    def summarise(self, pages: Sequence[DialoguePage]) -> str:
        self._called("summarise", pages)
        return " | ".join(page.user_input for page in pages)

    def promote(self, hot: Sequence[HotSegment], known: Sequence[KnowledgeEntry]) -> Sequence[FoundFact]:
        pages = [page for each in hot for page in each.pages]
        self._called("promote", pages)
        return [fact for page in pages for fact in _facts(page)]

    def said(self, method: str) -> list[tuple[str, ...]]:
        """What each call of `method` was given."""
        return [inputs for name, inputs in self.calls if name == method]

    def _called(self, method: str, pages: Sequence[DialoguePage]) -> None:
        self.calls.append((method, tuple(page.user_input for page in pages)))
        if method in self.errors:
            raise self.errors[method]


def _note(item: PendingPage, chains: dict[str, str]) -> PageNote:
    before = item.previous
    continues = before is not None and tags(before.text) == tags(item.page.text)
    earlier = chains.get(before.id, before.meta_chain) if before is not None and continues else ""
    chains[item.page.id] = " > ".join(part for part in (earlier, item.page.user_input) if part)
    return PageNote(
        page_id=item.page.id, continues=continues, meta_chain=chains[item.page.id], keywords=tags(item.page.text)
    )


def _facts(page: DialoguePage) -> list[FoundFact]:
    fields = FIELD.findall(page.user_input)
    if not fields:
        return [FoundFact(kind=KnowledgeKind.USER_KNOWLEDGE, text=page.user_input, source_page_ids=(page.id,))]
    return [
        FoundFact(kind=KnowledgeKind.USER_PROFILE, text=value, attribute=name, source_page_ids=(page.id,))
        for name, value in fields
    ]
