"""Locks between processes that share a directory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from memoryos_engine.errors import StoreError
from memoryos_engine.records import Owner
from memoryos_engine.storage import exclusion
from memoryos_engine.storage.exclusion import EVERYBODY, Exclusion, OneWriter

TOM, EVE = (Owner(user_id=name, assistant_id="assistant") for name in ("tom", "eve"))


@pytest.fixture
def two(tmp_path: Path) -> tuple[Exclusion, Exclusion]:
    """The same locks as two processes hold them."""
    return Exclusion(tmp_path, collection_name="memoryos"), Exclusion(tmp_path, collection_name="memoryos")


def test_one_process_writes_at_a_time(two, monkeypatch):
    """The other is told what is wrong if it has to wait too long."""
    monkeypatch.setattr(exclusion, "PATIENCE", 0.01)
    with two[0].writing(TOM), pytest.raises(StoreError, match="another process has been changing this memory"):
        two[1].writing(TOM).__enter__()
    with two[1].writing(TOM):
        pass


def test_users_do_not_wait_for_each_other(two, monkeypatch):
    """But for those few that share a file."""
    monkeypatch.setattr(exclusion, "PATIENCE", 0.01)
    with two[0].writing(TOM), two[1].writing(EVE), two[1].lease(TOM, wait=False) as mine:
        assert mine


def test_one_process_consolidates_for_a_user(two):
    """The other is told at once, and does something else."""
    with two[0].lease(TOM, wait=False) as first, two[1].lease(TOM, wait=False) as second:
        assert (first, second) == (True, False)
    with two[1].lease(TOM, wait=True) as now:
        assert now


def test_without_a_directory_nobody_waits():
    """What then happens twice is harmless."""
    with EVERYBODY.writing(TOM), EVERYBODY.writing(TOM), EVERYBODY.lease(TOM, wait=False) as mine:
        assert mine


def test_locks_that_cannot_be_made_are_an_error(tmp_path):
    """Not a lock that is not held."""
    (tmp_path / exclusion.FOLDER).write_text("in the way")
    with pytest.raises(StoreError, match="cannot be used"):
        Exclusion(tmp_path, collection_name="memoryos").writing(TOM).__enter__()


def test_a_thread_takes_it_again_and_begins_once(two):
    """A change is made of smaller ones."""
    begun: list[int] = []
    writer = OneWriter(lambda: two[0].writing(TOM), begin=lambda: begun.append(1))
    with writer.alone(), writer.alone(), writer.alone(begun=True):
        pass
    with writer.alone(begun=True):
        pass

    assert begun == [1]


def test_threads_of_one_process_wait_for_each_other(two):
    """The lock of the process is no use between its threads."""
    writer = OneWriter(lambda: two[0].writing(TOM), begin=lambda: None)
    inside: list[str] = []

    def other() -> None:
        with writer.alone():
            inside.append("other")

    with writer.alone():
        thread = threading.Thread(target=other)
        thread.start()
        inside.append("first")
    thread.join(timeout=30)

    assert inside == ["first", "other"]
