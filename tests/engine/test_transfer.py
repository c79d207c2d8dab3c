"""Histories in, whole memories out and in again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memoryos_engine import HashingEmbedder, InvalidInput, MemoryOS, UserMemory
from memoryos_engine.records import stable_id
from memoryos_engine.storage.heads import head_id
from memoryos_engine.storage.stored_rows import stored_rows
from memoryos_engine.transfer import BATCH, VERSION
from tests.engine.soundness import rows

SUBJECTS = ("sourdough bread", "my cat Mina", "the marathon", "my violin", "old stamps")
BUSY = {"short_term_capacity": 2, "mid_term_capacity": 2, "heat_threshold": 2.5, "similarity_threshold": 1.3}
MAY = datetime(2023, 5, 4, 9, 30, tzinfo=timezone.utc)


def history(count: int) -> list[dict[str, Any]]:
    return [
        {
            "user_input": f"I love {SUBJECTS[n % 5]}, and my name is Tom. Text {n}.",
            "agent_response": f"Tell me more about {SUBJECTS[n % 5]}, {n}.",
            "timestamp": MAY + timedelta(hours=n),
            "session_id": f"s{n % 3}",
            "metadata": {"n": n, "tags": [], "nothing": None},
        }
        for n in range(count)
    ]


@pytest.fixture
def memory(system: MemoryOS) -> UserMemory:
    return system.memory("tom")


@pytest.fixture
def filled(open_system: Callable[..., MemoryOS]) -> UserMemory:
    """A memory with everything in it: STM, segments, an archive, knowledge, visits."""
    memory = open_system(**BUSY).memory("tom", session_id="s0")
    memory.import_turns(history(40))
    memory.flush()
    memory.retrieve_memory("What about my violin?")
    memory.flush()
    return memory


@pytest.fixture
def fresh(open_system: Callable[..., MemoryOS], tmp_path: Path) -> MemoryOS:
    return open_system(path=tmp_path / "another", **BUSY)


# -- turns --------------------------------------------------------------------------


def test_turns_keep_their_own_times_sessions_and_metadata(memory):
    """Design part 2: history with its own timestamps."""
    assert memory.import_turns(history(5)) == 5
    assert [
        {
            "user_input": page.user_input,
            "agent_response": page.agent_response,
            "timestamp": page.timestamp,
            "session_id": page.session_id,
            "metadata": dict(page.metadata),
        }
        for page in memory.pages()
    ] == history(5)
    assert [page.sequence for page in memory.pages()] == [0, 1, 2, 3, 4]


def test_a_turn_without_time_and_session_gets_the_handles_and_the_present(memory, clock):
    """Only what was said is required."""
    memory.in_session("evening").import_turns([{"user_input": "Hello"}, {"agent_response": "Hi"}])

    assert [(page.user_input, page.agent_response, page.session_id, page.timestamp) for page in memory.pages()] == [
        ("Hello", "", "evening", clock()),
        ("", "Hi", "evening", clock()),
    ]


def test_importing_is_the_same_as_adding_one_by_one(open_system, tmp_path):
    """Invariant 8: how turns are batched does not show."""
    ones, many = (open_system(path=tmp_path / name, **BUSY).memory("tom") for name in ("one", "many"))
    for turn in history(30):
        said = {key: value for key, value in turn.items() if key != "session_id"}
        ones.in_session(turn["session_id"]).add_memory(**said)
    many.import_turns(iter(history(30)))
    for memory in (ones, many):
        memory.flush()

    assert many.pages() == ones.pages()
    assert many.segments() == ones.segments()
    assert many.knowledge(history=True) == ones.knowledge(history=True)


def test_no_turns_are_no_pages(memory):
    """An empty history is no mistake."""
    assert memory.import_turns([]) == 0
    assert memory.pages() == []


@pytest.mark.parametrize("position", [0, 3, BATCH, BATCH + 2])
@pytest.mark.parametrize(
    ("turn", "problem"),
    [
        ({"user_input": "", "agent_response": " "}, "both empty"),
        ({"user_input": 5}, "is a int"),
        ({"user_input": "a", "timestamp": "someday"}, "timestamp"),
        ({"user_input": "a", "session_id": ""}, "session_id is empty"),
        ({"user_input": "a", "role": "user"}, "unknown keys role"),
        ({"user_input": "a", "metadata": {"user_id": "eve"}}, "reserved"),
        (("a", "b"), "is a tuple"),
    ],
)
def test_a_turn_that_cannot_be_stored_is_named_and_those_before_it_are_kept(memory, turn, problem, position):
    """import_turns: the message says which; the caller goes on from there."""
    turns = history(position + 3)
    turns[position] = turn

    with pytest.raises(InvalidInput) as caught:
        memory.import_turns(turns)

    assert caught.value.parameter == f"turns[{position}]"
    assert problem in str(caught.value)
    assert f"The {position} turns before it are stored" in str(caught.value)
    assert [page.metadata["n"] for page in memory.pages()] == list(range(position))


def test_a_history_that_breaks_off_keeps_what_came_before(memory):
    """An error of the caller's own iterator is the caller's, and whole batches before it are stored."""

    def breaking() -> Any:
        yield from history(BATCH + 5)
        raise OSError("the file ended")

    with pytest.raises(OSError, match="the file ended"):
        memory.import_turns(breaking())

    assert [page.metadata["n"] for page in memory.pages()][:BATCH] == list(range(BATCH))


def test_a_bar_is_shown_where_it_is_asked_for(memory, capsys):
    """Design part 2: progress=True; silence otherwise."""
    memory.import_turns(history(3))
    assert capsys.readouterr() == ("", "")
    memory.import_turns(history(3), progress=True)
    out, err = capsys.readouterr()

    assert out == ""
    assert "importing turns" in err


# -- whole memories --------------------------------------------------------------------


def everything(memory: UserMemory) -> dict[str, Any]:
    return {
        "pages": memory.pages(),
        "tiers": memory.tiers(),
        "segments": memory.segments(),
        "knowledge": memory.knowledge(history=True),
        "profile": memory.get_user_profile(),
        "heats": memory.heats(),
        "pending": memory.status().pending,
        "owner": memory.owner,
    }


def answers(memory: UserMemory) -> list[Any]:
    queries = [f"What about {subject}?" for subject in SUBJECTS] + ["What is my name?", "on 5 May 2023"]
    found = [memory.retrieve_memory(query, touch=False, deep=deep) for query in queries for deep in (True, False)]
    pages = [[(page.id, round(page.score or 0.0, 5)) for page in one.pages] for one in found]
    known = [[(entry.id, round(entry.score or 0.0, 5)) for entry in one.user_knowledge] for one in found]
    return [pages, known, [one.short_term for one in found], [one.to_prompt() for one in found]]


def test_a_memory_that_was_exported_and_imported_is_the_same_memory(filled, fresh, tmp_path):
    """Design part 2: export(file), import_memory(file): equal records, equal answers."""
    count = filled.export(tmp_path / "tom.jsonl")
    imported = fresh.import_memory(str(tmp_path / "tom.jsonl")).in_session("s0")
    parts = everything(filled)

    logged = len(filled.system._storage.store.ids(filled.owner, "audit"))
    assert count == len(parts["pages"]) + len(parts["segments"]) + len(parts["knowledge"]) + logged
    assert min(len(parts[name]) for name in ("pages", "segments", "knowledge")) > 0
    assert any(segment.archived for segment in parts["segments"])
    assert everything(imported) == parts
    assert answers(imported) == answers(filled)
    assert fresh.check() == []


def test_an_imported_memory_goes_on_as_the_original_would(filled, fresh, tmp_path):
    """Ids, sequences and counts go with the records."""
    filled.export(tmp_path / "tom.jsonl")
    imported = fresh.import_memory(tmp_path / "tom.jsonl").in_session("s0")
    for memory in (filled, imported):
        memory.import_turns(history(10))
        memory.flush()

    assert everything(imported) == everything(filled)


def test_a_memory_moves_to_another_embedder(filled, open_system, tmp_path):
    """Vectors are not part of an export: they are computed anew."""
    filled.export(tmp_path / "tom.jsonl")
    other = open_system(path=tmp_path / "another", embedder=HashingEmbedder(64), **BUSY)
    imported = other.import_memory(tmp_path / "tom.jsonl")

    assert imported.pages() == filled.pages()
    assert imported.knowledge(history=True) == filled.knowledge(history=True)
    best = imported.in_session("new").retrieve_memory("my violin", touch=False).pages[0]
    assert "violin" in best.user_input


def test_a_memory_comes_back_from_another_embedder_with_equal_answers(filled, fresh, open_system, tmp_path):
    """Whatever it passed through: equal bytes, equal answers, and segments in the direction of their pages."""
    filled.export(tmp_path / "tom.jsonl")
    between = open_system(path=tmp_path / "between", embedder=HashingEmbedder(64), **BUSY)
    between.import_memory(tmp_path / "tom.jsonl").export(tmp_path / "moved.jsonl")
    imported = fresh.import_memory(tmp_path / "moved.jsonl").in_session("s0")

    assert (tmp_path / "moved.jsonl").read_bytes() == (tmp_path / "tom.jsonl").read_bytes()
    assert answers(imported) == answers(filled)
    mine, theirs = (vectors_of(memory) for memory in (filled, imported))
    assert mine.keys() == theirs.keys()
    for key, vector in mine.items():
        np.testing.assert_allclose(theirs[key], vector, atol=1e-6)


def vectors_of(memory: UserMemory) -> dict[str, Any]:
    with memory.system.resident(memory.owner) as resident:
        return {row.id: row.vector for row in stored_rows(memory.owner, resident.store)}


def test_an_export_is_json_lines_with_a_version_and_a_checksum(filled, tmp_path):
    """Design part 2: JSON Lines, versioned."""
    file = tmp_path / "tom.jsonl"
    count = filled.export(file)
    lines = file.read_bytes().split(b"\n")
    values = [json.loads(line) for line in lines[:-1]]

    assert lines[-1] == b""
    assert values[0] == {"memoryos_export": VERSION, "user_id": "tom", "assistant_id": "assistant"}
    body = b"".join(line + b"\n" for line in lines[:-2])
    assert values[-1] == {"records": count, "sha256": hashlib.sha256(body).hexdigest()}
    assert {value["kind"] for value in values[1:-1]} == {"page", "segment", "knowledge", "audit"}


def test_the_same_memory_is_exported_to_the_same_bytes(filled, fresh, tmp_path):
    """Invariant 8; and an export can be compared with another."""
    filled.export(tmp_path / "one.jsonl")
    fresh.import_memory(tmp_path / "one.jsonl").export(tmp_path / "two.jsonl")

    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()


def test_an_empty_memory_is_exported_and_imported(memory, fresh, tmp_path):
    """Nothing is something too: a user without pages."""
    assert memory.export(tmp_path / "tom.jsonl") == 0
    assert fresh.import_memory(tmp_path / "tom.jsonl").pages() == []


@given(said=st.text().filter(str.strip), answered=st.text())
@example(said="one\u2028two\u2029three\x85four", answered="\x0b\x0c\x1c\x1d\x1e")
@example(said="nul \x00 and \r\n", answered="\u202e\U0001f600")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_text_survives_a_move(system, said, answered, tmp_path):
    """Invariant 1: verbatim. JSON leaves characters raw that Unicode counts as line ends."""
    memory = system.memory("any")
    memory.purge()
    page = memory.add_memory(said, answered)
    memory.export(tmp_path / "any.jsonl")
    memory.purge()

    assert system.import_memory(tmp_path / "any.jsonl").pages() == [page]


# -- files that are refused --------------------------------------------------------------


def flipped(data: bytes) -> bytes:
    return data.replace(b"violin", b"guitar", 1)


def without_a_line(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([*lines[:2], *lines[3:]])


def signed(lines: list[dict[str, Any]]) -> bytes:
    body = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)
    closing = {"records": len(lines) - 1, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    return (body + json.dumps(closing, sort_keys=True) + "\n").encode()


def altered(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[bytes], bytes]:
    """A file that was changed and signed again: what the checksum cannot tell."""

    def altering(data: bytes) -> bytes:
        lines = [json.loads(line) for line in data.split(b"\n")[:-2]]
        change(lines)
        return signed(lines)

    return altering


def pages_of(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [line for line in lines if line.get("kind") == "page"]
    return sorted(found, key=lambda line: int(line["data"]["sequence"]))


def page_of(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return next(line for line in lines if line.get("kind") == "page")


def page_with(lines: list[dict[str, Any]], page_id: str) -> dict[str, Any]:
    return next(line for line in lines if line.get("id") == page_id)


def sources_of(lines: list[dict[str, Any]]) -> list[str]:
    return [source for line in lines if line.get("kind") == "knowledge" for source in line["data"]["source_page_ids"]]


def with_metadata(value: bytes) -> Callable[[bytes], bytes]:
    """A file in which a page has metadata that only bytes can say, signed."""

    def altering(data: bytes) -> bytes:
        marked = altered(lambda lines: page_of(lines)["data"].update(metadata="@"))(data)
        body = marked.rpartition(b'{"records"')[0].replace(b'"@"', b'{"x": ' + value + b"}")
        closing = {"records": body.count(b"\n") - 1, "sha256": hashlib.sha256(body).hexdigest()}
        return body + json.dumps(closing).encode()

    return altering


REFUSED = {
    "one byte changed": (flipped, "checksum"),
    "a line is missing": (without_a_line, "checksum"),
    "the end is missing": (lambda data: data[: len(data) * 2 // 3], "cannot be read"),
    "the last line is missing": (lambda data: data[: data[:-1].rindex(b"\n") + 1], "checksum"),
    "empty": (lambda data: b"", "cannot be read|is not an export"),
    "no JSON": (lambda data: b"Dear diary,\ntoday\n", "cannot be read"),
    "other JSON": (lambda data: b'[{"role": "user"}]\n[]\n', "is not an export"),
    "other objects": (lambda data: b'{"role": "user"}\n{"role": "assistant"}\n', "version"),
    "no text": (lambda data: b"\xff\xfe\x00\x01" * 10, "cannot be read"),
    "a later version": (altered(lambda lines: lines[0].update(memoryos_export=VERSION + 1)), "version"),
    "an empty user": (altered(lambda lines: lines[0].update(user_id="")), "user_id"),
    "no user": (altered(lambda lines: lines[0].pop("user_id")), "user_id"),
    "an unknown kind": (altered(lambda lines: page_of(lines).update(kind="riddle")), "does not decode"),
    "a record without an id": (altered(lambda lines: page_of(lines).pop("id")), "does not decode"),
    "a record without a text": (altered(lambda lines: page_of(lines).update(document=None)), "does not decode"),
    "an id that is no text": (altered(lambda lines: page_of(lines).update(id=5)), "does not decode"),
    "a bad time": (altered(lambda lines: page_of(lines)["data"].update(timestamp="soon")), "does not decode"),
    "no data": (altered(lambda lines: page_of(lines).update(data=[])), "does not decode"),
    "one id twice": (altered(lambda lines: lines.append(page_of(lines))), "two records with one id"),
    "a version that is no number": (altered(lambda lines: lines[0].update(memoryos_export=True)), "version"),
    "two pages with one place": (altered(lambda lines: pages_of(lines)[1]["data"].update(sequence=0)), "one place"),
    "a page without a session": (altered(lambda lines: page_of(lines)["data"].update(session_id="")), "decode"),
    "a segment without a name": (altered(lambda lines: page_of(lines)["data"].update(segment_id="")), "decode"),
    "a number beyond numbers": (altered(lambda lines: page_of(lines)["data"].update(sequence=10**4000)), "decode"),
    "a time beyond the calendar": (
        altered(lambda lines: page_of(lines)["data"].update(timestamp="0001-01-01T00:00:00+23:59")),
        "decode",
    ),
    "half a surrogate pair": (with_metadata(b'"\\ud800"'), "cannot be read"),
    "a fact of a page that is not there": (
        altered(lambda lines: lines.remove(page_with(lines, sources_of(lines)[0]))),
        "facts from pages",
    ),
    "another number of records": (lambda data: data.replace(b'{"records": ', b'{"records": 1'), "as many records"),
    "a bomb": (with_metadata(b"[" * 100_000 + b"]" * 100_000), "cannot be read"),
    "metadata nested deeply": (with_metadata(b'{"a":' * 150 + b"1" + b"}" * 150), "nested"),
    "infinity": (with_metadata(b"1e999"), "cannot be read"),
    "no number": (with_metadata(b"NaN"), "cannot be read"),
}


@pytest.mark.parametrize(("damage", "complaint"), REFUSED.values(), ids=REFUSED)
def test_a_damaged_or_foreign_file_is_refused_and_nothing_changes(filled, fresh, tmp_path, damage, complaint):
    """import_memory: InvalidInput before anything is written."""
    filled.export(tmp_path / "tom.jsonl")
    (tmp_path / "bad.jsonl").write_bytes(damage((tmp_path / "tom.jsonl").read_bytes()))
    eve = fresh.memory("eve")
    eve.add_memory("I am Eve.", "Hello Eve.")
    before = rows(fresh)

    with pytest.raises(InvalidInput, match=complaint):
        fresh.import_memory(tmp_path / "bad.jsonl")

    assert rows(fresh) == before
    assert [owner.user_id for owner in fresh.users()] == ["eve"]
    assert [page.user_input for page in eve.pages()] == ["I am Eve."]
    assert fresh.memory("tom").pages() == []


@pytest.mark.parametrize("theirs", ["page", "head", "own mark"])
def test_a_file_cannot_take_the_records_of_another_user(filled, fresh, tmp_path, theirs):
    """Invariant 2: an upsert goes by id, so an id that is somebody else's must not be written."""
    eve = fresh.memory("eve")
    page = eve.add_memory("I am Eve.", "Hello Eve.")
    mark = stable_id("import", "tom", "assistant")
    taken = {"page": page.id, "head": head_id(eve.owner), "own mark": mark}[theirs]
    filled.export(tmp_path / "tom.jsonl")
    crafted = altered(lambda lines: page_of(lines).update(id=taken))((tmp_path / "tom.jsonl").read_bytes())
    (tmp_path / "bad.jsonl").write_bytes(crafted)

    with pytest.raises(InvalidInput):
        fresh.import_memory(tmp_path / "bad.jsonl")
    assert [owner.user_id for owner in fresh.users()] == ["eve"]
    assert eve.pages() == [page]


