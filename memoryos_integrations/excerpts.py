"""Pages and knowledge entries as hosts hand them on: a text for a model, and what is known of it beside."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from memoryos_engine import DialoguePage, Explanation, KnowledgeEntry, RetrievedMemory, Tier
from memoryos_engine.prompt_format import date_line, neutralise

NO_TIERS: Mapping[str, Tier] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Excerpt:
    """A page or a fact, made anew from the record: a host may write into its metadata."""

    id: str
    text: str
    metadata: dict[str, Any]
    """Values that JSON has; which, say `page_excerpt` and `fact_excerpt`."""


def excerpts_of(found: RetrievedMemory, tiers: Mapping[str, Tier] = NO_TIERS) -> list[Excerpt]:
    """Return what a retrieval found as excerpts: pages best first, then the session's STM, then facts.

    Args:
        found: what retrieval returned.
        tiers: page id to tier, for pages whose tier shall stand in the metadata.
    """
    pages = [page_excerpt(page, found, tiers.get(page.id)) for page in (*found.pages, *found.short_term)]
    facts = [fact_excerpt(fact) for fact in (*found.user_knowledge, *found.assistant_knowledge)]
    return pages + facts


def page_excerpt(page: DialoguePage, found: RetrievedMemory, tier: Tier | None) -> Excerpt:
    """Return a page as an excerpt.

    Its text is dated, says who spoke, and is neutralised as in prompts, so that no line of it poses as
    another speaker's. Its metadata holds, where there is one: id, kind ("page"), source (the session, unless
    the page was stored with a source of its own), user_input and agent_response as they were said, timestamp
    (ISO 8601, UTC), session_id, segment_id, keywords, tier, score, and why (the parts of the score); beside
    these, what was stored with the page under names that are not ours.
    """
    why = found.explanations.get(page.id)
    ours = {
        "id": page.id,
        "kind": "page",
        "source": page.metadata.get("source", page.session_id),
        "user_input": page.user_input,
        "agent_response": page.agent_response,
        "timestamp": page.timestamp.isoformat(),
        "session_id": page.session_id,
        "segment_id": page.segment_id,
        "keywords": list(page.keywords),
        "tier": tier.value if tier else None,
        "score": page.score,
        "why": {name: round(getattr(why, name), 4) for name in Explanation.__slots__} if why else None,
    }
    theirs = {name: deepcopy(value) for name, value in page.metadata.items() if name not in ours}
    return Excerpt(id=page.id, text=_said(page), metadata=theirs | _present(ours))


def fact_excerpt(fact: KnowledgeEntry) -> Excerpt:
    """Return a knowledge entry as an excerpt.

    Its text begins with the day it was said. Its metadata holds, where there is one: id, kind ("fact"),
    source (the ids of the pages it was read from), fact (its bare text), timestamp (ISO 8601, UTC),
    knowledge (which part of long-term memory), attribute, tier ("long_term") and score.
    """
    ours = {
        "id": fact.id,
        "kind": "fact",
        "source": list(fact.source_page_ids),
        "fact": fact.text,
        "timestamp": fact.said_at.isoformat(),
        "knowledge": fact.kind.value,
        "attribute": fact.attribute or None,
        "tier": "long_term",
        "score": fact.score,
    }
    return Excerpt(id=fact.id, text=f"{fact.said_at.date()}: {neutralise(fact.text)}", metadata=_present(ours))


def _said(page: DialoguePage) -> str:
    sides = (("User", page.user_input), ("Assistant", page.agent_response))
    return date_line(page.timestamp) + "\n".join(f"{speaker}: {neutralise(text)}" for speaker, text in sides if text)


def _present(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if value is not None}
