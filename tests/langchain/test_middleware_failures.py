"""MemoryOSMiddleware where a run fails, stops half-way or goes on elsewhere: no answer and no turn is lost."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    SummarizationMiddleware,
    hook_config,
)
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from memoryos_engine import EmbeddingError, HashingEmbedder, StoreError
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_integrations.langchain import MemoryOSMiddleware, middleware, running_turns
from memoryos_integrations.latest_values import LatestValues
from tests.langchain.agents import (
    agent,
    ainvoke,
    calls,
    config,
    frozen,
    in_another_process,
    invoke,
    said_in,
    system_text,
)
from tests.langchain.conversation import RecordingChatModel


def resume(talker: Any, run: dict[str, Any], given: Any = None) -> None:
    talker.invoke(given, run)


def aresume(talker: Any, run: dict[str, Any], given: Any = None) -> None:
    asyncio.run(talker.ainvoke(given, run))


BOTH = pytest.mark.parametrize("talk", [invoke, ainvoke])
GO_ON = pytest.mark.parametrize(
    "go_on",
    [
        resume,
        pytest.param(
            aresume,
            marks=pytest.mark.skipif(
                sys.version_info < (3, 11), reason="before, LangGraph cannot interrupt coroutines"
            ),
        ),
    ],
)
APPROVED = Command(resume={"decisions": [{"type": "approve"}]})
SECRET = "The secret word is quince."


@tool
def book(flight: str) -> str:
    """Book a flight."""
    return f"{flight} is booked"


@tool
def broken() -> str:
    """Do what cannot be done."""
    raise RuntimeError("the tool broke")


class MoodyEmbedder(HashingEmbedder):
    """An embedder that raises what it is told to."""

    error: Exception | None = None

    def embed(self, texts):
        if self.error is not None:
            raise self.error
        return super().embed(texts)


class Ender(AgentMiddleware):
    """Ends a run that speaks of the forbidden before the model is asked."""

    @hook_config(can_jump_to=["end"])
    def before_agent(self, state, runtime):
        if "forbidden" not in state["messages"][-1].content:
            return None
        return {"messages": [AIMessage("I may not talk about that.")], "jump_to": "end"}


@pytest.fixture
def elsewhere(monkeypatch):
    """Forget what this process knows of its turns, as if another one went on."""

    def forget() -> None:
        monkeypatch.setattr(running_turns, "_begun", LatestValues(10))
        monkeypatch.setattr(running_turns, "_recalled", LatestValues(10))

    return forget


@pytest.fixture
def asks_first():
    return HumanInTheLoopMiddleware(interrupt_on={"book": True})


def monday(system: Any) -> list[tuple[str, str]]:
    return said_in(system.memory("tom", session_id="monday"))


def last(talker: Any) -> str:
    return talker.get_state(config()).values["messages"][-1].content


# -- memory fails -----------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("error", [EmbeddingError("no embedder"), RuntimeError(f"cannot embed {SECRET!r}")])
def test_a_dead_embedder_costs_no_answer_and_no_turn(open_system, caplog, talk, error):
    embedder = MoodyEmbedder()
    system = open_system(embedder=embedder)
    talker, _ = agent(["First.", "Second.", "Third."], system)
    embedder.error = error

    talk(talker, SECRET, config())
    talk(talker, "Anything else?", config())
    answered, stored = last(talker), monday(system)
    embedder.error = None
    talk(talker, "And now?", config())

    assert (answered, stored) == ("Second.", [])
    assert monday(system) == [(SECRET, "First."), ("Anything else?", "Second."), ("And now?", "Third.")]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    failed = [" ".join(each.getMessage().split()[:4]) for each in caplog.records if "middleware" in each.name]
    assert failed == ["MemoryOSMiddleware could not be", "MemoryOSMiddleware could not store"] * 2
    assert "quince" not in caplog.text


def test_the_same_words_said_twice_while_nothing_can_be_stored_are_two_turns(open_system):
    embedder = MoodyEmbedder()
    system = open_system(embedder=embedder)
    talker, _ = agent(["Welcome.", "Welcome.", "Bye."], system)
    embedder.error = EmbeddingError("no embedder")

    invoke(talker, "Thanks", config())
    invoke(talker, "Thanks", config())
    embedder.error = None
    invoke(talker, "Bye", config())

    assert monday(system) == [("Thanks", "Welcome."), ("Thanks", "Welcome."), ("Bye", "Bye.")]


@BOTH
def test_a_dead_store_costs_no_answer_and_no_turn(open_system, monkeypatch, caplog, talk):
    system = open_system()
    talker, _ = agent(["First.", "Second.", "Third."], system)

    def dead(*_, **__):
        raise StoreError("the disk is gone")

    with monkeypatch.context() as patch:
        for name in ("load", "heads", "append", "commit"):
            patch.setattr(ChromaStore, name, dead)
        talk(talker, SECRET, config())
        talk(talker, "Anything else?", config())
        answered = last(talker)
    talk(talker, "And now?", config())

    assert answered == "Second."
    assert monday(system) == [(SECRET, "First."), ("Anything else?", "Second."), ("And now?", "Third.")]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "quince" not in caplog.text


@BOTH
@pytest.mark.parametrize("pinned", [False, True])
def test_a_closed_system_costs_no_answer(open_system, caplog, talk, pinned):
    system = open_system()
    talker, _ = agent(["Hello."], memory=system.memory("tom")) if pinned else agent(["Hello."], system)
    system.close()

    talk(talker, SECRET, config())

    assert last(talker) == "Hello."
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "quince" not in caplog.text


def test_a_system_that_is_closed_before_the_answer_costs_no_answer(open_system, caplog):
    system = open_system()

    def close(_):
        system.close()
        return "Hello."

    talker, _ = agent(close, system)
    invoke(talker, SECRET, config())

    assert last(talker) == "Hello."
    assert "this MemoryOS is closed" in caplog.text


def test_a_warning_says_where_a_foreign_error_was_raised(open_system, caplog):
    embedder = MoodyEmbedder()
    talker, _ = agent(["Hello."], open_system(embedder=embedder))
    embedder.error = KeyError(SECRET)

    invoke(talker, "Hi", config())

    place = f"test_middleware_failures.py, line {inspect.getsourcelines(MoodyEmbedder.embed)[1] + 2}"
    assert caplog.messages[0] == (
        f"MemoryOSMiddleware could not be recalled; the agent goes on without (KeyError: {place})"
    )


@BOTH
def test_half_a_character_costs_neither_memory_nor_turn(system, talk):
    """Half of a surrogate pair, which hosts pass on from JavaScript, cannot be stored as it is."""
    system.memory("tom", session_id="before").add_memory("I love my cat.", "Nice.")
    talker, model = agent(["Yes."], system, checkpointer=None)

    talk(talker, "My cat \ud83d", config())

    assert "I love my cat." in system_text(model.prompts[0])
    assert monday(system) == [("My cat \ufffd", "Yes.")]


# -- the model or a tool fails ------------------------------------------------------------------


@BOTH
def test_a_run_whose_model_failed_stores_nothing_and_its_question_waits_for_the_next_answer(system, talk):
    talker, _ = agent([RuntimeError("no model"), "An answer."], system)

    with pytest.raises(RuntimeError, match="no model"):
        talk(talker, "My name is Tom.", config())
    stored = monday(system)
    talk(talker, "Hello?", config())

    assert stored == []
    assert monday(system) == [("My name is Tom.", ""), ("Hello?", "An answer.")]


def test_a_purge_takes_what_was_said_in_failed_and_in_running_runs_along(system):
    def purges(prompt):
        system.memory("tom", session_id="monday").purge()
        return "It is gone."

    talker, model = agent([RuntimeError("no model")], system)
    with pytest.raises(RuntimeError):
        invoke(talker, "My secret is quince.", config())
    model.answers = purges
    invoke(talker, "Forget me.", config())
    purged = monday(system)
    model.answers = lambda prompt: "An answer."
    invoke(talker, "Hello?", config())

    assert (purged, monday(system)) == ([], [("Hello?", "An answer.")])


def test_a_purge_after_a_failed_run_takes_its_words_along(system):
    talker, _ = agent([RuntimeError("no model"), "An answer."], system)
    with pytest.raises(RuntimeError):
        invoke(talker, "My secret is quince.", config())
    system.memory("tom", session_id="monday").purge()
    invoke(talker, "Hello?", config())

    assert monday(system) == [("Hello?", "An answer.")]


async def test_a_run_that_is_cancelled_while_its_turn_is_stored_stores_it_once(system, monkeypatch):
    talker, _ = agent(["First.", "Second."], system)
    storing, cancelled = threading.Event(), threading.Event()
    whole = middleware.save

    def slow(memory, turns, **options):
        whole(memory, turns, **options)
        storing.set()
        cancelled.wait(30)

    monkeypatch.setattr(middleware, "save", slow)
    run = asyncio.create_task(talker.ainvoke({"messages": [("user", "One?")]}, config()))
    await asyncio.to_thread(storing.wait, 30)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    cancelled.set()
    await talker.ainvoke({"messages": [("user", "Two?")]}, config())

    assert monday(system) == [("One?", "First."), ("Two?", "Second.")]


def test_a_question_that_is_asked_again_after_a_failure_is_remembered_once(system):
    talker, _ = agent([RuntimeError("no model")] * 2 + ["An answer."], system)

    for _ in range(2):
        with pytest.raises(RuntimeError):
            invoke(talker, "My name is Tom.", config())
    invoke(talker, "My name is Tom.", config())

    assert monday(system) == [("My name is Tom.", "An answer.")]


@pytest.mark.parametrize("go_on", [resume, aresume])
def test_a_failed_run_that_goes_on_where_it_failed_is_remembered(system, go_on):
    talker, _ = agent([RuntimeError("no model"), "An answer."], system)
    with pytest.raises(RuntimeError):
        invoke(talker, "My name is Tom.", config())

    go_on(talker, config())

    assert monday(system) == [("My name is Tom.", "An answer.")]


@BOTH
def test_what_was_said_before_a_tool_failed_is_remembered_with_the_next_answer(system, talk):
    talker, _ = agent([calls(("broken", {})), "An answer."], system, tools=[broken])
    with pytest.raises(RuntimeError, match="the tool broke"):
        talk(talker, "My name is Tom.", config())

    talk(talker, "Hello?", config())

    assert monday(system) == [("My name is Tom.", ""), ("Hello?", "An answer.")]


def test_what_was_taken_back_after_a_failure_is_not_remembered(system):
    talker, _ = agent([RuntimeError("no model"), "An answer."], system)
    with pytest.raises(RuntimeError):
        invoke(talker, SECRET, config())
    said = talker.get_state(config()).values["messages"][-1]

    talker.invoke({"messages": [RemoveMessage(id=said.id), HumanMessage("Hello?")]}, config())

    assert monday(system) == [("Hello?", "An answer.")]


def test_what_another_user_said_in_a_thread_that_failed_stays_theirs(system):
    talker, _ = agent([RuntimeError("no model"), "An answer."], system)
    with pytest.raises(RuntimeError):
        invoke(talker, SECRET, config("ann"))

    invoke(talker, "Hello?", config("tom"))

    assert monday(system) == [("Hello?", "An answer.")]


def test_a_cancelled_run_stores_nothing_and_the_next_one_goes_well(system):
    async def cancelled_then_not() -> None:
        hangs, reached = asyncio.Event(), asyncio.Event()

        class Hanging(AgentMiddleware):
            async def abefore_model(self, state, runtime):
                if len(state["messages"]) == 1:
                    reached.set()
                    await hangs.wait()

        talker, _ = agent(["An answer."], system, Hanging())
        run = asyncio.create_task(talker.ainvoke({"messages": [("user", "My name is Tom.")]}, config()))
        await reached.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert monday(system) == []
        await talker.ainvoke({"messages": [("user", "Hello?")]}, config())

    asyncio.run(cancelled_then_not())

    assert monday(system) == [("My name is Tom.", ""), ("Hello?", "An answer.")]


# -- a run ends early ---------------------------------------------------------------------------


@BOTH
def test_a_run_that_ends_at_its_limit_of_calls_is_remembered_with_what_the_user_was_told(system, talk):
    limit = ModelCallLimitMiddleware(run_limit=1, exit_behavior="end")
    talker, _ = agent([calls(("book", {"flight": "LH1"}))], system, limit, tools=[book])

    talk(talker, "Book LH1.", config())

    assert monday(system) == [("Book LH1.", last(talker))]
    assert last(talker)


@BOTH
def test_a_run_that_ends_before_memory_had_its_turn_is_remembered(system, talk):
    """The middleware that ends it comes first, so that ours sees the end alone."""
    model = RecordingChatModel(answers=["Hello.", "You are welcome."])
    talker = create_agent(model, middleware=[Ender(), MemoryOSMiddleware(system=system)], checkpointer=InMemorySaver())

    for said in ("Hi", "Tell me the forbidden.", "And the forbidden?", "Thanks"):
        talk(talker, said, config())

    assert monday(system) == [
        ("Hi", "Hello."),
        ("Tell me the forbidden.", "I may not talk about that."),
        ("And the forbidden?", "I may not talk about that."),
        ("Thanks", "You are welcome."),
    ]


def test_a_question_left_by_a_failure_does_not_get_the_answer_to_a_later_one(system):
    """The later run ends before memory had its turn, so the state still notes the earlier."""
    model = RecordingChatModel(answers=[RuntimeError("no model")])
    talker = create_agent(model, middleware=[Ender(), MemoryOSMiddleware(system=system)], checkpointer=InMemorySaver())
    with pytest.raises(RuntimeError):
        invoke(talker, "My name is Tom.", config())

    invoke(talker, "Tell me the forbidden.", config())

    assert monday(system) == [("My name is Tom.", ""), ("Tell me the forbidden.", "I may not talk about that.")]


def test_a_run_without_an_answer_is_remembered_with_the_next_one(system):
    class Silent(AgentMiddleware):
        @hook_config(can_jump_to=["end"])
        def before_model(self, state, runtime):
            return {"jump_to": "end"} if len(state["messages"]) == 1 else None

    talker, _ = agent(["An answer."], system, Silent())

    invoke(talker, "My name is Tom.", config())
    stored = monday(system)
    invoke(talker, "Hello?", config())

    assert stored == []
    assert monday(system) == [("My name is Tom.", ""), ("Hello?", "An answer.")]


# -- a run waits for a human ----------------------------------------------------------------------


@GO_ON
def test_a_run_that_waits_for_a_human_is_remembered_once_when_it_went_on(system, asks_first, go_on):
    talker, model = agent([calls(("book", {"flight": "LH1"})), "Booked."], system, asks_first, tools=[book])

    invoke(talker, "Book LH1, I sit at the window.", config())
    stored = monday(system)
    go_on(talker, config(), APPROVED)
    go_on(talker, config(), None)

    assert stored == []
    assert monday(system) == [("Book LH1, I sit at the window.", "Booked.")]
    assert len(model.prompts) == 2


IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from langchain.agents.middleware import HumanInTheLoopMiddleware
from memoryos_engine import MemoryOS
from tests.langchain.agents import agent, config, said_in, system_text, thawed
from tests.langchain.test_middleware_failures import APPROVED, book
with MemoryOS(sys.argv[1]) as system:
    saver = thawed(Path(sys.argv[2]).read_bytes())
    asks = HumanInTheLoopMiddleware(interrupt_on={"book": True})
    talker, model = agent(["Booked."], system, asks, tools=[book], checkpointer=saver)
    talker.invoke(APPROVED, config())
    print(said_in(system.memory("tom", session_id="monday")))
    print("window" in system_text(model.prompts[-1]))
"""


