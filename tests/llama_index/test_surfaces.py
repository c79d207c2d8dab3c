"""Every engine and agent of LlamaIndex that takes a memory, with a memory that is there tomorrow."""

from __future__ import annotations

import asyncio

import pytest
from llama_index_instrumentation.dispatcher import instrument_tags

from memoryos_engine import InvalidInput
from memoryos_integrations.llama_index import MemoryOSMemory
from tests.conversation import CONVERSATION, FACT, QUESTION, answers_to

from .recording import RecordingLLM, agent, said, told, user
from .surfaces import IDS, SURFACES, Surface

pytestmark = pytest.mark.parametrize("surface", SURFACES, ids=IDS)


def answering(prompt) -> str:
    """Answer as the conversation has it, whatever stands around what the user said last."""
    if "standalone question" in said(prompt):  # asked to condense
        return QUESTION
    last = next(text for role, text in reversed(told(prompt)) if role == "user")
    return next(
        (answer for text, answer in reversed(CONVERSATION) if last.strip().endswith(text)), "She keeps reindeer."
    )


def pages_of(memory) -> list[tuple[str, str]]:
    return [(page.user_input, page.agent_response) for page in memory.pages()]


async def test_what_was_said_in_the_second_turn_is_in_the_prompt_after_a_restart(surface: Surface, open_system):
    """32 turns; the last asks for it in another session, in a store opened anew."""
    system = open_system()
    say = surface.say(RecordingLLM(answering), MemoryOSMemory(memory=system.memory("tom", session_id="monday")))
    answers = [await say(text) for text, _ in CONVERSATION]
    system.close()
    system = open_system()
    llm = RecordingLLM(answering)
    answer = await surface.say(llm, MemoryOSMemory(memory=system.memory("tom", session_id="tuesday")))(QUESTION)

    assert answers == answers_to(CONVERSATION)
    assert answer == "She keeps reindeer."
    assert FACT in llm.heard[-1]
    assert pages_of(system.memory("tom")) == [*CONVERSATION, (QUESTION, "She keeps reindeer.")]
    assert system.check() == []


async def test_the_conversation_goes_on_after_a_restart_and_says_the_question_once(surface: Surface, open_system):
    """The latest turns come as messages, in order; what is said now comes once, and last."""
    system = open_system()
    memory = system.memory("tom", session_id="monday")
    memory.add_memory(*CONVERSATION[0])
    system.close()
    system = open_system()
    llm = RecordingLLM(answering)
    say = surface.say(llm, MemoryOSMemory(memory=system.memory("tom", session_id="monday")))
    await say(CONVERSATION[1][0])
    prompt = [(role, text) for role, text in told(llm.prompts[-1]) if role != "system"]

    assert prompt[:2] == [("user", CONVERSATION[0][0]), ("assistant", CONVERSATION[0][1])]
    assert len(prompt) == 3
    assert prompt[2][0] == "user"
    assert said(llm.prompts[-1]).count(CONVERSATION[1][0]) == 1


async def test_two_users_of_one_object_never_meet(surface: Surface, system):
    """Each call names its user by the tags around it; both speak at once."""
    memory = MemoryOSMemory(system=system)
    llm = RecordingLLM(lambda prompt: "Noted.")
    say = surface.say(llm, memory)

    async def converse(name: str) -> None:
        for number in range(4):
            with instrument_tags({"user_id": name, "session_id": "chat"}):
                await say(f"{name}'s secret number {number} is {name}-{number}.")

    await asyncio.gather(converse("tom"), converse("ann"))

    for name, other in (("tom", "ann"), ("ann", "tom")):
        expected = [(f"{name}'s secret number {n} is {name}-{n}.", "Noted.") for n in range(4)]
        assert pages_of(system.memory(name)) == expected
        assert not [text for text in llm.heard if f"{name}-" in text and f"{other}-" in text]
    assert len(system.users()) == 2


async def test_a_call_that_names_no_user_is_refused_before_the_model_is_asked(surface: Surface, system):
    llm = RecordingLLM([])

    with pytest.raises(InvalidInput, match="whose memory"):
        await surface.say(llm, MemoryOSMemory(system=system))("Hello")

    assert (llm.prompts, system.users()) == ([], [])


async def test_a_conversation_handed_in_is_stored_once(surface: Surface, system):
    """Stateless servers hand in the whole conversation with every turn."""
    owner = system.memory("tom", session_id="monday")
    for count in range(4):
        so_far = [each for turn in CONVERSATION[:count] for each in (user(turn[0]), agent(turn[1]))]
        memory = MemoryOSMemory(memory=owner)
        memory.set(so_far)
        say = surface.say(RecordingLLM(answering), memory)
        await say(CONVERSATION[count][0])

    assert pages_of(owner) == CONVERSATION[:4]
    assert told(MemoryOSMemory(memory=owner).get_all()) == [
        each for asked, answer in CONVERSATION[:4] for each in (("user", asked), ("assistant", answer))
    ]
