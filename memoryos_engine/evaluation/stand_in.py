"""A stand-in for a language model: answers the engine's requests in the form of a good model, without one.

It reads what the request shows and says what the extractive analyst finds in it. So
costs, delays and failures can be measured and tried out with no key; how clever a model
is cannot. Deterministic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from memoryos_engine.analysis.base import FoundFact, HotSegment, PageNote, PendingPage
from memoryos_engine.analysis.extractive import ExtractiveAnalyst
from memoryos_engine.embedding.hashing import HashingEmbedder
from memoryos_engine.llm.base import ChatMessage
from memoryos_engine.llm.scripted import ScriptedChatModel
from memoryos_engine.records import DialoguePage, KnowledgeKind, Segment

_PAGE = re.compile(r"^p(\d+) (?:session (\d+) )?(\d{4}-\d\d-\d\d) \w{3} (\d\d:\d\d)$")
_SEGMENT = re.compile(r"^s(\d+) \[([^\]]*)\] ")
_KNOWN = re.compile(r"^k(\d+) (?:\[([^\]]*)\] )?(.*)$")
_NOWHERE = Segment(id="stand-in", summary="", keywords=(), created_at=datetime(2000, 1, 1, tzinfo=timezone.utc))


def stand_in(*, latency: float = 0.0) -> ScriptedChatModel:
    """Return a chat model that answers every request of the engine; each call takes `latency` seconds."""
    return ScriptedChatModel(otherwise=reply, latency=latency)


def reply(messages: Sequence[ChatMessage]) -> str:
    """Return the answer to a request: JSON for consolidation and promotion, a sentence for anything else."""
    body = messages[-1].content
    if body.startswith("# Known segments\n"):
        return json.dumps(_consolidation(body), ensure_ascii=False)
    if body.startswith("# Known facts\n"):
        return json.dumps(_promotion(body), ensure_ascii=False)
    return "I answer from what I remember."


def _consolidation(body: str) -> dict[str, Any]:
    pages = _pages(body)
    notes = ExtractiveAnalyst().consolidate(_pending(pages), ()).notes
    return {
        "pages": [
            {"page": page.id, "continues": note.continues, "meta_chain": note.meta_chain or page.text[:200]}
            for page, note in zip(pages, notes, strict=True)
        ],
        "topics": _topics(pages, notes, _segments(body)),
    }


def _topics(
    pages: Sequence[DialoguePage], notes: Sequence[PageNote], known: dict[str, frozenset[str]]
) -> list[dict[str, Any]]:
    chains: list[list[int]] = []
    for place, note in enumerate(notes):
        if note.continues and place:
            chains[-1].append(place)
        else:
            chains.append([place])
    return [_topic([pages[place] for place in chain], [notes[place] for place in chain], known) for chain in chains]


def _topic(
    pages: Sequence[DialoguePage], notes: Sequence[PageNote], known: dict[str, frozenset[str]]
) -> dict[str, Any]:
    words = list(dict.fromkeys(word for note in notes for word in note.keywords))[:8]
    alike = max(known, key=lambda label: len(known[label] & set(words)), default=None)
    carried = alike if alike and len(known[alike] & set(words)) > 1 else None
    summary = ExtractiveAnalyst().summarise(pages)
    return {"pages": [page.id for page in pages], "segment": carried, "keywords": words, "summary": summary}


def _promotion(body: str) -> dict[str, Any]:
    found = ExtractiveAnalyst().promote([HotSegment(segment=_NOWHERE, pages=tuple(_pages(body)))], ())
    known = {match[3]: f"k{match[1]}" for match in map(_KNOWN.match, body.splitlines()) if match}
    by_kind = {kind: [fact for fact in found if fact.kind is kind] for kind in KnowledgeKind}
    return {
        "profile": [
            {"field": fact.attribute, "value": fact.text, "pages": list(fact.source_page_ids)}
            for fact in by_kind[KnowledgeKind.USER_PROFILE]
        ],
        "traits": [
            {
                "dimension": fact.attribute,
                "level": fact.level,
                "reason": fact.text,
                "pages": list(fact.source_page_ids),
            }
            for fact in by_kind[KnowledgeKind.USER_TRAIT]
        ],
        "user_facts": [_fact(fact, known, "user") for fact in by_kind[KnowledgeKind.USER_KNOWLEDGE]],
        "assistant_facts": [_fact(fact, known, "assistant") for fact in by_kind[KnowledgeKind.ASSISTANT_KNOWLEDGE]],
    }


def _fact(fact: FoundFact, known: dict[str, str], subject: str) -> dict[str, Any]:
    return {
        "fact": fact.text,
        "subject": subject,
        "attribute": "",
        "repeats": known.get(fact.text),
        "replaces": None,
        "pages": list(fact.source_page_ids),
    }


def _segments(body: str) -> dict[str, frozenset[str]]:
    found = filter(None, map(_SEGMENT.match, body.splitlines()))
    return {f"s{match[1]}": frozenset(match[2].split(", ")) for match in found}


def _pages(body: str) -> list[DialoguePage]:
    """Return the pages a request shows, called by their labels."""
    found: list[DialoguePage] = []
    for block in re.split(r"\n(?=p\d+ )", "\n" + body.partition("# Pages\n")[2])[1:]:
        heading, _, said = block.partition("\n")
        match = _PAGE.match(heading)
        if match is not None:
            found.append(_page(match, said))
    return found


def _page(heading: re.Match[str], said: str) -> DialoguePage:
    user, _, agent = said.removeprefix("User: ").partition("\nAssistant: ")
    if said.startswith("Assistant: "):
        user, agent = "", said.removeprefix("Assistant: ")
    return DialoguePage(
        id=f"p{heading[1]}",
        session_id=heading[2] or "",
        user_input=user.strip(),
        agent_response=agent.strip(),
        timestamp=datetime.fromisoformat(f"{heading[3]}T{heading[4]}:00+00:00"),
        sequence=int(heading[1]),
    )


def _pending(pages: Sequence[DialoguePage]) -> list[PendingPage]:
    vectors = HashingEmbedder().embed([page.text for page in pages])
    last: dict[str, int] = {}
    found: list[PendingPage] = []
    for place, page in enumerate(pages):
        before = last.get(page.session_id)
        found.append(
            PendingPage(
                page=page,
                vector=vectors[place],
                previous=None if before is None else pages[before],
                previous_vector=None if before is None else vectors[before],
            )
        )
        last[page.session_id] = place
    return found