def test_a_run_that_goes_on_in_another_process_is_remembered_there(open_system, tmp_path, asks_first):
    system = open_system(path=tmp_path / "store")
    system.memory("tom", session_id="before").add_memory("In flights I sit at the window.", "Noted.")
    saver = InMemorySaver()
    asked = [calls(("book", {"flight": "LH1"}))]
    talker, _ = agent(asked, system, asks_first, tools=[book], checkpointer=saver)
    invoke(talker, "Book the flights.", config())
    system.close()
    (tmp_path / "checkpoints").write_bytes(frozen(saver))

    said = in_another_process(IN_ANOTHER_PROCESS, tmp_path / "store", tmp_path / "checkpoints")

    assert said.splitlines() == ["[('Book the flights.', 'Booked.')]", "True"]


def test_a_run_that_nobody_approves_is_remembered_with_what_is_said_instead(system, asks_first):
    talker, _ = agent([calls(("book", {"flight": "LH1"})), "Monday, then."], system, asks_first, tools=[book])

    invoke(talker, "Book LH1, my daughter comes along.", config())
    invoke(talker, "No, wait, on Monday.", config())

    assert monday(system) == [("Book LH1, my daughter comes along.", ""), ("No, wait, on Monday.", "Monday, then.")]


# -- nothing is stored twice ------------------------------------------------------------------------