def test_an_owner_inside_a_record_is_not_believed(filled, fresh, tmp_path):
    """Invariant 2: the header says whose the file is, for all of it."""
    filled.export(tmp_path / "tom.jsonl")
    crafted = altered(lambda lines: page_of(lines).update(user_id="eve"))
    (tmp_path / "bad.jsonl").write_bytes(crafted((tmp_path / "tom.jsonl").read_bytes()))
    imported = fresh.import_memory(tmp_path / "bad.jsonl")

    assert imported.pages() == filled.pages()
    assert fresh.memory("eve").pages() == []


def test_a_page_whose_segment_is_not_in_the_file_is_pending(filled, fresh, tmp_path):
    """As after a crash: no page is lost, and no record names one that is not there."""
    filled.export(tmp_path / "tom.jsonl")
    crafted = altered(lambda lines: page_of(lines)["data"].update(segment_id="segment_x"))
    (tmp_path / "half.jsonl").write_bytes(crafted((tmp_path / "tom.jsonl").read_bytes()))
    imported = fresh.import_memory(tmp_path / "half.jsonl")

    assert [page.id for page in imported.pages()] == [page.id for page in filled.pages()]
    imported.flush()
    assert imported.status().pending == 0
    assert fresh.check() == []


def test_a_segment_whose_pages_are_not_in_the_file_is_left_out(filled, fresh, tmp_path):
    """A summary of pages that nobody has is nobody's memory."""
    filled.export(tmp_path / "tom.jsonl")
    first = filled.segments()[0].id
    crafted = altered(
        lambda lines: [
            page["data"].update(segment_id=None) for page in pages_of(lines) if page["data"]["segment_id"] == first
        ]
    )
    (tmp_path / "half.jsonl").write_bytes(crafted((tmp_path / "tom.jsonl").read_bytes()))
    imported = fresh.import_memory(tmp_path / "half.jsonl")

    assert {each.id for each in filled.segments()} - {each.id for each in imported.segments()} == {first}
    assert fresh.check() == []


