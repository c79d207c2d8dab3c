"""From mid-term to long-term memory, through the real engine (paper §3.3, Eq. 4)."""

from __future__ import annotations

import pytest

from memoryos_engine import ConsolidationError, HeatWeights, KnowledgeKind, ModelError, Tier
from memoryos_engine.analysis.base import FoundFact

from .fakes import TagAnalyst, TagEmbedder


@pytest.fixture
def analyst() -> TagAnalyst:
    return TagAnalyst()


@pytest.fixture
def opened(open_system, analyst):
    """Open a memory that hands every page over at once, with settings as keywords."""

    def opening(**settings):
        options = {"short_term_capacity": 1, "embedder": TagEmbedder(), "analyst": analyst, **settings}
        return open_system(**options).memory("tom")

    return opening


def promoted(memory) -> list[str]:
    return [page.user_input for page in memory.pages() if page.promoted]


def test_a_segment_whose_heat_is_exactly_tau_is_not_promoted(opened, analyst):
    """§3.3: "exceeds"; four new pages at this moment have heat 0 + 4 + 1 = 5 = tau."""
    memory = opened()
    for number in range(4):
        memory.add_memory(f"#a {number}")
    memory.flush()
    assert list(memory.heats().values()) == [5.0]
    assert (promoted(memory), memory.knowledge(), analyst.said("promote")) == ([], [], [])


def test_a_segment_whose_heat_exceeds_tau_is_promoted(opened, analyst):
    """§3.3: the fifth page makes it 6 > 5; its five pages are read once, together."""
    memory = opened()
    pages = [memory.add_memory(f"#a {number}") for number in range(5)]
    memory.flush()
    assert analyst.said("promote") == [("#a 0", "#a 1", "#a 2", "#a 3", "#a 4")]
    assert [entry.text for entry in memory.knowledge()] == promoted(memory) == [page.user_input for page in pages]
    assert [entry.source_page_ids for entry in memory.knowledge()] == [(page.id,) for page in pages]


def test_a_segment_one_hair_above_tau_is_promoted(opened, clock):
    """§3.3: one second of age makes 4.9999999 of 5; with tau below that it is hot."""
    memory = opened(heat_threshold=4.9999998)
    for number in range(4):
        memory.add_memory(f"#a {number}")
    clock.advance(seconds=1)
    memory.flush()
    assert promoted(memory) == ["#a 0", "#a 1", "#a 2", "#a 3"]


def test_promotion_restarts_interactions_and_not_the_count_of_pages(opened):
    """§3.3: L_interaction = 0 after promotion; the pages stay in their segment."""
    memory = opened()
    for number in range(5):
        memory.add_memory(f"#a {number}")
    memory.flush()
    (segment,) = memory.segments()
    assert memory.heats() == {segment.id: 1.0}
    assert len(memory.pages(Tier.SEGMENT)) == 5


def test_only_pages_that_came_since_are_promoted_the_next_time(opened, analyst):
    """§3.3: interactions are counted since the last promotion."""
    memory = opened()
    for number in range(10):
        memory.add_memory(f"#a {number}")
    memory.flush()
    assert [len(inputs) for inputs in analyst.said("promote")] == [5, 5]
    assert [entry.text for entry in memory.knowledge()] == [f"#a {number}" for number in range(10)]


def test_a_promotion_does_not_reset_visits(opened):
    """§3.3: the paper resets L_interaction alone."""
    memory = opened()
    memory.add_memory("#a 0")
    memory.flush()
    for _ in range(3):
        memory.retrieve_memory("#a 0")
    memory.flush()
    memory.add_memory("#a 1")
    memory.flush()
    (segment,) = memory.segments()
    assert (segment.visits, memory.heats()[segment.id], promoted(memory)) == (3, 4.0, ["#a 0", "#a 1"])


def test_visits_alone_make_a_segment_hot(opened, clock):
    """Eq. 4: one page, five visits: 5 + 1 + 1 > 5."""
    memory = opened()
    memory.add_memory("#a 0")
    memory.flush()
    for _ in range(3):
        memory.retrieve_memory("#a 0")
    memory.flush()
    assert promoted(memory) == []
    memory.retrieve_memory("#a 0")
    memory.flush()
    assert promoted(memory) == ["#a 0"]


def test_a_hot_segment_without_new_pages_is_left_alone(opened, analyst):
    """Our decision: there is nothing to promote twice."""
    memory = opened()
    for number in range(5):
        memory.add_memory(f"#a {number}")
    memory.flush()
    for _ in range(20):
        memory.retrieve_memory("#a 0")
    memory.flush()
    assert next(iter(memory.heats().values())) == 21.0
    assert len(analyst.said("promote")) == 1