@pytest.mark.parametrize("here", [True, False])
def test_a_run_that_is_run_again_from_a_checkpoint_is_stored_once(system, elsewhere, here):
    talker, _ = agent(["Hello.", "Hello again.", "Hi once more."], system)
    invoke(talker, "My name is Tom.", config())
    before_model = next(each for each in talker.get_state_history(config()) if each.next == ("model",))

    for _ in range(2):
        if not here:
            elsewhere()
        talker.invoke(None, before_model.config)

    assert monday(system) == [("My name is Tom.", "Hello.")]


def test_a_message_that_was_changed_before_a_run_is_run_again_is_stored_too(system):
    talker, _ = agent(["Hello.", "Hello Tim."], system)
    invoke(talker, "My name is Tom.", config())
    before_model = next(each for each in talker.get_state_history(config()) if each.next == ("model",))
    said = before_model.values["messages"][-1]

    fork = talker.update_state(before_model.config, {"messages": [HumanMessage("My name is Tim.", id=said.id)]})
    answer = talker.invoke(None, fork)["messages"][-1].content

    assert monday(system) == [("My name is Tom.", "Hello."), ("My name is Tim.", answer)]


def test_a_turn_whose_process_ended_right_after_storing_it_is_stored_once(system, elsewhere):
    """The checkpoint does not say yet that it is stored; the run goes on with the hook that stores."""
    talker, _ = agent(["Hello."], system)
    invoke(talker, "My name is Tom.", config())
    ended = ("MemoryOSMiddleware.after_agent",)
    unsaved = next(each for each in talker.get_state_history(config()) if each.next == ended)

    elsewhere()
    talker.invoke(None, unsaved.config)

    assert monday(system) == [("My name is Tom.", "Hello.")]


