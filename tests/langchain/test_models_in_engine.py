"""A memory whose model and embedder are LangChain's, end to end: answers, streams and the background."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from threading import Event, current_thread

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from memoryos_engine import ChatModelError
from memoryos_engine.errors import ConsolidationError
from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.status import MemoryStatus
from memoryos_integrations.langchain.chat_model import LangChainChatModel
from memoryos_integrations.langchain.embedder import LangChainEmbedder
from tests.langchain.speaking import Heard, Speaker, Streamer, ToolCaller, calling, saying, standing_in

TIMEOUT = 10.0
SENTENCE = "I answer from what I remember."
ONE_TOPIC = {"short_term_capacity": 1, "similarity_threshold": -1.0, "heat_threshold": 0.0, "model_delay": 0.0}
"""Every page is pending as soon as it was said, joins the one segment, and is promoted after it."""


def embedder():
    return LangChainEmbedder(DeterministicFakeEmbedding(size=16), name="fake-16")


@pytest.fixture
def open_memory(open_system):
    def opening(model, *, path: Path | None = None, **options):
        system = open_system(path=path, llm=LangChainChatModel(model), embedder=embedder(), **{**ONE_TOPIC, **options})
        return system.memory("tom")

    return opening


def love(*numbers):
    return [f"I love my canoe number {number}." for number in numbers]


def say(memory, *numbers):
    for text in love(*numbers):
        memory.add_memory(text, "Fine.")


def turns(memory):
    return [(page.user_input, page.agent_response) for page in memory.pages()]


def outcome(memory):
    """What is consolidated, what its segments say, and what was learnt."""
    placed = [page.user_input for page in memory.pages() if page.segment_id]
    return placed, [segment.summary for segment in memory.segments()], [entry.text for entry in memory.knowledge()]


def in_a_call(messages, options):
    """The stand-in's JSON, as a call of the tool where there is one."""
    answer = standing_in(messages, options)
    return calling(json.loads(answer)) if options.get("tools") else answer


def thinking(messages, options):
    return AIMessage([{"type": "thinking", "thinking": "{}"}, {"type": "text", "text": standing_in(messages, options)}])


MODELS = {
    "words alone": Speaker(respond=standing_in),
    "a tool": ToolCaller(respond=in_a_call),
    "thinks in blocks": Speaker(respond=thinking),
    "takes tools and ignores them": ToolCaller(respond=standing_in),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_every_kind_of_model_gives_the_memory_that_the_engines_own_gives(open_memory, open_system, tmp_path, model):
    memory = open_memory(model)
    say(memory, *range(8))
    memory.flush()
    near = open_system(path=tmp_path / "near", llm=stand_in(), embedder=embedder(), **ONE_TOPIC).memory("tom")
    say(near, *range(8))
    near.flush()

    assert outcome(memory) == outcome(near)
    assert outcome(memory)[2] == love(*range(8))
    assert (memory.status(), memory.system.llm.usage.calls) == (MemoryStatus(pending=0), 2)
    assert memory.system.check() == []


def test_an_answer_is_given_from_memory_and_remembered(open_memory):
    model = Speaker(respond=saying("<think>Canoes, then.</think>Your canoe is number 3."))
    memory = open_memory(model, model_delay=3600.0)
    say(memory, 3)

    assert memory.get_response("Which canoe do I love?") == "Your canoe is number 3."

    assert turns(memory) == [(love(3)[0], "Fine."), ("Which canoe do I love?", "Your canoe is number 3.")]
    ((system, user),) = model.asked
    assert (love(3)[0] in system.content, user.content) == (True, "Which canoe do I love?")


def test_a_streamed_answer_is_remembered_when_it_is_whole(open_memory):
    memory = open_memory(Streamer(chunks=["<think>Hm.</think>", "Your canoe ", "is red."]))
    pieces = memory.stream_response("What colour is it?")
    assert (next(pieces), turns(memory)) == ("Your canoe ", [])

    assert list(pieces) == ["is red."]
    assert turns(memory) == [("What colour is it?", "Your canoe is red.")]


def test_a_stream_in_an_event_loop(open_memory):
    memory = open_memory(Streamer(chunks=["Your canoe ", "is red."]))

    async def listen():
        return [piece async for piece in memory.astream_response("What colour is it?")]

    assert asyncio.run(listen()) == ["Your canoe ", "is red."]
    assert turns(memory) == [("What colour is it?", "Your canoe is red.")]


@pytest.mark.parametrize(
    "answer", [OSError("no network"), "", AIMessage("", response_metadata={"stop_reason": "refusal"})]
)
def test_what_is_no_answer_is_never_remembered(open_memory, answer):
    memory = open_memory(Speaker(respond=saying(answer)))
    with pytest.raises(ChatModelError):
        memory.get_response("What colour is it?")

    assert turns(memory) == []


def test_a_stream_that_breaks_off_is_not_remembered(open_memory):
    memory = open_memory(Streamer(chunks=["Your canoe ", OSError()]))
    with pytest.raises(ChatModelError):
        list(memory.stream_response("What colour is it?"))

    assert turns(memory) == []


@pytest.mark.parametrize(
    ("answer", "error"), [(OSError(), ChatModelError), ("Sorry, no.", ConsolidationError)], ids=["fails", "babbles"]
)
def test_pages_wait_for_a_model_that_fails_and_are_read_when_it_is_back(open_memory, answer, error):
    model = Speaker(respond=saying(answer))
    memory = open_memory(model)
    say(memory, 1, 2)
    with pytest.raises(error):
        memory.flush()
    assert (outcome(memory), memory.status().pending) == (([], [], []), 2)

    model.respond = standing_in
    for _ in range(3):  # a batch that failed is asked about in smaller ones
        memory.flush()

    assert outcome(memory)[2] == love(1, 2)


def test_the_background_asks_in_its_own_threads_and_tells_no_chain(open_memory):
    """Its pages may be of another user than the one whose chain runs; only the answer belongs to the chain."""
    threads, asked = [], Event()

    def respond(messages, options):
        threads.append(current_thread().name)
        if len(threads) == 2:
            asked.set()
        return standing_in(messages, options)

    heard = Heard()
    model = Speaker(respond=respond)
    memory = open_memory(model, consolidation_delay=0.0, short_term_capacity=2)

    def turn(query):
        say(memory, 1)
        answer = memory.get_response(query)
        assert asked.wait(TIMEOUT)
        memory.flush()
        return answer

    assert RunnableLambda(turn).invoke("Which canoe?", {"callbacks": [heard]}) == SENTENCE
    assert heard.calls == [("Which canoe?", True)]
    assert current_thread().name in threads
    assert any(name.startswith("memoryos") for name in threads)
