"""The store: owners kept apart, one upsert per change, paging, similarity, foreign errors."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from memoryos_engine.errors import StoreError
from memoryos_engine.records import Owner
from memoryos_engine.storage import chroma as chroma_module
from memoryos_engine.storage.chroma import ChromaStore
from memoryos_engine.storage.codec import HEAD, Row, encode_page
from memoryos_engine.storage.heads import NONE, Head, Heads, head_id


@pytest.fixture
def rows(make_page, direction):
    """Rows of numbered pages of one owner."""

    def making(numbers: Any, *, owner: str = "tom", session: str = "default") -> list[Row]:
        return [encode_page(make_page(n, owner=owner, session=session), direction(n)) for n in numbers]

    return making


def put(store: ChromaStore, owner: Owner, rows: list[Row], *, forgotten: list[str] | tuple[str, ...] = ()) -> Head:
    """Commit with a next sequence that no other part of a test says."""
    return store.commit(owner, rows, next_sequence=7, forgotten=forgotten)


def ids(found: Any) -> list[str]:
    return [row.id for row in found]


# -- owners -------------------------------------------------------------------------


def test_no_read_shows_the_rows_of_another_owner(store, owner, other, rows, direction):
    """Invariant 2: no text of one user reaches another, nor of one assistant's user another assistant."""
    put(store, owner, rows(range(3)))
    put(store, replace(owner, assistant_id="another"), rows(range(3), owner="paired"))
    put(store, other, rows(range(3), owner="eve"))
    toms, eves = ids(rows(range(3))), ids(rows(range(3), owner="eve"))

    assert sorted(ids(row for row in store.rows(owner) if row.kind != HEAD)) == toms
    assert sorted(ids(store.load(other)[1])) == eves
    assert sorted(ids(store.fetch(owner, [*toms, *eves]))) == toms
    assert sorted(store.nearest(owner, direction(1), 10)) == toms
    assert store.ids(owner, "page") == toms


def test_two_assistants_of_one_user_are_two_owners(store, owner, rows):
    """Design part 1: memory is private to the pair of user and assistant."""
    put(store, owner, rows(range(2)))
    pair = replace(owner, assistant_id="another")

    assert store.load(pair) == (NONE, [])
    assert store.fetch(pair, ids(rows(range(2)))) == []


def test_forgetting_another_owners_rows_forgets_nothing(store, owner, other, rows):
    """Invariant 2, for writing: a delete looks at whose the rows are."""
    eves = ids(rows(range(2), owner="eve"))
    put(store, other, rows(range(2), owner="eve"))
    put(store, owner, rows([0, 1]), forgotten=eves)
    assert (sorted(ids(store.load(other)[1])), len(store.load(owner)[1])) == (eves, 2)

    put(store, owner, [], forgotten=[*eves, "page_tom_1"])
    assert (sorted(ids(store.load(other)[1])), ids(store.load(owner)[1])) == (eves, ["page_tom_0"])


def test_every_read_and_delete_goes_by_the_owner_or_by_ids(watched, make_store, owner, rows, direction):
    """Design part 3: what is asked for by ids is looked through for whose it is (the tests above)."""
    store = make_store(watched)
    put(store, owner, rows(range(2)), forgotten=["page_tom_0"])
    store.load(owner)
    list(store.rows(owner, {"kind": "page"}))
    store.fetch(owner, ["page_tom_1"])
    store.nearest(owner, direction(1), 1)
    store.purge(owner)
    asked = [options for name, options in watched.calls if name != "upsert"]
    filtered = [(name, options["where"]["$and"]) for name, options in watched.calls if "where" in options]

    assert all({"user_id": "tom"} in each for _, each in filtered)
    assert len(filtered) > 5
    unread = [each for name, each in filtered if name != "get"]
    assert len(unread) == 1  # what a search ranks
    assert {"assistant_id": owner.assistant_id} in unread[0]
    assert sorted({row_id for options in asked for row_id in options.get("ids", ())}) == [
        head_id(owner),
        "page_tom_0",
        "page_tom_1",
    ]


