"""What becomes of a page that got its answer later: the same as of one that came whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import rule

from memoryos_engine import ManualClock, MemoryOS, Owner, Tier, UserMemory
from memoryos_engine.ranking import SIMILARITY_WEIGHT

from .soundness import TOM, assert_as_reloaded, told
from .test_invariants import EXPLORING, Histories, Remembered, lines, owners, sessions

ANN = Owner(user_id="ann", assistant_id="assistant")
TURNS = (
    ("My name is Tom and I live in Oslo.", "Nice to meet you, Tom! How is the weather in Oslo?"),
    ("What did I tell you about my violin?", "You practise it every evening, and it is made of spruce."),
    ("I am allergic to peanuts.", "Noted: no peanuts."),
    ("¿Dónde vivo?", "You live in Oslo, as you told me."),
    ("I practise the violin in the morning.", "The violin, before breakfast?"),
    ("And then?", "Then the kayak."),
    ("من در تهران زندگی می‌کنم.", "چه خوب!"),
    ("I moved to Lima last spring.", "How do you like Lima?"),
)
PRECISIONS = ("float32", "float16", "none")


def coarsened(system: MemoryOS, owner: Owner, precision: str) -> None:
    """Keep the owner's vectors as they are kept for a user over the budget."""
    with system.resident(owner) as resident:
        while resident.records.index.precision != precision:
            assert resident.coarsen()


def both_ways(system: MemoryOS, clock: ManualClock, precision: str) -> tuple[UserMemory, UserMemory]:
    """Tom's sides come one by one, Ann's together, at the same times."""
    whole, halves = (system.memory(name, session_id="desk") for name in ("ann", "tom"))
    for asked, answer in TURNS:
        moment = clock.advance(minutes=1)
        whole.add_memory(asked, answer, timestamp=moment)
        halves.add_memory(asked, timestamp=moment)
        for owner in (ANN, TOM):
            coarsened(system, owner, precision)
        halves.add_response(answer)
    return whole, halves


def derived(memory: UserMemory) -> dict[str, Any]:
    """Everything of a memory but ids, which are made of what came first."""
    pages = {page.id: page.sequence for page in memory.pages()}
    segments = {segment.id: segment.sequence for segment in memory.segments()}
    return {
        "pages": [replace(p, id="", segment_id=str(segments.get(p.segment_id)), chain_id="") for p in memory.pages()],
        "segments": [replace(segment, id="") for segment in memory.segments()],
        "knowledge": [
            (entry.text, entry.attribute, entry.said_at, [pages[key] for key in entry.source_page_ids])
            for entry in memory.knowledge(history=True)
        ],
        "heats": sorted(memory.heats().values()),
        "tiers": {tier: sorted(page.sequence for page in held) for tier, held in memory.tiers().items()},
    }


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("capacity", [2, 4])
def test_it_is_read_placed_and_promoted_as_if_it_had_come_whole(open_system, clock, precision, capacity):
    """Invariant 8 for the sides of an exchange: when they came does not matter, however vectors are kept."""
    system = open_system(short_term_capacity=capacity, heat_threshold=1.0)
    whole, halves = both_ways(system, clock, precision)
    for memory in (whole, halves):
        memory.flush()
    expected = derived(whole)

    assert [len(expected[part]) > 0 for part in ("segments", "knowledge", "heats")] == [True, True, True]
    assert derived(halves) == expected
    assert_as_reloaded(system)
    assert_as_reloaded(system, ANN)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("query", ["spruce", "What is the weather like?", "kayak", "Dónde vivo", "breakfest", "چه خوب"])
def test_it_is_found_by_both_sides_as_if_it_had_come_whole(open_system, clock, precision, query):
    """Words of the answer find it, and its score and place are those of the whole page."""
    whole, halves = both_ways(open_system(), clock, precision)
    expected, found = (
        memory.in_session("phone").retrieve_memory(query, top_k=3, touch=False) for memory in (whole, halves)
    )

    assert [page.sequence for page in found.pages] == [page.sequence for page in expected.pages]
    assert found.best.sequence == expected.best.sequence
    assert [page.score for page in found.pages] == pytest.approx([page.score for page in expected.pages], abs=1e-5)


def test_words_that_only_half_a_page_seemed_to_say_are_not_found_any_more(open_system):
    """A text's language is read from all of it, so its terms may change with the answer: none is stale."""
    system = open_system()
    memory = system.memory("tom", session_id="desk")
    memory.add_memory("Running nations")
    before = memory.in_session("phone").retrieve_memory("run", touch=False)
    page = memory.add_response("Les nations unies sont une organisation internationale, dit-il dans cette ville.")
    after = memory.in_session("phone").retrieve_memory("run", touch=False)

    assert before.explanations[page.id].words > 0.0
    assert after.explanations[page.id].words == 0.0
    assert_as_reloaded(system)


