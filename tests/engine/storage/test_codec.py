"""Records to rows and back, by way of a real collection."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memoryos_engine.errors import CorruptRecord
from memoryos_engine.records import DialoguePage, KnowledgeEntry, KnowledgeKind, Segment
from memoryos_engine.storage.codec import (
    KNOWLEDGE,
    PAGE,
    SEGMENT,
    Row,
    decode_knowledge,
    decode_page,
    decode_segment,
    encode_knowledge,
    encode_page,
    encode_segment,
    owner_metadata,
)

NOON = datetime(2024, 3, 1, 12, 0, 0, 123456, tzinfo=timezone.utc)
VECTOR = np.array([0.6, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=np.float32)
TEXTS = st.text(max_size=60)
IDS = st.text(min_size=1, max_size=20)
TIMES = st.datetimes(timezones=st.just(timezone.utc))
NUMBERS = st.integers(0, 2**70)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PAGES = st.builds(
    DialoguePage,
    id=st.just("page_1"),
    session_id=IDS,
    user_input=TEXTS,
    agent_response=TEXTS,
    timestamp=TIMES,
    sequence=NUMBERS,
    sessions_since=NUMBERS,
    metadata=st.dictionaries(TEXTS, JSON, max_size=3),
    segment_id=st.none() | IDS,
    chain_id=st.none() | IDS,
    meta_chain=TEXTS,
    keywords=st.lists(TEXTS, max_size=4).map(tuple),
    promoted=st.booleans(),
)
SEGMENTS = st.builds(
    Segment,
    id=st.just("segment_1"),
    summary=TEXTS,
    keywords=st.lists(TEXTS, max_size=4).map(tuple),
    created_at=TIMES,
    sequence=NUMBERS,
    visits=NUMBERS,
    last_visited_at=st.none() | TIMES,
    archived=st.booleans(),
)
ENTRIES = st.builds(
    KnowledgeEntry,
    id=st.just("knowledge_1"),
    kind=st.sampled_from(KnowledgeKind),
    text=TEXTS,
    source_page_ids=st.lists(IDS, max_size=4).map(tuple),
    said_at=TIMES,
    order=NUMBERS,
    attribute=TEXTS,
    level=TEXTS,
    valid_until=st.none() | TIMES,
    repetitions=NUMBERS,
    uses=NUMBERS,
)
PLAIN = DialoguePage(
    id="page_1", session_id="s", user_input="Hello", agent_response="Hi", timestamp=NOON, sequence=0, keywords=("a",)
)
A_SEGMENT = Segment(id="segment_1", summary="a talk", keywords=("talk",), created_at=NOON)
AN_ENTRY = KnowledgeEntry(
    id="knowledge_1", kind=KnowledgeKind.USER_KNOWLEDGE, text="Tom sails", source_page_ids=("page_1",), said_at=NOON
)
in_chroma = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture
def stored(collection: Any, owner: Any) -> Callable[[Row], Row]:
    """Write a row to Chroma as the store does and read it back."""

    def storing(row: Row) -> Row:
        collection.upsert(
            ids=[row.id],
            embeddings=[row.vector],
            documents=[row.document],
            metadatas=[{**owner_metadata(owner), "kind": row.kind, "data": row.data}],
        )
        found = collection.get(ids=[row.id], include=["documents", "metadatas", "embeddings"])
        return Row(
            id=found["ids"][0],
            kind=found["metadatas"][0]["kind"],
            document=found["documents"][0],
            data=found["metadatas"][0]["data"],
            vector=found["embeddings"][0],
        )

    return storing


@given(page=PAGES)
@example(page=replace(PLAIN, user_input="nul \x00 in \x00", agent_response="\x00"))
@example(page=replace(PLAIN, user_input="👩‍👩‍👧‍👦 🏳️‍🌈", agent_response="e\u0301 \U0010ffff \ufffd"))
@example(page=replace(PLAIN, user_input="\u202eسلام\u200fשלום", agent_response="می‌روم"))
@example(page=replace(PLAIN, user_input="x" * 500_000, agent_response="é" * 250_000))
@example(page=replace(PLAIN, user_input="", agent_response="only the agent"))
@example(page=replace(PLAIN, user_input="only the user", agent_response=""))
@example(page=replace(PLAIN, user_input=" \r\n\t\u2028 ", agent_response="\r\n"))
@example(page=replace(PLAIN, metadata={"a": None, "b": [], "c": {}, "d": {"e": [None, {"f": []}]}}))
@in_chroma
def test_any_page_is_read_back_as_it_was_written(stored, page):
    """Invariant 1: verbatim, whatever the text and the caller's metadata."""
    row = stored(encode_page(page, VECTOR))

    assert decode_page(row) == page
    np.testing.assert_array_equal(row.vector, VECTOR)


