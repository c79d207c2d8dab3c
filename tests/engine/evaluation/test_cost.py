"""What a model costs is counted where it is asked, by what it is asked for."""

from __future__ import annotations

import io
import json
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from rich.console import Console

from memoryos_engine import InvalidInput, KnowledgeKind, MemoryOS, OpenAIChatModel, TokenUsage
from memoryos_engine.evaluation import background
from memoryos_engine.evaluation.background import BackgroundResult, measure_background, show_background
from memoryos_engine.evaluation.cost import Cost, measure_cost, show_cost, steps_of
from memoryos_engine.evaluation.locomo import Conversation, Question, Turn
from memoryos_engine.evaluation.models import MeteredChatModel, model_by_name
from memoryos_engine.evaluation.stand_in import reply, stand_in
from memoryos_engine.llm.base import ChatMessage, OutputSchema
from memoryos_engine.llm.scripted import ScriptedChatModel

NOON = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
SCHEMA = OutputSchema(name="consolidationreply", schema={"type": "object"})


def conversation(turns: int) -> Conversation:
    """A user who talks of one thing in one session, and asks one question."""
    said = tuple(
        Turn(
            session_id="one",
            timestamp=NOON + timedelta(minutes=number),
            user_input=f"I painted my cedar canoe again, coat number {number}.",
            agent_response="Cedar takes paint well.",
        )
        for number in range(turns)
    )
    question = Question(text="What do I paint?", category="single-hop", evidence=frozenset({0}))
    return Conversation(name="canoe", turns=said, questions=(question,), skipped=0)


def shown(cost: Cost) -> str:
    screen = Console(width=80, record=True, file=io.StringIO())
    show_cost([cost], model="stand-in", counter="the engine's estimate", screen=screen)
    return screen.export_text()


def test_a_chat_costs_one_call_for_ten_pages_and_one_for_twenty_hot_ones() -> None:
    """Issue 3: at most 0.25 calls a turn; none inside adding or retrieving, one for an answer."""
    steps: list[None] = []
    told = conversation(46)
    cost = measure_cost(told, model=stand_in(), step=lambda: steps.append(None))

    assert (cost.name, cost.turns, cost.consolidated, cost.answers) == ("canoe", 46, 40, 1)
    assert (cost.consolidation.calls, cost.adding, cost.retrieving, cost.answering.calls) == (4, 0, 0, 1)
    assert 2 <= cost.promotion.calls <= 4
    assert cost.background.calls / cost.turns <= 0.25
    assert cost.background.prompt_tokens / cost.turns <= 300
    assert len(steps) == 46 + 1 <= steps_of(told)


def test_the_table_shows_what_a_turn_costs() -> None:
    used = TokenUsage(calls=4, prompt_tokens=4000, completion_tokens=400)
    cost = Cost(
        name="canoe",
        turns=40,
        consolidation=used,
        promotion=used,
        adding=0,
        retrieving=0,
        answers=2,
        answering=TokenUsage(calls=2),
        consolidated=34,
        segments=3,
        entries=5,
    )
    text = shown(cost)

    assert "canoe             40           0.100       0.100   0.200      200      20" in text
    assert "0 calls inside add_memory, 0 inside retrieve_memory, 1 an answer" in text.replace("\n", " ")


def test_a_meter_counts_by_purpose_and_by_thread() -> None:
    metered = MeteredChatModel(ScriptedChatModel(otherwise=lambda messages: "fine"))
    asked = [ChatMessage(role="user", content="one two three")]
    other = threading.Thread(target=lambda: metered.complete(asked))

    def both() -> None:
        metered.complete_json(asked, SCHEMA)
        other.start()
        other.join()

    assert metered.in_this_thread(both) == 1
    assert metered.used("consolidation").calls == metered.used("answer").calls == 1
    assert metered.used("promotion") == TokenUsage()
    assert metered.used() == metered.used("consolidation") + metered.used("answer")


def test_a_model_is_the_stand_in_or_one_of_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InvalidInput):
        model_by_name("gpt-4o-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "any")

    assert model_by_name("stand-in").name == "scripted"
    assert isinstance(model_by_name("gpt-4o-mini"), OpenAIChatModel)


def test_the_stand_in_answers_anything_else_with_a_sentence() -> None:
    assert reply([ChatMessage(role="user", content="Where do I live?")]) == "I answer from what I remember."


def test_the_stand_in_reads_pages_as_a_good_model_would(tmp_path: Path) -> None:
    with MemoryOS(tmp_path, llm=stand_in()) as system:
        memory = system.memory("tom")
        memory.import_turns(turn.as_mapping() for turn in conversation(30).turns)
        memory.flush()
        facts = [entry for entry in memory.knowledge() if entry.kind is KnowledgeKind.USER_KNOWLEDGE]

        assert memory.status().pending == 0
        assert [len({page.segment_id for page in memory.pages()} - {None}), bool(facts)] == [1, True]
        assert all("cedar canoe" in entry.text for entry in facts)


def test_pages_with_one_side_are_read_back_as_they_were() -> None:
    body = "# Known facts\n# Pages\np1 2024-03-01 Fri 12:00\nAssistant: I recommend the Blue Door cafe in Lisbon.\n"
    found = json.loads(reply([ChatMessage(role="user", content=body)]))

    assert [fact["fact"] for fact in found["assistant_facts"]] == ["I recommend the Blue Door cafe in Lisbon."]
    assert found["user_facts"] == found["profile"] == []


def test_eight_users_at_once_are_counted_and_the_ratio_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured, never judged: the command prints figures."""
    monkeypatch.setattr(background, "ADDS", 12)
    steps: list[None] = []
    result = measure_background(tmp_path, latency=0.0, rounds=2, step=lambda: steps.append(None))

    assert (len(result.plain), len(result.with_model), len(steps)) == (24, 24, 48)
    assert (result.added, result.found) == (96, 96)


def test_the_report_says_what_was_lost() -> None:
    result = BackgroundResult(latency=0.5, plain=(0.01,), with_model=(0.012,), calls=3, added=800, found=799)
    screen = Console(width=100, record=True, file=io.StringIO())
    show_background(result, screen=screen)
    text = screen.export_text()

    assert "p95 with a model is 1.20 of that without (aim 1.5); 3 calls meanwhile." in text
    assert "8 users adding at once: 800 turns acknowledged, 799 found, 1 lost." in text