def test_owners_are_those_with_a_memory_in_the_order_of_their_ids(store, rows, monkeypatch):
    """system.users(); more owners than one read gives."""
    monkeypatch.setattr(chroma_module, "READ_PAGE", 2)
    owners = [Owner(user_id=user, assistant_id=one) for user in ("ann", "bob", "سارا") for one in ("a", "b")]
    for number, one in enumerate(reversed(owners)):
        put(store, one, rows([number], owner=one.user_id + one.assistant_id))

    assert store.owners() == owners


def test_purging_leaves_nothing_of_the_owner_and_everything_of_others(store, owner, other, rows, direction):
    """Invariant 6."""
    put(store, owner, rows(range(3)))
    put(store, owner, rows([3], session="another"))
    put(store, other, rows(range(2), owner="eve"))
    store.purge(owner)

    assert list(store.rows(owner)) == []
    assert store.load(owner) == (NONE, [])
    assert store.fetch(owner, ids(rows(range(4)))) == []
    assert store.nearest(owner, direction(0), 5) == {}
    assert store.owners() == [other]
    assert len(store.load(other)[1]) == 2


# -- committing ---------------------------------------------------------------------


def test_a_commit_is_one_upsert_with_the_head(watched, make_store, owner, rows):
    """Design part 3: a batch upsert is atomic under kill -9, two calls are not."""
    store = make_store(watched)
    head = put(store, owner, rows(range(5)))
    ((name, options),) = watched.calls

    assert name == "upsert"
    assert options["ids"] == [*ids(rows(range(5))), head_id(owner)]
    assert json.loads(options["metadatas"][-1]["data"]) == {"mark": head.mark, "next_sequence": 7}
    assert all(one["user_id"] == "tom" and one["assistant_id"] == "assistant" for one in options["metadatas"])


def test_what_is_forgotten_goes_after_the_upsert(watched, make_store, owner, rows):
    """A crash in between leaves a record too many, never one too few."""
    store = make_store(watched)
    put(store, owner, rows(range(3)), forgotten=["page_tom_0"])

    assert watched.names == ["upsert", "get", "delete"]
    assert sorted(ids(store.load(owner)[1])) == ["page_tom_1", "page_tom_2"]


def test_the_head_is_empty_at_first_and_changes_with_every_commit(store, owner, rows):
    """Design part 3: the head tells another process that somebody wrote."""
    heads = [store.heads(owner)[store.writer], *(store.commit(owner, rows([n]), next_sequence=n) for n in range(3))]

    assert heads[0] == Head(mark="", next_sequence=0)
    assert len({head.mark for head in heads}) == 4
    assert [head.next_sequence for head in heads] == [0, 0, 1, 2]
    assert store.heads(owner) == Heads({store.writer: heads[-1]}) == store.load(owner)[0]


def test_a_commit_of_nothing_but_forgetting_moves_the_head(store, owner, rows):
    """Another process must see that something went."""
    before = put(store, owner, rows(range(2)))
    after = put(store, owner, [], forgotten=["page_tom_1"])

    assert after != before
    assert (store.heads(owner)[store.writer], ids(store.load(owner)[1])) == (after, ["page_tom_0"])


def test_more_rows_than_a_batch_are_written_in_several_each_with_a_new_head(watched, make_store, owner, rows):
    """Design part 3: a batch holds at most what the client reports; who reads in between sees that something moved."""
    store = make_store(watched, max_batch=4)
    put(store, owner, rows(range(8)), forgotten=[f"page_tom_{number}" for number in range(5)])
    upserts = [options["ids"] for name, options in watched.calls if name == "upsert"]
    deletes = [options["ids"] for name, options in watched.calls if name == "delete"]

    assert [len(batch) for batch in upserts] == [4, 4, 3]
    assert [batch[-1] for batch in upserts] == [head_id(owner)] * 3
    assert [key for batch in upserts for key in batch[:-1]] == ids(rows(range(8)))
    assert [len(batch) for batch in deletes] == [3, 2]
    assert sorted(ids(store.load(owner)[1])) == ["page_tom_5", "page_tom_6", "page_tom_7"]


