"""What was derived from a forgotten page goes with it, even when the analyst is down."""

from __future__ import annotations

import random

import pytest

from memoryos_engine import MemoryOS
from memoryos_engine.analysis.extractive import ExtractiveAnalyst
from memoryos_engine.errors import ChatModelError

TOPIC = "I talked about my hepatitis diagnosis with doctor Lindqvist at the hospital."

WORDS = ("kayak", "violin", "Oslo", "baker", "garlic", "chess", "Lisbon", "nurse", "sourdough", "rain")


def told(system: MemoryOS):
    memory = system.memory("tom")
    first = memory.add_memory(TOPIC, "I am sorry to hear about the hepatitis diagnosis.")
    memory.add_memory("And then?", "Then you rested.")
    memory.add_memory("And after that?", "After that you slept.")
    memory.flush()
    return memory, first


def everything_derived(memory) -> str:
    pages = [(page.meta_chain, page.keywords) for page in memory.pages()]
    segments = [(segment.summary, segment.keywords) for segment in memory.segments()]
    return str([pages, segments, memory.knowledge(history=True)]).casefold()


def test_no_page_segment_or_fact_keeps_words_of_a_forgotten_page(open_system):
    """Issue of trust: a chain carries topic words on, and they must not outlive the page they came from."""
    memory, first = told(open_system(short_term_capacity=1))
    assert "hepatitis" in everything_derived(memory)

    memory.forget(first.id)

    assert "hepatitis" not in everything_derived(memory)
    assert "lindqvist" not in everything_derived(memory)


def talk(chance: random.Random) -> list[dict[str, str]]:
    """Few topics and facts, so that many pages of several sessions share them."""
    said = [f"I {verb} {what}." for verb in ("love", "hate", "live in", "work as") for what in chance.sample(WORDS, 4)]
    turns = [(" ".join(chance.sample(said, 2)), f"Tell me of the {chance.choice(WORDS)}.") for _ in range(90)]
    return [
        {"user_input": user_input, "agent_response": response, "session_id": str(n // 5 % 3)}
        for n, (user_input, response) in enumerate(turns)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_session_that_is_forgotten_leaves_what_is_left_if_its_pages_are_forgotten_one_by_one(system, seed):
    memories = [system.memory(user, session_id="1") for user in ("tom", "ann")]
    for memory in memories:
        memory.import_turns(talk(random.Random(seed)))
        memory.flush()
    first, second = memories
    pages = first.session_pages()
    for page in pages:
        first.forget(page.id)

    assert second.forget_session() == len(pages) == 30
    assert derived(second) == derived(first)
    assert first.knowledge(history=True)


def derived(memory) -> list:
    """All there is but ids."""
    texts = {page.id: page.text for page in memory.pages()}
    pages = [(page.text, page.meta_chain, page.keywords, page.promoted) for page in memory.pages()]
    segments = [(each.summary, each.keywords, each.archived) for each in memory.segments()]
    known = [
        (each.text, each.attribute, each.valid_until, [texts[key] for key in each.source_page_ids])
        for each in memory.knowledge(history=True)
    ]
    return [pages, sorted(segments), sorted(known, key=repr)]


def test_forgetting_needs_no_analyst(open_system, monkeypatch):
    """A model that is down must not keep a user from deleting."""
    memory, first = told(open_system(short_term_capacity=1))

    def down(self, pages):
        raise ChatModelError("no answer")

    monkeypatch.setattr(ExtractiveAnalyst, "summarise", down)
    memory.forget(first.id)

    assert first.id not in [page.id for page in memory.pages()]


def test_a_question_with_a_very_long_number_is_a_question(open_system):
    """Python refuses to read numbers of more than 4,300 digits; a user may paste one."""
    memory, _ = told(open_system())

    assert memory.retrieve_memory("9" * 5000 + " days ago, what was said?").pages == ()