def test_the_same_words_said_twice_are_two_turns_even_in_another_process(system, elsewhere, clock, asks_first):
    asked = [answer for _ in range(2) for answer in (calls(("book", {"flight": "LH1"})), "Booked.")]
    talker, _ = agent(asked, system, asks_first, tools=[book])

    for _ in range(2):
        clock.advance(minutes=1)
        invoke(talker, "Book LH1.", config())
        elsewhere()
        talker.invoke(APPROVED, config())

    assert monday(system) == [("Book LH1.", "Booked.")] * 2


def test_the_same_words_said_twice_at_one_moment_are_two_turns(system):
    talker, _ = agent(["Hello.", "Hello."], system)

    invoke(talker, "Hi", config())
    invoke(talker, "Hi", config())

    assert monday(system) == [("Hi", "Hello.")] * 2


@BOTH
def test_a_run_without_a_new_message_stores_nothing(system, talk):
    talker, model = agent(["Hello.", "Anything else?"], system)
    talk(talker, "My name is Tom.", config())

    talker.invoke({"messages": []}, config())

    assert monday(system) == [("My name is Tom.", "Hello.")]
    assert len(model.prompts) == 2


def test_an_answer_that_is_given_anew_does_not_store_the_turn_again(system):
    talker, _ = agent(["Hello.", "Good day."], system)
    invoke(talker, "My name is Tom.", config())
    answer = talker.get_state(config()).values["messages"][-1]

    talker.invoke({"messages": [RemoveMessage(id=answer.id)]}, config())

    assert monday(system) == [("My name is Tom.", "Hello.")]