def test_a_commit_that_fails_half_way_can_be_told_by_the_head(watched, make_store, owner, rows):
    """Half of it is there: another process must notice, and the owner is listed."""
    store = make_store(watched, max_batch=3)
    before = put(store, owner, rows([0]))
    watched.upserts_left = 1

    with pytest.raises(StoreError):
        put(store, owner, rows(range(1, 6)))

    assert store.heads(owner)[store.writer].mark not in ("", before.mark)
    assert ids(store.load(owner)[1]) == ["page_tom_0", "page_tom_1", "page_tom_2"]


def test_a_row_without_a_vector_is_refused_and_nothing_is_written(store, owner, rows):
    """A record that no search would find must not be stored."""
    with pytest.raises(StoreError, match="without a vector"):
        put(store, owner, [*rows([0]), replace(rows([1])[0], vector=None)])

    assert store.load(owner) == (NONE, [])


# -- reading ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 2, 3, 4, 6, 25])
def test_more_rows_than_one_read_gives_are_read_page_by_page(
    watched, make_store, owner, other, rows, monkeypatch, count
):
    """Design part 3: an unbounded get fails above about 32,000 rows, so page through."""
    monkeypatch.setattr(chroma_module, "READ_PAGE", 3)
    store = make_store(watched, max_batch=5)
    put(store, owner, rows(range(count)))
    put(store, other, rows(range(7), owner="eve"))
    loaded = store.load(owner)[1]

    assert sorted(ids(loaded)) == sorted(ids(rows(range(count))))
    bodies = [options for name, options in watched.calls if name == "get" and "embeddings" in options["include"]]
    assert {options["limit"] for options in bodies} == {3}


def test_more_rows_than_a_batch_are_purged(make_store, collection, owner, other, rows):
    """Invariant 6, for a large user."""
    store = make_store(collection, max_batch=4)
    put(store, owner, rows(range(21)))
    put(store, other, rows([0], owner="eve"))
    store.purge(owner)

    assert list(store.rows(owner)) == []
    assert collection.count() == 2  # the other's page and head


def test_many_ids_are_fetched_page_by_page(watched, make_store, owner, rows, monkeypatch):
    """Design part 3: Chroma fails above about 32,000 ids in one call ("too many SQL variables")."""
    monkeypatch.setattr(chroma_module, "READ_PAGE", 3)
    store = make_store(watched)
    put(store, owner, rows(range(8)))
    found = store.fetch(owner, [*ids(rows(range(8))), "page_tom_99", "page_tom_0"])

    assert sorted(ids(found)) == ids(rows(range(8)))
    assert max(len(options["ids"]) for name, options in watched.calls if name == "get") <= 3


def test_fetching_nothing_asks_nothing(watched, make_store, owner):
    """Chroma reads an empty list of ids as no condition at all."""
    assert make_store(watched).fetch(owner, []) == []
    assert watched.calls == []


def test_rows_are_those_that_meet_all_conditions(store, owner, other, rows):
    """The owner filter is added to conditions, not replaced by them."""
    segments = [replace(row, kind="segment") for row in rows([1, 2])]
    put(store, owner, [*rows([0]), *segments])
    put(store, other, rows([1, 2], owner="eve"))

    assert sorted(ids(store.rows(owner, {"kind": "segment"}))) == ["page_tom_1", "page_tom_2"]
    assert ids(store.rows(owner, {"kind": "page"})) == ["page_tom_0"]
    assert ids(store.rows(owner, {"kind": "page"}, {"kind": "segment"})) == []


