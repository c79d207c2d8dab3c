"""The model path with the replies of a good model, recorded for the project's dialogues in eight languages."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memoryos_engine import KnowledgeKind, ManualClock, MemoryOS, MemorySettings
from memoryos_engine.analysis.topic_words import language_of
from memoryos_engine.clock import as_utc
from memoryos_engine.evaluation.dialogues import FRESH_SESSION, Dialogue, load_dialogues
from tests.recorded import DATA, recorded

LANGUAGES = ("ar", "de", "en", "fa", "hi", "ja", "tr", "zh")
SETTINGS = {"short_term_capacity": 1, "heat_threshold": 1.5}
"""Every page is handed over, and every segment is hot."""


@pytest.fixture(params=LANGUAGES)
def told(request, tmp_path):
    """A dialogue with everything read by the recorded model, and the memory of it."""
    (dialogue,) = load_dialogues(DATA / "dialogues" / f"{request.param}.json")
    now = max(as_utc(turn["timestamp"]) for turn in dialogue.turns) + timedelta(hours=1)
    model, settings = recorded(request.param), MemorySettings(**SETTINGS)
    with MemoryOS(tmp_path, llm=model, settings=settings, clock=ManualClock(now)) as system:
        memory = system.memory("u")
        memory.import_turns(dialogue.turns)
        memory.flush()
        yield dialogue, memory, model


def first_page_hits(dialogue: Dialogue, memory) -> float:
    ids = [page.id for page in memory.pages()]
    fresh = memory.in_session(FRESH_SESSION)
    first = [fresh.retrieve_memory(question, touch=False).pages[0].id for question, _ in dialogue.questions]
    hits = [page in {ids[place] for place in pages} for page, (_, pages) in zip(first, dialogue.questions, strict=True)]
    return sum(hits) / len(hits)


def test_a_good_model_is_used_for_all_it_says_of_pages(told):
    """One call for ten pages and one for twenty hot ones; nothing is refused, nothing left."""
    dialogue, memory, model = told
    pages = memory.pages()
    batches = -(-len(dialogue.turns) // 10)

    assert memory.status().pending == memory.status().unpromoted == 0
    assert batches < len(model.requests) <= batches + 3
    assert all(page.segment_id and page.chain_id and page.meta_chain and page.keywords for page in pages)
    assert len(memory.segments()) < len(pages)


def test_facts_are_kept_in_the_language_of_the_conversation_with_their_pages(told):
    """Issue 3: facts in the user's language, each with source pages; a profile of the user's own words."""
    dialogue, memory, _ = told
    texts = {page.id: page.text for page in memory.pages()}
    facts = [entry for entry in memory.knowledge() if entry.kind is KnowledgeKind.USER_KNOWLEDGE]
    profile = memory.get_user_profile()

    assert len(facts) >= 10
    assert all(set(entry.source_page_ids) <= set(texts) for entry in facts)
    assert language_of("\n".join(entry.text for entry in facts)) == dialogue.language
    assert profile.fields["name"]
    assert all(entry.source_page_ids for entry in profile.entries)


def test_the_right_page_comes_first_as_often_as_without_a_model(told, tmp_path):
    """Issue 3: the retrieval figures hold with the model path on; one question of fourteen either way."""
    dialogue, memory, _ = told
    with MemoryOS(tmp_path / "plain", settings=MemorySettings(**SETTINGS), clock=memory.system.clock) as system:
        plain = system.memory("u")
        plain.import_turns(dialogue.turns)
        plain.flush()
        without = first_page_hits(dialogue, plain)

    assert first_page_hits(dialogue, memory) >= without - 1 / len(dialogue.questions)