# -- messages disappear -----------------------------------------------------------------------------


def summarising(model: Any) -> SummarizationMiddleware:
    """Middleware that leaves two messages, whatever the version of LangChain calls that."""
    if "max_tokens_before_summary" in inspect.signature(SummarizationMiddleware).parameters:
        return SummarizationMiddleware(model, max_tokens_before_summary=40, messages_to_keep=2)
    return SummarizationMiddleware(model, trigger=("tokens", 40), keep=("messages", 2))


@BOTH
def test_a_turn_whose_message_was_summarised_away_is_remembered_in_the_users_words(system, talk):
    said = "Please book LH1 and LH2 and LH3 for my daughter, who is afraid of flying."
    rounds = [calls(("book", {"flight": f"LH{number}"})) for number in (1, 2, 3)]
    summary = RecordingChatModel(answers=lambda _: "They book flights.")
    talker, _ = agent([*rounds, "All are booked.", "Good."], system, summarising(summary), tools=[book])

    talk(talker, said, config())
    there = [message.content for message in talker.get_state(config()).values["messages"]]
    talk(talker, "Thanks", config())

    assert summary.prompts
    assert said not in there
    assert monday(system) == [(said, "All are booked."), ("Thanks", "Good.")]


def test_a_summary_is_not_taken_for_the_users_words(system):
    summary = RecordingChatModel(answers=lambda _: "They talk about nothing.")
    answers = ["Hello. " * 20, RuntimeError("no model"), "An answer."]
    talker, _ = agent(answers, system, summarising(summary))
    invoke(talker, "Hi", config())
    with pytest.raises(RuntimeError):
        invoke(talker, "What do I do?", config())

    invoke(talker, "Hello?", config())

    assert summary.prompts
    assert [said for said, _ in monday(system)] == ["Hi", "What do I do?", "Hello?"]
