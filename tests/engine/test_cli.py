"""The command `memoryos`: one line for an error, no markup or control code from what is stored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from memoryos_engine import MemoryOS
from memoryos_engine.cli import app
from memoryos_engine.memory import UserMemory

HOSTILE = "\x1b[31mred\x1b[0m \x07bell [bold]not bold[/bold] \u202eturned\r\x9b2J"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "store"
    monkeypatch.setenv("MEMORYOS_PATH", str(path))
    monkeypatch.setenv("COLUMNS", "120")
    return path


def run(*arguments: str, answer: str | None = None, status: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments), input=answer)
    assert result.exit_code == status, result.output
    return result


def filled(store: Path, pages: int = 9) -> list[str]:
    with MemoryOS(store) as system:
        memory: UserMemory = system.memory("user")
        made = [memory.add_memory(f"My heron number {place} eats trout.", "Good heron.") for place in range(pages)]
        memory.flush()
    return [page.id for page in made]


def stored_pages(store: Path, user: str = "user") -> list[str]:
    with MemoryOS(store) as system:
        return [page.user_input for page in system.memory(user).pages()]


def test_what_is_added_is_recalled_with_its_date_and_reason(store: Path) -> None:
    run("add", "My lamp is made of paper.", "A warm light.", "--timestamp", "2024-05-04T10:00:00+00:00")
    run("add", "I read about otters.", "--session", "other")
    output = run("recall", "Which lamp do I have?", "--session", "third", "--top-k", "1").output
    assert "2024-05-04" in output
    assert "My lamp is made of paper." in output
    assert "A warm light." in output
    assert "words 1.00" in output
    assert "otters" not in output


def test_recall_prints_a_prompt_within_its_tokens_as_it_stands(store: Path) -> None:
    filled(store)
    output = run("recall", "heron", "--tokens", "200", "--session", "fresh").output
    with MemoryOS(store) as system:
        found = system.memory("user", session_id="fresh").retrieve_memory("heron", top_k=5, touch=False)
    assert output == found.to_prompt(200) + "\n"


def test_recall_counts_no_visit(store: Path) -> None:
    filled(store)
    run("recall", "heron")
    with MemoryOS(store) as system:
        memory = system.memory("user")
        memory.flush()
        assert {segment.visits for segment in memory.segments()} == {0}


def test_show_draws_every_tier(store: Path) -> None:
    filled(store)
    output = run("show").output
    assert output.splitlines()[0] == "user with assistant"
    tiers = ("short-term memory  6 pages", "pending  0 pages", "segments  1 with", "archive  0 pages", "user profile")
    assert [tier for tier in tiers if tier not in output] == []


def test_show_dates_what_was_learned_and_what_stopped_being_true(store: Path) -> None:
    with MemoryOS(store) as system:
        memory = system.memory("user")
        homes = (("Oslo", "2024-01-05"), ("Lima", "2024-03-07"))
        turns = [
            {
                "user_input": f"I live in {home}.",
                "agent_response": f"{home} it is.",
                "timestamp": f"{day}T10:0{minute}:00Z",
            }
            for home, day in homes
            for minute in range(8)
        ]
        memory.import_turns(turns)
        memory.flush()
    output = run("show").output
    assert "2024-01-05 → 2024-03-07  home: Oslo" in output
    assert "2024-03-07 → now  home: Lima" in output


@pytest.mark.parametrize("command", [("show",), ("recall", "red bell"), ("recall", "red bell", "--tokens", "500")])
def test_stored_text_cannot_colour_ring_or_turn_the_terminal(store: Path, command: tuple[str, ...]) -> None:
    run("add", HOSTILE, HOSTILE)
    output = run(*command).output
    assert "[bold]not bold[/bold]" in output
    assert [sign for sign in "\x1b\x07\r\u202e\x9b" if sign in output] == []


def test_users_are_listed_with_their_pages(store: Path) -> None:
    run("add", "Hello.", "--user", "[red]ann")
    run("add", "Hello.", "--user", "bob", "--assistant", "coach")
    rows = [line.split() for line in run("users").output.splitlines()]
    assert ["[red]ann", "assistant", "1"] in rows
    assert ["bob", "coach", "1"] in rows


def test_a_sound_store_passes_the_check(store: Path) -> None:
    filled(store)
    assert run("check").output == "The store is sound.\n"


def test_the_check_fails_when_something_is_wrong(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from memoryos_engine.checking import Finding
    from memoryos_engine.records import Owner

    filled(store)
    owner = Owner(user_id="user", assistant_id="assistant")
    finding = Finding(owner=owner, record_id="page_1", problem="is a segment without pages")
    monkeypatch.setattr(MemoryOS, "check", lambda _, **options: [finding])
    output = run("check", status=1).output
    assert output == "user: page_1 is a segment without pages\n1 records break an invariant\n"


def test_forget_deletes_one_page(store: Path) -> None:
    ids = filled(store, pages=2)
    run("forget", ids[0])
    assert stored_pages(store) == ["My heron number 1 eats trout."]


SPAN = ("--since", "2024-03-02T00:00:00+00:00", "--until", "2024-03-04T00:00:00+00:00")


def said_in_march(store: Path) -> None:
    with MemoryOS(store) as system:
        for day in range(1, 6):
            memory = system.memory("user", session_id=f"s{day % 2}")
            memory.add_memory(f"Day {day}.", timestamp=f"2024-03-0{day}T10:00:00+00:00")


@pytest.mark.parametrize(
    ("what", "left", "told"),
    [
        (SPAN, [1, 4, 5], "Forgot 2 pages."),
        (("--since", "2024-03-05T10:00:00+00:00"), [1, 2, 3, 4], "Forgot 1 page."),
        (("--until", "2024-03-05T10:00:00+00:00"), [5], "Forgot 4 pages."),
        (("--session", "s1"), [2, 4], "Forgot 3 pages."),
        (("--session", "s7"), [1, 2, 3, 4, 5], "No page is there, so none was forgotten."),
    ],
)
def test_forget_deletes_a_session_or_a_span_of_time(store: Path, what: tuple[str, ...], left: list[int], told: str):
    said_in_march(store)
    assert run("forget", *what, "--yes").output == told + "\n"
    assert stored_pages(store) == [f"Day {day}." for day in left]


def test_forget_asks_before_many_pages_go(store: Path) -> None:
    said_in_march(store)
    refused = run("forget", *SPAN, answer="n\n", status=1)
    assert "Forget 2 pages, with what was learnt from them alone?" in refused.output
    assert len(stored_pages(store)) == 5
    run("forget", "--session", "s1", answer="y\n")
    assert stored_pages(store) == ["Day 2.", "Day 4."]


@pytest.mark.parametrize("ways", [(), ("page_1", "--session", "s1"), ("--session", "s1", *SPAN), ("page_1", *SPAN)])
def test_forget_wants_exactly_one_way_to_say_what(store: Path, ways: tuple[str, ...]) -> None:
    said_in_march(store)
    assert "Pass exactly one of them." in run("forget", *ways, "--yes", status=2).stderr
    assert len(stored_pages(store)) == 5


def test_purge_deletes_what_a_user_told_all_assistants(store: Path) -> None:
    with MemoryOS(store) as system:
        for user, assistant in (("user", "cook"), ("user", "coach"), ("other", "cook")):
            system.memory(user, assistant).add_memory("Hello.")
    asked = run("purge", "--all-assistants", answer="y\n").output
    assert asked.startswith("Delete all 1 pages of user with coach, all 1 pages of user with cook? [y/N]: y\n")
    with MemoryOS(store) as system:
        assert [(owner.user_id, owner.assistant_id) for owner in system.users()] == [("other", "cook")]


def test_purge_asks_first(store: Path) -> None:
    filled(store, pages=2)
    run("purge", answer="n\n", status=1)
    assert len(stored_pages(store)) == 2
    run("purge", answer="y\n")
    assert stored_pages(store) == []


def test_a_memory_moves_to_another_store_by_a_file(store: Path, tmp_path: Path) -> None:
    filled(store, pages=3)
    file, other = tmp_path / "memory.jsonl", tmp_path / "other"
    run("export", str(file))
    run("import", str(file), "--path", str(other))
    assert stored_pages(other) == stored_pages(store)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("recall", "heron", "--user", "nobody"), "--user nobody has no memory here"),
        (("recall", ""), "query is empty"),
        (("add", "x", "--timestamp", "yesterday"), "timestamp is not a time"),
        (("forget", "page_0"), "no page or knowledge entry 'page_0'"),
        (("import", "missing.jsonl"), "FILE does not exist"),
        (("recall", "heron", "--embedder", "nonesuch"), "embedder 'nonesuch' names no embedder"),
    ],
)
def test_a_fault_of_the_caller_is_one_line_and_status_2(store: Path, command: tuple[str, ...], message: str) -> None:
    filled(store, pages=1)
    result = run(*command, status=2)
    assert result.stdout == ""
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1


def test_a_store_that_is_not_there_is_not_made_by_looking(store: Path) -> None:
    assert run("users", status=2).stderr.startswith("--path holds no memory")
    assert not store.exists()


def test_a_fault_of_the_store_is_one_line_and_status_1(store: Path) -> None:
    from memoryos_engine.embedding import HashingEmbedder

    with MemoryOS(store, embedder=HashingEmbedder(dimension=64)) as system:
        system.memory("user").add_memory("Hello.")
    result = run("users", status=1)
    assert result.stderr.startswith("the store was made with embedder 'hashing-v1-64'")
    assert result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_one_line_and_status_2(store: Path, tmp_path: Path) -> None:
    filled(store, pages=1)
    result = run("export", str(tmp_path / "no folder" / "memory.jsonl"), status=2)
    assert result.stderr.startswith("file cannot be written (No such file or directory)")


def test_help_loads_neither_chroma_nor_numpy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from memoryos_engine.cli import app; "
        "result = CliRunner().invoke(app, ['--help']); "
        "print(result.exit_code, sorted({'chromadb', 'numpy', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n"


def test_reindex_gives_the_store_another_embedder_and_may_be_called_again(store: Path) -> None:
    filled(store)
    refused = run("recall", "heron", "--embedder", "hashing-v1-64", status=1).output
    first = run("reindex", "--to", "hashing-v1-64").output
    again = run("reindex", "--to", "hashing-v1-64").output

    assert "memoryos reindex --path DIR --embedder hashing-v1-512 --to hashing-v1-64" in refused
    assert "texts were embedded; the store has hashing-v1-64 now." in first
    assert again == "Done: 0 texts were embedded; the store has hashing-v1-64 now.\n"
    assert "My heron number" in run("recall", "heron", "--embedder", "hashing-v1-64").output
    assert "Pass another one" in run("reindex", "--embedder", "hashing-v1-64", "--to", "hashing-v1-64", status=2).output