def test_every_hot_segment_is_promoted_not_only_the_hottest(opened, analyst):
    """§3.3: each segment above tau, the one of heat 21 that has nothing new among them."""
    memory = opened()
    for number in range(5):
        memory.add_memory(f"#a {number}")
    memory.flush()
    for _ in range(20):
        memory.retrieve_memory("#a 0", top_k=1)
    memory.flush()
    for number in range(11):
        memory.add_memory(f"#b {number}")
        memory.add_memory(f"#c {number}")
    memory.flush()
    assert {text[:2] for text in promoted(memory)} == {"#a", "#b", "#c"}
    assert len(promoted(memory)) == 5 + 2 * 10


def test_segments_that_become_hot_by_visits_are_all_promoted_by_one_flush(opened):
    """§3.3: tau is a line, not a queue."""
    memory = opened()
    for topic in "abc":
        memory.add_memory(f"#{topic} 0")
    memory.flush()
    for _ in range(4):
        memory.retrieve_memory("#a #b #c 0", top_k=3)
    memory.flush()
    assert promoted(memory) == ["#a 0", "#b 0", "#c 0"]


@pytest.mark.parametrize(("tau", "promotes"), [(0.0, True), (1.9999, True), (2.0, False), (1e9, False)])
def test_tau_is_a_setting(opened, tau, promotes):
    """Eq. 4: a new page has heat 2; both sides of the threshold."""
    memory = opened(heat_threshold=tau)
    memory.add_memory("#a 0")
    memory.flush()
    assert bool(promoted(memory)) is promotes


def test_the_weights_of_heat_are_settings(opened):
    """Eq. 4: with beta = 6 the first page is hot."""
    memory = opened(heat_weights=HeatWeights(beta=6.0))
    memory.add_memory("#a 0")
    memory.flush()
    assert promoted(memory) == ["#a 0"]


def test_an_old_history_is_promoted_like_a_new_one(opened):
    """Eq. 4: five pages of 2015 have heat 5 + R > 5, R small but not 0."""
    memory = opened()
    for number in range(5):
        memory.add_memory(f"#a {number}", timestamp=f"2015-06-0{number + 1}T10:00:00Z")
    memory.flush()
    assert len(promoted(memory)) == 5
    assert [entry.said_at.year for entry in memory.knowledge()] == [2015] * 5


def test_a_newer_page_supersedes_what_an_older_one_said(opened):
    """§3.2: through the whole engine; the older value stays in history with its interval."""
    memory = opened(heat_threshold=0.0)
    for text, when in (("#a home=Paris", "2015-01-01"), ("#a home=Tokyo", "2020-01-01")):
        memory.add_memory(text, timestamp=f"{when}T00:00:00Z")
    memory.flush()
    assert dict(memory.get_user_profile().fields) == {"home": "Tokyo"}
    assert dict(memory.get_user_profile(as_of="2017-05-04T00:00:00Z").fields) == {"home": "Paris"}
    assert [(each.text, each.valid_until and each.valid_until.year) for each in memory.knowledge(history=True)] == [
        ("Paris", 2020),
        ("Tokyo", None),
    ]


def test_history_imported_after_the_present_does_not_replace_it(opened):
    """Our decision: what was said in 2015 is not news, whenever it is imported."""
    memory = opened(heat_threshold=0.0)
    memory.add_memory("#a home=Tokyo")
    memory.flush()
    memory.import_turns([{"user_input": "#a home=Paris", "timestamp": "2015-01-01T00:00:00Z"}])
    memory.flush()
    assert dict(memory.get_user_profile().fields) == {"home": "Tokyo"}
    assert dict(memory.get_user_profile(as_of="2017-05-04T00:00:00Z").fields) == {"home": "Paris"}


def test_a_full_queue_still_learns(opened):
    """Our decision: at capacity the least useful leaves, but not the fact that has just come in."""
    memory = opened(heat_threshold=0.0, knowledge_capacity=3)
    for number in range(3):
        memory.add_memory(f"#a old {number}")
    memory.flush()
    for _ in range(5):
        memory.retrieve_memory("#a old")
    memory.flush()
    assert [entry.uses for entry in memory.knowledge()] == [5, 5, 5]
    memory.add_memory("#a allergic to penicillin")
    memory.flush()
    assert "#a allergic to penicillin" in [entry.text for entry in memory.knowledge()]
    assert len(memory.knowledge()) == 3


@pytest.mark.parametrize("flush_each", [True, False])
def test_a_fact_said_again_after_it_left_the_full_queue_is_kept(opened, flush_each):
    """Invariant 8: leaving and coming back within one batch is the same as in three."""
    memory = opened(heat_threshold=0.0, knowledge_capacity=1)
    for text in ("#a likes tea", "#a likes coffee", "#a likes tea"):
        memory.add_memory(text)
        if flush_each:
            memory.flush()
    memory.flush()
    assert [(entry.text, entry.source_page_ids) for entry in memory.knowledge()] == [
        ("#a likes tea", (memory.pages()[2].id,))
    ]