@pytest.mark.parametrize("heads", [1, 2, 100])
def test_a_users_other_assistants_are_not_read_in_whatever_way_the_rows_are_found(
    collection, make_store, owner, rows, monkeypatch, heads
):
    """Invariant 2: what a user has with one assistant is asked for by the user alone, or by the assistant too."""
    monkeypatch.setattr(chroma_module, "MOST_HEADS", heads)
    store, reader = (make_store(collection, shared=True) for _ in range(2))
    pair = replace(owner, assistant_id="another")
    put(store, owner, rows(range(2)))
    put(store, pair, rows(range(2), owner="tom2"))
    seen = {one: reader.load(one)[0] for one in (owner, pair)}
    for one, name in ((owner, "tom"), (pair, "tom2")):
        store.commit(one, rows([2], owner=name), next_sequence=8, own=seen[one][store.writer])
    now = {one: reader.heads(one) for one in (owner, pair)}

    assert {one: reader.load(one)[0] for one in (owner, pair)} == now
    assert sorted(ids(reader.load(owner)[1])) == ["page_tom_0", "page_tom_1", "page_tom_2"]
    assert sorted(ids(reader.rows(pair, {"kind": "page"}))) == ["page_tom2_0", "page_tom2_1", "page_tom2_2"]
    assert ids(reader.since(owner, seen[owner], seen[owner].news(now[owner]))) == ["page_tom_2"]
    assert all(seen[one] != now[one] for one in seen)


def test_purging_with_one_assistant_leaves_what_the_user_has_with_another(store, owner, rows):
    """Invariant 6: an owner is a pair."""
    pair = replace(owner, assistant_id="another")
    put(store, owner, rows(range(2)))
    put(store, pair, rows(range(2), owner="tom2"))
    store.purge(owner)

    assert store.load(owner) == (NONE, [])
    assert sorted(ids(store.load(pair)[1])) == ["page_tom2_0", "page_tom2_1"]


def test_the_heads_of_one_assistant_are_read_however_many_others_its_user_has(
    watched, make_store, owner, rows, monkeypatch
):
    """Some tell people apart by the assistant alone; a look must not read the heads of all of them."""
    monkeypatch.setattr(chroma_module, "MOST_HEADS", 3)
    store = make_store(watched)
    pairs = [replace(owner, assistant_id=f"assistant {number}") for number in range(9)]
    written = {pair: put(store, pair, rows([number])) for number, pair in enumerate(pairs)}
    watched.calls.clear()

    assert {pair: list(store.heads(pair).by_writer.values()) for pair in pairs} == {
        pair: [head] for pair, head in written.items()
    }
    unlimited = [
        options["where"]["$and"] for name, options in watched.calls if name == "get" and "limit" not in options
    ]
    assert len(unlimited) == len(pairs)
    assert all({"assistant_id": pair.assistant_id} in asked for pair, asked in zip(pairs, unlimited, strict=True))


def test_a_user_with_several_assistants_is_not_read_for_one_of_them(watched, make_store, owner, rows):
    """Vectors and texts of the others would be fetched for nothing."""
    store = make_store(watched)
    for number, pair in enumerate([owner, replace(owner, assistant_id="another")]):
        put(store, pair, rows([number]))
        watched.calls.clear()
        store.load(pair)
        bodies = [options["where"]["$and"] for _, options in watched.calls if "embeddings" in options["include"]]
        assert [{"assistant_id": pair.assistant_id} in asked for asked in bodies] == [number == 1]


def test_loading_starts_again_when_a_commit_falls_in_between(collection, make_store, owner, rows):
    """ChromaStore.load: a head with the rows of another moment would hide a write for ever."""
    writer = make_store(collection)
    put(writer, owner, rows([0]))
    late = [lambda: put(writer, owner, rows([1]))]

    class Racing:
        def get(self, **options: Any) -> Any:
            found = collection.get(**options)
            if "where" in options and late:
                late.pop()()
            return found

    head, loaded = make_store(Racing()).load(owner)

    assert (head, sorted(ids(loaded))) == (writer.heads(owner), ["page_tom_0", "page_tom_1"])


def test_a_row_comes_back_whole(store, owner, rows):
    """Document, data and vector, as they were committed."""
    (row,) = rows([3])
    store.commit(owner, [row], next_sequence=4)
    (found,) = store.fetch(owner, [row.id])

    assert (found.id, found.kind, found.document, found.data) == (row.id, row.kind, row.document, row.data)
    np.testing.assert_array_equal(found.vector, row.vector)


