"""Forgetting everything: the person is asked where their client can ask."""

from __future__ import annotations

import pytest
from mcp.types import ElicitResult

from .servers import called, client_of, refused

UNSAID = "Nothing was done: everything is forgotten only when the user has said so. "
ASK_FIRST = UNSAID + "Ask the user first, and call again with confirmed_by_user=true if the answer is yes."
ASKED = UNSAID + "The user was asked and did not agree, so leave it."
NO = {
    "decline": ElicitResult(action="decline"),
    "cancel": ElicitResult(action="cancel"),
    "an empty form": ElicitResult(action="accept", content={"forget_everything": False}),
}


class Person:
    """Answers what they are asked, and keeps the questions."""

    def __init__(self, answer: ElicitResult) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def __call__(self, context, params) -> ElicitResult:
        self.asked.append(params.message)
        return self.answer


@pytest.fixture
def memory(system):
    memory = system.memory("tom")
    memory.add_memory("I like tea.", "Noted.")
    system.memory("ann").add_memory("I like coffee.", "Noted.")
    return memory


@pytest.mark.parametrize("claimed", [False, True])
async def test_who_agrees_is_forgotten_and_nobody_else(memory, mode, claimed):
    person = Person(ElicitResult(action="accept", content={"forget_everything": True}))
    async with client_of(memory.system, mode, answers=person) as client:
        gone = await called(client, "forget_memory", everything=True, confirmed_by_user=claimed)

    assert gone == {"status": "forgotten", "pages": 1, "facts": 0, "holds_again": [], "said_in": []}
    assert person.asked == ["Forget everything that is remembered of you, for good? This cannot be undone."]
    assert memory.pages() == []
    assert len(memory.system.memory("ann").pages()) == 1


@pytest.mark.parametrize("answer", NO)
@pytest.mark.parametrize("claimed", [False, True])
async def test_who_does_not_agree_is_remembered_whatever_the_model_says(memory, mode, answer, claimed):
    person = Person(NO[answer])
    async with client_of(memory.system, mode, answers=person) as client:
        assert await refused(client, "forget_memory", everything=True, confirmed_by_user=claimed) == ASKED
    assert len(person.asked) == 1
    assert len(memory.pages()) == 1


async def test_where_nobody_can_be_asked_the_model_has_to_say_that_the_user_did(memory, mode):
    async with client_of(memory.system, mode) as client:
        assert await refused(client, "forget_memory", everything=True) == ASK_FIRST
        assert len(memory.pages()) == 1
        gone = await called(client, "forget_memory", everything=True, confirmed_by_user=True)
    assert gone == {"status": "forgotten", "pages": 1, "facts": 0, "holds_again": [], "said_in": []}


async def test_nobody_is_asked_about_one_memory_or_about_a_call_that_is_refused(memory, mode):
    person = Person(NO["decline"])
    page = memory.pages()[0]
    async with client_of(memory.system, mode, answers=person) as client:
        await refused(client, "forget_memory", everything=True, memory_id=page.id)
        await refused(client, "forget_memory")
        assert (await called(client, "forget_memory", memory_id=page.id))["pages"] == 1
    assert person.asked == []


async def test_another_user_s_memory_cannot_be_forgotten(memory, mode):
    page = memory.pages()[0]
    async with client_of(memory.system, mode, user_id="ann") as client:
        why = await refused(client, "forget_memory", memory_id=page.id)
    assert why == "Nothing was done: this user has no memory with this id. Look for it first."
    assert memory.pages() == [page]
