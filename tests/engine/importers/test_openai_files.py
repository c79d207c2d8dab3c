"""OpenAI's forms: the branch of a ChatGPT conversation that was shown, and lists of messages in any wrapping."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from memoryos_engine import InvalidInput
from memoryos_engine.importers import read_turns
from tests.engine.importers.reading import DATA, as_json, local, page, read

EXPORT = json.loads((DATA / "conversations.json").read_text(encoding="utf-8"))


def since_1970(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def export(**changes: Any) -> list[Any]:
    """The export with another first conversation."""
    conversations = copy.deepcopy(EXPORT)
    conversations[0].update(changes)
    return conversations


def test_a_chatgpt_export_becomes_a_session_for_each_conversation_oldest_first() -> None:
    found, turns = read(DATA / "conversations.json")

    assert found == [
        page("", "Welcome back, Tom.", since_1970(1704067200), "c-greeting", title="Greeting"),
        page(
            "[image]\nWhat do my bees eat in winter?",
            "Their own honey.",
            since_1970(1714847401.5),
            "c-bees",
            title="Bees in winter",
        ),
        page("How much of it?", "", since_1970(1714847460), "c-bees", title="Bees in winter"),
    ]
    assert turns.format == "openai"
    assert turns.left_out == {
        "system and hidden messages": 2,
        "tool traffic": 2,
        "messages on other branches": 1,
        "thoughts and custom instructions": 1,
    }


def test_the_branch_that_was_shown_is_followed(tmp_path: Path) -> None:
    found, turns = read(as_json(tmp_path, export(current_node="a0")))

    assert [turn["agent_response"] for turn in found] == ["Welcome back, Tom.", "Pollen."]
    assert turns.left_out["messages on other branches"] == 2


@pytest.mark.parametrize("current", [None, ""])
def test_without_a_current_node_the_branch_that_was_spoken_last_is_followed(tmp_path: Path, current: Any) -> None:
    file = as_json(tmp_path, export(current_node=current))

    assert list(read_turns(file)) == list(read_turns(DATA / "conversations.json"))


def test_a_folder_of_an_export_and_a_conversation_alone_are_read(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    for place, conversation in enumerate(EXPORT):
        as_json(tmp_path / "export", [conversation], f"conversations-{place:03}.json")
    wanted = list(read_turns(DATA / "conversations.json"))

    assert list(read_turns(tmp_path / "export")) == wanted
    assert list(read_turns(as_json(tmp_path, EXPORT[1]))) == wanted[:1]


def test_voices_are_their_words(tmp_path: Path) -> None:
    conversations = export()
    conversations[0]["mapping"]["u2"]["message"]["content"] = {
        "content_type": "multimodal_text",
        "parts": [
            {"content_type": "audio_transcription", "text": "How much?", "direction": "in"},
            {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://file-x"},
        ],
    }
    found, _ = read(as_json(tmp_path, conversations))

    assert found[-1]["user_input"] == "How much?"


def circle(node: str, parent: str) -> list[Any]:
    conversations = export()
    conversations[0]["mapping"][node]["parent"] = parent
    return conversations


def with_node(node: Any) -> list[Any]:
    conversations = export()
    conversations[0]["mapping"]["u2"] = node
    return conversations


BROKEN = with_node({"message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": [5]}}})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (circle("u1", "a2"), "conversations[0].mapping runs in a circle. Remove this conversation"),
        (circle("u2", "u2"), "conversations[0].mapping runs in a circle"),
        (
            [{"mapping": {"a": {"parent": "b"}, "b": {"parent": "a"}}}],
            "conversations[0].mapping runs in a circle",
        ),
        (export(current_node="secret"), "conversations[0].current_node is no node of its mapping"),
        (export(current_node=["secret"]), "conversations[0].current_node is no node of its mapping"),
        (export(mapping=["secret"]), "conversations[0].mapping is a list, not an object"),
        (with_node("secret"), "conversations[0].mapping[9] is no node of a conversation"),
        (with_node({"message": ["secret"]}), "conversations[0].mapping[9] is no node of a conversation"),
        (BROKEN, "conversations[0].mapping[9].message.content.parts[0] is a int, not text or a block"),
        (export(create_time="secret"), "conversations[0].create_time is not a time"),
        ([*EXPORT, {"secret": 1}], 'conversations[2] has no "mapping"'),
        ([*EXPORT, "secret"], 'conversations[2] has no "mapping"'),
    ],
)
def test_a_broken_tree_is_named_by_its_place(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_turns(as_json(tmp_path, data)))

    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


def test_a_long_conversation_is_followed_without_recursion(tmp_path: Path) -> None:
    roles = ("user", "assistant")
    mapping = {
        str(n): {
            "parent": str(n - 1),
            "message": {"id": str(n), "author": {"role": roles[n % 2]}, "content": {"parts": [f"word {n}"]}},
        }
        for n in range(5000)
    }
    found, turns = read(as_json(tmp_path, [{"mapping": mapping, "current_node": "4999", "id": "long"}]))

    assert found[-1] == page("word 4998", "word 4999", None, "long")
    assert (turns.count, turns.undated) == (2500, 2500)


MESSAGES = [
    page("My fig tree drops leaves.\nSee:\n[image]", "It wants more light."),
    page("Thanks!"),
]


def test_a_list_of_messages_is_one_conversation_without_system_and_tools() -> None:
    found, turns = read(DATA / "messages.json")

    assert found == MESSAGES
    assert turns.format == "openai"
    assert turns.left_out == {"tool traffic": 2, "system and hidden messages": 1}
    assert (turns.count, turns.undated) == (2, 2)


def test_lines_of_messages_and_an_object_of_messages_are_one_conversation_too(tmp_path: Path) -> None:
    messages = json.loads((DATA / "messages.json").read_text(encoding="utf-8"))
    lines = tmp_path / "messages.jsonl"
    lines.write_text("\n\n".join(map(json.dumps, messages)), encoding="utf-8")

    assert read(lines)[0] == MESSAGES
    assert read(as_json(tmp_path, {"messages": messages}))[0] == MESSAGES
    assert read(as_json(tmp_path, [messages]), format="openai")[0] == MESSAGES


def test_several_lists_are_several_conversations_and_keep_their_dates() -> None:
    found, turns = read(DATA / "tuning.jsonl")

    assert found == [
        page("Hello", "Hi!", None, "conversation 1"),
        page("Who am I?", "Tom.", local("2024-05-04T18:30:00+02:00"), "who"),
    ]
    assert (turns.count, turns.undated) == (2, 1)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        ({"created_at": 1714840200}, since_1970(1714840200)),
        ({"create_time": 1714840200.5}, since_1970(1714840200.5)),
        ({"timestamp": 1714840200000}, since_1970(1714840200)),
        ({"timestamp": "1714840200"}, since_1970(1714840200)),
        ({"timestamp": "2024-05-04T16:30:00Z"}, since_1970(1714840200)),
        ({"timestamp": "2024-05-04 18:30:00"}, local("2024-05-04 18:30:00")),
        ({"created_at": None, "timestamp": 0}, since_1970(0)),
    ],
)
def test_dates_are_epochs_or_iso(tmp_path: Path, dates: dict[str, Any], expected: datetime) -> None:
    found, _ = read(as_json(tmp_path, [{"role": "user", "content": "Hello", **dates}]))

    assert found == [page("Hello", "", expected)]


def test_a_message_without_a_date_has_that_of_the_one_before(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "a", "timestamp": 1714840200},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    found, turns = read(as_json(tmp_path, messages))

    assert found == [page("a", "b", since_1970(1714840200)), page("c", "", since_1970(1714840200))]
    assert turns.undated == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([{"role": "user", "content": "a"}, "secret"], "messages[1] is a str, not a message. Use"),
        ([{"role": "secret", "content": "a"}], "messages[0].role is none of user, assistant"),
        ([{"role": ["secret"], "content": "a"}], "messages[0].role is none of user, assistant"),
        ([{"role": "user", "content": {"secret": 1}}], "messages[0].content is a dict, not text"),
        ([{"role": "user", "content": ["a", 5]}], "messages[0].content[1] is a int, not text or a block"),
        (
            [{"role": "user", "content": [{"type": "text", "text": ["secret"]}]}],
            "messages[0].content[0].text is a list, not text",
        ),
        ([{"role": "user", "content": "a", "timestamp": "secret"}], "messages[0].timestamp is not a time"),
        ([{"role": "user", "content": "a", "timestamp": True}], "messages[0].timestamp is a bool, not a time"),
        ({"messages": "secret"}, "messages is a str, not a list"),
        ({"messages": [{"role": "user", "content": "a"}, 7]}, "messages[1] is a int, not a message"),
        ([{"messages": []}, {"messages": [7]}], "conversations[1].messages[0] is a int, not a message"),
        ({"secret": []}, "line 1.role is none of user"),
    ],
)
def test_what_is_of_another_form_is_named_by_its_place(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_turns(as_json(tmp_path, data), "openai"))

    assert str(caught.value).startswith(message)
    assert "secret" not in str(caught.value)


def test_lines_are_read_as_they_come(tmp_path: Path) -> None:
    """What stands before a broken line is there before the line is reached."""
    file = tmp_path / "messages.jsonl"
    whole = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")]
    file.write_text("\n".join([*map(json.dumps, whole), '{"role": "user", "content": "sec']), encoding="utf-8")
    turns = iter(read_turns(file))

    assert [next(turns)["user_input"] for _ in range(2)] == ["user 0", "user 1"]
    with pytest.raises(InvalidInput, match=r"^file is not valid JSON at line 7\. Export it again"):
        list(turns)
