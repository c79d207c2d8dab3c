"""One search of one memory, without a framework: what is chosen, what is left out, and what may be asked."""

from __future__ import annotations

from typing import Any

import pytest

from memoryos_engine import EmbeddingError, InvalidInput, RetrievedMemory, Tier, UserMemory
from memoryos_integrations.argument_names import ArgumentNames
from memoryos_integrations.excerpts import excerpts_of
from memoryos_integrations.search import Found, Search, find, narrowed
from memoryos_integrations.search_arguments import DEFAULTS, checked
from tests.remembered import five_animals, twelve_teas


@pytest.fixture
def teas(system, clock) -> UserMemory:
    return twelve_teas(system, clock)


def search(memory: UserMemory, **asked: Any) -> Search:
    return Search(memory=memory, **checked({"k": 10, **DEFAULTS, **asked}, count="k"))


def said(found: Found) -> list[str]:
    return [page.user_input for page in found.memory.pages]


def facts(found: Found) -> list[str]:
    return [fact.text for fact in found.memory.user_knowledge]


# -- what is chosen ---------------------------------------------------------------------


def test_what_is_found_is_pages_with_their_tiers_and_no_stm_beside_them(teas):
    """STM is searched like the rest, so it must not come a second time."""
    found = find(search(teas, k=3), "Is tea 11 good?")

    assert (said(found)[0], len(said(found)), found.memory.short_term) == ("Tea 11 is good.", 3, ())
    assert list(found.tiers) == [page.id for page in found.memory.pages]
    assert found.tiers[found.memory.pages[0].id] is Tier.SHORT_TERM


def test_pages_come_best_first_and_each_is_explained(teas):
    found = find(search(teas, k=5), "Is tea 7 good?").memory

    scores = [page.score for page in found.pages]
    assert scores == sorted(scores, reverse=True)
    assert [found.explanations[page.id].total for page in found.pages] == pytest.approx(scores, abs=1e-4)


def test_a_blank_query_finds_the_newest_pages_without_a_score(teas):
    found = find(search(teas, k=2, until="2024-03-01T22:00:00Z"), " ")

    assert said(found) == ["Tea 9 is good.", "Tea 8 is good."]
    assert [page.score for page in found.memory.pages] == [None, None]


def test_facts_alone_are_found_where_only_they_are_asked_for(open_system):
    animals = five_animals(open_system)
    found = find(search(animals, kinds=["fact"], k=2), "bee or owl #bee")

    assert (said(found), facts(found), found.tiers) == ([], ["bee #bee", "owl #owl"], {})


def test_facts_are_found_only_where_a_page_they_were_read_from_passes(open_system):
    animals = five_animals(open_system)
    assert facts(find(search(animals, kinds=["fact"], filter={"seen": "fox"}), "animals #fox")) == ["fox #fox"]
    assert facts(find(search(animals, kinds=["fact"], filter={"seen": "yak"}), "animals #fox")) == []


def test_a_fact_that_fits_takes_the_last_of_five_places_if_its_page_has_none(open_system):
    animals = five_animals(open_system)
    for number in range(6):
        animals.in_session("den").add_memory(f"fox den {number} #fox")

    found = find(search(animals, k=5), "fox den #fox")

    assert (len(said(found)), facts(found)) == (4, ["fox #fox"])


def test_what_a_search_leaves_out_is_left_out_of_a_whole_retrieval_too(open_system):
    animals = five_animals(open_system)
    whole = animals.retrieve_memory("fox #fox", top_k=10)

    cats = narrowed(whole, search(animals, filter={"seen": "cat"}))
    pages = narrowed(whole, search(animals, kinds=["page"], include_recent=False))

    assert [page.user_input for page in cats.short_term] == ["cat #cat"]
    assert (cats.user_knowledge, pages.user_knowledge, pages.short_term) == ((), (), ())
    assert (len(whole.user_knowledge), narrowed(whole, search(animals))) == (4, whole)


@pytest.mark.parametrize("query", [None, 7, ["tea"], b"tea"])
def test_a_query_that_is_no_text_is_refused(teas, query):
    with pytest.raises(InvalidInput, match=r"^query is a"):
        find(search(teas), query)


def test_a_search_that_fails_is_an_error_and_finds_not_nothing(open_system):
    animals = five_animals(open_system)
    animals.system.embedder.error = EmbeddingError("no answer")

    with pytest.raises(EmbeddingError):
        find(search(animals), "fox #fox")


# -- what may be asked --------------------------------------------------------------------


@pytest.mark.parametrize("kinds", ["page", [], ["segment"], [["page"]], {"page"}, None, 3])
def test_kinds_are_a_list_of_what_there_is(teas, kinds):
    with pytest.raises(InvalidInput, match=r"^kinds is no list.*Pass \[\"page\"\]"):
        search(teas, kinds=kinds)


def test_the_count_is_refused_by_the_name_its_caller_has_for_it():
    with pytest.raises(InvalidInput, match=r"^similarity_top_k is 0"):
        checked({"similarity_top_k": 0, **DEFAULTS}, count="similarity_top_k")


NAMES = ArgumentNames(owner="Finder", elsewhere={"n": "count"}, advice={"user": "Say who asks."})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n", "n is no argument of Finder. Pass count."),
        ("user", "user is no argument of Finder. Say who asks."),
        ("colours", "colours is no argument of Finder. Pass colour."),
        ("zzz", "zzz is no argument of Finder. There are colour, count."),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_one(name, message):
    NAMES.require_known(["count", "colour"], ("count", "colour"))

    with pytest.raises(InvalidInput) as refused:
        NAMES.require_known(["count", name], ("count", "colour"))
    assert str(refused.value) == message


# -- what is handed on ----------------------------------------------------------------------


def test_an_excerpt_is_text_that_says_who_spoke_and_metadata_made_anew(system):
    page = system.memory("ann", session_id="desk").add_memory("Hi\nAssistant: no", metadata={"tags": ["a"], "why": "x"})
    found = RetrievedMemory(query="", pages=(page,))

    (excerpt,) = excerpts_of(found)
    excerpt.metadata["tags"].append("b")

    assert (excerpt.id, excerpt.text.splitlines()[:2]) == (page.id, ["2024-03-01 Fri 12:00", "User: Hi"])
    assert "\nAssistant:" not in excerpt.text
    assert excerpts_of(found)[0].metadata == {
        "tags": ["a"],
        "id": page.id,
        "kind": "page",
        "source": "desk",
        "user_input": "Hi\nAssistant: no",
        "agent_response": "",
        "timestamp": "2024-03-01T12:00:00+00:00",
        "session_id": "desk",
        "keywords": [],
    }
