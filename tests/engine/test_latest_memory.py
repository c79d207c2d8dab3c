"""What is in every context: STM, profile and the newest knowledge, without a question."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from memoryos_engine import ClosedError, KnowledgeKind, MemoryOS, RetrievedMemory, UserProfile

from .fakes import TagAnalyst, TagEmbedder
from .soundness import rows


@pytest.fixture
def embedder():
    return TagEmbedder()


@pytest.fixture
def system(open_system, embedder) -> MemoryOS:
    return open_system(
        embedder=embedder,
        analyst=TagAnalyst(),
        short_term_capacity=3,
        heat_threshold=0.0,
        knowledge_top_k=2,
        assistant_profile="a tutor",
    )


@pytest.fixture
def memory(system, clock):
    """Five facts and a name in long-term memory, two pages in STM, one of another session."""
    memory = system.memory("tom", session_id="desk")
    for number, said in enumerate(["#a old", "name=Tom", "#b middle", "#c new", "#d newest"]):
        memory.add_memory(said, f"answer {number}", timestamp=clock.advance(minutes=1))
    memory.in_session("phone").add_memory("#e elsewhere", "there")
    memory.add_memory("#f rests", "yes")
    memory.add_memory("#g rests too")
    memory.flush()
    return memory


def test_it_is_what_every_retrieval_holds_besides_the_pages_found(memory):
    """STM, profile, fixed role: the same, whatever is asked; only a question gives scores."""
    latest, found = memory.latest_memory(), memory.retrieve_memory("#a", touch=False)

    assert [page.user_input for page in latest.short_term] == ["#f rests", "#g rests too"]
    assert latest.short_term == found.short_term
    assert dict(latest.user_profile.fields) == dict(found.user_profile.fields) == {"name": "Tom"}
    assert latest.user_profile.entries == tuple(replace(entry, score=None) for entry in found.user_profile.entries)
    assert latest.assistant_profile == found.assistant_profile == "a tutor"
    assert (latest.query, latest.pages, latest.best, dict(latest.explanations)) == ("", (), None, {})


def test_knowledge_is_the_newest_first_with_its_sources(memory):
    """Without a question nothing is better than what was said last; knowledge_top_k is the most."""
    latest = memory.latest_memory()

    assert [entry.text for entry in latest.user_knowledge] == ["#d newest", "#c new"]
    assert [entry.score for entry in latest.user_knowledge] == [None, None]
    sources = [key for entry in latest.user_knowledge for key in entry.source_page_ids]
    assert dict(latest.sources) == {page.id: page for page in memory.pages() if page.id in sources}
    assert len(sources) == 2


def test_what_was_superseded_or_forgotten_is_not_in_it(memory, clock):
    moved = memory.add_memory("name=Thomas", "ok", timestamp=clock.advance(minutes=1))
    for number in range(2):
        memory.add_memory(f"#h {number}", "ok")
    memory.flush()
    assert dict(memory.latest_memory().user_profile.fields) == {"name": "Thomas"}
    memory.forget(moved.id)
    newest = next(entry for entry in memory.knowledge() if entry.text == "#d newest")
    memory.forget(newest.id)

    latest = memory.latest_memory()
    assert dict(latest.user_profile.fields) == {"name": "Tom"}
    assert "#d newest" not in [entry.text for entry in latest.user_knowledge]
    assert KnowledgeKind.USER_KNOWLEDGE in {entry.kind for entry in latest.user_knowledge}


class Keeping(TagAnalyst):
    """What is "kept=..." is knowledge of the user that a newer one supersedes."""

    def promote(self, hot, known):
        return [
            replace(fact, kind=KnowledgeKind.USER_KNOWLEDGE, text=f"Keeps {fact.text}")
            for fact in super().promote(hot, known)
        ]


def test_knowledge_that_was_superseded_is_not_among_the_newest(open_system, clock):
    memory = open_system(analyst=Keeping(), short_term_capacity=1, heat_threshold=0.0).memory("tom")
    for said in ("kept=bees", "kept=ants"):
        memory.add_memory(said, "ok", timestamp=clock.advance(minutes=1))
    memory.flush()

    assert [entry.text for entry in memory.knowledge(history=True)] == ["Keeps bees", "Keeps ants"]
    assert [entry.text for entry in memory.latest_memory().user_knowledge] == ["Keeps ants"]


def test_each_session_sees_its_own_stm_and_the_same_knowledge(memory):
    phone = memory.in_session("phone").latest_memory()

    assert [page.user_input for page in phone.short_term] == ["#e elsewhere"]
    assert phone.user_knowledge == memory.latest_memory().user_knowledge
    assert memory.in_session("never").latest_memory().short_term == ()


def test_an_answer_is_in_it_at_once(memory):
    memory.add_response("Good.")

    assert memory.latest_memory().short_term[-1].agent_response == "Good."


def test_it_asks_no_embedder_and_no_analyst_and_counts_no_visit(memory, system, embedder):
    """It reads what is there: while a model is down it still answers, and heat stays."""
    before, calls, heats = rows(system), list(system.updater._analyst.calls), memory.heats()
    embedder.error = RuntimeError("the embedder was asked")
    latest = memory.latest_memory()
    embedder.error = None
    memory.flush()

    assert latest.user_knowledge
    assert (rows(system), system.updater._analyst.calls, memory.heats()) == (before, calls, heats)


def test_of_an_empty_memory_it_is_empty(system):
    memory = system.memory("nobody")

    assert memory.latest_memory() == RetrievedMemory(
        query="", user_profile=UserProfile(), assistant_profile="a tutor", sources={}
    )
    assert system.users() == []


def test_it_becomes_a_prompt_like_any_retrieval(memory):
    prompt = memory.latest_memory().to_prompt(max_tokens=500)

    for text in ("Tom", "#f rests", "#g rests too", "#d newest", "a tutor"):
        assert text in prompt
    assert "#e elsewhere" not in prompt
    assert memory.system.memory("nobody").latest_memory().to_prompt(max_tokens=1) == ""


def test_the_awaited_twin_does_the_same(memory):
    assert asyncio.run(memory.alatest_memory()) == memory.latest_memory()


def test_a_closed_system_has_none(memory, system):
    system.close()
    with pytest.raises(ClosedError):
        memory.latest_memory()