def test_chroma_is_told_whose_a_row_is_and_what_kind_and_no_more(watched, make_store, owner, rows):
    """codec: one database row for each key; everything else is one JSON text."""
    make_store(watched).commit(owner, rows([0]), next_sequence=1)
    ((_, options),) = watched.calls

    assert [sorted(metadata) for metadata in options["metadatas"]] == [["assistant_id", "data", "kind", "user_id"]] * 2


# -- similarity -----------------------------------------------------------------------


def test_similarity_is_one_for_the_same_and_zero_for_the_orthogonal_direction(store, owner, make_page):
    """Style habit 4: ports speak similarity, identical 1, orthogonal 0; here the opposite is -1."""
    axes = np.eye(8, dtype=np.float32)
    vectors = [axes[0], axes[1], -axes[0], (axes[0] + axes[1]) / np.sqrt(np.float32(2))]
    put(store, owner, [encode_page(make_page(n), vector) for n, vector in enumerate(vectors)])
    found = store.nearest(owner, axes[0], 10)

    assert list(found) == ["page_tom_0", "page_tom_3", "page_tom_1", "page_tom_2"]
    np.testing.assert_allclose(list(found.values()), [1.0, 0.5**0.5, 0.0, -1.0], atol=1e-6)


def test_the_nearest_are_at_most_as_many_as_asked_for(store, owner, rows, direction):
    """ChromaStore.nearest: up to `limit`, nearest first, and no more than there are."""
    put(store, owner, rows(range(6)))

    assert list(store.nearest(owner, direction(4), 1)) == ["page_tom_4"]
    assert len(store.nearest(owner, direction(4), 50)) == 6


def test_the_nearest_are_pages_and_nothing_else(store, owner, rows, direction):
    """Heads, segments and entries have vectors too."""
    segment = replace(rows([1])[0], id="segment_1", kind="segment")
    put(store, owner, [*rows([0]), segment])

    assert list(store.nearest(owner, direction(1), 9)) == ["page_tom_0"]


def test_nothing_is_near_in_an_empty_store(store, owner, direction):
    """An empty answer is an answer here: nothing failed."""
    assert store.nearest(owner, direction(0), 5) == {}


# -- what goes wrong ------------------------------------------------------------------

CALLS = {
    "commit": lambda store, owner, row: put(store, owner, [row]),
    "forgetting": lambda store, owner, row: put(store, owner, [], forgotten=[row.id]),
    "heads": lambda store, owner, row: store.heads(owner),
    "load": lambda store, owner, row: store.load(owner),
    "rows": lambda store, owner, row: list(store.rows(owner)),
    "fetch": lambda store, owner, row: store.fetch(owner, [row.id]),
    "nearest": lambda store, owner, row: store.nearest(owner, row.vector, 1),
    "owners": lambda store, owner, row: store.owners(),
    "purge": lambda store, owner, row: store.purge(owner),
}


def test_a_store_that_cannot_be_written_says_that_it_has_to_be_opened_anew(watched, make_store, owner, rows):
    """A connection that Chroma makes while the files are read-only is read-only for ever."""
    watched.failure = RuntimeError("error returned from database: (code: 8) attempt to write a readonly database")

    with pytest.raises(StoreError, match="close this MemoryOS and open it again"):
        put(make_store(watched), owner, rows([0]))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("error", [ConnectionError("gone"), RuntimeError("broken"), ValueError("refused")])
def test_a_foreign_error_becomes_a_store_error(watched, make_store, owner, rows, call, error):
    """Style habits 5 and 6: translated in one place; failure is never an empty answer."""
    watched.failure = error

    with pytest.raises(StoreError) as caught:
        call(make_store(watched), owner, rows([0])[0])

    assert type(error).__name__ in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_store_opened_before_a_fork_refuses_to_work_after_it(store, owner, rows, monkeypatch, call):
    """Embedded Chroma is unsafe across processes, so a child must open its own."""
    put(store, owner, rows([0]))
    monkeypatch.setattr(os, "getpid", lambda: -1)

    with pytest.raises(StoreError, match=r"fork.*open a MemoryOS in the child"):
        call(store, owner, rows([0])[0])
