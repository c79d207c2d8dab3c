"""What was derived from a forgotten page goes with it, even when the analyst is down."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest

from memoryos_engine import InvalidInput, MemoryOS, rights
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


# -- spans of time and whole users -----------------------------------------------------------


def dated(system: MemoryOS, user: str = "tom", assistant: str = "assistant"):
    """Days 1 to 6 of March, in two sessions."""
    memory = system.memory(user, assistant, "s0")
    for day in range(1, 7):
        said = {"user_input": f"I love the {WORDS[day]} number {day}.", "timestamp": f"2024-03-0{day}T10:00:00+00:00"}
        memory.import_turns([{**said, "session_id": f"s{day % 2}"}])
    memory.flush()
    return memory


def days(memory) -> list[int]:
    return [page.timestamp.day for page in memory.pages()]


@pytest.mark.parametrize(
    ("span", "gone"),
    [
        ({"since": "2024-03-03T10:00:00+00:00", "until": "2024-03-05T10:00:00+00:00"}, [3, 4]),
        ({"since": "2024-03-05T10:00:00.000001+00:00"}, [6]),
        ({"until": "2024-03-02T11:00:00+01:00"}, [1]),
        ({"until": "2024-03-05T10:00:00+00:00", "session_only": True}, [2, 4]),
        ({"since": "2025-01-01T00:00:00+00:00"}, []),
    ],
)
def test_a_span_of_time_is_forgotten_with_what_was_derived_from_it(open_system, span, gone):
    """From `since` on, up to but without `until`; the rest is as if its pages were forgotten one by one."""
    system = open_system(short_term_capacity=1, heat_threshold=0.5)
    memory, other = dated(system), dated(system, "ann")
    for page in other.pages():
        if page.timestamp.day in gone:
            other.forget(page.id)

    assert memory.forget_between(**span) == len(gone)
    assert days(memory) == [day for day in range(1, 7) if day not in gone]
    assert derived(memory) == derived(other)
    assert memory.knowledge()
    assert system.check() == []


def test_a_long_span_is_forgotten_in_several_changes(system, monkeypatch):
    monkeypatch.setattr(rights, "FORGOTTEN_AT_ONCE", 2)
    memory = dated(system)

    assert memory.forget_between(until="2024-03-06T00:00:00+00:00") == 5
    assert days(memory) == [6]


@pytest.mark.parametrize(
    ("span", "complaint"),
    [
        ({}, "since and until are both missing"),
        ({"since": "soon"}, "since is not a time"),
        ({"until": 5}, "until is a int"),
        ({"since": "2024-03-03T10:00:00+00:00", "until": "2024-03-03T10:00:00+00:00"}, "until is not after since"),
    ],
)
def test_a_span_that_is_none_forgets_nothing(system, span, complaint):
    memory = dated(system)
    with pytest.raises(InvalidInput, match=complaint):
        memory.forget_between(**span)
    assert days(memory) == [1, 2, 3, 4, 5, 6]


def test_a_user_is_forgotten_with_all_assistants(system):
    for user, assistant in (("tom", "coach"), ("tom", "cook"), ("tommy", "cook")):
        dated(system, user, assistant)

    assert system.forget_user("tom") == 2
    assert [(owner.user_id, owner.assistant_id) for owner in system.users()] == [("tommy", "cook")]
    assert system.forget_user("tom") == 0
    with pytest.raises(InvalidInput, match="user_id is empty"):
        system.forget_user("")


def test_forgetting_a_user_reaches_records_that_no_memory_has(system):
    """Rows that a repair set aside, and a memory that lost its head, name the user too."""
    for assistant in ("one", "two"):
        system.memory("ann", assistant).add_memory(f"With {assistant}.", "Yes.")
    system.memory("bob").add_memory("I am Bob.", "Hello.")
    collection = system._storage.store._collection
    heads = collection.get(where={"$and": [{"kind": "head"}, {"assistant_id": "two"}]})["ids"]
    collection.delete(ids=heads)
    assert system.forget_user("ann") == 1

    assert collection.get(where={"user_id": "ann"})["ids"] == []
    assert [page.user_input for page in system.memory("bob").pages()] == ["I am Bob."]


@pytest.mark.parametrize("session", ["0", "1"])
def test_what_is_found_after_a_forgetting_is_what_is_found_when_the_store_is_opened_again(open_system, session):
    """Pages that are gone count for nothing: not in a term's rarity, a usual length, a date or a topic."""
    system = open_system(short_term_capacity=1)
    memory = system.memory("tom", session_id=session)
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    dated = [{**turn, "timestamp": start + timedelta(days=n)} for n, turn in enumerate(talk(random.Random(7))[:60])]
    memory.import_turns(dated)
    memory.flush()
    for page in memory.pages()[4:34]:
        memory.forget(page.id)
    asked = [*WORDS, "garlic and rain", "What did I say in January?", "chess on 20 February 2024"]

    def answers(system: MemoryOS) -> list[list[tuple[str, float]]]:
        memory = system.memory("tom", session_id=session)
        found = [memory.retrieve_memory(query, top_k=5, touch=False) for query in asked]
        return [[(page.id, round(page.score or 0.0, 4)) for page in each.pages] for each in found]

    alive = answers(system)
    system.close()

    assert all(alive)
    assert alive == answers(open_system(short_term_capacity=1))
