"""Others forget while somebody looks: what is shown is what is left, or a word that it is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from memoryos_engine import EmbeddingError, InvalidInput, MemoryOS, NotFound, ScriptedChatModel, StoreError, UserMemory
from memoryos_integrations.jupyter import MemoryExplorer, plot_segments, show
from memoryos_integrations.jupyter.cell_output import GrowingAnswer
from memoryos_integrations.jupyter.chat_turn import UNKNOWN, answered_turn
from memoryos_integrations.jupyter.explorer_views import ExplorerViews
from tests.integrations.failing import broken_store
from tests.remembered import five_animals


@pytest.fixture
def animals(open_system: Callable[..., MemoryOS]) -> UserMemory:
    return five_animals(open_system)


def just_after(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Have `act` done once, just after a memory answered the call `name`."""
    whole, done = getattr(UserMemory, name), []

    def call(self: UserMemory, *args: Any, **options: Any) -> Any:
        found = whole(self, *args, **options)
        if not done:
            done.append(name)
            act()
        return found

    monkeypatch.setattr(UserMemory, name, call)


@pytest.mark.parametrize("name", ["tiers", "heats", "segments", "knowledge"])
def test_a_display_of_what_is_purged_meanwhile_is_made(animals: UserMemory, monkeypatch, name: str):
    just_after(monkeypatch, name, animals.purge)

    assert show(animals).text.startswith("ann with assistant")


def test_a_page_that_goes_between_two_reads_is_gone(animals: UserMemory, monkeypatch):
    key = animals.pages()[0].id
    just_after(monkeypatch, "page", lambda: animals.forget(key))

    with pytest.raises(NotFound):
        ExplorerViews(animals).answer({"show": "page", "key": key})


def test_a_map_of_what_is_purged_meanwhile_says_that_there_is_nothing(animals: UserMemory, monkeypatch):
    just_after(monkeypatch, "segment_vectors", animals.purge)

    with pytest.raises(InvalidInput, match="has no segment"):
        plot_segments(animals)


def asked(memory: UserMemory, message: object) -> dict[str, Any]:
    explorer, heard = MemoryExplorer(memory), []
    explorer.send = lambda content, buffers=None: heard.append(content)  # type: ignore[method-assign]
    explorer._asked(None, message, [])
    return heard[0]


@pytest.mark.parametrize("message", [None, 7, "x", [1]])
def test_a_message_that_is_no_request_gets_an_answer(animals: UserMemory, message: object):
    assert asked(animals, message) == {
        "id": None,
        "error": "request is for no view of the explorer. Ask for one of short_term, pending, segments, archive, "
        "facts, segment, page, fact, found, with a text as key and a number as offset.",
    }


def test_an_error_that_is_not_ours_gets_an_answer_and_a_line_in_the_log(animals: UserMemory, caplog):
    animals.system.embedder.error = ZeroDivisionError("of the user's embedder")

    assert asked(animals, {"show": "found", "key": "x", "id": "1"}) == {
        "id": "1",
        "error": "It failed with ZeroDivisionError.",
    }
    assert [(record.levelname, record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("WARNING", "the explorer could not answer: ZeroDivisionError", None)
    ]


def test_that_something_is_forgotten_is_said_also_when_the_next_view_fails(animals: UserMemory):
    key = animals.pages()[0].id
    animals.system.embedder.error = EmbeddingError("the embedder is down")

    answer = asked(animals, {"show": "found", "key": "x", "forget": key})

    assert answer["status"] == "Forgotten."
    assert "the embedder is down" in answer["html"]
    assert key not in [page.id for page in animals.pages()]


def test_of_a_turn_whose_reply_from_the_store_was_lost_nobody_says_that_it_is_not_remembered(open_system, capsys):
    system = open_system(llm=ScriptedChatModel(["I see."]))
    memory = system.memory("ann")
    with broken_store(system, writes=True), pytest.raises(StoreError):
        answered_turn(memory, "hello", GrowingAnswer(live=False))

    assert [page.user_input for page in memory.pages()] == ["hello"]
    assert UNKNOWN in capsys.readouterr().out
