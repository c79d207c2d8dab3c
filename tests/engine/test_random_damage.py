"""Random damage to the rows of a store, then a repair: it is sound, opens for everyone, and no page's text is gone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memoryos_engine import ManualClock, MemoryOS, MemorySettings
from memoryos_engine.checks.findings import is_sound

USERS = (("tom", "assistant"), ("tom", "coach"), ("eve", "assistant"))
KINDS = ("page", "segment", "knowledge", "head", "quarantined", "riddle", "")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 40),
    st.sampled_from(
        ("", "soon", "page_9", "0001-01-01T00:00:00+00:00", "2024-03-01T12:00:00+00:00", "name", "user_trait")
    ),
    st.lists(st.sampled_from(("page_9", "tea")), max_size=2),
    st.just(10**30),
)
PLACES = st.integers(0, 10_000)
DAMAGE = st.one_of(
    st.tuples(st.just("delete"), PLACES, st.none()),
    st.tuples(st.just("field"), PLACES, st.tuples(PLACES, VALUES)),
    st.tuples(st.just("cut"), PLACES, PLACES),
    st.tuples(st.just("swap"), PLACES, PLACES),
    st.tuples(st.just("vector"), PLACES, st.sampled_from((0.0, 0.5, 7.0))),
    st.tuples(st.just("kind"), PLACES, st.sampled_from(KINDS)),
    st.tuples(
        st.just("owner"), PLACES, st.sampled_from(({"user_id": None}, {"assistant_id": None}, {"user_id": "eve"}))
    ),
    st.tuples(st.just("data"), PLACES, st.sampled_from(("", "{}", "[]", "null", '{"mark": 1}'))),
)


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with every kind of record, archived segments, ended and corrected facts among them."""
    path = tmp_path_factory.mktemp("lived_in") / "store"
    little = MemorySettings(
        consolidation_delay=3600.0,
        short_term_capacity=2,
        mid_term_capacity=2,
        heat_threshold=1.5,
        similarity_threshold=1.9,
    )
    with MemoryOS(path, settings=little, clock=ManualClock("2024-03-01T12:00:00+00:00")) as system:
        for user, assistant in USERS:
            memory = system.memory(user, assistant)
            for number in range(10):
                town = ("Oslo", "Lima", "Rome")[number % 3]
                memory.add_memory(
                    f"I live in {town}. I love {('tea', 'chess', 'boats')[number % 3]}.", f"Nice {number}."
                )
                memory.flush()
            memory.correct(memory.knowledge()[0].id, "Not so any more.")
        stats = system.stats()
        assert system.check() == []
        assert min(stats.archived_segments, stats.segments, stats.knowledge_history, stats.pages_outside) > 0
    return path


def damage(collection, kind, place, how):
    """Do one thing to one row, in the order of ids."""
    ids = sorted(collection.get(include=[])["ids"])
    row_id = ids[place % len(ids)]
    if kind == "delete":
        collection.delete(ids=[row_id])
    elif kind == "vector":
        vector = np.asarray(collection.get(ids=[row_id], include=["embeddings"])["embeddings"][0])
        collection.update(ids=[row_id], embeddings=[(vector * how).tolist()])
    elif kind == "swap":
        other = ids[how % len(ids)]
        here, there = (collection.get(ids=[key], include=["embeddings"])["embeddings"][0] for key in (row_id, other))
        collection.update(ids=[row_id], embeddings=[there])
        collection.update(ids=[other], embeddings=[here])
    else:
        data = collection.get(ids=[row_id])["metadatas"][0].get("data", "")
        collection.update(ids=[row_id], metadatas=[changed(kind, data, how)])


def changed(kind, data, how):
    if kind == "field":
        place, value = how
        try:
            fields = json.loads(data)
        except ValueError:
            return {"data": data + "}"}
        if not isinstance(fields, dict) or not fields:
            return {"data": "null"}
        name = sorted(fields)[place % len(fields)]
        return {"data": json.dumps({**fields, name: value})}
    if kind == "cut":
        return {"data": data[: how % (len(data) + 1)]}
    return how if kind == "owner" else {kind: how}


def page_texts(collection):
    """Id and text of every row that is a page by its id."""
    whole = collection.get(include=["documents"])
    return {key: text for key, text in zip(whole["ids"], whole["documents"], strict=True) if key.startswith("page_")}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(harm=st.lists(DAMAGE, min_size=1, max_size=8))
def test_whatever_happened_to_its_rows_a_store_can_be_mended(lived_in, tmp_path_factory, harm):
    path = tmp_path_factory.mktemp("harmed") / "store"
    shutil.copytree(lived_in, path)
    with MemoryOS(path) as system:
        collection = system._storage.store._collection
        for each in harm:
            damage(collection, *each)
        texts = page_texts(collection)
        broken = not is_sound(system.check())
        told = system.check(repair=True)

        assert is_sound(told)
        assert page_texts(collection) == texts
        left = system.check()
        assert [finding for finding in left if finding.state.value != "set aside"] == []
        assert broken or told == left
        for owner in system.users():
            memory = system.memory(owner.user_id, owner.assistant_id)
            pages = memory.pages()
            assert {page.id for page in pages} <= set(texts)
            memory.retrieve_memory("Where do I live?")
            assert memory.add_memory("Still here.").sequence > max((page.sequence for page in pages), default=-1)
            memory.flush()
        assert is_sound(system.check())
    shutil.rmtree(path.parent)