def test_the_capacity_of_the_queue_is_kept_and_its_pages_are_too(opened):
    """§3.2: queues have a capacity; forgetting a fact never deletes the page it came from."""
    memory = opened(heat_threshold=0.0, knowledge_capacity=2)
    for number in range(5):
        memory.add_memory(f"#a fact {number}")
    memory.flush()
    assert (len(memory.knowledge()), len(memory.pages())) == (2, 5)


def test_a_failing_promotion_keeps_the_segment_due(opened, analyst):
    """Invariant 3: pages are marked when their facts are stored, not when somebody tried."""
    memory = opened()
    analyst.errors["promote"] = ConsolidationError("no answer")
    for number in range(5):
        memory.add_memory(f"#a {number}")
    with pytest.raises(ConsolidationError):
        memory.flush()
    assert (promoted(memory), memory.knowledge()) == ([], [])
    assert (len(memory.pages(Tier.SEGMENT)), memory.status().pending) == (5, 0)
    assert memory.status().failure.error is analyst.errors["promote"]
    analyst.errors.clear()
    memory.flush()
    assert (len(promoted(memory)), len(memory.knowledge()), memory.status().failure) == (5, 5, None)


def test_a_segment_that_cannot_be_promoted_does_not_hold_up_the_others(open_system):
    """§3.3: every hot segment; one whose text a model chokes on must not starve the rest."""

    class Choking(TagAnalyst):
        def promote(self, hot, known):
            if "a" in hot[0].segment.keywords:
                raise ConsolidationError("this one never works")
            return super().promote(hot, known)

    memory = open_system(short_term_capacity=1, embedder=TagEmbedder(), analyst=Choking()).memory("tom")
    for topic in "abc":
        for number in range(6 if topic == "a" else 4):
            memory.add_memory(f"#{topic} {number}")
    for _ in range(3):
        with pytest.raises(ConsolidationError):
            memory.flush()
        memory.retrieve_memory("#b #c", top_k=20)
    with pytest.raises(ConsolidationError):
        memory.flush()
    assert {text[:2] for text in promoted(memory)} == {"#b", "#c"}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda page: None, id="nothing"),
        pytest.param(lambda page: "None", id="prose"),
        pytest.param(lambda page: ["likes tea"], id="words"),
        pytest.param(lambda page: [{"text": "likes tea"}], id="dicts"),
        pytest.param(lambda page: [fact(page, text=None)], id="no text"),
        pytest.param(lambda page: [fact(page, text="\ud83d")], id="lone surrogate"),
        pytest.param(lambda page: [fact(page, kind="user_knowledge?")], id="no kind"),
    ],
)
def test_facts_that_are_none_are_a_failure_of_the_analyst(open_system, answer):
    """Invariant 3: an answer that cannot be used is tried again, and nothing of it is stored."""

    class Babbling(TagAnalyst):
        babbles = True

        def promote(self, hot, known):
            return answer(hot[0].pages[0]) if self.babbles else super().promote(hot, known)

    analyst = Babbling()
    options = {"short_term_capacity": 1, "embedder": TagEmbedder(), "analyst": analyst, "heat_threshold": 0.0}
    memory = open_system(**options).memory("tom")
    memory.add_memory("#a 0")
    with pytest.raises(ModelError):
        memory.flush()
    assert (promoted(memory), memory.knowledge()) == ([], [])
    analyst.babbles = False
    memory.flush()
    assert [entry.text for entry in memory.knowledge()] == promoted(memory) == ["#a 0"]


def fact(page, **parts) -> FoundFact:
    known = {"kind": KnowledgeKind.USER_KNOWLEDGE, "text": "likes tea", "source_page_ids": (page.id,)}
    return FoundFact(**{**known, **parts})


@pytest.mark.parametrize("sources", [(), ("page_of_somebody_else",)])
def test_a_fact_without_a_source_among_the_pages_read_is_not_stored(open_system, sources):
    """Our decision: every derived record points back at pages; an invented source is no source."""

    class Inventing(TagAnalyst):
        def promote(self, hot, known):
            return [fact(hot[0].pages[0], text="invented", source_page_ids=sources), fact(hot[0].pages[0], text="said")]

    options = {"short_term_capacity": 1, "embedder": TagEmbedder(), "analyst": Inventing(), "heat_threshold": 0.0}
    memory = open_system(**options).memory("tom")
    memory.add_memory("#a 0")
    memory.flush()
    assert [entry.text for entry in memory.knowledge()] == ["said"]


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_fact_that_says_nothing_is_not_stored(open_system, text):
    """Our decision: emptiness is no knowledge."""

    class Empty(TagAnalyst):
        def promote(self, hot, known):
            return [fact(hot[0].pages[0], text=text), fact(hot[0].pages[0], text="said")]

    options = {"short_term_capacity": 1, "embedder": TagEmbedder(), "analyst": Empty(), "heat_threshold": 0.0}
    memory = open_system(**options).memory("tom")
    memory.add_memory("#a 0")
    memory.flush()
    assert [entry.text for entry in memory.knowledge()] == ["said"]
