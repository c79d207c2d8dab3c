"""A few random histories against a plain model of the memory; the command beside this runs thousands."""

from __future__ import annotations

import pytest

from .stateful import Shared, run


def test_a_few_random_histories_agree_with_a_plain_model(tmp_path):
    shared = Shared(tmp_path)
    run(shared, sequences=30, steps=15, seeded=True)

    assert shared.sequences >= 30
    assert shared.steps["steps"] >= 300


def test_a_memory_that_loses_a_page_does_not_agree(tmp_path, monkeypatch):
    """The fuzzing can fail: else it says nothing."""
    from memoryos_engine import UserMemory

    pages = UserMemory.pages
    monkeypatch.setattr(UserMemory, "pages", lambda self, tier=None: pages(self, tier)[:2])

    shared = Shared(tmp_path)
    with pytest.raises(BaseException) as failed:
        run(shared, sequences=10, steps=15, seeded=True)

    assert {type(each) for each in getattr(failed.value, "exceptions", [failed.value])} == {AssertionError}
    assert shared.steps["steps"] > 0