@given(segment=SEGMENTS)
@in_chroma
def test_any_segment_is_read_back_as_it_was_written(stored, segment):
    """Design part 3: the codec owns what Chroma's metadata cannot hold."""
    assert decode_segment(stored(encode_segment(segment, VECTOR))) == segment


@given(entry=ENTRIES)
@in_chroma
def test_any_knowledge_entry_is_read_back_as_it_was_written(stored, entry):
    """Design part 3: the codec owns what Chroma's metadata cannot hold."""
    assert decode_knowledge(stored(encode_knowledge(entry, VECTOR))) == entry


@given(before=PAGES, after=PAGES)
@in_chroma
def test_nothing_of_an_older_version_shines_through_an_upsert(stored, before, after):
    """Chroma merges metadata on upsert: what an older version had and the newer has not must not stay."""
    stored(encode_page(before, VECTOR))

    assert decode_page(stored(encode_page(after, VECTOR))) == after


def test_metadata_read_back_cannot_be_changed_in_place(stored):
    """Records are frozen, their metadata too."""
    page = decode_page(stored(encode_page(replace(PLAIN, metadata={"topic": "x"}), VECTOR)))

    with pytest.raises(TypeError):
        page.metadata["topic"] = "y"


ROWS = {
    PAGE: (encode_page(PLAIN, VECTOR), decode_page),
    SEGMENT: (encode_segment(A_SEGMENT, VECTOR), decode_segment),
    KNOWLEDGE: (encode_knowledge(AN_ENTRY, VECTOR), decode_knowledge),
}
MAY_BE_NONE = ("segment_id", "chain_id", "last_visited_at", "valid_until")
KEYS = [(kind, key) for kind, (row, _) in ROWS.items() for key in json.loads(row.data)]


def changed(row: Row, **fields: Any) -> Row:
    return replace(row, data=json.dumps({**json.loads(row.data), **fields}))


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_a_row_without_a_field_is_corrupt(kind, key):
    """decode_*: a field is missing."""
    row, decode = ROWS[kind]
    fields = json.loads(row.data)
    del fields[key]

    with pytest.raises(CorruptRecord) as caught:
        decode(replace(row, data=json.dumps(fields)))

    assert repr(row.id) in str(caught.value)
    assert "left as it is" in str(caught.value)


@pytest.mark.parametrize("data", ["", "{", "null", "[]", "5", '"text"', "{}", "[" * 100_000])
@pytest.mark.parametrize("kind", ROWS)
def test_a_row_whose_data_is_no_object_of_fields_is_corrupt(kind, data):
    """decode_*: whatever another program left there."""
    row, decode = ROWS[kind]

    with pytest.raises(CorruptRecord):
        decode(replace(row, data=data))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        *(
            (kind, key, value)
            for kind, key in KEYS
            for value in (5.5, {"a": 1})
            if (key, value) != ("metadata", {"a": 1})
        ),
        *((kind, key, None) for kind, key in KEYS if key not in MAY_BE_NONE),
        (PAGE, "timestamp", "yesterday"),
        (PAGE, "timestamp", "2024-03-01T12:00:00"),
        (PAGE, "split", -1),
        (PAGE, "split", 8),
        (PAGE, "split", True),
        (PAGE, "sequence", "0"),
        (PAGE, "sequence", -1),
        (PAGE, "session_id", 7),
        (PAGE, "metadata", ["a"]),
        (PAGE, "metadata", "text"),
        (PAGE, "keywords", "word"),
        (PAGE, "keywords", [5]),
        (PAGE, "promoted", 1),
        (SEGMENT, "created_at", ""),
        (SEGMENT, "visits", "often"),
        (SEGMENT, "last_visited_at", ""),
        (SEGMENT, "archived", "false"),
        (KNOWLEDGE, "kind", "gossip"),
        (KNOWLEDGE, "source_page_ids", "page_1"),
        (KNOWLEDGE, "said_at", "2024-03-01T12:00:00"),
        (KNOWLEDGE, "valid_until", "never"),
        (KNOWLEDGE, "repetitions", ""),
        (KNOWLEDGE, "attribute", 3),
    ],
)
def test_a_row_that_holds_something_else_than_was_written_is_corrupt(kind, key, value):
    """decode_*: a field holds something else than was written."""
    row, decode = ROWS[kind]

    with pytest.raises(CorruptRecord):
        decode(changed(row, **{key: value}))


def test_a_complaint_about_a_row_does_not_quote_it():
    """errors.py: no message contains stored text."""
    row = encode_page(replace(PLAIN, user_input="my secret"), VECTOR)

    with pytest.raises(CorruptRecord) as caught:
        decode_page(changed(row, timestamp="my secret"))

    assert "secret" not in str(caught.value)
