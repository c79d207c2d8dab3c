"""What was found as LangChain documents: `excerpts` says what their text and their metadata are."""

from __future__ import annotations

from collections.abc import Mapping

from langchain_core.documents import Document

from memoryos_engine import RetrievedMemory, Tier
from memoryos_integrations.excerpts import NO_TIERS, excerpts_of


def documents_of(found: RetrievedMemory, tiers: Mapping[str, Tier] = NO_TIERS) -> list[Document]:
    """Return what a retrieval found as documents, in the order of `excerpts_of`."""
    return [Document(id=each.id, page_content=each.text, metadata=each.metadata) for each in excerpts_of(found, tiers)]
