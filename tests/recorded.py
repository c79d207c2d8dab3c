"""A chat model that says what a good one said of the project's own dialogues, page by page.

`data/replies/LANG.json` holds {language, notes: one for each turn, topics, facts: {profile, traits,
user_facts, assistant_facts}}; pages are named by their turns' places, known segments by their keywords,
known facts by their texts. So the recording answers however pages come to be batched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from memoryos_engine import ChatMessage, ScriptedChatModel
from memoryos_engine.prompt_format import neutralise, sides

DATA = Path(__file__).parent / "data"
PAGE = re.compile(r"^p\d+ (?:session \d+ )?\d{4}-\d\d-\d\d \w{3} \d\d:\d\d$")


def recorded(language: str) -> ScriptedChatModel:
    """Return the model that was recorded in a language."""
    said = json.loads((DATA / "replies" / f"{language}.json").read_text(encoding="utf-8"))
    turns = json.loads((DATA / "dialogues" / f"{language}.json").read_text(encoding="utf-8"))["turns"]
    lines = [sides(neutralise(turn["user_input"]), neutralise(turn["agent_response"])).rstrip() for turn in turns]

    def answer(messages: Sequence[ChatMessage]) -> str:
        known, _, pages = messages[-1].content.partition("# Pages\n")
        labels = {place_of(text, lines): f"p{number}" for number, text in enumerate(shown(pages), start=1)}
        about_facts = known.startswith("# Known facts")
        reply = promotion(said["facts"], labels, known) if about_facts else consolidation(said, labels, known)
        return json.dumps(reply, ensure_ascii=False)

    return ScriptedChatModel(otherwise=answer)


def shown(pages: str) -> list[str]:
    """The pages of a request, in order, without their headings."""
    blocks = (block.partition("\n") for block in re.split(r"\n(?=p\d+ )", "\n" + pages)[1:])
    return [text.rstrip() for heading, _, text in blocks if PAGE.match(heading)]


def place_of(text: str, lines: Sequence[str]) -> int:
    """The turn that a page is, which may be shown shortened."""
    if text in lines:
        return lines.index(text)
    (place,) = (place for place, line in enumerate(lines) if line.startswith(text[:40]))
    return place


def consolidation(said: Mapping[str, Any], labels: Mapping[int, str], known: str) -> dict[str, Any]:
    segments = {match[1]: set(match[2].split(", ")) for match in re.finditer(r"^(s\d+) \[([^\]]*)\]", known, re.M)}
    topics = [dict(topic, pages=at(topic["pages"], labels)) for topic in said["topics"]]
    return {
        "pages": [{"page": label, **said["notes"][place]} for place, label in labels.items()],
        "topics": [
            {
                "pages": topic["pages"],
                "segment": most_alike(set(topic["carries_on"]), segments),
                "keywords": topic["keywords"],
                "summary": topic["summary"],
            }
            for topic in topics
            if topic["pages"]
        ],
    }


def promotion(facts: Mapping[str, Any], labels: Mapping[int, str], known: str) -> dict[str, Any]:
    entries = {re.sub(r"^\[[^\]]*\] ", "", match[2]): match[1] for match in re.finditer(r"^(k\d+) (.*)$", known, re.M)}
    reply: dict[str, Any] = {}
    for name, listed in facts.items():
        found = [dict(fact, pages=at(fact["pages"], labels)) for fact in listed]
        reply[name] = [
            fact | {key: entries.get(fact[key]) for key in ("repeats", "replaces") if key in fact}
            for fact in found
            if fact["pages"]
        ]
    return reply


def at(places: Sequence[int], labels: Mapping[int, str]) -> list[str]:
    return [labels[place] for place in places if place in labels]


def most_alike(words: set[str], segments: Mapping[str, set[str]]) -> str | None:
    best = max(segments, key=lambda label: len(segments[label] & words), default=None)
    return best if best and segments[best] & words else None
