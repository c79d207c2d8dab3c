"""Which turns of a conversation that is handed over are stored already."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memoryos_engine import DialoguePage
from memoryos_integrations.conversations import continued, matched
from memoryos_integrations.turns import Turn

NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)


def turns(text: str) -> list[Turn]:
    """ "Q/A" is an exchange, "Q/" waits for its answer, "/A" is an answer."""
    sides = [each.split("/") for each in text.split()]
    return [Turn(user_input=said, agent_response=answer, metadata={"n": n}) for n, (said, answer) in enumerate(sides)]


def pages(text: str) -> list[DialoguePage]:
    """Pages whose ids are their places."""
    return [
        DialoguePage(
            id=str(place),
            session_id="desk",
            user_input=turn.user_input,
            agent_response=turn.agent_response,
            timestamp=NOW,
            sequence=place,
        )
        for place, turn in enumerate(turns(text))
    ]


CONTINUED = {
    "nothing is stored": ("Q/A", "", None),
    "nothing is handed over": ("", "Q/A", None),
    "all is stored": ("Q/A R/B", "Q/A R/B", 2),
    "one more": ("Q/A R/B", "Q/A", 1),
    "the end of what is stored, and more": ("R/B S/C", "Q/A R/B", 1),
    "the last alone": ("Q/A", "Q/A", 1),
    "another conversation": ("S/C T/D", "Q/A R/B", None),
    "something in the middle": ("Q/A", "Q/A R/B", None),
    "another beginning": ("X/Y Q/A R/B", "Q/A R/B", None),
    "a turn that changed": ("Q/A R/X S/C", "Q/A R/B", None),
    "an answer that is missing": ("Q/A R/B", "Q/A R/", None),
    "the same again and again": ("Q/A Q/A Q/A", "Q/A Q/A", 2),
    "the longest that fits": ("Q/A Q/A R/B", "Q/A Q/A", 2),
    "a greeting": ("/Hi Q/A R/B", "/Hi Q/A", 2),
}


@pytest.mark.parametrize(("handed", "stored", "known"), CONTINUED.values(), ids=CONTINUED)
def test_a_conversation_that_goes_on_where_the_pages_end_has_its_rest_to_store(handed, stored, known):
    said = turns(handed)

    assert continued(said, pages(stored)) == (None if known is None else said[known:])


MATCHED = {
    "nothing": ("", "Q/A", [], []),
    "no pages": ("Q/A R/B", "", [], ["Q/A", "R/B"]),
    "all": ("Q/A R/B", "Q/A R/B", ["0", "1"], []),
    "some": ("Q/A S/C", "Q/A R/B S/C", ["0", "2"], []),
    "new ones between": ("Q/A X/Y R/B", "Q/A R/B", ["0", "1"], ["X/Y"]),
    "what is said again in its order": ("R/B Q/A S/C", "Q/A R/B Q/A S/C Q/A", ["1", "2", "3"], []),
    "an order of its own": ("R/B Q/A", "Q/A R/B", ["1", "0"], []),
    "of several the latest": ("Q/A", "Q/A R/B Q/A", ["2"], []),
    "as often as it is said": ("Q/A Q/A Q/A", "Q/A Q/A", ["0", "1"], ["Q/A"]),
    "a question": ("Q/", "Q/ Q/A", ["0"], []),
    "the question that is the last": ("Q/A R/", "R/ Q/A R/", ["1", "2"], []),
    "a question that would not be the last": ("Q/A R/", "R/ Q/A", ["1"], ["R/"]),
    "a question after what is new": ("Q/A X/Y R/", "Q/A R/", ["0"], ["X/Y", "R/"]),
    "a question after an answer that is new": ("Q/A R/", "Q/ R/", ["0", "1"], ["/A of 0"]),
    "a question that has its answer": ("Q/", "Q/A", [], ["Q/"]),
    "a greeting": ("/Hi Q/A", "/Hi Q/A", ["0", "1"], []),
    "an answer that is new": ("Q/A", "Q/", ["0"], ["/A of 0"]),
    "the page that has it rather than one that waits": ("Q/A", "Q/A Q/", ["0"], []),
    "answers that are new": ("Q/A Q/B", "Q/ Q/", ["0", "1"], ["/A of 0", "/B of 1"]),
    "sides that are stored apart": ("Q/A R/B", "Q/ /A R/B", ["0", "1", "2"], []),
    "sides apart, twice": ("Q/A Q/A", "Q/ /A Q/ /A", ["0", "1", "2", "3"], []),
    "an answer elsewhere is one's own": ("/A Q/A", "/A Q/", ["0", "1"], ["/A of 1"]),
    "another answer": ("Q/A", "Q/B", [], ["Q/A"]),
}


def shown(turn: Turn) -> str:
    return f"{turn.user_input}/{turn.agent_response}" + (f" of {turn.page_id}" if turn.page_id else "")


@pytest.mark.parametrize(("handed", "stored", "known", "new"), MATCHED.values(), ids=MATCHED)
def test_a_conversation_that_is_handed_over_whole_is_matched_with_pages(handed, stored, known, new):
    found, missing = matched(turns(handed), pages(stored))

    assert (found, [shown(turn) for turn in missing]) == (known, new)


def test_an_answer_that_is_new_keeps_what_is_told_of_it():
    (turn,) = turns("Q/A")

    assert matched([turn], pages("Q/"))[1] == [replace(turn, user_input="", page_id="0")]


spoken = st.lists(st.sampled_from(("Q/A", "Q/B", "R/A", "Q/", "R/", "/A", "/B")), max_size=8).map(" ".join)


@given(spoken, spoken)
def test_each_page_is_taken_once_and_all_that_is_said_is_there_or_new(handed, stored):
    there = pages(stored)
    said = turns(handed)
    found, missing = matched(said, there)
    taken = [page for page in there if page.id in found]

    assert len(found) == len(set(found)) == len(taken)
    for side in ("user_input", "agent_response"):
        texts = [text for each in said if (text := getattr(each, side))]
        kept = [text for each in (*taken, *missing) if (text := getattr(each, side))]
        assert sorted(texts) == sorted(kept)


@given(spoken, spoken)
def test_what_was_matched_and_stored_has_nothing_new_the_next_time(handed, stored):
    """Hosts hand over the same conversation again with every request."""
    there, said = pages(stored), turns(handed)
    found, missing = matched(said, there)
    answers = {turn.page_id: turn.agent_response for turn in missing if turn.page_id}
    kept = [replace(page, agent_response=answers.get(page.id, page.agent_response)) for page in there]
    apart = pages(" ".join(f"{turn.user_input}/{turn.agent_response}" for turn in missing if not turn.page_id))
    again = [replace(page, id=f"new {page.id}") for page in apart]

    assert matched(said, [*(page for page in kept if page.id in found), *again])[1] == []
    assert matched(said, [*kept, *again])[1] == []
