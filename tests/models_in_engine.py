"""What a memory makes of a framework's model and embedder, end to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from memoryos_engine import ChatModelError
from memoryos_engine.errors import ConsolidationError, ReplyRefused
from memoryos_engine.evaluation.stand_in import stand_in
from memoryos_engine.status import MemoryStatus
from tests.one_topic import ONE_TOPIC, love, outcome, say, turns


class ModelsInEngine:
    """The tests; a subclass makes the framework's objects."""

    standing_in: ClassVar[Callable[..., Any]]
    """What makes a framework's model answer as the engine's stand-in does, as `respond`."""

    refusal: ClassVar[Any]
    """An answer by which a model declines."""

    def chat_model(self, model: Any) -> Any:
        """The framework's model as the engine's."""
        raise NotImplementedError

    def embedder(self) -> Any:
        """An embedder of the framework's as the engine's."""
        raise NotImplementedError

    def speaking(self, *answers: Any) -> Any:
        """A model that gives these answers in turn, the last for ever; it has `asked`, and `respond` to be set."""
        raise NotImplementedError

    def streaming(self, chunks: list[Any]) -> Any:
        """A model that speaks in these chunks."""
        raise NotImplementedError

    @pytest.fixture
    def open_memory(self, open_system):
        def opening(model, *, path: Path | None = None, **options):
            options = {**ONE_TOPIC, **options}
            return open_system(path=path, llm=self.chat_model(model), embedder=self.embedder(), **options).memory("tom")

        return opening

    @pytest.fixture
    def expected(self, open_system, tmp_path):
        """The outcome of eight canoes with the engine's own stand-in."""
        near = open_system(path=tmp_path / "near", llm=stand_in(), embedder=self.embedder(), **ONE_TOPIC).memory("tom")
        say(near, *range(8))
        near.flush()
        return outcome(near)

    def check_kind(self, memory, expected):
        """Check that a model gives the memory that the engine's own gives."""
        say(memory, *range(8))
        memory.flush()

        assert outcome(memory) == expected
        assert outcome(memory)[2] == love(*range(8))
        assert (memory.status(), memory.system.llm.usage.calls) == (MemoryStatus(pending=0), 2)
        assert memory.system.check() == []

    def test_an_answer_is_given_from_memory_and_remembered(self, open_memory):
        model = self.speaking("<think>Canoes, then.</think>Your canoe is number 3.")
        memory = open_memory(model, model_delay=3600.0)
        say(memory, 3)

        assert memory.get_response("Which canoe do I love?") == "Your canoe is number 3."

        assert turns(memory) == [(love(3)[0], "Fine."), ("Which canoe do I love?", "Your canoe is number 3.")]
        ((system, user),) = model.asked
        assert (love(3)[0] in system.content, user.content) == (True, "Which canoe do I love?")

    def test_a_streamed_answer_is_remembered_when_it_is_whole(self, open_memory):
        memory = open_memory(self.streaming(["<think>Hm.</think>", "Your canoe ", "is red."]))
        pieces = memory.stream_response("What colour is it?")
        assert (next(pieces), turns(memory)) == ("Your canoe ", [])

        assert list(pieces) == ["is red."]
        assert turns(memory) == [("What colour is it?", "Your canoe is red.")]

    def test_a_stream_in_an_event_loop(self, open_memory):
        memory = open_memory(self.streaming(["Your canoe ", "is red."]))

        async def listen():
            return [piece async for piece in memory.astream_response("What colour is it?")]

        assert asyncio.run(listen()) == ["Your canoe ", "is red."]
        assert turns(memory) == [("What colour is it?", "Your canoe is red.")]

    def test_what_is_no_answer_is_never_remembered(self, open_memory):
        memory = open_memory(self.speaking(OSError("no network"), "", self.refusal))
        for error in (ChatModelError, ChatModelError, ReplyRefused):
            with pytest.raises(error):
                memory.get_response("What colour is it?")

        assert turns(memory) == []

    def test_a_stream_that_breaks_off_is_not_remembered(self, open_memory):
        memory = open_memory(self.streaming(["Your canoe ", OSError()]))
        with pytest.raises(ChatModelError):
            list(memory.stream_response("What colour is it?"))

        assert turns(memory) == []

    @pytest.mark.parametrize(
        ("answer", "error"), [(OSError(), ChatModelError), ("Sorry, no.", ConsolidationError)], ids=["fails", "babbles"]
    )
    def test_pages_wait_for_a_model_that_fails_and_are_read_when_it_is_back(self, open_memory, answer, error):
        model = self.speaking(answer)
        memory = open_memory(model)
        say(memory, 1, 2)
        with pytest.raises(error):
            memory.flush()
        assert (outcome(memory), memory.status().pending) == (([], [], []), 2)

        model.respond = self.standing_in
        for _ in range(3):  # a batch that failed is asked about in smaller ones
            memory.flush()

        assert outcome(memory)[2] == love(1, 2)