def test_a_missing_file_is_refused(system, tmp_path):
    """A foreign error (OSError) becomes ours."""
    with pytest.raises(InvalidInput, match="FileNotFoundError"):
        system.import_memory(tmp_path / "nothing.jsonl")


def test_a_user_who_has_a_memory_is_not_overwritten(filled, tmp_path, open_system):
    """Two memories of one user cannot be told apart once they are mixed."""
    filled.export(tmp_path / "tom.jsonl")
    before = everything(filled)
    with pytest.raises(InvalidInput, match="already has one here"):
        open_system(**BUSY).import_memory(tmp_path / "tom.jsonl")

    assert everything(filled) == before


def test_a_page_of_an_export_can_be_forgotten_like_any_other(filled, fresh, tmp_path):
    """What was imported is not read-only."""
    filled.export(tmp_path / "tom.jsonl")
    imported = fresh.import_memory(tmp_path / "tom.jsonl")
    first, *rest = imported.pages()
    imported.forget(first.id)

    assert [page.id for page in imported.pages()] == [page.id for page in rest]
    kept = {"meta_chain": "", "keywords": ()}  # what they carried on from the forgotten page goes with it
    assert [replace(page, **kept) for page in imported.pages()] == [replace(page, **kept) for page in rest]
    assert fresh.check() == []
