"""Chains of pages on one thought (paper §3.2, Eq. 1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

from memoryos_engine import DialoguePage
from memoryos_engine.analysis.base import PageNote
from memoryos_engine.dialogue_chain import chained

from .fakes import TagAnalyst, TagEmbedder

NOON = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)


def page(name: str, chain: str | None = None) -> DialoguePage:
    return DialoguePage(
        id=name, session_id="s", user_input=name, agent_response="", timestamp=NOON, sequence=0, chain_id=chain
    )


def note(name: str, *, continues: bool) -> PageNote:
    return PageNote(page_id=name, continues=continues, meta_chain=f"about {name}", keywords=("k",))


def test_a_page_that_goes_on_shares_the_chain_of_the_page_before():
    """Eq. 1: the chain continues and the summary is replaced by the running one."""
    before = page("a", chain="chain_1")
    expected = replace(page("b"), chain_id="chain_1", meta_chain="about b", keywords=("k",))
    assert chained(page("b"), note("b", continues=True), before) == expected


def test_a_page_that_does_not_go_on_starts_a_chain():
    """Eq. 1: the chain restarts with the page."""
    started = chained(page("b"), note("b", continues=False), page("a", chain="chain_1"))
    assert started.chain_id not in (None, "chain_1")
    assert (started.meta_chain, started.keywords) == ("about b", ("k",))


def test_a_first_page_starts_a_chain_whatever_the_analyst_says():
    """Our decision: there is nothing to go on with."""
    alone, unlinked = (chained(page("b"), note("b", continues=True), before) for before in (None, page("a")))
    assert alone == unlinked
    assert alone.chain_id is not None


def test_a_chain_has_the_same_name_however_often_it_is_started():
    """Our decision: the chain's id derives from its first page, so a plan can be applied again."""
    first, second = (chained(page("a"), note("a", continues=False), None).chain_id for _ in range(2))
    other = chained(page("b"), note("b", continues=False), None).chain_id
    assert first == second != other


def test_each_page_carries_the_summary_of_its_chain_up_to_itself(open_system):
    """Eq. 1, a golden trace: two pages on #a, one on #b, one on #a again, which is a new chain."""
    memory = open_system(short_term_capacity=1, embedder=TagEmbedder(), analyst=TagAnalyst()).memory("tom")
    for text in ("#a one", "#a two", "#b three", "#a four"):
        memory.add_memory(text)
    memory.flush()
    one, two, three, four = memory.pages()
    metas = [each.meta_chain for each in (one, two, three, four)]
    assert metas == ["#a one", "#a one > #a two", "#b three", "#a four"]
    assert one.chain_id == two.chain_id
    assert len({two.chain_id, three.chain_id, four.chain_id}) == 3


def test_a_chain_goes_on_after_a_restart(open_system):
    """Our decision: what a page continues is read from the store, not from the memory of a process."""
    first = open_system(short_term_capacity=1, embedder=TagEmbedder(), analyst=TagAnalyst())
    first.memory("tom").add_memory("#a one")
    first.memory("tom").flush()
    first.close()
    memory = open_system(short_term_capacity=1, embedder=TagEmbedder(), analyst=TagAnalyst()).memory("tom")
    memory.add_memory("#a two")
    memory.flush()
    one, two = memory.pages()
    assert (two.chain_id, two.meta_chain) == (one.chain_id, "#a one > #a two")


def test_a_chain_stays_inside_its_session(open_system):
    """Our decision: two conversations held at the same time do not continue each other."""
    memory = open_system(short_term_capacity=1, embedder=TagEmbedder(), analyst=TagAnalyst()).memory("tom")
    memory.in_session("desk").add_memory("#a at the desk")
    memory.in_session("phone").add_memory("#a on the phone")
    memory.in_session("desk").add_memory("#a at the desk again")
    memory.flush()
    desk, phone, again = memory.pages()
    assert desk.chain_id == again.chain_id != phone.chain_id
    assert (phone.meta_chain, again.meta_chain) == ("#a on the phone", "#a at the desk > #a at the desk again")


def test_a_chain_survives_that_its_earlier_page_is_archived(open_system):
    """Our decision: eviction takes a segment out of the resident set, it does not cut conversations."""
    memory = open_system(
        short_term_capacity=1, mid_term_capacity=1, embedder=TagEmbedder(), analyst=TagAnalyst()
    ).memory("tom")
    for session, text in (("desk", "#a one"), ("phone", "#b other"), ("desk", "#a two")):
        memory.in_session(session).add_memory(text)
        memory.flush()
    one, _, two = memory.pages()
    assert (two.chain_id, two.meta_chain) == (one.chain_id, "#a one > #a two")
