"""LoCoMo files become turns and questions; what is measured are shares of evidence pages."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from memoryos_engine.embedding.hashing import HashingEmbedder
from memoryos_engine.errors import InvalidInput
from memoryos_engine.evaluation.locomo import Question, Turn, load_locomo, message_ids, session_date
from memoryos_engine.evaluation.locomo_report import measure_all, show_locomo
from memoryos_engine.evaluation.locomo_run import measure

UTC = timezone.utc


def message(speaker: str, dia_id: str, text: str, **extra: str) -> dict[str, str]:
    return {"speaker": speaker, "dia_id": dia_id, "text": text, **extra}


def sample(questions: list[dict[str, Any]]) -> dict[str, Any]:
    """Two sessions between Ada, the user, and Ben."""
    return {
        "sample_id": "ada-ben",
        "conversation": {
            "speaker_a": "Ada",
            "speaker_b": "Ben",
            "session_2_date_time": "12:05 am on 2 January, 2024",
            "session_2": [
                message("Ada", "D2:1", "The violin teacher is called Ilse."),
                message("Ben", "D2:2", "Nice."),
            ],
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                message("Ben", "D1:1", "Hello Ada!"),
                message("Ada", "D1:2", "Look at my canoe.", blip_caption="a red canoe on a lake"),
                message("Ada", "D1:3", "It is made of cedar."),
                message("Ben", "D1:4", "Cedar smells good."),
                message("Ben", "D1:5", "Is it heavy?"),
            ],
        },
        "qa": questions,
    }


def question(evidence: list[str] | None, category: int = 4, text: str = "What is the canoe made of?") -> dict[str, Any]:
    return {"question": text, "answer": "cedar", "category": category, "evidence": evidence}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(data: Any) -> Path:
        file = tmp_path / "locomo.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        return file

    return to_file


def at(day: datetime, minute: int) -> datetime:
    return day.replace(minute=day.minute + minute)


def test_a_page_is_a_user_message_with_the_next_answer_or_one_message_alone(write: Any) -> None:
    first, second = datetime(2023, 5, 8, 13, 56, tzinfo=UTC), datetime(2024, 1, 2, 0, 5, tzinfo=UTC)
    seen = "Look at my canoe. (image description: a red canoe on a lake)"
    assert load_locomo(write([sample([])]))[0].turns == (
        Turn(session_id="session_1", timestamp=first, user_input="", agent_response="Hello Ada!"),
        Turn(session_id="session_1", timestamp=at(first, 1), user_input=seen, agent_response=""),
        Turn(
            session_id="session_1",
            timestamp=at(first, 2),
            user_input="It is made of cedar.",
            agent_response="Cedar smells good.",
        ),
        Turn(
            session_id="session_1",
            timestamp=first.replace(hour=14, minute=0),
            user_input="",
            agent_response="Is it heavy?",
        ),
        Turn(
            session_id="session_2",
            timestamp=second,
            user_input="The violin teacher is called Ilse.",
            agent_response="Nice.",
        ),
    )


def test_evidence_is_read_however_it_is_written_and_only_where_it_exists(write: Any) -> None:
    asked = [
        question(["D1:3; D1:05", "D:2:1", "D9:9"]),
        question(["D"]),
        question([]),
        question(None),
        question(["D7:1"]),
    ]
    conversation = load_locomo(write([sample(asked)]))[0]
    expected = Question(text="What is the canoe made of?", category="single-hop", evidence=frozenset({2, 3, 4}))
    assert (conversation.questions, conversation.skipped) == ((expected,), 4)


def test_both_messages_of_a_page_are_the_same_evidence(write: Any) -> None:
    conversation = load_locomo(write([sample([question(["D1:3", "D1:4"])])]))[0]
    assert conversation.questions[0].evidence == frozenset({2})


def test_a_file_may_hold_one_conversation_without_a_list_around_it(write: Any) -> None:
    assert [conversation.name for conversation in load_locomo(write(sample([])))] == ["ada-ben"]


def test_ids_are_pairs_of_numbers() -> None:
    assert message_ids("D8:6; D9:17 and D:11:26, D") == [(8, 6), (9, 17), (11, 26)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1:56 pm on 8 May, 2023", datetime(2023, 5, 8, 13, 56, tzinfo=UTC)),
        ("12:09 am on 13 September, 2023", datetime(2023, 9, 13, 0, 9, tzinfo=UTC)),
        (" 8:07  PM on 29 February, 2024 ", datetime(2024, 2, 29, 20, 7, tzinfo=UTC)),
    ],
)
def test_session_dates_are_utc(text: str, expected: datetime) -> None:
    assert session_date(text) == expected


@pytest.mark.parametrize("data", ["nonsense", [1], {"conversation": 3}, [{"conversation": {"session_1": []}}]])
def test_a_file_of_another_kind_is_refused(write: Any, data: Any) -> None:
    with pytest.raises(InvalidInput, match=r"LoCoMo|session date"):
        load_locomo(write(data))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_locomo(tmp_path / "missing.json")


def test_a_page_in_short_term_memory_counts_as_found_unless_asked_strictly(write: Any) -> None:
    conversation = load_locomo(write([sample([question(["D1:3", "D2:1"])])]))[0]
    steps: list[int] = []
    result = measure(conversation, step=lambda: steps.append(1))
    asked = result.asked[0]
    assert (asked.recall, asked.ranked, asked.in_prompt) == ((1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
    assert (result.name, result.pages, len(result.add_seconds), len(steps)) == ("ada-ben", 5, 5, 6)


def test_the_report_fits_80_columns_and_says_what_its_figures_mean(write: Any) -> None:
    conversations = load_locomo(write([sample([question(["D1:3"]), question(["D2:1"], 1), question([])])]))
    with Progress(disable=True) as bars:
        results = measure_all(conversations, embedder=HashingEmbedder(), retrieval="two_stage", bars=bars)
    screen = Console(width=80)
    with screen.capture() as captured:
        show_locomo(results, embedder=HashingEmbedder(), retrieval="two_stage", screen=screen)
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines]
    assert ["all", "2", *["1.000"] * 6] in rows
    assert ["multi-hop", "1", *["1.000"] * 6] in rows
    assert "1 questions without evidence that exists were left out." in captured.get()
    assert "retrieval is two_stage, embedder hashing-v1-512." in " ".join(captured.get().split())


def test_a_file_without_questions_is_said_to_have_nothing_to_measure(write: Any) -> None:
    results = [measure(load_locomo(write([sample([])]))[0], step=lambda: None)]
    screen = Console(width=80)
    with screen.capture() as captured:
        show_locomo(results, embedder=HashingEmbedder(), retrieval="hierarchical", screen=screen)
    assert "nothing to measure" in captured.get()