def test_a_small_budget_changes_nothing_of_it(open_system):
    """resident_bytes: slower, not wrong; the vectors are not even resident here."""
    system = open_system(resident_bytes=1, short_term_capacity=2)
    memory = system.memory("tom", session_id="desk")
    for asked, answer in TURNS:
        memory.add_memory(asked)
        memory.add_response(answer)
    with system.resident(TOM) as resident:
        assert resident.records.index.precision == "none"
    found = memory.in_session("phone").retrieve_memory("kayak", top_k=1, touch=False)
    memory.flush()

    assert [page.agent_response for page in found.pages] == ["Then the kayak."]
    page, query = system.embedder.embed([found.pages[0].text, "kayak"])
    assert found.explanations[found.pages[0].id].similarity == pytest.approx(SIMILARITY_WEIGHT * page @ query, abs=1e-3)
    assert told(memory) == [("desk", asked, answer, n) for n, (asked, answer) in enumerate(TURNS)]
    assert_as_reloaded(system)


def test_it_is_the_same_after_reopening_export_and_import(open_system, tmp_path):
    system = open_system()
    memory = system.memory("tom", session_id="desk")
    memory.add_memory("Which violin?", timestamp="2023-01-01T00:00:00Z", metadata={"a": 1})
    memory.add_response("Yours.", metadata={"b": 2})
    pages = memory.pages()
    memory.export(tmp_path / "tom.jsonl")
    system.close()
    system = open_system()
    assert system.memory("tom").pages() == pages
    system.memory("tom").purge()
    copied = system.import_memory(tmp_path / "tom.jsonl")

    assert copied.pages() == pages
    assert_as_reloaded(system)


def test_a_question_left_open_is_answered_after_reopening(open_system):
    """Which page waits is read from the store, not remembered by the process."""
    before = open_system()
    asked = before.memory("tom", session_id="desk").add_memory("Which violin?")
    before.close()
    system = open_system()
    memory = system.memory("tom", session_id="desk")

    assert memory.add_response("Yours.") == replace(asked, agent_response="Yours.")
    assert memory.add_memory("And the bow?").sequence == 1
    assert_as_reloaded(system)


def test_forgetting_it_leaves_no_word_of_either_side(open_system):
    system = open_system(short_term_capacity=2)
    memory = system.memory("tom", session_id="desk")
    memory.add_memory("I talked about hepatitis.")
    page = memory.add_response("Doctor Lindqvist will see you about the hepatitis.")
    memory.add_memory("Hi", "Hello")
    memory.flush()
    memory.forget(page.id)

    left = repr([memory.pages(), memory.segments(), memory.knowledge(history=True)]).casefold()
    assert "hepatitis" not in left
    assert "lindqvist" not in left
    assert memory.in_session("phone").retrieve_memory("hepatitis Lindqvist", touch=False).pages[0].user_input == "Hi"
    assert_as_reloaded(system)


class AnsweredHistories(Histories):
    """The histories of test_invariants, with answers that come apart from what they answer."""

    @rule(owner=owners, session=sessions, said=lines, answered=lines)
    def asks_and_is_answered_later(self, owner, session, said, answered) -> None:
        self.adds(owner, session, said, "", 0, True)
        self.answers(owner, session, answered)

    @rule(owner=owners, session=sessions, answered=lines)
    def answers(self, owner, session, answered) -> None:
        self.count += 1
        answer, memory = f"{answered} q{self.count}q", self.memory(owner, session)
        self.clock.advance(minutes=1)
        place = self._open_question(owner, session)
        before = memory.pages()
        page = memory.add_response(answer, metadata={"answer": self.count})
        after = memory.pages()
        if place is None:
            alone = Remembered(session, "", answer, {"answer": self.count}, f"q{self.count}q")
            self.model.pages[owner].append(alone)
            assert after == [*before, page]
            return
        known = self.model.pages[owner][place]
        known.agent_response, known.metadata = answer, {**known.metadata, "answer": self.count}
        assert after == [*before[:place], page, *before[place + 1 :]]
        assert page == replace(before[place], agent_response=answer, metadata=known.metadata)

    def _open_question(self, owner: int, session: str) -> int | None:
        """Where the page is that is to take the answer: the session's last, without one, and in STM."""
        said = [place for place, page in enumerate(self.model.pages[owner]) if page.session_id == session]
        if not said or self.model.pages[owner][said[-1]].agent_response:
            return None
        memory = self.memory(owner)
        resting = {page.id for page in memory.pages(Tier.SHORT_TERM)}
        return said[-1] if memory.pages()[said[-1]].id in resting else None


TestAnsweredHistories = AnsweredHistories.TestCase
TestAnsweredHistories.settings = settings(EXPLORING, stateful_step_count=25)
