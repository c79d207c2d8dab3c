"""Knowledge entries lead to the pages they were read from (design part 4)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from memoryos_engine import ScriptedChatModel
from memoryos_engine.evaluation.stand_in import reply
from memoryos_engine.lexical_index import LexicalIndex
from memoryos_engine.ranking import KNOWLEDGE_WEIGHT, Surroundings, rank

SAID = "We signed the papers for the little farm near Ghent this morning."
FACT = {
    "fact": "Tom signed the papers for a farm near Ghent.",
    "subject": "user",
    "attribute": "",
    "repeats": None,
    "replaces": None,
    "pages": ["p1"],
}


@pytest.fixture
def memory(open_system):
    """A farm that was bought, read into one fact, and twenty pages of small talk after it."""
    facts = json.dumps({"profile": [], "traits": [], "user_facts": [FACT], "assistant_facts": []})
    model = ScriptedChatModel([reply, facts], otherwise=reply)
    system = open_system(llm=model, short_term_capacity=1, heat_threshold=0.0)
    memory = system.memory("tom")
    memory.add_memory(SAID, "Congratulations!")
    memory.flush()
    for number in range(20):
        memory.add_memory(f"The weather is fine, day number {number}.", "Lovely.")
    return memory


def test_a_found_entry_brings_its_source_pages(memory):
    """Whether or not they are among the pages found: a fact can be checked against what was said."""
    found = memory.retrieve_memory("Which papers did Tom sign?", top_k=1)
    page = next(page for page in memory.pages() if page.user_input == SAID)

    assert [entry.text for entry in found.user_knowledge] == [FACT["fact"]]
    assert dict(found.sources) == {page.id: page}
    assert found.user_knowledge[0].source_page_ids == (page.id,)


def test_a_source_page_is_ranked_with_what_its_fact_tells(memory):
    """The explanation says how much of a page's score came from a fact."""
    found = memory.retrieve_memory("Which papers did Tom sign?", top_k=3)
    first, *others = found.pages
    parts = found.explanations[first.id]

    assert first.user_input == SAID
    assert parts.knowledge == pytest.approx(KNOWLEDGE_WEIGHT * found.user_knowledge[0].score)
    assert [found.explanations[page.id].knowledge for page in others] == [0.0, 0.0]
    assert parts.total == pytest.approx(first.score)


def test_a_forgotten_source_is_no_source(memory):
    page = next(page for page in memory.pages() if page.user_input == SAID)
    memory.forget(page.id)
    found = memory.retrieve_memory("Which papers did Tom sign?")

    assert (found.user_knowledge, dict(found.sources)) == ((), {})


def test_a_fact_lends_its_page_a_tenth_of_its_score():
    """Between two equal pages the one that a fitting fact was read from comes first."""
    index = LexicalIndex()
    for _ in range(2):
        index.add(["farm"])
    zeros = np.zeros(2)
    around = Surroundings.of(np.array([0, 1]), np.array([0, 0]), zeros)
    evidence = rank(index, {"farm": 1.0}, around, zeros.astype(np.float32), zeros, facts={1: 0.5})

    assert evidence.knowledge.tolist() == pytest.approx([0.0, 0.05])
    assert evidence.best(2).tolist() == [1, 0]
